import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { VerificationFailure } from "../../src/client/index.js";
import { folderOf, run } from "../cli/harness.js";
import { FetchingService } from "../e2e/fetching-service.js";
import { certify } from "../support/certificates.js";

// Further inputs of the kinds that people report (test/field/rows.yaml has the reported ones), with keys made here. Each
// realm is asked on a running service, and `check` examines it.

const ISSUER = "https://issuer.example";
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const p521 = generateKeyPairSync("ec", { namedCurve: "P-521" });
const ed = generateKeyPairSync("ed25519");
const ed448 = generateKeyPairSync("ed448");
const SECRET = "kX9-short-legacy-secret";

type Pair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
type Json = Readonly<Record<string, unknown>>;

const jwk = ({ publicKey }: Pair, more: Json = {}): Json => ({ ...publicKey.export({ format: "jwk" }), ...more });
const rs = (more: Json = {}): Json => jwk(rsa, { kid: "a", ...more });
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

function signature(key: KeyObject, alg: string, input: Buffer): Buffer {
  const hash = key.asymmetricKeyType?.startsWith("ed") === true ? null : `sha${alg.slice(2)}`;
  const padding = alg.startsWith("PS") ? constants.RSA_PKCS1_PSS_PADDING : undefined;
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
  return sign(hash, input, { key, dsaEncoding: "ieee-p1363", ...(padding !== undefined && { padding, saltLength }) });
}

/** A token that lives to the year 2100. @param key a pair, or the secret of an HMAC */
function token(key: Pair | string, header: Json, claims: Json = {}): string {
  const all = { iss: ISSUER, sub: "user-1", aud: "api", exp: 4_102_444_800, ...claims };
  const input = `${encode(header)}.${encode(all)}`;
  const alg = String(header["alg"]);
  const bytes =
    typeof key === "string"
      ? createHmac(`sha${alg.slice(2)}`, key)
          .update(input)
          .digest()
      : signature(key.privateKey, alg, Buffer.from(input));
  return `${input}.${bytes.toString("base64url")}`;
}
const t = (claims: Json = {}, header: Json = {}): string => token(rsa, { alg: "RS256", kid: "a", ...header }, claims);

interface Kind {
  /** `issuer: null` and `audience: null` unless it says otherwise; without `keys`, those at `published`. */
  readonly realm: Json;
  /** What the issuer publishes at its URL: JSON, or a text or bytes as they are. */
  readonly published?: unknown;
  /** Tokens and their outcomes. */
  readonly asks: readonly (readonly [token: string, outcome: string])[];
  /** What the message of the last answer holds. */
  readonly message?: string;
  /** What `check` prints. */
  readonly check?: readonly string[];
}

const VERIFIED = "verified";
const UNAVAILABLE = "no verdict KEYS_UNAVAILABLE";
const set = (...keys: readonly unknown[]): Json => ({ keys });
const unreadable = (published: unknown, ...check: readonly string[]): Kind => ({
  realm: { algorithms: ["RS256"] },
  published,
  asks: [[t(), UNAVAILABLE]],
  check,
});
const published = (...keys: readonly Json[]): Kind => ({
  realm: { algorithms: ["RS256"] },
  published: set(...keys),
  asks: [[t(), VERIFIED]],
});
const pem = (text: string, algorithm = "RS256", good = t()): Kind => ({
  realm: { algorithms: [algorithm], keys: [{ pem: text }] },
  asks: [[good, VERIFIED]],
});
const SPKI = rsa.publicKey.export({ type: "spki", format: "pem" }).toString();
const PKCS1 = rsa.publicKey.export({ type: "pkcs1", format: "pem" }).toString();
const CERTIFICATE = certify("leaf", { keys: rsa.privateKey }).cert;
const bare = (text: string): string => text.replace(/-----.*-----/g, "");
const n = Buffer.from(String(rs()["n"]), "base64url");
const secret = (entry: Json, key = SECRET): Kind => ({
  realm: { algorithms: ["HS256"], keys: [entry] },
  asks: [[token(key, { alg: "HS256" }), VERIFIED]],
});
const LONG = "a long secret that another party chose and wrote down";
const claims = (conditions: Json, ...asks: Kind["asks"]): Kind => ({
  realm: { algorithms: ["RS256"], claims: conditions },
  published: set(rs()),
  asks,
});
const form = (text: string, message: string): Kind => ({
  realm: { algorithms: ["RS256"] },
  published: set(rs()),
  asks: [[text, "rejected TOKEN_MALFORMED"]],
  message,
});
const lenient = (leniency: string, claim: Json, header: Json = {}): Kind => ({
  realm: { algorithms: ["RS256"], lenient: [leniency] },
  published: set(rs()),
  asks: [[t(claim, header), VERIFIED]],
});
const groups = (count: number): Kind => ({
  realm: { algorithms: ["RS256"], maxTokenLength: "1MiB" },
  published: set(rs()),
  asks: [[t({ groups: Array.from({ length: count }, (_, index) => `g${index}`) }), VERIFIED]],
});
const x = Buffer.from(String(jwk(ec)["x"]), "base64url");

