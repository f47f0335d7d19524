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
  keys: [],
  refused: 0,
  ...more,
});

describe("how realms stand", () => {
  it("is fresh without keys to be fetched, and says nothing of key sets then", () => {
    expect(keyReadiness(["a", "b"], [], true)).to.deep.equal({ realms: { a: "fresh", b: "fresh" } });
  });

  it("is that of the worst of a realm's key sets", () => {
    const sets = [set("a", "fresh"), set("a", "stale"), set("b", "cold"), set("b", "failing"), set("c", "fresh")];
    expect(keyReadiness(["a", "b", "c", "d"], sets, true).realms).to.deep.equal({
      a: "stale",
      b: "failing",
      c: "fresh",
      d: "fresh",
    });
  });

  it("is failing everywhere while the directory gives no verdicts", () => {
    expect(keyReadiness(["a", "b"], [set("a", "fresh")], false).realms).to.deep.equal({ a: "failing", b: "failing" });
  });

  it("says of each key set why, how old it is and when it is fetched next, in seconds", () => {
    const failing = set("a", "failing", { why: "it answered 500", age: undefined, refused: 2 });
    expect(keyReadiness(["a"], [failing, set("a", "fresh")], true).keys).to.deep.equal([
      {
        realm: "a",
        location: "https://a.example/jwks.json",
        state: "failing",
        why: "it answered 500",
        ageSeconds: null,
        nextFetchSeconds: 2,
        keys: 0,
        refused: 2,
      },
      {
        realm: "a",
        location: "https://a.example/jwks.json",
        state: "fresh",
        ageSeconds: 61,
        nextFetchSeconds: 2,
        keys: 0,
        refused: 0,
      },
    ]);
  });

  it("leaves unserved whose keys do not count", () => {
    const sets = [set("a", "fresh"), set("b", "stale"), set("c", "cold"), set("d", "failing"), set("d", "fresh")];
    expect([...unservedRealms(sets)]).to.deep.equal(["c", "d"]);
  });
});
