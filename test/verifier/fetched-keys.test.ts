import { createPublicKey } from "node:crypto";
import { expect } from "chai";
import { genericSchema } from "../../src/config/realm-forms.js";
import { noDirectory } from "../../src/directory/directory.js";
import { KeyUses, type VerificationKey } from "../../src/keys/key.js";
import { KeySet, type KeySource } from "../../src/keys/key-set.js";
import { Secret } from "../../src/util/secret.js";
import { decide } from "../../src/verifier/decide.js";
import { FactCache } from "../../src/verifier/facts.js";
import { genericPolicy } from "../../src/verifier/generic.js";
import { createRealm } from "../../src/verifier/realm.js";
import { NOW } from "../support/clock.js";
import { keyOf } from "../support/keys.js";
import { makeToken } from "../support/token.js";

// Decisions about a token while newer keys may exist.

const POLICY = genericPolicy(
  genericSchema.parse({ algorithms: ["ES256", "RS256"], issuer: null, audience: null, requiredClaims: [], keys: [{}] }),
);
const key = (name: string, kid?: string): VerificationKey => ({
  algorithm: "ES256",
  kid,
  key: createPublicKey(keyOf(name).publicPem ?? ""),
  label: name,
  uses: new KeyUses(),
});

/** Returns a source of these keys. @param answers whether they are all the keys that exist */
const source = (answers: boolean, ...keys: readonly VerificationKey[]): KeySource => ({
  current: () => new KeySet(keys),
  answers: () => answers,
  load: async () => undefined,
  age: () => 5000,
  isStale: () => true,
});

function ask(keys: KeySource, header: Readonly<Record<string, unknown>>, signer = "p256-other"): string {
  const realm = createRealm("r", POLICY, keys);
  const view = { realms: new Map([["r", realm]]), directory: noDirectory, facts: new FactCache(0) };
  const token = new Secret(makeToken({ key: signer, header, claims: { sub: "jane" } }));
  const decision = decide({ realm: "r", token, credential: undefined, explain: false }, view, NOW);
  if (decision.kind === "rejected") return `${decision.reason} ${decision.claim}`.trim();
  return decision.kind === "needs" ? `needs ${decision.need.kind}` : decision.kind;
}

describe("decide with several keys of one kid", () => {
  const signed = { alg: "ES256", kid: "a" };
  const others = (count: number) => Array.from({ length: count }, () => key("p256", "a"));

  it("the last of sixteen keys of one kid and algorithm verifies", () => {
    expect(ask(source(true, ...others(15), key("p256-other", "a")), signed)).to.equal("verified");
  });

  it("no seventeenth key of one kid and algorithm is tried, and the token gets no verdict", () => {
    expect(ask(source(true, ...others(16), key("p256-other", "a")), signed)).to.equal("failure");
    expect(ask(source(true, ...others(16), key("p256-other")), signed), "a key without a kid").to.equal("failure");
  });

  it("keys of other algorithms under the same kid do not count", () => {
    const rsa = Array.from({ length: 40 }, (): VerificationKey => ({ ...key("rsa", "a"), algorithm: "RS256" }));
    expect(ask(source(true, ...rsa, key("p256-other", "a")), signed)).to.equal("verified");
  });
});

describe("decide with fetched keys", () => {
  const known = key("p256", "a");

  it("a token verifies under a known key, and the evidence has the age of the key set", () => {
    const realm = createRealm("r", POLICY, source(false, known));
    const view = { realms: new Map([["r", realm]]), directory: noDirectory, facts: new FactCache(0) };
    const token = new Secret(makeToken({ key: "p256", header: { alg: "ES256", kid: "a" }, claims: {} }));
    const decision = decide({ realm: "r", token, credential: undefined, explain: false }, view, NOW);
    expect(decision).to.deep.include({ kind: "verified" });
    expect(decision).to.have.nested.property("evidence.keySetStale", true);
    expect(decision).to.have.nested.property("evidence.keySetAge", 5000);
    expect(known.uses.lastHour(NOW)).to.equal(1);
  });

  for (const [what, header, signer, certain] of [
    ["an unknown kid", { alg: "ES256", kid: "b" }, "p256-other", "KEY_UNKNOWN kid"],
    ["no kid, and no key that verifies it", { alg: "ES256" }, "p256-other", "SIGNATURE_INVALID"],
    ["no kid, and no key of its algorithm", { alg: "RS256" }, "rsa", "SIGNATURE_INVALID"],
    ["a kid of another algorithm", { alg: "RS256", kid: "a" }, "rsa", "ALGORITHM_MISMATCH alg"],
    ["a signature that its key did not make", { alg: "ES256", kid: "a" }, "p256-other", "SIGNATURE_INVALID"],
  ] as const) {
    it(`a token with ${what} is rejected with ${certain} only if no newer keys exist`, () => {
      expect(ask(source(true, known), header, signer)).to.equal(certain);
      expect(ask(source(false, known), header, signer)).to.equal("needs keys");
    });
  }

  it("a token whose algorithm is not the realm's is rejected without loading keys", () => {
    expect(ask(source(false), { alg: "EdDSA" }, "ed25519")).to.equal("ALGORITHM_MISMATCH alg");
  });
});
