import { expect } from "chai";
import type { Algorithm } from "../../src/jws/algorithms.js";
import { KeyUses, type VerificationKey } from "../../src/keys/key.js";
import { KeySet, mostTried, staticSource } from "../../src/keys/key-set.js";
import type { LeftOut } from "../../src/keys/left-out.js";
import { loadSecret } from "../../src/keys/secret.js";
import { NAMES, pairOf } from "../jws/signing.js";

const keyOf = (algorithm: Algorithm, kid?: string): VerificationKey => ({
  algorithm,
  kid,
  key: pairOf(algorithm).publicKey,
  label: `${algorithm} ${kid}`,
  uses: new KeyUses(),
});
const labels = (keys: readonly VerificationKey[]): string[] => keys.map(({ label }) => label);

describe("KeySet", () => {
  const a = keyOf("ES256", "a");
  const b = keyOf("ES256", "b");
  const free = keyOf("ES256");
  const rsa = keyOf("RS256", "a");
  const set = new KeySet([free, a, rsa, b]);

  it("selects for a kid the keys of that kid, then those without one", () => {
    expect(set.select("a", "ES256")).to.deep.equal([a, free]);
    expect(set.select("b", "ES256")).to.deep.equal([b, free]);
    expect(set.select("a", "RS256")).to.deep.equal([rsa]);
  });

  it("selects for an unknown kid the keys without one", () => {
    expect(set.select("c", "ES256")).to.deep.equal([free]);
    expect(set.select("c", "RS256")).to.deep.equal([]);
    expect(set.select("b", "RS256")).to.deep.equal([]);
  });

  it("selects without a kid every key of the algorithm, in their order", () => {
    expect(set.select(undefined, "ES256")).to.deep.equal([free, a, b]);
    expect(set.select(undefined, "RS256")).to.deep.equal([rsa]);
  });

  it("finds the left-out keys of a kid; for a token without a kid, those without one", () => {
    const leftOut = ["x", "y", undefined, "x"].map((kid, index): LeftOut => {
      const what = { index, why: "", kind: "refused", cause: "malformed", algorithms: [] } as const;
      return kid === undefined ? what : { ...what, kid };
    });
    const holey = new KeySet([a], leftOut);
    expect(holey.leftOut).to.deep.equal(leftOut);
    const found = ["x", "y", undefined, "a", "__proto__"].map((kid) => holey.leftOutFor(kid).map(({ index }) => index));
    expect(found).to.deep.equal([[0, 3], [1], [2], [], []]);
    expect(holey.leftOutFor("x"), "allocates nothing").to.equal(holey.leftOutFor("x"));
    expect(new KeySet([a]).leftOutFor(undefined)).to.deep.equal([]);
    expect(staticSource([a], leftOut).current(0)?.leftOut).to.deep.equal(leftOut);
  });

  it("never selects a key of another algorithm", () => {
    for (const algorithm of NAMES) {
      for (const kid of [undefined, "a", "b", "c"]) {
        expect(set.select(kid, algorithm).every((key) => key.algorithm === algorithm)).to.equal(true);
      }
    }
    expect(set.select("a", "PS256")).to.deep.equal([]);
    expect(set.select("a", "none" as Algorithm)).to.deep.equal([]);
    expect(set.select("a", "constructor" as Algorithm)).to.deep.equal([]);
  });

  it("compares kids exactly, and treats names of prototypes' members like any other kid", () => {
    for (const kid of ["A", "a ", "", "__proto__", "constructor", "a\0"]) {
      expect(set.select(kid, "ES256"), kid).to.deep.equal([free]);
      expect(set.hasKid(kid), kid).to.equal(false);
    }
    const odd = new KeySet([keyOf("ES256", "__proto__")]);
    expect(labels(odd.select("__proto__", "ES256"))).to.deep.equal(["ES256 __proto__"]);
    expect(odd.hasKid("__proto__")).to.equal(true);
  });

  it("returns the same frozen list for the same selection", () => {
    for (const kid of [undefined, "a", "c"]) {
      const list = set.select(kid, "ES256");
      expect(set.select(kid, "ES256")).to.equal(list);
      expect(() => (list as VerificationKey[]).push(rsa)).to.throw(TypeError);
    }
    expect(() => (set.keys as VerificationKey[]).push(rsa)).to.throw(TypeError);
  });

  it("does not change when the list it was made of changes", () => {
    const list = [a];
    const made = new KeySet(list);
    list.push(b);
    expect(made.size).to.equal(1);
    expect(made.hasKid("b")).to.equal(false);
  });

  it("selects every key that may have signed, those of the token's kid first", () => {
    const many = Array.from({ length: 40 }, (_, n) => keyOf("ES256", `k${n}`));
    const unnamed = Array.from({ length: 40 }, () => keyOf("ES256"));
    const large = new KeySet([...unnamed, ...many]);
    expect(large.select(undefined, "ES256")).to.deep.equal([...unnamed, ...many]);
    expect(large.select("none of them", "ES256")).to.deep.equal(unnamed);
    expect(large.select("k39", "ES256")).to.deep.equal([many[39], ...unnamed]);
    expect(new KeySet(many).select("k39", "ES256")).to.deep.equal([many[39]]);
    expect(large.size).to.equal(80);
  });

  it("selects all keys of one kid", () => {
    const twin = keyOf("ES256", "a");
    expect(new KeySet([a, twin]).select("a", "ES256")).to.deep.equal([a, twin]);
  });

  it("has the kids of keys of every algorithm", () => {
    expect(set.hasKid("a")).to.equal(true);
    expect(set.hasKid("b")).to.equal(true);
    expect(set.hasKid("c")).to.equal(false);
    expect(set.hasKid("undefined")).to.equal(false);
  });

  it("trusts its own key objects and no equal copies", () => {
    for (const key of set.keys) expect(set.trusts(key)).to.equal(true);
    expect(set.trusts({ ...a })).to.equal(false);
    expect(set.trusts(keyOf("ES256", "z"))).to.equal(false);
    expect(new KeySet([]).trusts(a)).to.equal(false);
  });

  it("counts a key object given twice once", () => {
    const twice = new KeySet([a, free, a]);
    expect(twice.keys).to.deep.equal([a, free]);
    expect(twice.size).to.equal(2);
    expect(twice.select("a", "ES256")).to.deep.equal([a, free]);
  });

  it("a key set may be empty", () => {
    const none = new KeySet([]);
    expect(none.size).to.equal(0);
    expect(none.select(undefined, "ES256")).to.deep.equal([]);
    expect(none.hasKid("a")).to.equal(false);
  });
});

