import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { expect } from "chai";
import { type Algorithm, verifySignature } from "../../src/jws/algorithms.js";
import { loadJwks } from "../../src/keys/jwks.js";
import { KeySet, mostTried } from "../../src/keys/key-set.js";
import type { LeftOut } from "../../src/keys/left-out.js";
import { jwkOf, keyOf } from "../support/keys.js";
import { makeToken } from "../support/token.js";

// A set as a large issuer might publish it: forty keys of all kinds, half of them odd.

const ALGORITHMS: readonly Algorithm[] = ["RS256", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA"];

const decode = (text: unknown): Buffer => Buffer.from(String(text), "base64url");
const zero = (text: unknown): string => Buffer.concat([Buffer.alloc(1), decode(text)]).toString("base64url");
const base64 = (text: unknown): string => decode(text).toString("base64");
const [rsa, other, p256, p256Other, short, p384, p521, ed, edOther] = [
  "rsa",
  "rsa-other",
  "p256",
  "p256-other",
  "p256-short",
  "p384",
  "p521",
  "ed25519",
  "ed25519-other",
].map((name) => jwkOf(name)) as [Jwk, Jwk, Jwk, Jwk, Jwk, Jwk, Jwk, Jwk, Jwk];
type Jwk = Readonly<Record<string, unknown>>;

/** Good keys: the entry, the test key that signs, and the algorithms of tokens that it must verify. */
const GOOD: readonly (readonly [jwk: Jwk, key: string, algorithms: readonly Algorithm[]])[] = [
  [{ ...rsa, kid: "g0", use: "sig", alg: "RS256" }, "rsa", ["RS256"]],
  [{ ...rsa, kid: "g1" }, "rsa", ["RS256", "RS512", "PS256"]],
  [{ ...rsa, kid: "g2", alg: "PS256" }, "rsa", ["PS256"]],
  [{ ...rsa, kid: "g2", alg: "RS512" }, "rsa", ["RS512"]],
  [{ ...other, kid: "g2", alg: "RS512" }, "rsa-other", ["RS512"]],
  [{ ...rsa, kid: "g5", n: base64(zero(rsa["n"])), e: "AAEAAQ==" }, "rsa", ["RS256"]],
  [{ ...other, kid: "g6", d: null, p: null, alg: null, x5c: [], x5t: null }, "rsa-other", ["PS256"]],
  [{ ...p256, kid: "g7", key_ops: ["verify"] }, "p256", ["ES256"]],
  [{ ...p256Other, kid: "g7" }, "p256-other", ["ES256"]],
  [{ ...rsa, kid: "g7" }, "rsa", ["RS256"]],
  [{ ...p256, kid: 10 }, "p256", ["ES256"]],
  [
    { ...short, kid: "g11", y: decode(short["y"]).subarray(1).toString("base64url"), x: zero(short["x"]) },
    "p256-short",
    ["ES256"],
  ],
  [{ ...p384, kid: "g12", use: null }, "p384", ["ES384"]],
  [{ ...p521, kid: "g13", x: zero(p521["x"]) }, "p521", ["ES512"]],
  [{ ...ed, kid: "g14" }, "ed25519", ["EdDSA"]],
  [{ ...edOther, kid: "g15", x: base64(edOther["x"]), alg: "EdDSA" }, "ed25519-other", ["EdDSA"]],
  [{ ...ed, kid: "__proto__" }, "ed25519", ["EdDSA"]],
  [{ ...p256, kid: "g17", alg: "ES256", use: "sig", key_ops: ["verify", "sign"] }, "p256", ["ES256"]],
  [{ ...p256Other, kid: "g18", x5u: "http://127.0.0.1:1/", issuer: null }, "p256-other", ["ES256"]],
  [{ ...p384, kid: "bad3" }, "p384", ["ES384"]],
];

const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" });

/** Odd keys, and what a token of each is worth. */
const ODD: readonly (readonly [jwk: unknown, kind: LeftOut["kind"], why: string])[] = [
  [{ ...rsa, kid: "bad0", use: "enc" }, "set aside", '"use" is "enc"'],
  [{ ...rsa, kid: "bad1", alg: "RSA-OAEP-256" }, "set aside", '"RSA-OAEP-256"'],
  [{ ...rsa, kid: "bad2", alg: "RS384" }, "set aside", '"RS384"'],
  [{ ...p256, kid: "bad3", crv: "secp256k1" }, "set aside", "secp256k1"],
  [{ ...ed, kid: "bad4", crv: "X25519" }, "set aside", "X25519"],
  [{ kty: "NEW", kid: "bad5" }, "set aside", '"NEW"'],
  [{ ...p256, kid: "bad6", use: "x509-svid" }, "set aside", '"x509-svid"'],
  [{ ...p256, kid: "bad7", key_ops: ["deriveKey"] }, "set aside", "key_ops"],
  [{ ...weak, kid: "bad8" }, "worthless", "1024 bits"],
  [{ ...rsa, kid: "bad9", e: "AQ" }, "worthless", "exponent"],
  [{ ...p256, kid: "bad10", d: "AA" }, "worthless", '"d"'],
  [{ kty: "oct", kid: "bad11", k: "AAAA" }, "worthless", "symmetric"],
  [{ ...ed, kid: "bad12", x: "A".repeat(43) }, "worthless", "small order"],
  [{ ...p256, kid: "bad13", y: p256["x"] }, "refused", "not on its curve"],
  [{ ...p256, kid: "bad14", alg: "RS256" }, "refused", "RS256 does not take"],
  [{ ...rsa, kid: "bad15", use: "enc", alg: "RS256" }, "refused", '"use" is "enc"'],
  [{ ...ed, kid: "bad16", x: zero(ed["x"]) }, "refused", "33 bytes"],
  [{ ...rsa, kid: "bad17", n: `${String(rsa["n"])}*` }, "refused", "neither base64url nor base64"],
  [{ kty: "EC", kid: "bad18", crv: "P-256", x: p256["x"] }, "refused", 'no member "y"'],
  [{ ...rsa, kid: "bad19", e: rsa["n"] }, "refused", "more than 32"],
];

describe("a set of forty keys of all kinds, half of them odd", () => {
  // Odd and good keys by turns.
  const keys = GOOD.flatMap(([jwk], at) => [ODD[at]?.[0], jwk]);
  const loaded = loadJwks({ keys }, { algorithms: ALGORITHMS });
  const set = new KeySet(loaded.keys, loaded.leftOut);

  it("has forty keys", () => expect(keys).to.have.length(40));

  for (const [jwk, key, algorithms] of GOOD) {
    for (const algorithm of algorithms) {
      it(`verifies ${algorithm} by its key ${String(jwk["kid"])} (${key}), within the keys that one token is tried against`, () => {
        const token = makeToken({ key, header: { alg: algorithm }, claims: {} });
        const [input, signature] = [token.slice(0, token.lastIndexOf(".")), token.slice(token.lastIndexOf(".") + 1)];
        const tried = set.select(String(jwk["kid"]), algorithm).slice(0, mostTried(algorithm));
        const signer = tried.find((one) =>
          verifySignature(algorithm, one.key, input, Buffer.from(signature, "base64url")),
        );
        expect(signer?.key.equals(createPublicKey(keyOf(key).publicPem ?? ""))).to.equal(true);
        expect(tried.every((one) => one.algorithm === algorithm && one.kid === String(jwk["kid"]))).to.equal(true);
      });
    }
  }

  for (const [at, [, kind, why]] of ODD.entries()) {
    it(`says of its odd key bad${at} why it is not used: ${kind}`, () => {
      const found = set.leftOutFor(`bad${at}`);
      expect(found).to.have.length(1);
      expect(found[0]).to.include({ index: 2 * at, kind });
      expect(found[0]?.why).to.include(why);
      expect(found[0]?.why, "names a fix").to.match(/: \S/);
    });
  }

  it("leaves out no other key", () => expect(set.leftOut).to.have.length(20));
});
