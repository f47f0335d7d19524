import { expect } from "chai";
import * as fc from "fast-check";
import { isId, isText } from "../../src/directory/commands.js";
import { EntryCache, pairKey } from "../../src/directory/entry-cache.js";
import { startFeedPoller } from "../../src/directory/feed-poller.js";
import { SingleFlight } from "../../src/directory/single-flight.js";
import { refusal } from "./support.js";

describe("a pair's key", () => {
  it("a pair's key belongs to one pair, whatever characters the pair has", () => {
    const part = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom("0", "1", "2", ":", "\0", '"', "\ud800", "\u{1F600}", "i") }),
    );
    fc.assert(
      fc.property(part, part, part, part, (a, b, c, d) => {
        expect(pairKey(a, b) === pairKey(c, d)).to.equal(a === c && b === d);
      }),
      { numRuns: 5_000 },
    );
  });

  it("a pair's key depends on where one text is split into two", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("1", "2", ":", "a"), maxLength: 30 }), (text) => {
        const keys = Array.from({ length: text.length + 1 }, (_, at) => pairKey(text.slice(0, at), text.slice(at)));
        expect(new Set(keys).size).to.equal(keys.length);
      }),
    );
  });
});

describe("the entry cache", () => {
  const makeCache = () => new EntryCache<{ n: number }>({ known: 3, unknown: 2 });

  it("the entry cache returns a value, null for an entry that does not exist, or undefined for one not cached", () => {
    const some = makeCache();
    const value = { n: 1 };
    some.set("a", value, "g");
    some.set("b", null, "g");
    expect([some.get("a"), some.get("b"), some.get("c")]).to.deep.equal([value, null, undefined]);
  });

  it("the entry cache returns what was last set for a key, a value or its absence", () => {
    const some = makeCache();
    some.set("a", null, "g");
    some.set("a", { n: 1 }, "g");
    some.drop("a");
    expect(some.get("a")).to.equal(undefined);
    some.set("a", { n: 1 }, "g");
    some.set("a", null, "g");
    expect(some.get("a")).to.equal(null);
  });

  it("the entry cache drops entries by group, existing or not", () => {
    const some = makeCache();
    some.set("a", { n: 1 }, "g");
    some.set("b", null, "g");
    some.set("c", { n: 1 }, "h");
    some.set("d", null, "h");
    some.dropGroups(new Set(["g", "other"]));
    expect(["a", "b", "c", "d"].map((key) => some.get(key))).to.deep.equal([undefined, undefined, { n: 1 }, null]);
  });
});

describe("a valid id", () => {
  it("a valid id has 1 to its maximum of UTF-16 code units, without control characters or lone surrogates", () => {
    for (const good of ["a", " ", "é", "\u{1F600}", "\u2028", "x".repeat(10)])
      expect(isId(good, 10), good).to.equal(true);
    for (const bad of ["", "\0", "\n", "\u0085", "\ud83d", "\ude00\ud83d", "x".repeat(11)])
      expect(isId(bad, 10)).to.equal(false);
  });

  it("a valid id survives a round trip through UTF-8", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("a", "\ud83d", "\ude00", "\ufffd") }), (text) => {
        if (isText(text, 100)) expect(Buffer.from(text).toString()).to.equal(text);
        else expect(Buffer.from(text).toString()).not.to.equal(text);
      }),
    );
  });
});

describe("single flight", () => {
  const gate = () => {
    let open: () => void = () => {};
    const passed = new Promise<void>((resolve) => {
      open = resolve;
    });
    return { open, passed };
  };

  it("single flight starts one load for all callers with its key", async () => {
    const { open, passed } = gate();
    let started = 0;
    const loads = new SingleFlight(() => 0, 10);
    const load = () => {
      started += 1;
      return passed;
    };
    const waiting = [loads.run("a", Number.POSITIVE_INFINITY, load), loads.run("a", 1e15, load)];
    open();
    await Promise.all(waiting);
    expect(started).to.equal(1);
    await loads.run("a", Number.POSITIVE_INFINITY, load);
    expect(started).to.equal(2);
  });

  it("single flight refuses loads above its maximum, but lets callers join a running one", async () => {
    const { open, passed } = gate();
    const loads = new SingleFlight(() => 0, 1);
    const first = loads.run("a", Number.POSITIVE_INFINITY, () => passed);
    const second = loads.run("a", Number.POSITIVE_INFINITY, () => passed);
    await refusal(
      loads.run("b", Number.POSITIVE_INFINITY, () => passed),
      "unavailable",
      /1 loads .* in flight/,
    );
    open();
    await Promise.all([first, second]);
    await loads.run("b", Number.POSITIVE_INFINITY, () => passed);
  });

  it("single flight starts no load past the deadline", async () => {
    const loads = new SingleFlight(() => 100, 1);
    let started = false;
    await refusal(
      loads.run("a", 100, async () => {
        started = true;
      }),
      "unavailable",
      /in time/,
    );
    expect(started).to.equal(false);
  });

  it("a load goes on for other callers when one caller's deadline has passed", async () => {
    const { open, passed } = gate();
    const loads = new SingleFlight(() => 0, 1);
    const patient = loads.run("a", Number.POSITIVE_INFINITY, () => passed);
    await refusal(
      loads.run("a", 1, () => passed),
      "unavailable",
      /in time/,
    );
    open();
    await patient;
  });

  it("the failure of a load that every caller has given up is swallowed", async () => {
    let fail: (error: Error) => void = () => {};
    const loads = new SingleFlight(() => 0, 1);
    const load = () => new Promise<void>((_, reject) => (fail = reject));
    await refusal(loads.run("a", 1, load), "unavailable", /in time/);
    fail(new Error("nobody hears this"));
    await new Promise((resolve) => setImmediate(resolve));
  });
});

describe("the feed poller", () => {
  it("the feed poller polls at once and then at its interval, reports the first failure and the recovery, and stops", async () => {
    const outcomes = ["ok", "fail", "fail", "fail", "ok", "ok"];
    const told: string[] = [];
    let running = 0;
    let steps = 0;
    await new Promise<void>((resolve) => {
      const poller = startFeedPoller({
        interval: () => 1,
        async follow() {
          running += 1;
          expect(running).to.equal(1);
          await Promise.resolve();
          running -= 1;
          const outcome = outcomes[steps++];
          if (steps === outcomes.length) void poller.stop().then(resolve);
          if (outcome === "fail") throw new Error(`failure ${steps}`);
        },
        onFailure: (error) => told.push(String(error)),
        onRecovery: (failures) => told.push(`recovered after ${failures}`),
      });
    });
    expect(told).to.deep.equal(["Error: failure 2", "recovered after 3"]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(steps).to.equal(outcomes.length);
  });

  it("stopping the feed poller waits for the read in progress and for no other", async () => {
    let finish: () => void = () => {};
    let stopped = false;
    const poller = startFeedPoller({
      interval: () => 1,
      follow: () => new Promise((resolve) => (finish = resolve)),
      onFailure: () => {},
      onRecovery: () => {},
    });
    const stopping = poller.stop().then(() => (stopped = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(stopped).to.equal(false);
    finish();
    await stopping;
  });
});