describe("mostTried", () => {
  it("limits the keys that one token is tried against to 16, and to 4 for P-384, P-521 and ML-DSA", () => {
    const slow = new Set<Algorithm>(["ES384", "ES512", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]);
    for (const algorithm of NAMES) expect(mostTried(algorithm), algorithm).to.equal(slow.has(algorithm) ? 4 : 16);
  });
});

describe("staticSource", () => {
  const key = loadSecret("x".repeat(32), { algorithm: "HS256" });
  const source = staticSource([key]);

  it("a static source always returns the same key set", () => {
    const set = source.current(0);
    expect(set?.keys).to.deep.equal([key]);
    expect(set?.trusts(key)).to.equal(true);
    expect(source.current(Number.MAX_SAFE_INTEGER)).to.equal(set);
  });

  it("a static source loads nothing and returns at once", async () => {
    const set = source.current(0);
    expect(await source.load("unknown", 0, 0)).to.equal(undefined);
    expect(await source.load(undefined, 0, Number.POSITIVE_INFINITY)).to.equal(undefined);
    expect(source.current(1)).to.equal(set);
  });

  it("a static source has no age", () => expect(source.age(1_700_000_000_000)).to.equal(undefined));

  it("a static source may have no keys, as in a realm where each instance has its own", () => {
    expect(staticSource([]).current(0)?.size).to.equal(0);
  });
});
