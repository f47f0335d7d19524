import { expect } from "chai";
import { StoreSilent, withCircuit } from "../../src/directory/circuit.js";
import type { DirectoryReads } from "../../src/directory/directory.js";
import { DirectoryError } from "../../src/directory/errors.js";

describe("look-ups of a store that may be silent", () => {
  let now: number;
  let fails: boolean;
  let tried: number;
  let told: boolean[];
  let directory: DirectoryReads;

  const position = { number: 1, mark: "m" };
  const answer = async <Value>(value: Value): Promise<Value> => {
    tried += 1;
    if (fails) throw new DirectoryError("unavailable", "away");
    return value;
  };
  const lookUp = () =>
    directory.client("c").then(
      () => "found",
      (error: unknown) => (error instanceof StoreSilent ? "at once" : "failed"),
    );
  const poll = () => directory.poll(undefined, 1).catch(() => {});

  beforeEach(() => {
    [now, fails, tried, told] = [0, false, 0, []];
    const under = {
      client: () => answer({ value: null, position }),
      poll: () => answer({ head: position, changes: [] }),
    } as unknown as DirectoryReads;
    directory = withCircuit(
      under,
      (isSilent) => told.push(isSilent),
      () => now,
    );
  });

  it("after two seconds without a success look-ups fail at once, but for one every 500 ms", async () => {
    fails = true;
    const said: string[] = [];
    for (now = 0; now <= 3_000; now += 250) said.push(await lookUp());
    expect(said).to.deep.equal([...Array(8).fill("failed"), "failed", "at once", "failed", "at once", "failed"]);
    expect(told).to.deep.equal([true]);
  });

  it("a success, also of the feed, ends it at once", async () => {
    fails = true;
    await poll();
    now = 2_000;
    expect([await lookUp(), await lookUp()]).to.deep.equal(["failed", "at once"]);
    fails = false;
    await poll();
    expect([await lookUp(), await lookUp()]).to.deep.equal(["found", "found"]);
    expect(told).to.deep.equal([true, false]);
  });

  it("a store that was not asked for long is not silent, and the feed is always read", async () => {
    now = 60_000;
    expect(await lookUp()).to.equal("found");
    fails = true;
    for (let polls = 0; polls < 5; polls++, now += 1_000) await poll();
    expect(tried).to.equal(6);
  });
});
