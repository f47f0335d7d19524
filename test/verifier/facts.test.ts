import { expect } from "chai";
import fc from "fast-check";
import type { JsonObject } from "../../src/jws/json.js";
import type { VerificationKey } from "../../src/keys/key.js";
import { staticSource } from "../../src/keys/key-set.js";
import { loadPem } from "../../src/keys/pem.js";
import { loadSecret } from "../../src/keys/secret.js";
import { Secret } from "../../src/util/secret.js";
import { decide } from "../../src/verifier/decide.js";
import type { View } from "../../src/verifier/decision-state.js";
import { type FactContent, FactSizes } from "../../src/verifier/fact-size.js";
import { FactCache, tokenDigest } from "../../src/verifier/facts.js";
import { createRealm, type Realm } from "../../src/verifier/realm.js";
import { SignedToken } from "../../src/verifier/signed-token.js";
import { NOW } from "../support/clock.js";
import { keyOf, secretOf } from "../support/keys.js";
import { makeToken } from "../support/token.js";
import { makeBench } from "../support/view.js";

const bench = makeBench("verifier.yaml");
const { policy } = bench.realms.get("hs256")!;
const realmOf = (name: string, ...keys: VerificationKey[]): Realm => createRealm(name, policy, staticSource(keys));
const key = () => loadSecret(secretOf("hs256"), { algorithm: "HS256" });

const tokenOf = (claims: JsonObject, payload: string): SignedToken =>
  new SignedToken({ alg: "HS256" }, claims, payload);

const fact = (payload: string, by: VerificationKey): FactContent => ({
  key: by,
  token: tokenOf({}, payload),
  principal: undefined,
  hasOwnHeader: false,
});

const one = key();

describe("the fact cache", () => {
  it("the fact cache stays within its bound, and no realm has more than half of it", () => {
    const puts = fc.array(fc.record({ realm: fc.nat(4), digest: fc.nat(200), size: fc.nat(3000) }), { maxLength: 300 });
    fc.assert(
      fc.property(puts, fc.integer({ min: 0, max: 60_000 }), (all, bound) => {
        const cache = new FactCache(bound);
        const realms = Array.from({ length: 5 }, (_, index) => realmOf(String(index), one));
        for (const { realm, digest, size } of all) {
          cache.set(realms[realm]!, String(digest), fact("x".repeat(size), one));
          expect(cache.bytes).to.be.at.most(bound);
        }
        for (const kept of realms) {
          const before = cache.bytes;
          cache.keepOnly(realms.filter((realm) => realm !== kept));
          expect(before - cache.bytes).to.be.at.most(Math.floor(bound / 2));
        }
      }),
      { numRuns: 50 },
    );
  });

  it("the fact cache returns a fact of a realm until other facts of the same realm evict it", () => {
    const cache = new FactCache(10_000);
    const [a, b] = [realmOf("same name", one), realmOf("same name", one)];
    const known = cache.set(a, "digest", fact("{}", one));
    expect(cache.get(a, "digest")).to.equal(known);
    expect(cache.get(b, "digest")).to.equal(undefined);
    expect(cache.get(a, "other")).to.equal(undefined);
    for (let index = 0; index < 1000; index++) cache.set(b, String(index), fact("{}", one));
    expect(cache.get(a, "digest"), "a flood in another realm leaves it").to.equal(known);
    for (let index = 0; index < 1000; index++) cache.set(a, String(index), fact("{}", one));
    expect(cache.get(a, "digest"), "a flood in its own does not").to.equal(undefined);
  });

  it("the fact cache keeps nothing with a bound of 0, and no fact larger than a realm's share", () => {
    const none = new FactCache(0);
    const realm = realmOf("r", one);
    none.set(realm, "d", fact("{}", one));
    expect([none.bytes, none.get(realm, "d")]).to.deep.equal([0, undefined]);
    const small = new FactCache(10_000);
    small.set(realm, "d", fact("x".repeat(5000), one));
    expect([small.bytes, small.get(realm, "d")]).to.deep.equal([0, undefined]);
  });

  it("the fact cache drops the facts of realms that are not kept", () => {
    const cache = new FactCache(100_000);
    const [a, b] = [realmOf("a", one), realmOf("b", one)];
    cache.set(a, "d", fact("{}", one));
    cache.set(b, "d", fact("{}", one));
    cache.keepOnly([b]);
    expect([cache.get(a, "d"), cache.get(b, "d")?.key]).to.deep.equal([undefined, one]);
  });

  it("a token made of many small objects is counted as larger than its text", () => {
    const sizeOf = (claims: JsonObject, payload: string, header: JsonObject = {}): number =>
      new FactSizes().estimate({
        key: one,
        token: new SignedToken(header, claims, payload),
        principal: undefined,
        hasOwnHeader: true,
      });
    const objects = { x: Array.from({ length: 1000 }, () => ({})) };
    const text = JSON.stringify(objects);
    expect(sizeOf(objects, text)).to.be.above(sizeOf({}, text) + 1000 * 56);
    expect(sizeOf({}, "{}", objects)).to.be.above(sizeOf({}, "{}") + 1000 * 56);
  });

  it("different tokens have different digests", () => {
    const texts = fc.array(fc.string(), { minLength: 2, maxLength: 30 });
    fc.assert(fc.property(texts, (all) => new Set(all.map(tokenDigest)).size === new Set(all).size));
  });
});

