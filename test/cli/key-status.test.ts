import { expect } from "chai";
import { keyReadiness, unservedRealms } from "../../src/cli/telemetry/key-status.js";
import type { HeldStatus } from "../../src/keys/network/keyring.js";

// What readiness and health say of realms, by how their key sets stand.

const set = (realm: string, state: HeldStatus["state"], more: Partial<HeldStatus> = {}): HeldStatus => ({
  realm,
  location: `https://${realm}.example/jwks.json`,
  state,
  why: "",
  age: 61_400,
  next: 1_200,
  left: 86_399_900,
  keys: [],
  refused: 0,
  ...more,
});

const standing = (
  realms: readonly string[],
  keys: readonly HeldStatus[] = [],
  more: { readonly routes?: Record<string, readonly string[]>; readonly isFresh?: boolean } = {},
) => ({ realms, keys, routes: {}, isFresh: true, ...more });

describe("how realms stand", () => {
  it("is fresh without keys to be fetched, and says nothing of key sets then", () => {
    expect(keyReadiness(standing(["a", "b"]))).to.deep.equal({ realms: { a: "fresh", b: "fresh" } });
  });

  it("is that of the worst of a realm's key sets", () => {
    const sets = [set("a", "fresh"), set("a", "stale"), set("b", "cold"), set("b", "failing"), set("c", "fresh")];
    expect(keyReadiness(standing(["a", "b", "c", "d"], sets)).realms).to.deep.equal({
      a: "stale",
      b: "failing",
      c: "fresh",
      d: "fresh",
    });
  });

  it("is failing everywhere while the directory gives no verdicts", () => {
    expect(keyReadiness(standing(["a", "b"], [set("a", "fresh")], { isFresh: false })).realms).to.deep.equal({
      a: "failing",
      b: "failing",
    });
  });

  it("says of each key set why, how old it is and when it is fetched next, in seconds", () => {
    const failing = set("a", "failing", { why: "it answered 500", age: undefined, left: 0, refused: 2 });
    expect(keyReadiness(standing(["a"], [failing, set("a", "fresh")])).keys).to.deep.equal([
      {
        realm: "a",
        location: "https://a.example/jwks.json",
        state: "failing",
        why: "it answered 500",
        ageSeconds: null,
        nextFetchSeconds: 2,
        leftSeconds: 0,
        keys: 0,
        refused: 2,
      },
      {
        realm: "a",
        location: "https://a.example/jwks.json",
        state: "fresh",
        ageSeconds: 61,
        nextFetchSeconds: 2,
        leftSeconds: 86_399,
        keys: 0,
        refused: 0,
      },
    ]);
  });

  it("leaves unserved whose keys do not count", () => {
    const sets = [set("a", "fresh"), set("b", "stale"), set("c", "cold"), set("d", "failing"), set("d", "fresh")];
    expect([...unservedRealms({ keys: sets, routes: {} })]).to.deep.equal(["c", "d"]);
  });

  describe("of one that hands tokens on", () => {
    const routes = { any: ["a", "b", "fixed"] };
    const realms = ["a", "b", "fixed", "any"];

    for (const [a, b, want] of [
      ["fresh", "fresh", "fresh"],
      ["fresh", "stale", "stale"],
      ["cold", "stale", "cold"],
      ["cold", "failing", "failing"],
    ] as const) {
      it(`is that of the worst that it hands them to: ${a} and ${b}`, () => {
        const { realms: states } = keyReadiness(standing(realms, [set("a", a), set("b", b)], { routes }));
        expect(states).to.deep.equal({ a, b, fixed: "fresh", any: want });
      });
    }

    it("names each, and why it is not fresh", () => {
      const sets = [set("a", "failing", { why: "it answered 500" }), set("a", "fresh"), set("b", "fresh")];
      expect(keyReadiness(standing(realms, sets, { routes })).routes).to.deep.equal([
        {
          realm: "any",
          state: "failing",
          serving: true,
          targets: [
            { realm: "a", state: "failing", why: "it answered 500" },
            { realm: "b", state: "fresh" },
            { realm: "fixed", state: "fresh" },
          ],
        },
      ]);
    });

    it("it serves while one does that it hands them to", () => {
      const serves = (a: HeldStatus["state"], b: HeldStatus["state"], targets = ["a", "b"]): boolean => {
        const keys = [set("a", a), set("b", b)];
        const unserved = unservedRealms({ keys, routes: { any: targets } }).has("any");
        const said = keyReadiness(standing(realms, keys, { routes: { any: targets } })).routes;
        expect(said).to.have.nested.property("[0].serving", !unserved);
        return !unserved;
      };
      expect(serves("failing", "stale")).to.equal(true);
      expect(serves("fresh", "cold")).to.equal(true);
      expect(serves("failing", "cold")).to.equal(false);
      expect(serves("failing", "cold", ["a", "b", "fixed"])).to.equal(true);
    });

    it("it serves nothing while the directory gives no verdicts", () => {
      const { routes: said } = keyReadiness(standing(realms, [set("a", "fresh")], { routes, isFresh: false }));
      expect(said).to.have.nested.property("[0].serving", false);
      expect(said).to.have.nested.property("[0].state", "failing");
    });
  });
});
