import { createHash } from "node:crypto";

// Tokens as issuers make them: each of another user, with another session and other times. They are unsigned.

/** A header and a payload. */
type Parts = readonly [header: object, payload: object];

const NAMES = [
  "Jane Doe",
  "Max Müller",
  "John Public",
  "Ada Lovelace",
  "Zoë Byrne",
  "Иван Петров",
  "Anna Smith",
  "Li Wei",
];
const ISSUED = 1_796_000_123;

/** Returns hexadecimal digits that depend on a number and a purpose. */
function hex(n: number, purpose: string, length: number): string {
  const digest = createHash("sha256").update(`${purpose} ${n}`).digest("hex");
  return digest.repeat(Math.ceil(length / digest.length)).slice(0, length);
}
const uuid = (n: number, purpose: string): string =>
  hex(n, purpose, 32).replace(/(.{8})(.{4})(.{4})(.{4})(.*)/, "$1-$2-$3-$4-$5");
const times = (n: number, seconds: number) => ({ iat: ISSUED + 7 * n, exp: ISSUED + 7 * n + seconds });

/** The nth token of each issuer. */
const ISSUERS: Readonly<Record<string, (n: number) => Parts>> = {
  "session token": (n) => [
    { alg: "HS256", typ: "JWT" },
    { sub: `user_${hex(n, "sub", 10)}`, sid: `sess_${hex(n, "sid", 10)}`, ...times(n, 60) },
  ],
  "access token": (n) => [
    { alg: "RS256", typ: "JWT", kid: `NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Q${n % 2}` },
    {
      iss: "https://issuer.example/",
      sub: `auth|${hex(n, "sub", 24)}`,
      aud: ["https://api.example", "https://issuer.example/userinfo"],
      ...times(n, 86_400),
      azp: hex(n % 5, "client", 32),
      scope: "openid profile email read:messages",
      permissions: ["read:messages", "write:messages"],
    },
  ],
  "token of a person": (n) => [
    { alg: "RS256", typ: "JWT", kid: `FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNl${n % 3}` },
    {
      ...times(n, 300),
      auth_time: ISSUED,
      jti: uuid(n, "jti"),
      iss: "https://sso.example/realms/main",
      aud: ["account", "api"],
      sub: uuid(n, "sub"),
      typ: "Bearer",
      azp: "web-app",
      sid: uuid(n, "sid"),
      acr: "1",
      "allowed-origins": ["https://app.example"],
      realm_access: { roles: ["default-roles-main", "offline_access", "uma_authorization"] },
      resource_access: { account: { roles: ["manage-account", "manage-account-links", "view-profile"] } },
      scope: "openid email profile",
      email_verified: true,
      name: NAMES[n % NAMES.length],
      preferred_username: `user${n}`,
      given_name: NAMES[n % NAMES.length]?.split(" ")[0],
      email: `user${n}@example.com`,
    },
  ],
  "token with groups": (n) => [
    { typ: "JWT", alg: "RS256", x5t: "kWbkha6qs8wsTnBwiiNY0fFLPkA", kid: `kWbkha6qs8wsTnBwiiNY0fFLPk${n % 4}` },
    {
      aud: uuid(1, "aud"),
      iss: `https://login.example/${uuid(1, "tenant")}/v2.0`,
      ...times(n, 4_000),
      nbf: ISSUED + 7 * n,
      aio: hex(n, "aio", 60),
      azp: uuid(n % 5, "client"),
      oid: uuid(n, "oid"),
      rh: `0.${hex(n, "rh", 60)}`,
      scp: "access_as_user",
      sub: hex(n, "sub", 43),
      tid: uuid(1, "tenant"),
      uti: hex(n, "uti", 22),
      ver: "2.0",
      groups: Array.from({ length: n % 40 }, (_, group) => uuid(n + group, "group")),
    },
  ],
  "token with permissions": (n) => [
    { alg: "ES256", kid: `k${n % 2}` },
    {
      iss: "https://issuer.example/",
      sub: `user|${hex(n, "sub", 24)}`,
      ...times(n, 3_600),
      groups: Array.from({ length: 36 }, (_, group) => `group-${n + group}-of-some-company`),
      permissions: Object.fromEntries(Array.from({ length: 18 }, (_, at) => [`resource-${at}`, ["read", "write"]])),
    },
  ],
};

/** A header and a payload as bytes, and the token of the two with a signature of random bytes. */
export interface IssuedToken {
  readonly header: Buffer;
  readonly payload: Buffer;
  readonly token: string;
}

/** Returns this many different tokens of each issuer, by a description of the issuer. */
export function issuedTokens(count: number): Readonly<Record<string, readonly IssuedToken[]>> {
  const make = (parts: Parts, n: number): IssuedToken => {
    const [header, payload] = parts.map((part) => Buffer.from(JSON.stringify(part))) as [Buffer, Buffer];
    const signature = Buffer.from(hex(n, "signature", 512), "hex");
    const text = [header, payload, signature].map((part) => part.toString("base64url")).join(".");
    // A string as a request brings it, which is one piece.
    return { header, payload, token: Buffer.from(text).toString("latin1") };
  };
  return Object.fromEntries(
    Object.entries(ISSUERS).map(([name, partsOf]) => [
      name,
      Array.from({ length: count }, (_, n) => make(partsOf(n), n)),
    ]),
  );
}