describe("a cached fact", () => {
  const token = makeToken({ key: "hs256", header: { alg: "HS256" }, claims: { sub: "s" } });
  const forged = makeToken({ key: "integuru", header: { alg: "HS256" }, claims: { sub: "s" } });
  const ask = (view: View, text: string) =>
    decide({ realm: "r", token: new Secret(text), credential: undefined, explain: false }, view, NOW);
  const viewOf = (realm: Realm, facts: FactCache): View => ({ ...bench.view(facts), realms: new Map([["r", realm]]) });

  it("a cached fact counts for the key object that verified it, not for another key of the same text", () => {
    const facts = new FactCache(1024 ** 2);
    const [mine, twin] = [key(), key()];
    const realm = realmOf("r", mine);
    expect(ask(viewOf(realm, facts), token)).to.have.property("kind", "verified");
    const remembered = facts.get(realm, tokenDigest(token));
    expect(remembered?.key).to.equal(mine);
    // For a realm of the same name with a key of the same text, the token is verified again and cached separately.
    const other = realmOf("r", twin);
    expect(ask(viewOf(other, facts), token)).to.have.property("kind", "verified");
    expect(facts.get(other, tokenDigest(token))?.key).to.equal(twin);
    expect(facts.get(realm, tokenDigest(token))).to.equal(remembered);
  });

  it("a cached fact does not count once its key is no longer trusted", () => {
    let keys = [key()];
    const retired = keys[0]!;
    const realm = createRealm("r", policy, { ...staticSource([]), current: () => staticSource(keys).current(NOW) });
    const facts = new FactCache(1024 ** 2);
    expect(ask(viewOf(realm, facts), token)).to.have.property("kind", "verified");
    keys = [loadSecret(secretOf("integuru"), { algorithm: "HS256" })];
    expect(facts.get(realm, tokenDigest(token))?.key, "still in the memory").to.equal(retired);
    expect(ask(viewOf(realm, facts), token)).to.include({ kind: "rejected", reason: "SIGNATURE_INVALID" });
    keys = [retired];
    expect(ask(viewOf(realm, facts), token)).to.have.property("kind", "verified");
  });

  it("a cached fact of a key outside the realm does not count", () => {
    const stranger = loadSecret(secretOf("integuru"), { algorithm: "HS256" });
    const realm = realmOf("r", key());
    const facts = new FactCache(1024 ** 2);
    facts.set(realm, tokenDigest(forged), fact('{"sub":"s"}', stranger));
    expect(ask(viewOf(realm, facts), forged)).to.include({ kind: "rejected", reason: "SIGNATURE_INVALID" });
  });

  it("a cached fact does not count for another signature, and failures are not cached", () => {
    const pem = loadPem(keyOf("p256").publicPem!, { algorithms: ["ES256"] });
    const ecPolicy = bench.realms.get("es256")!.policy;
    const realm = createRealm("r", ecPolicy, staticSource(pem));
    const facts = new FactCache(1024 ** 2);
    const es = makeToken({ key: "p256", header: { alg: "ES256" }, claims: { sub: "s" } });
    const bad = makeToken({ key: "p256", header: { alg: "ES256" }, claims: { sub: "s" }, tamper: ["flip signature"] });
    expect(ask(viewOf(realm, facts), es)).to.have.property("kind", "verified");
    const held = facts.bytes;
    expect(ask(viewOf(realm, facts), bad)).to.include({ kind: "rejected", reason: "SIGNATURE_INVALID" });
    expect(facts.bytes).to.equal(held);
  });
});
