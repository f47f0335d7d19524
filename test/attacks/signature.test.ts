import { constants, createHash, createHmac, createPublicKey, privateEncrypt, sign } from "node:crypto";
import { toBytes, toInteger } from "../jws/signing.js";
import { keyOf } from "../support/keys.js";
import {
  ALGORITHMS,
  attack,
  attacked,
  CONTROL,
  decode,
  EDDSA,
  ES256,
  ES384,
  ES512,
  encode,
  FISERV,
  type Flaw,
  HS256,
  headerWith,
  PS256,
  type Row,
  RS256,
  signatureOf,
  TARGETS,
  type Target,
} from "./harness.js";

// Attacks on signatures, with the answers of the whole service. test/jws/attacks.test.ts tests what each primitive
// refuses, value by value.

describe("attacks on signatures", () => {
  const service = attacked();

  const empty = (): Buffer => Buffer.alloc(0);
  const named = (alg: string): Flaw => ({ header: `{"alg":${alg}}` });

  const NONE = [
    "none",
    "None",
    "NONE",
    "nOnE",
    "NonE",
    "none ",
    " none",
    "none\\u0000",
    "n\\u006fne",
    "\\u006eone",
    "nоne",
  ];
  const SPELLINGS = [
    "",
    " ",
    "null",
    "undefined",
    "true",
    "*",
    "any",
    "default",
    "HMAC",
    "HS",
    "RS",
    "ES",
    "PS",
    "256",
  ];
  const NAMES = [
    "toString",
    "constructor",
    "__proto__",
    "hasOwnProperty",
    "valueOf",
    "length",
    "HmacSHA256",
    "SHA256withRSA",
    "RSA-SHA256",
    "sha256",
    "RSASSA-PKCS1-v1_5",
    "ECDSA",
    "ed25519",
    "Ed25519ph",
    "Ed448",
    "ES256K",
    "HS1",
    "HS128",
    "HS224",
    "RS1",
    "MD5",
    "HS3-256",
    "RSA1_5",
    "RSA-OAEP",
    "dir",
    "A128KW",
    "ECDH-ES",
    "PBES2-HS256+A128KW",
    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
    "1.2.840.113549.1.1.11",
    "../../dev/null",
    "' OR 1=1 --",
  ];
  const OF_OTHER_TYPES = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "256",
    "[]",
    "{}",
    '{"alg":"HS256"}',
    '{"toString":"HS256"}',
  ];

  /** Rows for names that are not algorithms, each with the target's signature and with none. */
  const refusedNames = (values: readonly string[]): Row[] =>
    values.flatMap((value): Row[] => [
      [`alg ${value}`, named(value), "ALGORITHM_MISMATCH alg"],
      [`alg ${value}, no signature`, { ...named(value), signature: empty }, "ALGORITHM_MISMATCH alg"],
    ]);

  attack("alg: none, in every spelling", service, [CONTROL, ...refusedNames(NONE.map((name) => `"${name}"`))]);

  attack("alg: a name that is not an algorithm", service, [
    CONTROL,
    ...refusedNames([...SPELLINGS, ...NAMES].map((name) => JSON.stringify(name))),
    ...refusedNames(OF_OTHER_TYPES),
  ]);

  const ALL = [
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
  ];

  attack("alg: misspelt or misplaced", service, [
    [
      "control: escapes in its name and value",
      {
        header: ({ algorithm }) =>
          `{"\\u0061l\\u0067":"\\u00${algorithm.charCodeAt(0).toString(16)}${algorithm.slice(1)}"}`,
      },
      "verified",
    ],
    ["control: typ and kid beside it", { header: headerWith('"typ":"JWT","kid":"k"') }, "verified"],
    ["no alg", { header: "{}" }, "ALGORITHM_MISMATCH alg"],
    ["only typ", { header: '{"typ":"JWT"}' }, "ALGORITHM_MISMATCH alg"],
    ["in lower case", { header: ({ algorithm }) => `{"alg":"${algorithm.toLowerCase()}"}` }, "ALGORITHM_MISMATCH alg"],
    ["with a trailing space", { header: ({ algorithm }) => `{"alg":"${algorithm} "}` }, "ALGORITHM_MISMATCH alg"],
    ["with a leading space", { header: ({ algorithm }) => `{"alg":" ${algorithm}"}` }, "ALGORITHM_MISMATCH alg"],
    ["with a trailing NUL", { header: ({ algorithm }) => `{"alg":"${algorithm}\\u0000"}` }, "ALGORITHM_MISMATCH alg"],
    [
      "with a zero-width space",
      { header: ({ algorithm }) => `{"alg":"${algorithm}\u200b"}` },
      "ALGORITHM_MISMATCH alg",
    ],
    [
      "in full-width digits",
      { header: ({ algorithm }) => `{"alg":"${algorithm.slice(0, 2)}２５６"}` },
      "ALGORITHM_MISMATCH alg",
    ],
    ["in a list", { header: ({ algorithm }) => `{"alg":["${algorithm}"]}` }, "ALGORITHM_MISMATCH alg"],
    ["in an object", { header: ({ algorithm }) => `{"alg":{"alg":"${algorithm}"}}` }, "ALGORITHM_MISMATCH alg"],
    ["two names in one string", { header: ({ algorithm }) => `{"alg":"${algorithm},none"}` }, "ALGORITHM_MISMATCH alg"],
    ["Alg", { header: ({ algorithm }) => `{"Alg":"${algorithm}"}` }, "ALGORITHM_MISMATCH alg"],
    ["ALG", { header: ({ algorithm }) => `{"ALG":"${algorithm}"}` }, "ALGORITHM_MISMATCH alg"],
    ["alg with a space", { header: ({ algorithm }) => `{"alg ":"${algorithm}"}` }, "ALGORITHM_MISMATCH alg"],
    ["algorithm", { header: ({ algorithm }) => `{"algorithm":"${algorithm}"}` }, "ALGORITHM_MISMATCH alg"],
    [
      "on the prototype",
      { header: ({ algorithm }) => `{"__proto__":{"alg":"${algorithm}"}}` },
      "ALGORITHM_MISMATCH alg",
    ],
    [
      "on the constructor's prototype",
      { header: ({ algorithm }) => `{"constructor":{"prototype":{"alg":"${algorithm}"}}}` },
      "ALGORITHM_MISMATCH alg",
    ],
    [
      "in the payload alone",
      { header: "{}", payload: ({ algorithm, claims }) => JSON.stringify({ ...claims, alg: algorithm }) },
      "ALGORITHM_MISMATCH alg",
    ],
    ...ALL.map(
      (name): Row => [
        `${name} in place of its own name`,
        named(`"${name}"`),
        ({ algorithm }) => (algorithm === name ? "verified" : "ALGORITHM_MISMATCH alg"),
      ],
    ),
  ]);

  const publicOf = (key: string) => createPublicKey(keyOf(key).publicPem ?? "");
  const part = (key: string, name: string): Buffer =>
    decode(publicOf(key).export({ format: "jwk" })[name as "n"] ?? "");

  /** A public key in every form that has been mistaken for a secret. */
  const PUBLIC_TEXTS: Readonly<Record<string, (key: string) => string | Buffer>> = {
    PEM: (key) => keyOf(key).publicPem ?? "",
    "PEM without its last line end": (key) => (keyOf(key).publicPem ?? "").trimEnd(),
    "PEM with CRLF": (key) => (keyOf(key).publicPem ?? "").replaceAll("\n", "\r\n"),
    "PEM in one line": (key) => (keyOf(key).publicPem ?? "").replaceAll("\n", ""),
    "PEM with two line ends": (key) => `${keyOf(key).publicPem ?? ""}\n`,
    "PEM without its frame": (key) => (keyOf(key).publicPem ?? "").replace(/-----[^-]*-----/g, "").trim(),
    "base64 of DER": (key) => publicOf(key).export({ format: "der", type: "spki" }).toString("base64"),
    DER: (key) => publicOf(key).export({ format: "der", type: "spki" }),
    "JWK text": (key) => JSON.stringify(publicOf(key).export({ format: "jwk" })),
    "JWK text, members sorted": (key) =>
      JSON.stringify(
        Object.fromEntries(
          Object.entries(publicOf(key).export({ format: "jwk" })).sort(([a], [b]) => (a < b ? -1 : 1)),
        ),
      ),
    "JWK Set text": (key) => JSON.stringify({ keys: [publicOf(key).export({ format: "jwk" })] }),
    modulus: (key) => part(key, "n"),
    "modulus in base64url": (key) => encode(part(key, "n")),
    "modulus in hexadecimal": (key) => part(key, "n").toString("hex"),
    exponent: (key) => part(key, "e"),
    x: (key) => part(key, "x"),
    y: (key) => part(key, "y"),
    "x and y": (key) => Buffer.concat([part(key, "x"), part(key, "y")]),
    "the point": (key) => Buffer.concat([Buffer.from([4]), part(key, "x"), part(key, "y")]),
    nothing: () => "",
    "a zero byte": () => Buffer.alloc(1),
    zeros: () => Buffer.alloc(32),
    "null as a text": () => "null",
    "the kid": () => "k",
  };

  const ASYMMETRIC: readonly Target[] = [RS256, PS256, ES256, ES384, ES512, EDDSA, FISERV];

  attack(
    "HMAC with a public key as its secret",
    service,
    [
      CONTROL,
      ...Object.entries(PUBLIC_TEXTS).flatMap(([name, text]): Row[] =>
        [256, 384, 512].flatMap((bits): Row[] => {
          const signature = (input: string, { key }: Target): Buffer =>
            createHmac(`sha${bits}`, text(key)).update(input).digest();
          return [
            [`HS${bits} by ${name}`, { header: `{"alg":"HS${bits}"}`, signature }, "ALGORITHM_MISMATCH alg"],
            [`HS${bits} by ${name}, under the realm's own alg`, { signature }, "SIGNATURE_INVALID"],
          ];
        }),
      ),
    ],
    ASYMMETRIC,
  );

  const MIXED_RSA: Target = { ...RS256, realm: "mixed" };
  const MIXED_EC: Target = { ...ES256, realm: "mixed" };
  const MIXED_HMAC: Target = { ...HS256, realm: "mixed" };

  attack(
    "HMAC with a public key as its secret, in a realm that also takes HMACs",
    service,
    [
      CONTROL,
      ...Object.entries(PUBLIC_TEXTS).map(([name, text]): Row => {
        const signature = (input: string, { key }: Target): Buffer =>
          createHmac("sha256", text(key)).update(input).digest();
        return [name, { header: '{"alg":"HS256"}', signature }, "SIGNATURE_INVALID"];
      }),
    ],
    [MIXED_RSA, MIXED_EC],
  );

  attack(
    "a key under the name of another algorithm of its realm",
    service,
    [
      CONTROL,
      ["RS256", named('"RS256"'), ({ algorithm }) => (algorithm === "RS256" ? "verified" : "SIGNATURE_INVALID")],
      ["HS256", named('"HS256"'), ({ algorithm }) => (algorithm === "HS256" ? "verified" : "SIGNATURE_INVALID")],
      ["ES256", named('"ES256"'), ({ algorithm }) => (algorithm === "ES256" ? "verified" : "SIGNATURE_INVALID")],
      [
        "ES256 by the kid",
        { header: '{"alg":"ES256","kid":"p256"}' },
        ({ algorithm }) => (algorithm === "ES256" ? "verified" : "SIGNATURE_INVALID"),
      ],
      ["PS256", named('"PS256"'), "ALGORITHM_MISMATCH alg"],
    ],
    [MIXED_RSA, MIXED_EC, MIXED_HMAC],
  );

  const onBytes = (change: (bytes: Buffer) => Buffer): Flaw => ({
    after: (token) => {
      const dot = token.lastIndexOf(".");
      return `${token.slice(0, dot)}.${encode(change(decode(token.slice(dot + 1))))}`;
    },
  });
  const flipAt = (at: number, mask = 1) =>
    onBytes((bytes) => {
      const place = at < 0 ? bytes.length + at : at % bytes.length;
      return Buffer.from(bytes.map((byte, index) => (index === place ? byte ^ mask : byte)));
    });

  attack(
    "changed signatures",
    service,
    [
      CONTROL,
      ["control: decoded and encoded again", onBytes((bytes) => bytes), "verified"],
      ...[0, 1, 2, 16, 31].map(
        (length): Row => [`cut to ${length} bytes`, onBytes((bytes) => bytes.subarray(0, length)), "SIGNATURE_INVALID"],
      ),
      ["without its last byte", onBytes((bytes) => bytes.subarray(0, -1)), "SIGNATURE_INVALID"],
      ["without its first byte", onBytes((bytes) => bytes.subarray(1)), "SIGNATURE_INVALID"],
      ["cut to half", onBytes((bytes) => bytes.subarray(0, bytes.length / 2)), "SIGNATURE_INVALID"],
      ["a trailing zero", onBytes((bytes) => Buffer.concat([bytes, Buffer.alloc(1)])), "SIGNATURE_INVALID"],
      ["one more zero in front", onBytes((bytes) => Buffer.concat([Buffer.alloc(1), bytes])), "SIGNATURE_INVALID"],
      ["repeated twice", onBytes((bytes) => Buffer.concat([bytes, bytes])), "SIGNATURE_INVALID"],
      ["4 KiB longer", onBytes((bytes) => Buffer.concat([bytes, Buffer.alloc(4096)])), "SIGNATURE_INVALID"],
      ["all zeros", onBytes((bytes) => Buffer.alloc(bytes.length)), "SIGNATURE_INVALID"],
      ["all ones", onBytes((bytes) => Buffer.alloc(bytes.length, 0xff)), "SIGNATURE_INVALID"],
      [
        "0 and 1",
        onBytes((bytes) => Buffer.concat([Buffer.alloc(bytes.length - 1), Buffer.from([1])])),
        "SIGNATURE_INVALID",
      ],
      ["reversed", onBytes((bytes) => Buffer.from(bytes).reverse()), "SIGNATURE_INVALID"],
      [
        "halves swapped",
        onBytes((bytes) => Buffer.concat([bytes.subarray(bytes.length / 2), bytes.subarray(0, bytes.length / 2)])),
        "SIGNATURE_INVALID",
      ],
      ["inverted", onBytes((bytes) => Buffer.from(bytes.map((byte) => byte ^ 0xff))), "SIGNATURE_INVALID"],
      ["in hexadecimal", onBytes((bytes) => Buffer.from(bytes.toString("hex"))), "SIGNATURE_INVALID"],
      ["in base64 once more", onBytes((bytes) => Buffer.from(bytes.toString("base64url"))), "SIGNATURE_INVALID"],
      // One bit in each region, and in the first and last bytes, is flipped.
      ...[0, 1, 2, 3, 7, 15, 16, 24, 31, -32, -17, -16, -4, -3, -2, -1].flatMap((at): Row[] =>
        [1, 0x80].map((mask): Row => [`bit ${mask} of byte ${at} turned over`, flipAt(at, mask), "SIGNATURE_INVALID"]),
      ),
    ],
    [...TARGETS, PS256, ES384, ES512],
  );

  const other = (target: Target): Flaw => ({
    payload: JSON.stringify({ ...target.claims, exp: 1_800_000_001 }),
  });

  attack(
    "signatures over something else",
    service,
    [
      CONTROL,
      [
        "moved from another token",
        {
          signature: (input, target) =>
            signatureOf(target, input.replace(/\.[^.]*$/, `.${encode(String(other(target).payload))}`)),
        },
        "SIGNATURE_INVALID",
      ],
      [
        "over the payload alone",
        { signature: (input, target) => signatureOf(target, input.split(".")[1]!) },
        "SIGNATURE_INVALID",
      ],
      [
        "over the header alone",
        { signature: (input, target) => signatureOf(target, input.split(".")[0]!) },
        "SIGNATURE_INVALID",
      ],
      [
        "over the decoded segments",
        {
          signature: (input, target) =>
            signatureOf(
              target,
              input
                .split(".")
                .map((one) => decode(one).toString())
                .join("."),
            ),
        },
        "SIGNATURE_INVALID",
      ],
      [
        "over header and payload without a dot",
        { signature: (input, target) => signatureOf(target, input.replace(".", "")) },
        "SIGNATURE_INVALID",
      ],
      [
        "over header, payload and another dot",
        { signature: (input, target) => signatureOf(target, `${input}.`) },
        "SIGNATURE_INVALID",
      ],
      ["over nothing", { signature: (_, target) => signatureOf(target, "") }, "SIGNATURE_INVALID"],
      [
        "over the digest in hexadecimal",
        { signature: (input, target) => signatureOf(target, createHash("sha256").update(input).digest("hex")) },
        "SIGNATURE_INVALID",
      ],
      [
        "over header and payload swapped",
        { signature: (input, target) => signatureOf(target, input.split(".").reverse().join(".")) },
        "SIGNATURE_INVALID",
      ],
      [
        "over the payload as b64:false would have it",
        {
          signature: (input, target) =>
            signatureOf(target, `${input.split(".")[0]}.${decode(input.split(".")[1]!).toString()}`),
        },
        "SIGNATURE_INVALID",
      ],
      [
        "a replaced payload",
        { after: (token) => token.replace(/\.[^.]*\./, `.${encode('{"exp":1900000000}')}.`) },
        "SIGNATURE_INVALID",
      ],
      [
        "an added claim",
        {
          after: (token, { claims }) =>
            token.replace(/\.[^.]*\./, `.${encode(JSON.stringify({ ...claims, admin: true }))}.`),
        },
        "SIGNATURE_INVALID",
      ],
      [
        "added white space in the payload",
        { after: (token, { claims }) => token.replace(/\.[^.]*\./, `.${encode(`${JSON.stringify(claims)} `)}.`) },
        "SIGNATURE_INVALID",
      ],
      [
        "a replaced header",
        { after: (token, { algorithm }) => token.replace(/^[^.]*/, encode(`{"alg":"${algorithm}","typ":"JWT"}`)) },
        "SIGNATURE_INVALID",
      ],
    ],
    [...TARGETS, PS256],
  );

  /** Keys of the same kind that the realm does not trust. */
  const FOREIGN: Readonly<Record<string, string>> = {
    hs256: "integuru-other",
    rsa: "rsa-other",
    fiserv: "rsa",
    p256: "p256-other",
    integuru: "hs256",
    clowk: "clowk-other",
  };

  attack(
    "foreign keys and other hashes",
    service,
    [
      CONTROL,
      [
        "a foreign key of the same kind",
        { signature: (input, target) => signatureOf({ ...target, key: FOREIGN[target.key] ?? "" }, input) },
        "SIGNATURE_INVALID",
      ],
      ...["sha1", "sha224", "sha384", "sha512", "sha3-256", "sha512-256", "md5"].map(
        (hash): Row => [
          hash,
          { signature: (input, target) => signatureOf(target, input, hash) },
          ({ algorithm }) => (algorithm.startsWith("PS") && hash === "md5" ? undefined : "SIGNATURE_INVALID"),
        ],
      ),
      [
        "SHA-512 cut to 32 bytes",
        { signature: (input, target) => signatureOf(target, input, "sha512").subarray(0, 32) },
        "SIGNATURE_INVALID",
      ],
    ],
    TARGETS.filter(({ algorithm }) => algorithm !== "EdDSA").concat(PS256),
  );

  const WIDTHS: Readonly<Record<string, readonly [width: number, order: bigint]>> = {
    ES256: [32, 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n],
    ES384: [48, 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n],
    ES512: [
      66,
      0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    ],
  };

  const onPair = (change: (r: bigint, s: bigint, n: bigint) => readonly [bigint, bigint], extra = 0): Flaw => ({
    signature: (input, target) => {
      const [width, n] = WIDTHS[target.algorithm]!;
      const bytes = signatureOf(target, input);
      const [a, b] = change(toInteger(bytes.subarray(0, width)), toInteger(bytes.subarray(width)), n);
      return Buffer.concat([toBytes(a, width + extra), toBytes(b, width + extra)]);
    },
  });

  const EDGES: Readonly<Record<string, (n: bigint) => bigint>> = {
    "0": () => 0n,
    "1": () => 1n,
    "n-1": (n) => n - 1n,
    n: (n) => n,
    "n+1": (n) => n + 1n,
    max: () => -1n,
  };

  attack(
    "ECDSA",
    service,
    [
      CONTROL,
      ["control: n - s, the other valid signature", onPair((r, s, n) => [r, n - s]), "verified"],
      ...Object.entries(EDGES).flatMap(([first, a]): Row[] => [
        ...Object.entries(EDGES).map(
          ([second, b]): Row => [
            `r = ${first}, s = ${second}`,
            onPair((_r, _s, n) => [a(n), b(n)]),
            "SIGNATURE_INVALID",
          ],
        ),
        [`r = ${first}`, onPair((_r, s, n) => [a(n), s]), "SIGNATURE_INVALID"],
        [`s = ${first}`, onPair((r, _s, n) => [r, a(n)]), "SIGNATURE_INVALID"],
      ]),
      ["r + n", onPair((r, s, n) => [r + n, s]), "SIGNATURE_INVALID"],
      ["s + n", onPair((r, s, n) => [r, s + n]), "SIGNATURE_INVALID"],
      ["n - r", onPair((r, s, n) => [n - r, s]), "SIGNATURE_INVALID"],
      ["-s", onPair((r, s) => [r, -s]), "SIGNATURE_INVALID"],
      ["r and s swapped", onPair((r, s) => [s, r]), "SIGNATURE_INVALID"],
      ["a leading zero each", onPair((r, s) => [r, s], 1), "SIGNATURE_INVALID"],
      ["two leading zeros each", onPair((r, s) => [r, s], 2), "SIGNATURE_INVALID"],
      ["one byte less each", onPair((r, s) => [r, s], -1), "SIGNATURE_INVALID"],
      [
        "DER",
        {
          signature: (input, { key, algorithm }) =>
            sign(`sha${algorithm.slice(2)}`, Buffer.from(input), keyOf(key).signer),
        },
        "SIGNATURE_INVALID",
      ],
    ],
    [ES256, ES384, ES512],
  );

  const L = 2n ** 252n + 27742317777372353535851937790883648493n;
  const onEd = (change: (R: Buffer, s: bigint) => readonly [Buffer, bigint]): Flaw => ({
    signature: (input) => {
      const bytes = signatureOf(EDDSA, input);
      const [R, s] = change(bytes.subarray(0, 32), toInteger(Buffer.from(bytes.subarray(32)).reverse()));
      return Buffer.concat([R, toBytes(s, 32).reverse()]);
    },
  });
  const point = (hex: string): Buffer => Buffer.from(hex, "hex");
  /** The points whose order divides 8, and second spellings of some of them. */
  const SMALL: Readonly<Record<string, Buffer>> = {
    neutral: Buffer.concat([Buffer.from([1]), Buffer.alloc(31)]),
    "of order 2": point(`ec${"ff".repeat(30)}7f`),
    "of order 4": Buffer.alloc(32),
    "of order 4, the other": Buffer.concat([Buffer.alloc(31), Buffer.from([0x80])]),
    "of order 8": point("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    "of order 8, another": point("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    "neutral, y not reduced": point(`ee${"ff".repeat(30)}7f`),
    "y = p": point(`ed${"ff".repeat(30)}7f`),
  };

  attack(
    "Ed25519",
    service,
    [
      CONTROL,
      ["control: put together again", onEd((R, s) => [R, s]), "verified"],
      ...[1n, 2n, 3n, 7n, 8n, 14n].map(
        (times): Row => [`S + ${times}L`, onEd((R, s) => [R, s + times * L]), "SIGNATURE_INVALID"],
      ),
      ["-S", onEd((R, s) => [R, L - s]), "SIGNATURE_INVALID"],
      ["S = 0", onEd((R) => [R, 0n]), "SIGNATURE_INVALID"],
      ["S = L", onEd((R) => [R, L]), "SIGNATURE_INVALID"],
      ...Object.entries(SMALL).flatMap(([name, R]): Row[] => [
        [`R ${name}`, onEd((_, s) => [R, s]), "SIGNATURE_INVALID"],
        [`R ${name}, S = 0`, onEd(() => [R, 0n]), "SIGNATURE_INVALID"],
      ]),
      [
        "R's sign turned over",
        onEd((R, s) => [Buffer.from(R.map((byte, at) => (at === 31 ? byte ^ 0x80 : byte))), s]),
        "SIGNATURE_INVALID",
      ],
      [
        "Ed25519ph without its context",
        { signature: (input) => sign(null, createHash("sha512").update(input).digest(), keyOf("ed25519").signer) },
        "SIGNATURE_INVALID",
      ],
    ],
    [EDDSA],
  );

  const rsaRaw = (key: string, block: Buffer): Buffer =>
    privateEncrypt({ key: keyOf(key).signer, padding: constants.RSA_NO_PADDING }, block);
  const OID = "608648016503040201";
  const info =
    (hex: string) =>
    (input: string): Buffer =>
      Buffer.concat([Buffer.from(hex, "hex"), createHash("sha256").update(input).digest()]);
  const DIGEST_INFO = info(`3031300d0609${OID}05000420`);

  /** Pads by PKCS#1 v1.5, with bytes behind the content in place of that much padding. */
  const padded = (content: (input: string) => Buffer, { type = 1, fill = 0xff, behind = 0, mark = 0 } = {}): Flaw => ({
    signature: (input, { key }) => {
      const inside = content(input);
      const fills = Buffer.alloc(256 - 3 - inside.length - behind, fill);
      return rsaRaw(
        key,
        Buffer.concat([Buffer.from([0, type]), fills, Buffer.from([mark]), inside, Buffer.alloc(behind, 0x55)]),
      );
    },
  });
  const onRsa = (change: (signature: bigint, n: bigint) => bigint, width = 256): Flaw => ({
    signature: (input, target) =>
      toBytes(change(toInteger(signatureOf(target, input)), toInteger(part(target.key, "n"))), width),
  });

  const UNREDUCED: readonly Row[] = [
    ["n - signature", onRsa((one, n) => n - one), "SIGNATURE_INVALID"],
    ["signature + n, in a byte more", onRsa((one, n) => one + n, 257), "SIGNATURE_INVALID"],
    ["a leading zero", onRsa((one) => one, 257), "SIGNATURE_INVALID"],
    ...[0n, 1n, 2n].map((value): Row => [`${value}`, onRsa(() => value), "SIGNATURE_INVALID"]),
    ["n", onRsa((_, n) => n), "SIGNATURE_INVALID"],
    ["n - 1", onRsa((_, n) => n - 1n), "SIGNATURE_INVALID"],
    ["n + 1", onRsa((_, n) => n + 1n), "SIGNATURE_INVALID"],
  ];

  attack(
    "RSASSA-PKCS1-v1_5",
    service,
    [
      CONTROL,
      ["control: padded by hand", padded(DIGEST_INFO), "verified"],
      ...UNREDUCED,
      [
        "garbage after the digest, as in Bleichenbacher's attack",
        padded(DIGEST_INFO, { behind: 150 }),
        "SIGNATURE_INVALID",
      ],
      ["a byte after the digest", padded(DIGEST_INFO, { behind: 1 }), "SIGNATURE_INVALID"],
      ["no padding", padded(DIGEST_INFO, { behind: 202 }), "SIGNATURE_INVALID"],
      ["eight bytes of padding", padded(DIGEST_INFO, { behind: 194 }), "SIGNATURE_INVALID"],
      ["block type 0", padded(DIGEST_INFO, { type: 0, fill: 0 }), "SIGNATURE_INVALID"],
      ["block type 2", padded(DIGEST_INFO, { type: 2, fill: 0x33 }), "SIGNATURE_INVALID"],
      ["padding of zeros", padded(DIGEST_INFO, { fill: 0 }), "SIGNATURE_INVALID"],
      ["no separator after the padding", padded(DIGEST_INFO, { mark: 0xff }), "SIGNATURE_INVALID"],
      ["DigestInfo without NULL", padded(info(`302f300b0609${OID}0420`)), "SIGNATURE_INVALID"],
      ["DigestInfo with a long length", padded(info(`308131300d0609${OID}05000420`)), "SIGNATURE_INVALID"],
      ["DigestInfo of indefinite length", padded(info(`3080300d0609${OID}05000420`)), "SIGNATURE_INVALID"],
      ["DigestInfo with parameters", padded(info(`3033300f0609${OID}040200000420`)), "SIGNATURE_INVALID"],
      ["DigestInfo that names SHA-1", padded(info("3021300906052b0e03021a05000420")), "SIGNATURE_INVALID"],
      ["DigestInfo that names SHA-512", padded(info("3031300d060960864801650304020305000420")), "SIGNATURE_INVALID"],
      ["the digest alone", padded(info("")), "SIGNATURE_INVALID"],
      [
        "PSS",
        { signature: (input, target) => signatureOf({ ...target, algorithm: "PS256" }, input) },
        "SIGNATURE_INVALID",
      ],
    ],
    [RS256, FISERV],
  );

  const salted = (saltLength: number, hash = "sha256"): Flaw => ({
    signature: (input, { key }) =>
      sign(hash, Buffer.from(input), { key: keyOf(key).signer, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }),
  });

  attack(
    "RSASSA-PSS",
    service,
    [
      CONTROL,
      ["control: a salt as long as the hash", salted(32), "verified"],
      ...[0, 1, 16, 20, 31, 33, 48, 64, 222].map(
        (length): Row => [`a salt of ${length} bytes`, salted(length), "SIGNATURE_INVALID"],
      ),
      ...["sha1", "sha384", "sha512"].map(
        (hash): Row => [`${hash} with a salt of 32 bytes`, salted(32, hash), "SIGNATURE_INVALID"],
      ),
      ...UNREDUCED,
      [
        "PKCS#1 v1.5",
        { signature: (input, target) => signatureOf({ ...target, algorithm: "RS256" }, input) },
        "SIGNATURE_INVALID",
      ],
    ],
    [PS256],
  );

  attack("every algorithm's own token at every other realm", service, [
    CONTROL,
    ...ALGORITHMS.map(
      (stranger): Row => [
        `${stranger.algorithm} by its own key`,
        { header: `{"alg":"${stranger.algorithm}"}`, signature: (input) => signatureOf(stranger, input) },
        ({ algorithm, key }) =>
          algorithm !== stranger.algorithm
            ? "ALGORITHM_MISMATCH alg"
            : key === stranger.key
              ? "verified"
              : "SIGNATURE_INVALID",
      ],
    ),
  ]);
});
