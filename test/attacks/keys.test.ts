import { createPublicKey, generateKeyPairSync, generatePrimeSync, type JsonWebKey } from "node:crypto";
import { expect } from "chai";
import { load, wrongs } from "../config/harness.js";
import { toBytes, toInteger } from "../jws/signing.js";
import { keyOf } from "../support/keys.js";
import { decode, encode } from "./harness.js";

// Attacks by keys in the configuration: each must be refused with its place, in a message that contains nothing of
// it. test/keys tests the loaders' messages value by value.

describe("attacks by keys in the configuration", () => {
  const jwkOf = (name: string): JsonWebKey => createPublicKey(keyOf(name).publicPem ?? "").export({ format: "jwk" });
  const RSA = jwkOf("rsa");
  const EC = jwkOf("p256");
  const ED = jwkOf("ed25519");
  const SECRET = "a secret of thirty-two characters";
  const PEM = keyOf("rsa").publicPem ?? "";
  const der = (name: string): Buffer =>
    createPublicKey(keyOf(name).publicPem ?? "").export({ format: "der", type: "spki" });
  const priv = (name: string): string => keyOf(name).signer.export({ format: "pem", type: "pkcs8" }).toString();
  const privJwk = (name: string): JsonWebKey => keyOf(name).signer.export({ format: "jwk" });
  const frame = (bytes: Buffer, label = "PUBLIC KEY"): string =>
    `-----BEGIN ${label}-----\n${bytes.toString("base64")}\n-----END ${label}-----\n`;

  /** The configuration of a realm with the given keys. */
  const realm = (algorithms: readonly string[], ...keys: unknown[]): string =>
    JSON.stringify({ grpc: "127.0.0.1:0", realms: { r: { algorithms, issuer: null, audience: null, keys } } });

  const n = toInteger(decode(RSA.n ?? ""));
  const modulus = (value: bigint): JsonWebKey => ({
    ...RSA,
    n: encode(toBytes(value, Math.ceil(value.toString(16).length / 2))),
  });
  const prime = generatePrimeSync(1024, { bigint: true });
  const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
  const spare = (text = ""): string => text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1);
  const point = (hex: string): JsonWebKey => ({ ...ED, x: encode(Buffer.from(hex, "hex")) });
  const ecSpki = (bytes: string): Buffer => {
    const body = Buffer.from(`301306072a8648ce3d020106082a8648ce3d030107${bytes}`, "hex");
    return Buffer.concat([Buffer.from([0x30, body.length]), body]);
  };

  type Keys = readonly [algorithms: readonly string[], ...keys: unknown[]];

  /** Keys that must load: those of the rows below without their flaws. */
  const CONTROLS: Readonly<Record<string, Keys>> = {
    "a secret": [["HS256"], { secret: SECRET }],
    "RSA in PEM": [["RS256"], { pem: PEM }],
    "RSA as a JWK": [["PS512"], { jwk: { ...RSA, use: "sig", alg: "PS512", key_ops: ["verify"], kid: "k" } }],
    "EC as a JWK": [["ES256"], { jwk: EC }],
    "Ed25519 as a JWK": [["EdDSA"], { jwk: ED }],
    "an oct JWK": [["HS256"], { jwk: { kty: "oct", k: encode(SECRET) } }],
    "a set": [
      ["ES256", "RS256"],
      {
        jwks: {
          keys: [
            { ...EC, kid: "a" },
            { ...RSA, kid: "b" },
          ],
        },
      },
    ],
    "EC with a coordinate of 33 bytes that begins with zero": [
      ["ES256"],
      { jwk: { ...EC, x: encode(Buffer.concat([Buffer.alloc(1), decode(EC.x ?? "")])) } },
    ],
    "RSA in padded base64": [["RS256"], { jwk: { ...RSA, n: decode(RSA.n ?? "").toString("base64") } }],
    "two different keys of one kid": [
      ["ES256"],
      { jwk: { ...EC, kid: "k" } },
      { jwk: { ...jwkOf("p256-other"), kid: "k" } },
    ],
    "a public key in PKCS#1": [["RS256"], { pem: createPublicKey(PEM).export({ format: "pem", type: "pkcs1" }) }],
    "an EC key assembled by hand": [
      ["ES256"],
      { pem: frame(ecSpki(`03420004${decode(EC.x ?? "").toString("hex")}${decode(EC.y ?? "").toString("hex")}`)) },
    ],
  };
  for (const [name, keys] of Object.entries(CONTROLS)) {
    it(`control: ${name} loads`, () => expect(load(realm(...keys)).realms).to.have.length(1));
  }

  const small = [
    "01",
    "00",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  ];
  const SMALL_ORDER = [
    ...small.flatMap((hex) => [
      hex.padEnd(64, "0"),
      hex.padEnd(64, "0").replace(/..$/, (end) => (Number.parseInt(end, 16) | 0x80).toString(16)),
    ]),
    ...["ec", "ed", "ee"].flatMap((first) => [`${first}${"ff".repeat(30)}7f`, `${first}${"ff".repeat(31)}`]),
  ];

  const ROWS: Readonly<Record<string, readonly [keys: Keys, message: RegExp]>> = {
    "a secret of 31 bytes": [[["HS256"], { secret: "x".repeat(31) }], /31 bytes, HS256 needs at least 32/],
    "a secret of 47 bytes for HS384": [[["HS384"], { secret: "x".repeat(47) }], /HS384 needs at least 48/],
    "a secret of 63 bytes for HS512": [[["HS512"], { secret: "x".repeat(63) }], /HS512 needs at least 64/],
    "an empty secret": [[["HS256"], { secret: "" }], /./],
    "a PEM in place of a secret": [[["HS256"], { secret: PEM }], /text of a PEM file/],
    "a JWK in place of a secret": [[["HS256"], { secret: JSON.stringify(EC) }], /text of a JWK/],
    "DER in place of a secret": [[["HS256"], { secretBase64: der("rsa").toString("base64") }], /public key in DER/],
    "DER of an EC key in place of a secret": [
      [["HS256"], { secretBase64: der("p256").toString("base64") }],
      /public key in DER/,
    ],
    "a public key where HMACs are taken": [[["HS256"], { pem: PEM }], /fits none/],
    "a secret where signatures are taken": [[["RS256"], { secret: SECRET }], /give a public key/],
    "RSA of 1024 bits in PEM": [[["RS256"], { pem: weak.export({ format: "pem", type: "spki" }) }], /1024 bits/],
    "RSA of 1024 bits as a JWK": [[["RS256"], { jwk: weak.export({ format: "jwk" }) }], /1024 bits/],
    "RSA of 2047 bits": [[["RS256"], { jwk: modulus(n >> 1n) }], /2047 bits/],
    "RSA with the exponent 1": [[["RS256"], { jwk: { ...RSA, e: "AQ" } }], /exponent is even or less than 3/],
    "RSA with the exponent 0": [[["PS256"], { jwk: { ...RSA, e: "AA" } }], /exponent is even or less than 3/],
    "RSA with an even exponent": [[["RS256"], { jwk: { ...RSA, e: "AQAA" } }], /exponent is even or less than 3/],
    "RSA with the exponent 1 in three bytes": [
      [["RS256"], { jwk: { ...RSA, e: "AAAB" } }],
      /exponent is even or less than 3/,
    ],
    "RSA of 8193 bits": [[["RS256"], { jwk: modulus((1n << 8192n) + 1n) }], /8193 bits: make one of at most 8192/],
    "RSA with an exponent of 33 bits": [
      [["RS256"], { jwk: { ...RSA, e: encode(toBytes((1n << 32n) + 1n, 5)) } }],
      /exponent has 33 bits, more than 32/,
    ],
    "RSA with an even modulus": [[["RS256"], { jwk: modulus(n + 1n) }], /modulus is even/],
    "RSA with a prime twice": [[["RS256"], { jwk: modulus(prime * prime) }], /close together/],
    "RSA with a factor of 3": [[["RS256"], { jwk: modulus(n * 3n) }], /divisible by 3/],
    "RSA with wrong padding": [[["RS256"], { jwk: { ...RSA, n: `${RSA.n}=` } }], /neither base64url nor base64/],
    "EC off its curve": [[["ES256"], { jwk: { ...EC, y: EC.x } }], /not on its curve/],
    "EC at 0, 0": [
      [["ES256"], { jwk: { ...EC, x: encode(Buffer.alloc(32)), y: encode(Buffer.alloc(32)) } }],
      /not on its curve/,
    ],
    "EC with a coordinate of 33 bytes": [
      [["ES256"], { jwk: { ...EC, x: encode(Buffer.concat([Buffer.from([1]), decode(EC.x ?? "")])) } }],
      /33 bytes, it must have at most 32/,
    ],
    "EC with a coordinate that lost a byte": [
      [["ES256"], { jwk: { ...EC, y: encode(decode(EC.y ?? "").subarray(1)) } }],
      /not on its curve/,
    ],
    "EC with spare bits": [[["ES256"], { jwk: { ...EC, x: spare(EC.x) } }], /neither base64url nor base64/],
    "EC of P-256 under the name of P-384": [[["ES384"], { jwk: { ...EC, crv: "P-384" } }], /not on its curve/],
    "EC of P-384 for ES256": [[["ES256"], { jwk: jwkOf("p384") }], /fits none/],
    "EC at infinity": [[["ES256"], { pem: frame(ecSpki("03020000")) }], /not a point/],
    "EC with a truncated point": [
      [["ES256"], { pem: frame(ecSpki(`03220004${decode(EC.x ?? "").toString("hex")}`)) }],
      /cannot be read|not a point/,
    ],
    "EC off its curve, in PEM": [[["ES256"], { pem: frame(ecSpki(`03420004${"11".repeat(64)}`)) }], /not on its curve/],
    secp256k1: [
      [
        ["ES256"],
        {
          pem: generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey.export({ format: "pem", type: "spki" }),
        },
      ],
      /not a point on P-256/,
    ],
    "EC with its parameters spelt out": [
      [
        ["ES256"],
        {
          pem: generateKeyPairSync("ec", { namedCurve: "P-256", paramEncoding: "explicit" }).publicKey.export({
            format: "pem",
            type: "spki",
          }),
        },
      ],
      /given by name/,
    ],
    Ed448: [
      [["EdDSA"], { pem: generateKeyPairSync("ed448").publicKey.export({ format: "pem", type: "spki" }) }],
      /fits none/,
    ],
    X25519: [
      [["EdDSA"], { pem: generateKeyPairSync("x25519").publicKey.export({ format: "pem", type: "spki" }) }],
      /fits none/,
    ],
    ...Object.fromEntries(
      SMALL_ORDER.map((hex) => [`Ed25519 of small order: ${hex}`, [[["EdDSA"], { jwk: point(hex) }], /small order/]]),
    ),
    "Ed25519 that is not a point": [[["EdDSA"], { jwk: point(`02${"00".repeat(31)}`) }], /not a point/],
    "Ed25519 that is not reduced": [
      [["EdDSA"], { jwk: point(`f0${"ff".repeat(30)}7f`) }],
      /canonical form|small order|not a point/,
    ],
    "RSA typed as PSS": [
      [
        ["PS256"],
        {
          pem: generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).publicKey.export({
            format: "pem",
            type: "spki",
          }),
        },
      ],
      /RSA-PSS/,
    ],
    "a private key in PEM": [[["RS256"], { pem: priv("rsa") }], /a private key/],
    "a private key after a public one": [[["RS256"], { pem: PEM + priv("rsa") }], /a private key/],
    "two public keys": [[["RS256"], { pem: PEM + PEM }], /2 blocks/],
    "a public key framed as a certificate": [[["RS256"], { pem: frame(der("rsa"), "CERTIFICATE") }], /cannot be read/],
    "a private JWK of RSA": [[["RS256"], { jwk: privJwk("rsa") }], /private member/],
    "a private JWK of EC": [[["ES256"], { jwk: privJwk("p256") }], /private member/],
    "a private JWK of Ed25519": [[["EdDSA"], { jwk: privJwk("ed25519") }], /private member/],
    "use enc": [[["RS256"], { jwk: { ...RSA, use: "enc" } }], /"use" is "enc"/],
    "key_ops without verify": [[["RS256"], { jwk: { ...RSA, key_ops: ["sign"] } }], /without "verify"/],
    "use that contradicts key_ops": [
      [["RS256"], { jwk: { ...RSA, use: "enc", key_ops: ["verify"] } }],
      /"use" is "enc"/,
    ],
    "alg that is not the realm's": [[["RS256"], { jwk: { ...RSA, alg: "RS512" } }], /not among the realm's/],
    "alg of encryption": [[["RS256"], { jwk: { ...RSA, alg: "RSA-OAEP-256" } }], /not among the realm's/],
    "alg that contradicts the configuration's": [
      [["RS256", "PS256"], { jwk: { ...RSA, alg: "PS256" }, alg: "RS256" }],
      /make the two agree/,
    ],
    "alg of another kind of key": [[["RS256", "ES256"], { jwk: { ...EC, alg: "RS256" } }], /does not take/],
    "a secret that fits two algorithms": [[["HS256", "HS384"], { secret: SECRET }], /for one algorithm: set "alg"/],
    "kty of another kind": [[["RS256"], { jwk: { ...EC, kty: "RSA" } }], /no member "n"/],
    "kty in another case": [[["ES256"], { jwk: { ...EC, kty: "ec" } }], /no algorithm here takes/],
    "no kty": [[["ES256"], { jwk: { ...EC, kty: undefined } }], /no member "kty"/],
    "an oct JWK that is too short": [[["HS256"], { jwk: { kty: "oct", k: encode("short") } }], /needs at least 32/],
    "an oct JWK that is the text of a PEM": [[["HS256"], { jwk: { kty: "oct", k: encode(PEM) } }], /text of a PEM/],
    "an oct JWK in a set": [[["HS256"], { jwks: { keys: [{ kty: "oct", k: encode(SECRET) }] } }], /symmetric key/],
    "an oct JWK in a set with another": [
      [["ES256"], { jwks: { keys: [EC, { kty: "oct", k: encode(SECRET) }] } }],
      /keys\[1\]: a symmetric key/,
    ],
    "a private JWK in a set": [[["ES256"], { jwks: { keys: [privJwk("p256")] } }], /private member/],
    "a weak key in a set beside a good one": [
      [["RS256"], { jwks: { keys: [RSA, weak.export({ format: "jwk" })] } }],
      /keys\[1\]: .*1024 bits/,
    ],
    "an empty kid": [[["ES256"], { jwk: { ...EC, kid: "" } }], /"kid" is empty/],
    "a kid that is a list": [[["ES256"], { jwk: { ...EC, kid: ["a"] } }], /"kid" is neither a string/],
    "a kid that contradicts the configuration's": [
      [["ES256"], { jwk: { ...EC, kid: "a" }, kid: "b" }],
      /make them agree/,
    ],
    "a set of 101 keys": [
      [["ES256"], { jwks: { keys: Array.from({ length: 101 }, (_, index) => ({ ...EC, kid: `k${index}` })) } }],
      /101 keys, more than 100/,
    ],
    "an empty set": [[["ES256"], { jwks: { keys: [] } }], /the set has no usable key for ES256/],
    "a JWK in place of a set": [[["ES256"], { jwks: EC }], /not a JWK Set: .*; one JWK goes under jwk/],
    "a set in place of a JWK": [[["ES256"], { jwk: { keys: [EC] } }], /this is a JWK Set, not a JWK: give it as jwks/],
    "a set for other algorithms alone": [[["ES256"], { jwks: { keys: [RSA] } }], /the set has no usable key for ES256/],
    "two forms in one entry": [[["ES256"], { jwk: EC, pem: PEM }], /exactly one of/],
    "no key": [[["ES256"], {}], /exactly one of/],
    "an empty list of keys": [[["ES256"]], /./],
    "the algorithm none": [[["none"], { jwk: EC }], /./],
    "an algorithm in another case": [[["es256"], { jwk: EC }], /./],
  };

  for (const [name, [keys, message]] of Object.entries(ROWS)) {
    it(`a configuration with ${name} is refused`, () => {
      const told = wrongs(() => load(realm(...keys)));
      expect(told.join("\n")).to.match(message);
      for (const one of told) expect(one).to.match(/^realms\.r\.(keys|algorithms)/);
      // The message contains nothing of the key itself.
      const written = JSON.stringify(keys);
      for (const piece of told.join(" ").match(/[A-Za-z0-9+/_-]{24,}/g) ?? []) expect(written).to.not.include(piece);
    });
  }
});
