import { expect } from "chai";
import type { HeldStatus } from "../../src/keys/remote/status.js";
import { type Observations, serviceStateOf, unservedRealms } from "../../src/server/service-state.js";

// The states of realms that readiness and health report, which follow from the states of their key sets.

const set = (realm: string, state: HeldStatus["state"], more: Partial<HeldStatus> = {}): HeldStatus => ({
  realm,
  location: `https://${realm}.example/jwks.json`,
  state,
  why: "",
  age: 61_400,
  next: 1_200,
  left: 86_399_900,
  keys: [],
  leftOut: [],
  ...more,
});

const observed = (realms: readonly string[], keys: readonly HeldStatus[] = [], more: Partial<Observations> = {}) => ({
  realms,
  keys,
  routes: {},
  isFresh: true,
  ...more,
});

describe("the state of a service", () => {
  it("realms without fetched keys are fresh, and the state then has no key sets", () => {
    expect(serviceStateOf(observed(["a", "b"]))).to.deep.equal({ realms: { a: "fresh", b: "fresh" } });
  });

  it("a realm whose own staleFor is over fails and serves nothing, and so does a route to it alone", () => {
    const observations = observed(["a", "b", "any"], [], { staleRealms: ["a"], routes: { any: ["a"] } });
    expect(serviceStateOf(observations)).to.deep.include({
      realms: { a: "failing", b: "fresh", any: "failing" },
      why: { a: "the directory cannot be read", any: "a: the directory cannot be read" },
    });
    expect([...unservedRealms(observations)]).to.deep.equal(["a", "any"]);
  });

  it("the state of a realm is that of its worst key set", () => {
    const sets = [set("a", "fresh"), set("a", "stale"), set("b", "cold"), set("b", "failing"), set("c", "fresh")];
    expect(serviceStateOf(observed(["a", "b", "c", "d"], sets)).realms).to.deep.equal({
      a: "stale",
      b: "failing",
      c: "fresh",
      d: "fresh",
    });
  });

  it("every realm is failing while the directory is too old for verdicts", () => {
    expect(serviceStateOf(observed(["a", "b"], [set("a", "fresh")], { isFresh: false })).realms).to.deep.equal({
      a: "failing",
      b: "failing",
    });
  });

  it("the state gives the reason, age and next fetch of each key set, in seconds", () => {
    const why = "number 0 is no key";
    const leftOut = [
      { index: 0, kid: "k".repeat(100), why, kind: "refused", cause: "malformed", algorithms: [] },
      { index: 1, why: "it is for encryption", kind: "set aside", cause: "set aside", algorithms: [] },
    ] as const;
    const failing = set("a", "failing", { why: "it answered 500", age: undefined, left: 0, leftOut });
    expect(serviceStateOf(observed(["a"], [failing, set("a", "fresh")])).keys).to.deep.equal([
      {
        realm: "a",
        location: "https://a.example/jwks.json",
        state: "failing",
        why: "it answered 500",
        ageSeconds: null,
        nextFetchSeconds: 2,
        leftSeconds: 0,
        keys: 0,
        refused: 1,
        refusedKeys: [{ index: 0, kid: `${"k".repeat(64)}…`, cause: "malformed", why }],
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

  it("the state gives the reason of each realm that is not fresh, if it is known", () => {
    const sets = [
      set("a", "failing", { why: "it answered 500" }),
      set("a", "stale", { why: "another" }),
      set("b", "cold"),
    ];
    const routes = { any: ["c", "a"], well: ["c"], waiting: ["b"] };
    expect(serviceStateOf(observed(["a", "b", "c", "any", "well", "waiting"], sets, { routes })).why).to.deep.equal({
      a: "it answered 500",
      any: "a: it answered 500",
      waiting: "b",
    });
  });

  describe("with a directory", () => {
    const directory = { entries: { instance: 0, client: 0, user: 0, revocation: 0 }, feedPosition: 0, followedAt: 0 };
    const trouble = "The store was removed.";

    for (const [what, more, want] of [
      ["is read", {}, { state: "fresh" }],
      ["cannot be read", { trouble }, { state: "stale", why: trouble }],
      ["could not be read for too long", { trouble, isFresh: false }, { state: "failing", why: trouble }],
      [
        "was not tried for too long",
        { isFresh: false },
        { state: "failing", why: "it was not read for longer than store.staleFor" },
      ],
    ] as const) {
      it(`a directory that ${what} is ${want.state}`, () => {
        expect(serviceStateOf(observed(["a"], [], { directory, ...more })).directory).to.deep.equal(want);
      });
    }

    it("an unreadable directory makes realms fail only once it is too old for verdicts", () => {
      const sets = [set("a", "stale", { why: "it answered 500" })];
      const during = serviceStateOf(observed(["a", "b"], sets, { directory, trouble }));
      expect(during).to.deep.include({ realms: { a: "stale", b: "fresh" }, why: { a: "it answered 500" } });
      const why = "the directory cannot be read";
      const after = serviceStateOf(
        observed(["a", "b", "any"], sets, { directory, trouble, isFresh: false, routes: { any: ["a", "b"] } }),
      );
      expect(after.why).to.deep.equal({ a: why, b: why, any: why });
      expect(after.routes).to.have.nested.property("[0].why", why);
      expect(after.routes).to.have.nested.property("[0].targets[1].why", why);
    });
  });

  it("a realm is unserved if any of its key sets is cold or failing", () => {
    const sets = [set("a", "fresh"), set("b", "stale"), set("c", "cold"), set("d", "failing"), set("d", "fresh")];
    expect([...unservedRealms({ keys: sets, routes: {} })]).to.deep.equal(["c", "d"]);
  });

  describe("with a route", () => {
    const routes = { any: ["a", "b", "fixed"] };
    const realms = ["a", "b", "fixed", "any"];

    for (const [a, b, want] of [
      ["fresh", "fresh", "fresh"],
      ["fresh", "stale", "stale"],
      ["cold", "stale", "cold"],
      ["cold", "failing", "failing"],
    ] as const) {
      it(`a route to realms that are ${a} and ${b} is ${want}`, () => {
        const { realms: states } = serviceStateOf(observed(realms, [set("a", a), set("b", b)], { routes }));
        expect(states).to.deep.equal({ a, b, fixed: "fresh", any: want });
      });
    }

    it("the state of a route lists its targets, each with the reason why it is not fresh", () => {
      const sets = [set("a", "failing", { why: "it answered 500" }), set("a", "fresh"), set("b", "fresh")];
      expect(serviceStateOf(observed(realms, sets, { routes })).routes).to.deep.equal([
        {
          realm: "any",
          state: "failing",
          why: "a: it answered 500",
          serving: true,
          targets: [
            { realm: "a", state: "failing", why: "it answered 500" },
            { realm: "b", state: "fresh" },
            { realm: "fixed", state: "fresh" },
          ],
        },
      ]);
    });

    it("a route serves while any of its targets serves", () => {
      const serves = (a: HeldStatus["state"], b: HeldStatus["state"], targets = ["a", "b"]): boolean => {
        const keys = [set("a", a), set("b", b)];
        const unserved = unservedRealms({ keys, routes: { any: targets } }).has("any");
        const said = serviceStateOf(observed(realms, keys, { routes: { any: targets } })).routes;
        expect(said).to.have.nested.property("[0].serving", !unserved);
        return !unserved;
      };
      expect(serves("failing", "stale")).to.equal(true);
      expect(serves("fresh", "cold")).to.equal(true);
      expect(serves("failing", "cold")).to.equal(false);
      expect(serves("failing", "cold", ["a", "b", "fixed"])).to.equal(true);
    });

    it("a route serves nothing while the directory is too old for verdicts", () => {
      const { routes: said } = serviceStateOf(observed(realms, [set("a", "fresh")], { routes, isFresh: false }));
      expect(said).to.have.nested.property("[0].serving", false);
      expect(said).to.have.nested.property("[0].state", "failing");
    });
  });
});
