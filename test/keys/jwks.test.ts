import type { JsonWebKey } from "node:crypto";
import { expect } from "chai";
import type { Algorithm } from "../../src/jws/algorithms.js";
import { loadJwks, loadPublishedKeys, MAX_KEYS } from "../../src/keys/jwks.js";
import type { KeyErrorCause } from "../../src/keys/key.js";
import { newPair, pairOf } from "../jws/signing.js";
import { refusal } from "./refusal.js";

const jwkOf = (algorithm: Algorithm, more: object = {}): JsonWebKey => ({
  ...pairOf(algorithm).publicKey.export({ format: "jwk" }),
  ...more,
});
const OCT = { kty: "oct", k: Buffer.alloc(64, 1).toString("base64url"), alg: "HS256", kid: "o" };
const ALGORITHMS: Algorithm[] = ["RS256", "ES256"];
const load = (...keys: unknown[]) => loadJwks({ keys }, { algorithms: ALGORITHMS });
const kids = (set: ReturnType<typeof load>) => set.keys.map(({ kid }) => kid);

describe("loadJwks", () => {
  for (const doc of [
    undefined,
    null,
    "",
    "{}",
    [],
    [jwkOf("RS256")],
    {},
    { keys: {} },
    { keys: "x" },
    { keys: null },
  ]) {
    it(`refuses ${JSON.stringify(doc)?.slice(0, 30)}, which is not a key set`, () => {
      expect(refusal(() => loadJwks(doc, { algorithms: ALGORITHMS })).message).to.equal(
        'this is not a JWK Set: give an object as {"keys": [...]}',
      );
    });
  }

  it("ignores keys on a key set's prototype", () => {
    const doc: unknown = Object.create({ keys: [jwkOf("RS256")] });
    expect(refusal(() => loadJwks(doc, { algorithms: ALGORITHMS })).message).to.include("not a JWK Set");
  });

  it("loads an empty set as no keys", () => expect(load()).to.deep.equal({ keys: [], leftOut: [] }));

  it("loads the keys in their order, with or without a kid, and ignores other members of the set", () => {
    const set = loadJwks(
      { keys: [jwkOf("ES256", { kid: "b" }), jwkOf("RS256"), jwkOf("RS256", { kid: "a" })], issuer: "x", next: null },
      { algorithms: ALGORITHMS },
    );
    expect(kids(set)).to.deep.equal(["b", undefined, "a"]);
    expect(set.keys.map(({ algorithm }) => algorithm)).to.deep.equal(["ES256", "RS256", "RS256"]);
    expect(set.leftOut).to.deep.equal([]);
  });

  it("leaves out keys for another use without marking them as refused", () => {
    const set = load(
      jwkOf("RS256", { kid: "enc", use: "enc" }),
      jwkOf("RS256", { kid: "oaep", alg: "RSA-OAEP" }),
      jwkOf("ES384", { kid: "384" }),
      jwkOf("RS256", { kid: "ps", alg: "PS256" }),
      jwkOf("EdDSA", { kid: "ed" }),
      { kty: "EC", crv: "secp256k1", x: "AA", y: "AA", kid: "k256" },
      { kty: "new", kid: "new" },
      jwkOf("ES256", { kid: "good" }),
    );
    expect(kids(set)).to.deep.equal(["good"]);
    expect(set.leftOut.map(({ index, kid, kind }) => [index, kid, kind])).to.deep.equal([
      [0, "enc", "set aside"],
      [1, "oaep", "set aside"],
      [2, "384", "set aside"],
      [3, "ps", "set aside"],
      [4, "ed", "set aside"],
      [5, "k256", "set aside"],
      [6, "new", "set aside"],
    ]);
    expect(set.leftOut[0]?.why).to.include(`"use" is "enc", not "sig"`);
    expect(set.leftOut[3]?.why).to.include('the key is for "PS256"');
  });

  const FAULTS: Record<string, [jwk: unknown, cause: KeyErrorCause, why: string]> = {
    "a symmetric key": [OCT, "weak", 'a symmetric key (kty "oct") in a set of public keys'],
    "a symmetric key for something else": [{ ...OCT, alg: "A128GCM", use: "enc" }, "weak", "a symmetric key"],
    "a private key": [pairOf("ES256").privateKey.export({ format: "jwk" }), "weak", 'the private member "d"'],
    "a private key for something else": [
      { ...pairOf("RS256").privateKey.export({ format: "jwk" }), use: "enc" },
      "weak",
      'the private member "d"',
    ],
    "a weak key": [jwkOf("RS256", { e: "AQ" }), "weak", "exponent"],
    "a key with a longer exponent than libraries take": [jwkOf("RS256", { e: "AQAAAAE" }), "unsupported", "33 bits"],
    "a key of another type than its alg": [jwkOf("RS256", { alg: "ES256" }), "contradictory", "ES256 does not take"],
    "a key for signatures and encryption": [
      jwkOf("RS256", { alg: "RS256", use: "enc" }),
      "contradictory",
      `"use" is "enc"`,
    ],
    "a key off its curve": [jwkOf("ES256", { x: "A".repeat(43) }), "malformed", "not on its curve"],
    "an empty kid": [jwkOf("ES256", { kid: "" }), "malformed", '"kid" is empty'],
    "a kid that is no text": [jwkOf("ES256", { kid: {} }), "malformed", '"kid" is neither a string'],
    "no object": ["x", "malformed", "the JWK is not an object"],
    null: [null, "malformed", "the JWK is not an object"],
  };
  for (const [name, [jwk, cause, why]] of Object.entries(FAULTS)) {
    it(`leaves out only the key at fault: ${name}`, () => {
      const set = load(jwkOf("ES256", { kid: "a" }), jwk, jwkOf("RS256", { kid: "b" }));
      expect(kids(set)).to.deep.equal(["a", "b"]);
      expect(set.leftOut).to.have.length(1);
      expect(set.leftOut[0]).to.include({ index: 1, kind: cause === "weak" ? "worthless" : "refused", cause });
      expect(set.leftOut[0]?.why).to.include(why);
    });
  }

  it("says which algorithms a left-out key's type verifies, and the alg that it states", () => {
    const set = load(
      jwkOf("RS256", { use: "enc" }),
      jwkOf("ES256", { x: "A", alg: "ES256" }),
      jwkOf("ES384", { alg: 7 }),
      jwkOf("EdDSA", { alg: "x".repeat(99) }),
      { kty: "EC", crv: "secp256k1" },
      { kty: "EC" },
      OCT,
      {},
      null,
    );
    expect(set.leftOut.map(({ algorithms, alg }) => [algorithms.join(" "), alg])).to.deep.equal([
      ["RS256 RS384 RS512 PS256 PS384 PS512", undefined],
      ["ES256", "ES256"],
      ["ES384", undefined],
      ["EdDSA", "x".repeat(99)],
      ["", undefined],
      ["", undefined],
      ["HS256 HS384 HS512", "HS256"],
      ["", undefined],
      ["", undefined],
    ]);
  });

  it("names a left-out key by its whole kid, a number by its digits, and by nothing if it has no kid", () => {
    const long = "x".repeat(100_000);
    const all = [undefined, null, {}, 1.5, 2 ** 53, "", "a", 1, long].map((kid) => ({ kty: "new", kid }));
    expect(load(...all).leftOut.map(({ kid }) => kid)).to.deep.equal([
      ...Array<undefined>(5).fill(undefined),
      "",
      "a",
      "1",
      long,
    ]);
    expect("kid" in (load({ kty: "new" }).leftOut[0] ?? {})).to.equal(false);
  });

  it("reports left-out keys without key material", () => {
    const set = load(OCT, pairOf("RS256").privateKey.export({ format: "jwk" }));
    expect(JSON.stringify(set.leftOut)).to.not.include(OCT.k.slice(0, 10));
    expect(JSON.stringify(set.leftOut)).to.have.length.below(600);
  });

  it("loads a key without alg once for each algorithm of the realm that it fits, in the realm's order", () => {
    const doc = { keys: [jwkOf("RS256", { kid: "a" }), jwkOf("ES256", { kid: "b" })] };
    const { keys, leftOut } = loadJwks(doc, { algorithms: ["PS512", "EdDSA", "RS256", "ES256"] });
    expect(keys.map(({ algorithm, kid }) => [algorithm, kid])).to.deep.equal([
      ["PS512", "a"],
      ["RS256", "a"],
      ["ES256", "b"],
    ]);
    expect(leftOut).to.deep.equal([]);
  });

  describe("one kid", () => {
    const other = newPair("ES256").publicKey.export({ format: "jwk" });

    it("loads all keys that share a kid, told apart by their algorithm and tried in their order", () => {
      const set = load(
        jwkOf("ES256", { kid: "x" }),
        jwkOf("RS256", { kid: "good" }),
        { ...other, kid: "x" },
        jwkOf("RS256", { kid: "x" }),
      );
      expect(kids(set)).to.deep.equal(["x", "good", "x", "x"]);
      expect(set.keys.map(({ algorithm }) => algorithm)).to.deep.equal(["ES256", "RS256", "ES256", "RS256"]);
      expect(set.leftOut).to.deep.equal([]);
    });

    it("loads a key that the set has twice once", () => {
      const set = load(jwkOf("ES256", { kid: "x" }), jwkOf("ES256", { kid: "x", use: "sig" }), jwkOf("ES256"));
      expect(kids(set)).to.deep.equal(["x", undefined]);
      expect(set.leftOut).to.deep.equal([]);
    });

    it("uses a key that shares its kid only with left-out keys", () => {
      const set = load(jwkOf("RS256", { kid: "x", use: "enc" }), { ...OCT, kid: "x" }, jwkOf("ES256", { kid: "x" }));
      expect(kids(set)).to.deep.equal(["x"]);
      expect(set.leftOut.map(({ kind }) => kind)).to.deep.equal(["set aside", "worthless"]);
    });

    it("accepts a kid that is the name of a prototype's member", () => {
      expect(kids(load(jwkOf("ES256", { kid: "__proto__" }), jwkOf("RS256", { kid: "constructor" })))).to.deep.equal([
        "__proto__",
        "constructor",
      ]);
    });
  });

  it("loads 100 entries, and refuses a larger set without looking at its entries", () => {
    const keys = Array.from({ length: MAX_KEYS }, (_, n) => jwkOf("ES256", { kid: `k${n}` }));
    expect(load(...keys).keys).to.have.length(100);
    for (const more of [jwkOf("RS256"), {}, null]) {
      expect(refusal(() => load(...keys, more)).message).to.equal(
        "the set has 101 keys, more than 100: take out those that are not in use",
      );
    }
    const trap = new Proxy({}, { get: () => expect.fail("looked at"), ownKeys: () => expect.fail("looked at") });
    expect(refusal(() => load(...Array.from({ length: 101 }, () => trap))).message).to.include("101 keys");
    const empty = { keys: Array.from({ length: 170_000 }, () => ({})) };
    expect(refusal(() => loadJwks(empty, { algorithms: ALGORITHMS })).message).to.include("170000 keys");
  });

  it("refuses numbers of a million bytes before OpenSSL sees them", () => {
    const long = Buffer.alloc(750_000, 255).toString("base64url");
    const set = load({ kty: "RSA", n: long, e: "AQAB" }, { ...jwkOf("RS256"), e: long });
    expect(set.leftOut.map(({ why }) => why)).to.deep.equal(
      ["n", "e"].map((name) => `the JWK's member "${name}" has 750000 bytes, more than 4096: make a new key`),
    );
  });
});

describe("loadPublishedKeys", () => {
  const weak = jwkOf("RS256", { e: "AQ" });

  it("returns the usable keys", () => {
    expect(loadPublishedKeys({ keys: [jwkOf("ES256"), weak] }, { algorithms: ["ES256"] }).keys).to.have.length(1);
  });

  it("refuses a set without a usable key and names the first key at fault", () => {
    expect(refusal(() => loadPublishedKeys({ keys: [] }, { algorithms: ["RS256"] })).message).to.equal(
      "the set has no usable key for RS256 (it is empty: give one with a public key)",
    );
    expect(
      refusal(() => loadPublishedKeys({ keys: [jwkOf("ES256"), weak] }, { algorithms: ["RS256"] })).message,
    ).to.match(/^the set has no usable key for RS256 \(keys\[1\].*: .*exponent/);
  });
});