function withoutZeros(integer: string): string {
  const bytes = Buffer.from(integer, "base64url");
  return bytes.subarray(bytes.findIndex((byte) => byte !== 0)).toString("base64url");
}

const KINDS: Readonly<Record<string, Kind>> = {
  // Row 1
  "a key without alg, with use and key_ops": {
    ...published(rs({ use: "sig", key_ops: ["verify"] })),
    realm: { algorithms: ["RS256", "PS256"] },
    asks: [
      [t(), VERIFIED],
      [t({}, { alg: "PS256" }), VERIFIED],
    ],
  },
  "a key for RS256 does not verify PS256": {
    ...published(rs({ alg: "RS256" })),
    realm: { algorithms: ["RS256", "PS256"] },
    asks: [[t({}, { alg: "PS256" }), "rejected ALGORITHM_MISMATCH"]],
  },
  // Row 2
  "one kid for an EC and an RSA key": {
    ...published(rs(), jwk(ec, { kid: "a" })),
    realm: { algorithms: ["RS256", "ES256"] },
    asks: [
      [t(), VERIFIED],
      [token(ec, { alg: "ES256", kid: "a" }), VERIFIED],
    ],
  },
  "one kid for two keys of one algorithm": {
    ...published(rs(), jwk(other, { kid: "a" })),
    asks: [
      [t(), VERIFIED],
      [token(other, { alg: "RS256", kid: "a" }), VERIFIED],
    ],
  },
  "a kid that is a number": { ...published(rs({ kid: 7 })), asks: [[t({}, { kid: "7" }), VERIFIED]] },
  // Row 3
  "a SPIFFE bundle with a sequence and keys without use": {
    realm: { algorithms: ["RS256"], keys: [{ jwksUri: "{keys}", insecure: true, use: ["jwt-svid", "none"] }] },
    published: { spiffe_sequence: 12, spiffe_refresh_hint: 300, ...set(rs(), jwk(other, { use: "x509-svid" })) },
    asks: [[t(), VERIFIED]],
  },
  "SPIFFE bundles of several trust domains": unreadable(
    { trust_domains: { "example.org": set(rs()) } },
    "a JWK Set inside another object",
  ),
  // Row 4
  "Ed25519 in PEM": pem(
    ed.publicKey.export({ type: "spki", format: "pem" }).toString(),
    "EdDSA",
    token(ed, { alg: "Ed25519" }),
  ),
  "Ed25519 in a certificate": pem(
    certify("leaf", { keys: ed.privateKey, issuer: certify("authority", { isAuthority: true }) }).cert,
    "Ed25519",
    token(ed, { alg: "EdDSA" }),
  ),
  "Ed448 beside Ed25519": {
    ...published(jwk(ed448, { kid: "4" }), jwk(ed, { kid: "a" })),
    realm: { algorithms: ["EdDSA"] },
    asks: [
      [token(ed, { alg: "EdDSA", kid: "a" }), VERIFIED],
      [token(ed448, { alg: "EdDSA", kid: "4" }), "no verdict KEY_REFUSED"],
    ],
  },
  // Row 5
  "roles of a Keycloak client whose id has a slash and a dot": claims(
    { "/resource_access/shop~1api.v2/roles": { includes: "admin" } },
    [t({ resource_access: { "shop/api.v2": { roles: ["admin"] } } }), VERIFIED],
    [t({ resource_access: { "shop/api.v2": { roles: ["view"] } } }), "rejected CLAIM_MISMATCH"],
  ),
  "a Keycloak client id that is a URL and not escaped": {
    ...claims({ "/resource_access/https://app.example/roles": { includes: "admin" } }, [t(), "rejected CLAIM_MISSING"]),
    check: ["has a step with an empty name", "~1"],
  },
  "a claim of Auth0 whose name is a URL": claims({ "https://acme.example/roles": { includes: "admin" } }, [
    t({ "https://acme.example/roles": ["admin"] }),
    VERIFIED,
  ]),
  "a token of Cognito without groups": claims({ "cognito:groups": { includesAny: ["admin", "staff"] } }, [
    t(),
    "rejected CLAIM_MISSING",
  ]),
  // Row 6
  "GitHub's subject of an environment, and of a pull request": claims(
    { sub: ["repo:acme/api:environment:prod"] },
    [t({ sub: "repo:acme/api:environment:prod" }), VERIFIED],
    [t({ sub: "repo:acme/api:pull_request" }), "rejected CLAIM_MISMATCH"],
  ),
  "GitLab's subject": {
    ...claims({ sub: { prefix: "project_path:acme/" } }, [
      t({ sub: "project_path:acme-evil/x" }),
      "rejected CLAIM_MISMATCH",
    ]),
    message: "sub",
  },
  // Row 7
  "a sub that is an object": lenient("nonStringIds", { sub: { id: 1 } }),
  "a sub that is a list": lenient("nonStringIds", { sub: ["a"] }),
  "a jti that is a number": lenient("nonStringIds", { jti: 5 }),
  "an aud and a sub that are null": lenient("nullClaims", { aud: null, sub: null }),
  "a kid that is null": lenient("nullClaims", {}, { kid: null }),
  // Row 8
  "a modulus with two zeros before it, and an exponent with one": published(
    rs({ n: Buffer.concat([Buffer.alloc(2), n]).toString("base64url"), e: "AAEAAQ==" }),
  ),
  "a modulus with line ends": unreadable(
    set(rs({ n: n.toString("base64").replace(/.{64}/g, "$&\r\n") })),
    "has white space or line ends",
  ),
  "a modulus in hex": unreadable(set(rs({ n: n.toString("hex") })), "is in hex"),
  "an exponent that is a number": unreadable(set(rs({ e: 65_537 })), '"AQAB" for 65537'),
  // Row 9
  "a coordinate with a zero too many": {
    ...published(jwk(ec, { kid: "a", x: Buffer.concat([Buffer.alloc(1), x]).toString("base64") })),
    realm: { algorithms: ["ES256"] },
    asks: [[token(ec, { alg: "ES256", kid: "a" }), VERIFIED]],
  },
  "coordinates of P-521 without their zeros": {
    ...published(
      jwk(p521, {
        kid: "a",
        ...Object.fromEntries(["x", "y"].map((name) => [name, withoutZeros(String(jwk(p521)[name]))])),
      }),
    ),
    realm: { algorithms: ["ES512"] },
    asks: [[token(p521, { alg: "ES512", kid: "a" }), VERIFIED]],
  },
  // Row 10
  "members that are null, and lists that are empty": published(
    rs({ kid: null, alg: null, use: null, key_ops: [], x5c: [], x5u: null, d: null }),
  ),
  "members that are empty texts": published(rs({ alg: "", use: "" })),
  // Row 11
  "a byte order mark, and line ends of Windows": {
    ...published(rs()),
    published: `\ufeff\r\n${JSON.stringify(set(rs()), null, 2).replaceAll("\n", "\r\n")}\r\n`,
  },
  "a set in UTF-16": unreadable(Buffer.from(`\ufeff${JSON.stringify(set(rs()))}`, "utf16le"), "a text in UTF-16"),
  // Row 12
  "a map with an EC certificate that has expired": {
    realm: { algorithms: ["RS256", "ES256"], keys: [{ x509Uri: "{keys}", insecure: true }] },
    published: { a: CERTIFICATE, e: certify("old", { keys: ec.privateKey, from: 1e12, to: 1.1e12 }).cert },
    asks: [
      [t(), VERIFIED],
      [token(ec, { alg: "ES256", kid: "e" }), VERIFIED],
    ],
    check: ["the certificate of the key e expired on 2004-11-09"],
  },
  "a certificate alone in a JWK": unreadable(
    set({ kty: "RSA", kid: "a", x5c: [bare(CERTIFICATE).replace(/\s/g, "")] }),
    "only its certificate (x5c) is there",
  ),
  "a set in an envelope": unreadable({ data: set(rs()) }, "a JWK Set inside another object"),
  "a list of keys": unreadable([rs()], "a list of JWKs"),
  "a single key": unreadable(rs(), "a single JWK"),
  "keys by kid": unreadable({ keys: { a: rs() } }, "JWKs by name"),
  // Row 14
  "2,000 groups": groups(2000),
  "60,000 groups": groups(60_000),
  // Row 19
  "a secret in base64url": secret({ secretBase64: Buffer.from(LONG).toString("base64url") }, LONG),
  "a secret in base64 in lines": secret(
    { secretBase64: `${Buffer.from(LONG).toString("base64").replace(/.{20}/g, "$&\n")}\n` },
    LONG,
  ),
  "a secret of 8 bytes": { ...secret({ secret: "Zq7-pL3x", weak: true }, "Zq7-pL3x"), check: ["(secret-weak)"] },
  "a short secret in base64": secret({ secretBase64: Buffer.from(SECRET).toString("base64"), weak: true }),
  // Row 20
  "a cnf of a certificate": {
    ...published(rs()),
    asks: [[t({ cnf: { "x5t#S256": "A".repeat(43) } }), "rejected PROOF_MISSING"]],
  },
  "a cnf that cannot be proven": { ...published(rs()), asks: [[t({ cnf: null }), "rejected PROOF_MISMATCH"]] },
  // Row 21
  "PEM with line ends of Windows": pem(SPKI.replaceAll("\n", "\r\n")),
  "PEM with line ends that were escaped twice": pem(SPKI.replaceAll("\n", "\\\\n")),
  "PEM with spaces for line ends": pem(SPKI.trim().replaceAll("\n", " ")),
  "PEM in PKCS#1": pem(PKCS1),
  "PKCS#1 without a frame": pem(bare(PKCS1)),
  "a certificate without a frame": pem(bare(CERTIFICATE)),
  "PEM with the other label of RSA keys": pem(SPKI.replaceAll("PUBLIC KEY", "RSA PUBLIC KEY")),
  // Row 23
  none: { ...published(rs()), asks: [[`${encode({ alg: "none" })}.${encode({})}.`, "rejected ALGORITHM_MISMATCH"]] },
  // Row 24
  "a scheme in capitals": form(`BEARER ${t()}`, "authorization scheme"),
  "quotes around it": form(`"${t()}"`, "Quotes"),
  "a token twice": form(t() + t(), "more than one token"),
  "a dot behind it": form(`${t()}.`, "more than three segments"),
  "an encoded token": form(encodeURIComponent(`${t()}=`), "percent-encoded"),
  "a parameter's name before it": form(`token=${t()}`, "Send the JWT alone"),
  "a token that was cut off": form(t().split(".").slice(0, 2).join("."), "two segments"),
  // Row 25
  "a key for encryption that signs, and a token of it that has expired": {
    ...published(rs(), jwk(other, { kid: "e", use: "enc" })),
    asks: [
      [token(other, { alg: "RS256", kid: "e" }), "no verdict KEY_REFUSED"],
      [token(other, { alg: "RS256", kid: "e" }, { exp: 5 }), "rejected TOKEN_EXPIRED"],
    ],
  },
  "one kid for signing and for encryption": {
    ...published(rs({ use: "sig" }), jwk(other, { kid: "a", use: "enc" })),
    asks: [
      [t(), VERIFIED],
      [token(other, { alg: "RS256", kid: "a" }), "rejected SIGNATURE_INVALID"],
    ],
  },
  // Row 15
  "unknown keys": {
    ...published(rs()),
    realm: { algorithms: ["RS256"], issuer: ISSUER, audience: "api" },
    asks: [
      [t({ exp: 5 }, { kid: "z" }), "rejected TOKEN_EXPIRED"],
      [t({ iss: "https://else.example" }, { kid: "z" }), "rejected ISSUER_MISMATCH"],
      [t({ aud: "else" }, { kid: "z" }), "rejected AUDIENCE_MISMATCH"],
    ],
  },
  // Row 17
  "an issuer that names all tenants of Entra": {
    ...published(rs()),
    realm: { algorithms: ["RS256"], issuer: "https://login.microsoftonline.com/organizations/v2.0" },
    asks: [[t({ iss: "https://login.microsoftonline.com/t1/v2.0" }), "rejected ISSUER_MISMATCH"]],
    check: ["never organizations"],
  },
};

