import { createHmac, generateKeyPairSync, type JsonWebKey } from "node:crypto";
import { inspect } from "node:util";
import { expect } from "chai";
import { calculateJwkThumbprint } from "jose";
import { type Algorithm, verifySignature } from "../../src/jws/algorithms.js";
import type { LoadOptions } from "../../src/keys/binding.js";
import { loadJwk } from "../../src/keys/jwk.js";
import { NAMES, pairOf, parts, signedByJose, toBytes } from "../jws/signing.js";
import { onlyKey } from "./only-key.js";
import { refusal } from "./refusal.js";

const jwkOf = (algorithm: Algorithm): JsonWebKey => pairOf(algorithm).publicKey.export({ format: "jwk" });
const ALL: LoadOptions = { algorithms: NAMES };
const RSA = jwkOf("RS256");
const EC = jwkOf("ES256");
const ED = jwkOf("EdDSA");
const OCT = { kty: "oct", k: Buffer.alloc(32, "a secret ").toString("base64url") };

/** base64url with a spare bit set. */
const spare = (text = ""): string => text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1);

const onlyLoaded = (...args: Parameters<typeof loadJwk>) => onlyKey(loadJwk(...args));

describe("loadJwk", () => {
  for (const algorithm of NAMES) {
    it(`loads a key for ${algorithm}, which verifies what jose signed`, async () => {
      const key = onlyLoaded({ ...jwkOf(algorithm), alg: algorithm, use: "sig", key_ops: ["verify"], kid: "k" }, ALL);
      const { input, signature } = parts(await signedByJose(algorithm, "{}"));
      expect(verifySignature(key.algorithm, key.key, input, signature)).to.equal(true);
      expect(key).to.include({ algorithm, kid: "k" });
    });
  }

  for (const jwk of [RSA, EC, jwkOf("ES384"), jwkOf("ES512"), ED]) {
    it(`labels a ${jwk.kty} key ${jwk.crv ?? ""} by its thumbprint, whatever other members it has`, async () => {
      const [key] = loadJwk({ kid: "x", x5t: "y", nbf: 1, ...jwk, ext: true }, ALL);
      expect(key?.label).to.equal(await calculateJwkThumbprint(jwk));
    });
  }

  it("labels the example key of RFC 7638 section 3.1 with the thumbprint given there", () => {
    const n =
      "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    const key = onlyLoaded({ kty: "RSA", n, e: "AQAB", alg: "RS256", kid: "2011-04-29" }, ALL);
    expect(key.label).to.equal("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
  });

  it("labels a secret only by its length", () => {
    expect(onlyLoaded(OCT, { algorithms: ["HS256"] }).label).to.equal("secret of 32 bytes");
  });

  it("accepts an RSA modulus with a leading zero, as old libraries write it, as the same key", () => {
    const n = Buffer.concat([Buffer.alloc(1), Buffer.from(RSA.n ?? "", "base64url")]).toString("base64url");
    const options: LoadOptions = { algorithms: ["RS256"] };
    expect(onlyLoaded({ ...RSA, n }, options).label).to.equal(onlyLoaded(RSA, options).label);
  });

  it("ignores certificates in a JWK and fetches nothing", () => {
    const jwk = { ...EC, x5c: ["not a certificate"], x5u: "http://127.0.0.1:1/", jku: "http://127.0.0.1:1/" };
    expect(onlyLoaded(jwk, ALL).label).to.equal(onlyLoaded(EC, ALL).label);
  });

  it("ignores members of a JWK's prototype", () => {
    expect(refusal(() => loadJwk(Object.create(EC), ALL)).message).to.include('no member "kty"');
    expect(refusal(() => loadJwk(JSON.parse('{"__proto__":{"kty":"RSA"}}'), ALL)).message).to.include(
      'no member "kty"',
    );
  });

  const REFUSED: Record<string, [jwk: unknown, message: string]> = {
    undefined: [undefined, "the JWK is not an object"],
    null: [null, "the JWK is not an object"],
    "a text": [JSON.stringify(EC), "the JWK is not an object"],
    "an array": [[EC], "the JWK is not an object"],
    "an empty object": [{}, 'the JWK has no member "kty"'],
    "a key set": [{ keys: [EC] }, "this is a JWK Set, not a JWK"],
    "kty that is no text": [{ ...EC, kty: 1 }, `member "kty" is not a string`],
    "kty of another": [{ ...EC, kty: "RSA" }, 'no member "n"'],
    "RSA without n": [{ kty: "RSA", e: "AQAB" }, 'no member "n"'],
    "RSA without e": [{ kty: "RSA", n: RSA.n }, 'no member "e"'],
    "RSA with n that is no text": [{ ...RSA, n: 5 }, 'member "n" is not a string'],
    "RSA with n of no bytes": [{ ...RSA, n: "" }, 'member "n" has 0 bytes, it must have at least one'],
    "RSA with wrong padding": [{ ...RSA, n: `${RSA.n}=` }, 'member "n" is neither base64url nor base64'],
    "RSA in two alphabets": [{ ...RSA, n: `+_${RSA.n?.slice(2)}` }, 'member "n" is neither base64url nor base64'],
    "RSA with a line end": [{ ...RSA, n: `${RSA.n}\n` }, 'member "n" has white space or line ends in its base64'],
    "RSA with spare bits": [{ ...RSA, n: spare(RSA.n) }, 'member "n" is neither base64url nor base64'],
    "RSA with its modulus in hexadecimal": [
      { ...RSA, n: Buffer.from(RSA.n ?? "", "base64url").toString("hex") },
      'member "n" is in hex, not in base64url',
    ],
    "RSA with a number for its exponent": [{ ...RSA, e: 65537 }, 'as "AQAB" for 65537'],
    "RSA with a certificate alone": [
      { kty: "RSA", x5c: ["MIIB"] },
      'has no member "n": only its certificate (x5c) is there, so write that as pem',
    ],
    "RSA in hexadecimal": [{ ...RSA, e: "0x10001" }, 'member "e" is neither base64url nor base64'],
    "RSA of 1024 bits": [
      generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" }),
      "the RSA key has 1024 bits: make one of at least 2048",
    ],
    "RSA of 17,000 bits": [
      { ...RSA, n: Buffer.alloc(2125, 0xff).toString("base64url") },
      "the RSA key has 17000 bits: make one of at most 8192",
    ],
    "RSA with the exponent 0": [{ ...RSA, e: "AA" }, "exponent is even or less than 3: make a key with 65537"],
    "RSA with the exponent 1": [{ ...RSA, e: "AQ" }, "exponent is even or less than 3"],
    "RSA with the exponent 2": [{ ...RSA, e: "Ag" }, "exponent is even or less than 3"],
    "RSA with the exponent 65536": [{ ...RSA, e: "AQAA" }, "exponent is even or less than 3"],
    "RSA with an exponent that takes Node long to convert": [
      { ...RSA, e: Buffer.alloc(4000, 255).toString("base64url") },
      "exponent has 4000 bytes, more than 256",
    ],
    "RSA with an exponent as long as the modulus": [{ ...RSA, e: RSA.n }, "exponent has 2048 bits, more than 32"],
    "RSA with an even modulus": [
      { ...RSA, n: toBytes(2n ** 2047n + 2n, 256).toString("base64url") },
      "modulus is even",
    ],
    "EC with its curve in kty": [{ ...EC, kty: "EC P-256", crv: undefined }, 'of the kind "EC P-256"'],
    "Ed25519 with its curve in kty": [{ ...ED, kty: "OKP Ed25519", crv: undefined }, 'of the kind "OKP Ed25519"'],
    "EC without crv": [{ ...EC, crv: undefined }, 'the JWK has no member "crv"'],
    "EC with crv that is no text": [{ ...EC, crv: 256 }, 'member "crv" is not a string'],
    "EC on another curve than its point": [{ ...EC, crv: "P-384" }, "not on its curve"],
    "EC without y": [{ ...EC, y: undefined }, 'no member "y"'],
    "EC with a short x": [{ ...EC, x: EC.x?.slice(0, 40) }, "not on its curve"],
    "EC with an empty x": [{ ...EC, x: "" }, 'member "x" has 0 bytes, it must have at least one'],
    "EC with a long y": [{ ...EC, y: `AQAA${EC.y}` }, 'member "y" has 35 bytes, it must have at most 32'],
    "EC with spare bits": [{ ...EC, x: spare(EC.x) }, 'member "x" is neither base64url'],
    "EC off its curve": [{ ...EC, y: jwkOf("EdDSA").x }, "not on its curve"],
    "EC at 0, 0": [{ ...EC, x: "A".repeat(43), y: "A".repeat(43) }, "not on its curve"],
    "EC with coordinates that are not reduced": [{ ...EC, x: `${"_".repeat(42)}8` }, "not on its curve"],
    "EC with x and y swapped": [{ ...EC, x: EC.y, y: EC.x }, "not on its curve"],
    "Ed25519 of 31 bytes": [{ ...ED, x: ED.x?.slice(0, 42).replace(/.$/, "A") }, "it must have 32"],
    "Ed25519 of small order": [{ ...ED, x: "A".repeat(43) }, "a point of small order"],
    "a private RSA key": [pairOf("RS256").privateKey.export({ format: "jwk" }), 'the private member "d"'],
    "a private EC key": [pairOf("ES256").privateKey.export({ format: "jwk" }), 'the private member "d"'],
    "a private Ed25519 key": [pairOf("EdDSA").privateKey.export({ format: "jwk" }), 'the private member "d"'],
    "a private member that is false": [{ ...EC, d: false }, 'the private member "d": give the public key'],
    "a secret in a public key": [{ ...EC, k: OCT.k }, 'the private member "k"'],
    "a private member in a secret": [{ ...OCT, d: "AAAA" }, 'the private member "d"'],
    ...Object.fromEntries(
      ["p", "q", "dp", "dq", "qi", "oth"].map((name) => [
        `a public key with ${name}`,
        [{ ...RSA, [name]: "AQAB" }, `the private member "${name}"`],
      ]),
    ),
    "oct without k": [{ kty: "oct" }, 'no member "k"'],
    "oct with k that is no text": [{ kty: "oct", k: [] }, 'member "k" is not a string'],
    "oct of no bytes": [{ kty: "oct", k: "" }, 'member "k" has 0 bytes'],
    "oct without alg in a realm of several": [OCT, "a secret is for one algorithm"],
    "oct with wrong padding": [{ ...OCT, alg: "HS256", k: `${OCT.k}==` }, 'member "k" is neither base64url nor base64'],
    "oct of 31 bytes": [
      { kty: "oct", alg: "HS256", k: Buffer.alloc(31).toString("base64url") },
      "HS256 needs at least 32",
    ],
    "oct of 32 bytes for HS512": [{ ...OCT, alg: "HS512" }, "the secret has 32 bytes, HS512 needs at least 64"],
    "oct that is the PEM of a public key": [
      { kty: "oct", alg: "HS256", k: Buffer.from(`-----BEGIN PUBLIC KEY-----\n${EC.x}`).toString("base64url") },
      "the secret is the text of a PEM file",
    ],
    "alg that is no text": [{ ...EC, alg: 256 }, 'member "alg" is not a string'],
    "alg of another type": [{ ...RSA, alg: "ES256" }, "ES256 does not take a key of type rsa"],
    "alg of another curve": [{ ...EC, alg: "ES384" }, "ES384 does not take a key of type ec on the curve prime256v1"],
    "alg of an HMAC on a public key": [{ ...RSA, alg: "HS256" }, "HS256 does not take a key of type rsa"],
    "alg of a signature on a secret": [{ ...OCT, alg: "RS256" }, "RS256 takes a public key, not a secret"],
    "use that is no text": [{ ...EC, use: ["sig"] }, 'member "use" is not a string'],
    "use for encryption with an alg for signatures": [
      { ...RSA, use: "enc", alg: "RS256" },
      `"use" is "enc", not "sig"`,
    ],
    "use that contradicts key_ops": [{ ...RSA, use: "enc", key_ops: ["verify"] }, `"use" is "enc"`],
    "key_ops that contradict use": [
      { ...RSA, use: "sig", key_ops: ["encrypt"] },
      '"key_ops" of the key is without "verify"',
    ],
    "key_ops that contradict alg": [
      { ...RSA, alg: "RS256", key_ops: ["sign"] },
      '"key_ops" of the key is without "verify"',
    ],
    "key_ops that are a text": [{ ...EC, key_ops: "verify" }, '"key_ops" is not a list of texts'],
    "key_ops with a number": [{ ...EC, key_ops: ["verify", 1] }, '"key_ops" is not a list of texts'],
    "an empty kid": [{ ...EC, kid: "" }, '"kid" is empty: give the text that tokens carry, or leave it out'],
    "a kid that is a fraction": [{ ...EC, kid: 7.5 }, '"kid" is neither a string nor a whole number'],
    "a kid whose digits are lost": [{ ...EC, kid: 2 ** 53 }, '"kid" is neither a string nor a whole number'],
    "a kid that is true": [{ ...EC, kid: true }, '"kid" is neither a string nor a whole number'],
  };
  for (const [name, [jwk, message]] of Object.entries(REFUSED)) {
    it(`refuses ${name}`, () => {
      const defined = JSON.parse(JSON.stringify(jwk) ?? "null") as unknown;
      const error = refusal(() => loadJwk(jwk === undefined ? undefined : defined, ALL));
      expect(error.message).to.include(message);
      if (!name.includes("in kty")) expect(error.kind, "kind").to.not.equal("set aside");
      for (const value of Object.values(jwk ?? {}) as unknown[]) {
        if (typeof value === "string" && value.length > 12) expect(inspect(error)).to.not.include(value.slice(0, 12));
      }
    });
  }

  const FOREIGN: Record<string, [jwk: unknown, message: string]> = {
    "a key of another kind": [{ kty: "AKP", alg: "ML-KEM-768", pub: "AAAA" }, '"ML-KEM-768"'],
    "a key of another kind, without alg": [{ kty: "LWE", pub: "AAAA" }, 'of the kind "LWE": give one of RSA, EC P-256'],
    "use in another case": [{ ...RSA, use: "SIG", alg: "RS256" }, `"use" is "SIG", not "sig"`],
    "use of a kind of token": [{ ...EC, use: "jwt-svid", alg: "ES256" }, `"use" is "jwt-svid", not "sig"`],
    secp256k1: [{ ...EC, crv: "secp256k1" }, 'of the kind "EC secp256k1"'],
    Ed448: [{ ...ED, crv: "Ed448" }, 'of the kind "OKP Ed448"'],
    X25519: [{ ...ED, crv: "X25519" }, 'of the kind "OKP X25519"'],
    "a curve that prototypes have": [{ ...EC, crv: "constructor" }, 'of the kind "EC constructor"'],
    "alg for encryption": [{ ...RSA, alg: "RSA-OAEP" }, 'the key is for "RSA-OAEP"'],
    "alg in another case": [{ ...RSA, alg: "rs256" }, 'the key is for "rs256"'],
    "alg none": [{ ...RSA, alg: "none" }, 'the key is for "none"'],
    "alg that prototypes have": [{ ...RSA, alg: "constructor" }, 'the key is for "constructor"'],
    "use for encryption": [{ ...RSA, use: "enc" }, `the key's "use" is "enc", not "sig"`],
    "use and alg for encryption": [{ ...RSA, use: "enc", alg: "RSA-OAEP" }, `"use" is "enc"`],
    "key_ops for encryption": [{ ...RSA, key_ops: ["encrypt", "wrapKey"] }, '"key_ops" of the key is without "verify"'],
  };
  for (const [name, [jwk, message]] of Object.entries(FOREIGN)) {
    it(`refuses ${name} as a key for another use`, () => {
      const error = refusal(() => loadJwk(jwk, ALL));
      expect(error.message).to.include(message);
      expect(error.kind).to.equal("set aside");
    });
  }

  it("shortens and escapes values quoted in errors", () => {
    const { message } = refusal(() => loadJwk({ ...RSA, alg: `\n\u001b[31m${"x".repeat(10_000)}` }, ALL));
    expect(message).to.include('"\\n\\u001b[31mxxx').and.to.have.length.below(300);
  });

  describe("the algorithm of a JWK", () => {
    it("takes the algorithm from the key's alg, which must be one of the realm's", () => {
      const options: LoadOptions = { algorithms: ["RS256", "PS384"] };
      expect(onlyLoaded({ ...RSA, alg: "PS384" }, options).algorithm).to.equal("PS384");
      const error = refusal(() => loadJwk({ ...RSA, alg: "PS256" }, options));
      expect(error.message).to.include('"PS256", which is not among the realm\'s algorithms: RS256, PS384');
      expect(error.kind).to.equal("set aside");
    });

    it("takes the algorithm from the configuration, which the key's alg must not contradict", () => {
      const options: LoadOptions = { algorithms: ["RS256", "PS256"], alg: "PS256" };
      expect(onlyLoaded(RSA, options).algorithm).to.equal("PS256");
      expect(onlyLoaded({ ...RSA, alg: "PS256" }, options).algorithm).to.equal("PS256");
      const error = refusal(() => loadJwk({ ...RSA, alg: "RS256" }, options));
      expect(error.message).to.equal(`the key's "alg" is "RS256", but PS256 is configured for it: make the two agree`);
      expect(error.cause).to.equal("contradictory");
    });

    it("takes for a public key every algorithm that fits, and for a secret the only one", () => {
      expect(onlyLoaded(EC, { algorithms: ["RS256", "ES256"] }).algorithm).to.equal("ES256");
      const both = loadJwk(RSA, { algorithms: ["PS256", "ES256", "RS256"] });
      expect(both.map(({ algorithm }) => algorithm)).to.deep.equal(["PS256", "RS256"]);
      expect(refusal(() => loadJwk(OCT, { algorithms: ["HS256", "HS384"] })).message).to.equal(
        'a secret is for one algorithm: set "alg" to one of HS256, HS384',
      );
      expect(refusal(() => loadJwk(OCT, { algorithms: ["RS256"] })).kind).to.equal("set aside");
    });
  });

  it("takes the kid from the configuration or the key, which must agree", () => {
    expect(onlyLoaded(EC, { ...ALL, kid: "a" }).kid).to.equal("a");
    expect(onlyLoaded({ ...EC, kid: "a" }, { ...ALL, kid: "a" }).kid).to.equal("a");
    expect(refusal(() => loadJwk({ ...EC, kid: "b" }, { ...ALL, kid: "a" })).message).to.equal(
      'the key\'s "kid" is "b", but "a" is configured: make them agree',
    );
  });

  it("verifies a signature with an oct key", () => {
    const { key } = onlyLoaded(OCT, { algorithms: ["HS256"] });
    const mac = createHmac("sha256", Buffer.from(OCT.k, "base64url")).update("a.b").digest();
    expect(verifySignature("HS256", key, "a.b", mac)).to.equal(true);
  });
});
