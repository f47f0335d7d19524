import { once } from "node:events";
import { existsSync } from "node:fs";
import { expect } from "chai";
import { Secret } from "../../src/util/secret.js";
import { applyTo, Bench, child, headOf, putClient, putInstance } from "./support.js";

describe("processes that share a SQLite store", () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.release());

  it("processes that write at the same time get positions without gaps or repeats", async () => {
    const directory = await bench.open({ busyTimeout: 20_000 });
    const children = [child("write", bench.path, "100"), child("write", bench.path, "100")];
    await Promise.all(children.map(({ stdout }) => once(stdout, "data")));
    const ours: number[] = [];
    for (let n = 0; n < 100; n++) ours.push((await applyTo(directory, putClient(`c${n}`, "s"))).number);
    const theirs = (await Promise.all(children.map(({ lines }) => lines))).map((lines) => lines.map(Number));
    for (const numbers of [ours, ...theirs]) expect(numbers).to.deep.equal(numbers.toSorted((a, b) => a - b));
    const all = [ours, ...theirs].flat().toSorted((a, b) => a - b);
    expect(all).to.deep.equal(Array.from({ length: 300 }, (_, n) => n + 1));
    expect(bench.sql("SELECT count(*) AS n FROM feed WHERE number > 0")).to.deep.equal([{ n: 300 }]);
  });

  it("only one of several processes that seed a new store at the same time succeeds", async () => {
    const outcomes = await Promise.all([1, 2, 3].map(() => child("race", bench.path, "50").lines));
    expect(outcomes.flat().toSorted()).to.deep.equal(["conflict", "conflict", "seeded"]);
    expect((await headOf(await bench.open())).number).to.equal(1);
  });

  it("a process killed in the middle of a seed leaves an empty store", async () => {
    expect(await child("dieInSeed", bench.path, "2000").lines).to.deep.equal([]);
    expect(existsSync(bench.path)).to.equal(true);
    const directory = await bench.open();
    expect(await directory.isEmpty()).to.equal(true);
    expect((await directory.instance(new Secret("secret 0"))).value).to.equal(null);
    expect(bench.sql("SELECT count(*) AS n FROM users")).to.deep.equal([{ n: 0 }]);
    await applyTo(directory, { kind: "seed", entries: [putInstance("i", "secret 0")] });
  });

  it("a process killed after a seed leaves the whole seed", async () => {
    expect(await child("dieAfterSeed", bench.path, "500").lines).to.deep.equal(["seeded"]);
    const directory = await bench.open();
    expect((await headOf(directory)).number).to.equal(1);
    expect((await directory.instance(new Secret("secret 499"))).value?.id).to.equal("i499");
    expect(bench.sql("SELECT count(*) AS n FROM users")).to.deep.equal([{ n: 500 }]);
  });

  it("a process killed at any moment loses no write that was acknowledged", async () => {
    const writer = child("writeOn", bench.path);
    let heard = 0;
    writer.stdout.on("data", () => {
      heard += 1;
      if (heard === 20) writer.kill();
    });
    const acknowledged = (await writer.lines).length;
    const { number } = await headOf(await bench.open());
    expect(acknowledged).to.be.greaterThan(10);
    expect(number).to.be.within(acknowledged, acknowledged + 1);
    expect(bench.sql("SELECT count(*) AS n FROM clients")).to.deep.equal([{ n: number }]);
    expect(bench.sql("SELECT count(*) AS n FROM audit")).to.deep.equal([{ n: number }]);
  });
});