describe("further inputs of the kinds that people report", function () {
  this.timeout(60_000);
  const service = new FetchingService();
  const names = Object.keys(KINDS);
  const server = createServer(({ url = "" }, response) => {
    const document = KINDS[names[Number(url.slice(1))] ?? ""]?.published;
    const isRaw = typeof document === "string" || Buffer.isBuffer(document);
    response.end(isRaw ? document : JSON.stringify(document ?? null));
  });
  const written = (index: number): string => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${index}`;
    const keys = [{ jwksUri: "{keys}", insecure: true }];
    const realm = { issuer: null, audience: null, keys, ...KINDS[names[index] ?? ""]?.realm };
    return JSON.stringify(realm).replaceAll("{keys}", url);
  };

  before(async () => {
    await new Promise<void>((opened) => server.listen(0, "127.0.0.1", opened));
    await service.start(names.map((_name, index) => `  r${index}: ${written(index)}\n`).join(""));
  });
  after(async () => {
    await service.remove();
    server.close();
    server.closeAllConnections();
  });

  for (const [index, [name, { asks, message, check = [] }]] of Object.entries(KINDS).entries()) {
    it(`${name}: the verdict is right each time, and check says what is odd`, async () => {
      for (const [asked, outcome] of [...asks, ...asks]) {
        expect(await service.ask(`r${index}`, asked), asked.slice(0, 60)).to.equal(outcome);
      }
      const answer = await service.answer(`r${index}`, asks.at(-1)?.[0] ?? "");
      const said = answer instanceof VerificationFailure || answer.kind === "rejected" ? answer.message : "";
      if (message !== undefined) expect(said).to.include(message);
      const folder = folderOf(`grpc: 127.0.0.1:0\nrealms:\n  r: ${written(index)}\n`);
      const { code, stdout, stderr } = await run(["check", "--config", "verifier.yaml"], folder);
      for (const text of check) expect(stdout + stderr).to.include(text);
      expect(code).to.equal(asks.some(([, outcome]) => outcome === UNAVAILABLE) ? 3 : 0);
    });
  }
});
