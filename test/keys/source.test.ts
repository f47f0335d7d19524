import { expect } from "chai";
import { loadSecret } from "../../src/keys/load.js";
import { staticSource } from "../../src/keys/source.js";

describe("staticSource", () => {
  const key = loadSecret("x".repeat(32), { algorithm: "HS256" });
  const source = staticSource([key]);

  it("has one set of keys at all times, the same object", () => {
    const set = source.current(0);
    expect(set?.keys).to.deep.equal([key]);
    expect(set?.trusts(key)).to.equal(true);
    expect(source.current(Number.MAX_SAFE_INTEGER)).to.equal(set);
  });

  it("has nothing to load, and keeps nobody waiting", async () => {
    const set = source.current(0);
    expect(await source.load("unknown", 0, 0)).to.equal(undefined);
    expect(await source.load(undefined, 0, Number.POSITIVE_INFINITY)).to.equal(undefined);
    expect(source.current(1)).to.equal(set);
  });

  it("is of no age", () => expect(source.age(1_700_000_000_000)).to.equal(undefined));

  it("may have no key, as where the keys are each instance's own", () => {
    expect(staticSource([]).current(0)?.size).to.equal(0);
  });
});
