import { expect } from "chai";
import { isFaulty } from "../../../src/keys/left-out.js";
import { jwkOf } from "../../support/keys.js";
import { documentOf, HOUR, kidsOf, MINUTE, Rig, SECOND, SETTINGS } from "./rig.js";
import { VirtualTime } from "./virtual-time.js";

describe("RemoteKeys: fresh", () => {
  it("remote keys fetch at once and have no keys before that", async () => {
    const rig = new Rig();
    expect(rig.asked).to.have.length(1);
    expect(rig.keys.status(rig.now)).to.include({ state: "cold", why: "", age: undefined });
    await rig.last.give(documentOf("a"));
    expect(kidsOf(rig.keys.current(rig.now))).to.deep.equal(["a"]);
    expect(rig.keys.status(rig.now)).to.include({ state: "fresh", age: 0, next: 5 * MINUTE });
  });

  for (const [lifetime, next, what] of [
    [undefined, 5 * MINUTE, "nothing said"],
    [0, 5 * MINUTE, "less than refreshMin"],
    [600, 10 * MINUTE, "in between"],
    [86_400, HOUR, "more than refreshMax"],
    [Number.POSITIVE_INFINITY, HOUR, "for ever"],
  ] as const) {
    it(`remote keys fetch again after ${next / MINUTE} minutes: ${what}`, async () => {
      const rig = new Rig();
      await rig.last.give(documentOf("a"), lifetime);
      await rig.time.pass(next - 1);
      expect(rig.asked).to.have.length(1);
      await rig.time.pass(1);
      expect(rig.asked).to.have.length(2);
    });
  }

  it("remote keys fetch every second if so configured", async () => {
    const rig = new Rig({ refreshMin: SECOND, refreshMax: SECOND, staleIfError: SECOND, cooldown: SECOND });
    for (let times = 1; times <= 5; times++) {
      expect(rig.asked).to.have.length(times);
      await rig.last.give(documentOf("a"), 3600);
      await rig.time.pass(SECOND);
    }
  });

  it("a fetch sends the remembered validators, and an unchanged answer counts as a good fetch", async () => {
    const rig = new Rig();
    expect(rig.last.last).to.equal(undefined);
    await rig.last.give(documentOf("a"), 300, '"1"');
    const set = rig.keys.current(rig.now);
    await rig.time.pass(5 * MINUTE);
    expect(rig.last.last?.validators.etag).to.equal('"1"');
    await rig.last.same(1200);
    expect(rig.keys.current(rig.now)).to.equal(set);
    expect(rig.keys.status(rig.now)).to.include({ state: "fresh", age: 0, next: 20 * MINUTE });
    expect(rig.saved.map(({ fetchedAt }) => fetchedAt)).to.deep.equal([rig.now - 5 * MINUTE, rig.now]);
    expect(rig.saved[1]?.document).to.equal(JSON.stringify(documentOf("a")));
  });

  it("an unchanged answer to the first fetch is a failure", async () => {
    const rig = new Rig();
    await rig.last.same();
    expect(rig.keys.status(rig.now).state).to.equal("failing");
  });

  it("an equal set stays the same object, and a changed set keeps the objects of its unchanged keys", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("a", "b"));
    const first = rig.keys.current(rig.now);
    await rig.time.pass(HOUR);
    await rig.last.give(documentOf("a", "b"));
    expect(rig.keys.current(rig.now)).to.equal(first);
    await rig.time.pass(HOUR);
    await rig.last.give(documentOf("b", "c"));
    const second = rig.keys.current(rig.now);
    expect(second?.keys[0]).to.equal(first?.keys[1]);
    expect(
      first?.keys.map((key) => second?.trusts(key)),
      "what is gone counts no more",
    ).to.deep.equal([false, true]);
    expect(rig.changes.map(({ added, removed }) => [added, removed])).to.deep.equal([
      [["a", "b"], []],
      [[], []],
      [["c"], ["a"]],
    ]);
  });

  it("unusable keys are left out one by one, and reported when they change", async () => {
    const good = jwkOf("p256");
    const document = {
      keys: [
        { ...good, kid: "good" },
        { kty: "oct", k: "c2VjcmV0", kid: "oct" },
        { ...good, kid: "private", d: good["x"] },
        { ...good, kid: "twice" },
        { ...jwkOf("p256-other"), kid: "twice" },
        { kty: "XYZ", kid: "unknown" },
        null,
        { ...good, kid: "encryption", use: "enc" },
      ],
    };
    const rig = new Rig();
    await rig.last.give(document);
    expect(kidsOf(rig.keys.current(rig.now))).to.deep.equal(["good", "twice", "twice"]);
    const refused = rig.keys.leftOut.filter(isFaulty).map(({ index }) => index);
    expect(refused).to.include.members([1, 2, 6]);
    expect(rig.changes[0]?.leftOut).to.deep.equal(rig.keys.leftOut);
    await rig.time.pass(HOUR);
    await rig.last.give(document);
    expect(rig.changes[1]?.leftOut, "told once").to.deep.equal([]);
  });
});

describe("RemoteKeys: left-out keys", () => {
  it("a set that only leaves out other keys is a new set with the same key objects", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("a"));
    const before = rig.keys.current(rig.now);
    await rig.time.pass(HOUR);
    await rig.last.give({ keys: [...documentOf("a").keys, { kty: "EC", kid: "b" }] });
    const after = rig.keys.current(rig.now);
    expect(after?.leftOutFor("b").map(({ kind }) => kind)).to.deep.equal(["refused"]);
    expect(after?.keys[0]).to.equal(before?.keys[0]);
    expect(rig.changes[1]).to.deep.include({ added: [], removed: [] });
  });
});

describe("RemoteKeys: an outage", () => {
  for (const [what, document] of [
    ["an empty set", { keys: [] }],
    ["an object that is not a key set", { kees: [] }],
    ["null", null],
    ["a set without a usable key", { keys: [{ kty: "oct", k: "c2VjcmV0" }] }],
    ["a set with only keys of another algorithm", { keys: [jwkOf("rsa")] }],
  ] as const) {
    it(`${what} is a failed fetch, and the old set stays`, async () => {
      const rig = new Rig();
      await rig.last.give(documentOf("a"), 300, '"1"');
      const set = rig.keys.current(rig.now);
      await rig.time.pass(5 * MINUTE);
      await rig.last.give(document, 300, '"2"');
      expect(rig.keys.current(rig.now)).to.equal(set);
      expect(rig.keys.status(rig.now)).to.include({ state: "stale", age: 5 * MINUTE });
      expect(rig.keys.isStale).to.equal(true);
      expect(rig.saved).to.have.length(1);
      await rig.time.pass(SECOND);
      expect(rig.last.last?.validators.etag, "what was refused is not remembered").to.equal('"1"');
    });
  }

  it("a document that cannot be saved is a failed fetch, and none of it is used, now or later", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("a"), 300, '"1"');
    const set = rig.keys.current(rig.now);
    await rig.time.pass(5 * MINUTE);
    await rig.last.give({ ...documentOf("b"), x: 1n, keys: [...documentOf("b").keys, {}] }, 300, '"2"');
    expect(rig.failures).to.deep.equal([["internal error while fetching", 1]]);
    expect(rig.keys.current(rig.now)).to.equal(set);
    expect(rig.keys.leftOut).to.deep.equal([]);
    await rig.time.pass(SECOND);
    expect(rig.last.last?.validators.etag).to.equal('"1"');
    await rig.last.same();
    expect(rig.saved.at(-1)?.document, "what is saved").to.equal(JSON.stringify(documentOf("a")));
    expect(rig.changes.at(-1)).to.deep.equal({ added: [], removed: [], leftOut: [] });
  });

  it("a set of more than 100 keys is a failed fetch, and the old set stays", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("a"));
    await rig.time.pass(5 * MINUTE);
    await rig.last.give(documentOf(...Array.from({ length: 101 }, (_, index) => `k${index}`)));
    expect(rig.failures).to.deep.equal([
      ["the set has 101 keys, more than 100: take out those that are not in use", 1],
    ]);
    expect(kidsOf(rig.keys.current(rig.now))).to.deep.equal(["a"]);
  });

  it("kids are reported by their first 64 characters", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("x".repeat(100_000)));
    expect(rig.changes.at(-1)?.added).to.deep.equal([`${"x".repeat(64)}…`]);
  });

  it("an unexpected error is a failed fetch, and its text is not reported", async () => {
    const rig = new Rig();
    await rig.last.break();
    expect(rig.failures).to.deep.equal([["internal error while fetching", 1]]);
  });

  it("the pause doubles with each failure up to refreshMax, and starts again at one second after a good fetch", async () => {
    const rig = new Rig({ refreshMin: SECOND, refreshMax: 10 * SECOND });
    const pauses: number[] = [];
    for (let times = 0; times < 6; times++) {
      await rig.last.fail();
      const { length } = rig.asked;
      const began = rig.now;
      while (rig.asked.length === length) await rig.time.pass(500);
      pauses.push((rig.now - began) / SECOND);
    }
    expect(pauses).to.deep.equal([1, 2, 4, 8, 10, 10]);
    await rig.last.give(documentOf("a"));
    expect(rig.keys.status(rig.now)).to.include({ state: "fresh", why: "" });
    await rig.time.pass(SECOND);
    await rig.last.fail();
    expect(rig.keys.status(rig.now).next).to.equal(SECOND);
  });

  it("the last good set counts for exactly staleIfError from its last fetch", async () => {
    const rig = new Rig({ staleIfError: 2 * HOUR });
    await rig.last.give(documentOf("a"), 3600, '"1"');
    await rig.time.pass(HOUR);
    await rig.last.same(3600);
    const until = rig.now + 2 * HOUR;
    await rig.time.pass(HOUR);
    await rig.last.fail("it answered 500");
    expect(kidsOf(rig.keys.current(until))).to.deep.equal(["a"]);
    expect(rig.keys.status(until)).to.include({ state: "stale", why: "it answered 500", age: 2 * HOUR });
    expect(rig.keys.current(until + 1)).to.equal(undefined);
    expect(rig.keys.status(until + 1)).to.include({ state: "failing", age: 2 * HOUR + 1 });
    expect(rig.keys.answers("a", until + 1, until + 1), "a key that counts no more").to.equal(false);
  });

  it("the end of the set's time is reported once, when it comes, and so is the recovery", async () => {
    const rig = new Rig({ staleIfError: 2 * HOUR });
    const began = rig.now;
    await rig.last.give(documentOf("a"));
    await rig.time.pass(5 * MINUTE);
    expect(rig.keys.status(rig.now).left).to.equal(2 * HOUR - 5 * MINUTE);
    await rig.last.fail();
    expect(rig.lefts).to.deep.equal([2 * HOUR - 5 * MINUTE]);
    while (rig.now < began + 3 * HOUR) {
      await rig.time.pass(MINUTE);
      await rig.last.fail("it answered 500");
    }
    const [first, ...more] = rig.outs;
    expect(more).to.deep.equal([]);
    expect(first?.[0], "not with the next failure").to.equal(began + 2 * HOUR + 1);
    expect(first?.[1]).to.equal("it answered 500");
    expect(rig.lefts.at(-1)).to.equal(0);
    expect(rig.keys.status(rig.now).left).to.equal(0);
    await rig.time.pass(HOUR);
    await rig.last.give(documentOf("a"));
    await rig.time.pass(5 * MINUTE);
    await rig.last.same();
    expect(rig.returns).to.deep.equal([false, true, false]);
    await rig.time.pass(3 * HOUR);
    expect(rig.outs, "a fetch that never ends").to.have.length(2);
  });

  it("the end is reported with the first failure if there was no set, or a saved set is too old", async () => {
    for (const saved of [undefined, { document: JSON.stringify(documentOf("a")), fetchedAt: 0 }]) {
      const rig = new Rig({}, saved);
      await rig.time.pass(0);
      expect(rig.outs).to.deep.equal([]);
      await rig.last.fail("it answered 503");
      await rig.time.pass(SECOND);
      await rig.last.fail("it answered 503");
      expect(rig.outs.map(([, ...told]) => told)).to.deep.equal([["it answered 503", 1]]);
    }
  });

  it("the end of a saved set's time is reported when it comes, and not after closing", async () => {
    const time = new VirtualTime();
    const saved = { document: JSON.stringify(documentOf("a")), fetchedAt: time.clock() - 23 * HOUR };
    const [rig, closed] = [new Rig({}, saved, 0, time), new Rig({}, saved, 0, time)];
    await rig.last.fail();
    await closed.last.fail();
    closed.keys.close();
    await time.pass(HOUR + MINUTE);
    expect(rig.outs.map(([at]) => at)).to.deep.equal([saved.fetchedAt + 24 * HOUR + 1]);
    expect(closed.outs).to.deep.equal([]);
  });

  it("a good fetch recovers from any outage", async () => {
    const rig = new Rig({ staleIfError: SECOND });
    await rig.last.give(documentOf("a"));
    await rig.time.pass(5 * MINUTE);
    await rig.last.fail();
    await rig.time.pass(SECOND);
    expect(rig.keys.current(rig.now)).to.equal(undefined);
    await rig.last.give(documentOf("b"));
    expect(kidsOf(rig.keys.current(rig.now))).to.deep.equal(["b"]);
  });

  it("unscheduled fetches do not slow the schedule down", async () => {
    const rig = new Rig({ cooldown: SECOND });
    await rig.last.give(documentOf("a"));
    await rig.time.pass(5 * MINUTE);
    await rig.last.fail();
    // The next scheduled fetches are at 1, 3, 7, 15 and 31 s; in the meantime an unknown kid is looked up every 100 ms.
    const began = rig.now;
    const outOfTurn: number[] = [];
    for (let tenth = 0; tenth < 320; tenth++) {
      const before = rig.asked.length;
      void rig.load(`random ${tenth}`);
      if (rig.asked.length > before) {
        outOfTurn.push(before);
        await rig.last.fail();
      }
      const { length } = rig.asked;
      await rig.time.pass(100);
      if (rig.asked.length > length) await rig.last.fail();
    }
    const scheduled = rig.asked.filter(({ at }, index) => at > began && !outOfTurn.includes(index));
    expect(scheduled.map(({ at }) => (at - began) / SECOND)).to.deep.equal([1, 3, 7, 15, 31]);
    expect(outOfTurn.length).to.be.within(25, 32);
  });

  it("a failed unscheduled fetch moves the next scheduled one closer", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("a"), 3600);
    await rig.time.pass(SECOND);
    void rig.load("b");
    await rig.last.fail();
    expect(rig.keys.status(rig.now)).to.include({ state: "stale", next: SECOND });
  });
});

describe("RemoteKeys: loads", () => {
  it("all loads wait for the same first fetch", async () => {
    const rig = new Rig();
    const asked = [rig.load("a"), rig.load("a"), rig.load(undefined)];
    await rig.last.give(documentOf("a"));
    expect(await Promise.all(asked)).to.deep.equal([undefined, undefined, undefined]);
    expect(rig.asked).to.have.length(1);
  });

  it("a load of a known kid is answered without a fetch", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("a"));
    await rig.time.pass(SECOND);
    expect(rig.keys.answers("a", rig.now, rig.now)).to.equal(true);
    expect(await rig.load("a", 0)).to.equal(undefined);
    expect(rig.asked).to.have.length(1);
  });

  it("loads of unknown kids share one fetch that starts after them, which settles that a kid is unknown", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("a"));
    await rig.time.pass(SECOND);
    expect(rig.keys.answers("b", rig.now, rig.now)).to.equal(false);
    const asked = ["b", "b", "c"].map((kid) => rig.load(kid));
    expect(rig.asked).to.have.length(2);
    await rig.last.give(documentOf("a", "b"));
    expect(await Promise.all(asked)).to.deep.equal([undefined, undefined, undefined]);
    for (const kid of ["b", "c"]) expect(rig.keys.answers(kid, rig.now, rig.now)).to.equal(true);
    await rig.time.pass(1);
    expect(rig.keys.answers("c", rig.now, rig.now), "a later question").to.equal(false);
  });

  it("a fetch that started before the load may bring the key, but does not prove the kid unknown", async () => {
    const rig = new Rig();
    await rig.time.pass(10);
    const [found, other] = [rig.load("b"), rig.load("c")];
    await rig.last.give(documentOf("b"));
    expect(await found).to.equal(undefined);
    expect(rig.asked, "another for the one that was not in it").to.have.length(2);
    await rig.last.give(documentOf("b"));
    expect(await other).to.equal(undefined);
  });

  it("a load within the cooldown returns at once with the time left of it", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("a"));
    await rig.time.pass(SECOND);
    void rig.load("b");
    await rig.last.give(documentOf("a"));
    await rig.time.pass(10 * SECOND);
    expect(await rig.load("b")).to.equal(20 * SECOND);
    expect(rig.asked).to.have.length(2);
    await rig.time.pass(20 * SECOND);
    void rig.load("b");
    expect(rig.asked).to.have.length(3);
  });

  it("the cooldown counts from the last fetch for a load, not from scheduled fetches", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("a"));
    await rig.time.pass(5 * MINUTE);
    await rig.last.give(documentOf("a"));
    await rig.time.pass(1);
    void rig.load("b");
    expect(rig.asked).to.have.length(3);
  });

  it("a load without a kid accepts a set no older than the cooldown, and fetches if it is older", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("a"));
    await rig.time.pass(30 * SECOND);
    expect(rig.keys.answers(undefined, rig.now, rig.now)).to.equal(true);
    await rig.time.pass(1);
    expect(rig.keys.answers(undefined, rig.now, rig.now)).to.equal(false);
    const asked = rig.load(undefined);
    expect(rig.asked).to.have.length(2);
    await rig.last.give(documentOf("a"));
    expect(await asked).to.equal(undefined);
  });

  it("a load waits no longer than its deadline and leaves no timer behind", async () => {
    const rig = new Rig();
    const asked = rig.load("a", 200);
    let wait: unknown = "none yet";
    void asked.then((value) => {
      wait = value;
    });
    await rig.time.pass(199);
    expect(wait).to.equal("none yet");
    await rig.time.pass(1);
    expect(wait).to.be.a("number");
    expect(rig.asked).to.have.length(1);
    expect(rig.time.timers).to.equal(0);
  });

  it("a load that ends before the running fetch returns the time until that fetch must end", async () => {
    const rig = new Rig();
    const first = rig.load("a", 200);
    await rig.time.pass(200);
    expect(await first).to.equal(4800);
    const second = rig.load(undefined, 2000);
    await rig.time.pass(2000);
    expect(await second).to.equal(2800);
  });

  it("a load never returns a wait of less than a second", async () => {
    const rig = new Rig();
    const first = rig.load("a", 4900);
    await rig.time.pass(4900);
    expect(await first, "0.1 s before the fetch has ended").to.equal(SECOND);
    await rig.time.pass(MINUTE);
    expect(await rig.load("a", 0), "a fetch that does not end").to.equal(SECOND);
    await rig.last.give(documentOf("a"));
    await rig.time.pass(1);
    void rig.load("b");
    await rig.last.give(documentOf("a"));
    await rig.time.pass(30 * SECOND - 1);
    expect(await rig.load("b"), "1 ms before the cooldown is over").to.equal(SECOND);
  });

  it("a load after a failed first fetch returns the time until the next fetch", async () => {
    const rig = new Rig();
    await rig.last.fail();
    const first = rig.load("a");
    await rig.last.fail();
    expect(await first).to.equal(SECOND);
    for (const [passed, pause] of [
      [1, 2],
      [2, 4],
      [4, 8],
    ] as const) {
      await rig.time.pass(passed * SECOND);
      await rig.last.fail();
      expect(await rig.load("a")).to.equal(pause * SECOND);
    }
  });

  it("a load during an outage starts a fetch once per cooldown, and returns at once in between", async () => {
    const rig = new Rig({ cooldown: 10 * SECOND });
    for (let times = 0; times < 12; times++) {
      await rig.last.fail();
      await rig.time.pass(rig.keys.status(rig.now).next);
    }
    await rig.last.fail();
    expect(rig.keys.status(rig.now).next).to.equal(HOUR);
    // A load does not wait for the schedule's hour once the cooldown is over.
    const asked = rig.load("a");
    await rig.last.fail();
    expect(await asked).to.equal(10 * SECOND);
    await rig.time.pass(10 * SECOND);
    const again = rig.load("a");
    await rig.last.give(documentOf("a"));
    expect(await again).to.equal(undefined);
  });

  it("setting the clock back neither lengthens the cooldown nor makes an old set new", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("a"));
    await rig.time.pass(SECOND);
    void rig.load("b");
    await rig.last.give(documentOf("a"));
    rig.time.set(rig.now - HOUR);
    expect(rig.keys.answers("b", rig.now, rig.now)).to.equal(false);
    expect(rig.keys.answers("a", rig.now, rig.now)).to.equal(true);
    expect(await rig.load("b")).to.equal(30 * SECOND);
  });
});

describe("RemoteKeys: over a restart", () => {
  const document = JSON.stringify(documentOf("a"));
  const saved = (age: number) => ({ document, fetchedAt: new Rig().now - age });

  it("a saved set counts from the start with its age, and is stale until a fetch succeeds", async () => {
    const rig = new Rig({}, saved(HOUR));
    expect(kidsOf(rig.keys.current(rig.now))).to.deep.equal(["a"]);
    expect(rig.keys.isStale).to.equal(true);
    expect(rig.keys.status(rig.now)).to.include({ state: "stale", age: HOUR });
    await rig.last.fail();
    expect(rig.keys.status(rig.now)).to.include({ state: "stale", age: HOUR });
    expect(rig.keys.current(rig.now + 23 * HOUR)).not.to.equal(undefined);
    expect(rig.keys.current(rig.now + 23 * HOUR + 1)).to.equal(undefined);
  });

  it("a fetch that confirms the saved set is not a change", async () => {
    const rig = new Rig({}, saved(HOUR));
    const set = rig.keys.current(rig.now);
    expect(rig.last.last).to.equal(undefined);
    await rig.last.give(documentOf("a"));
    expect(rig.keys.current(rig.now)).to.equal(set);
    expect(rig.changes).to.deep.equal([{ added: [], removed: [], leftOut: [] }]);
    expect(rig.keys.isStale).to.equal(false);
  });

  it("a saved set that is too old does not count", () => {
    const rig = new Rig({}, saved(24 * HOUR + 1));
    expect(rig.keys.current(rig.now)).to.equal(undefined);
    expect(rig.keys.answers("a", rig.now, rig.now)).to.equal(false);
    expect(rig.keys.status(rig.now).state).to.equal("cold");
  });

  it("a set saved in the future does not prove a kid unknown", () => {
    const rig = new Rig({}, saved(-HOUR));
    expect(kidsOf(rig.keys.current(rig.now))).to.deep.equal(["a"]);
    expect(rig.keys.answers("b", rig.now, rig.now)).to.equal(false);
    expect(rig.keys.current(rig.now + SETTINGS.staleIfError)).to.equal(undefined);
  });

  it("a set saved in the future is dated to the first start, and not again at each start", () => {
    const first = new Rig({}, saved(-HOUR));
    expect(first.saved).to.deep.equal([{ document, fetchedAt: first.now - 1 }]);
    // A set saved in the past keeps its date.
    expect(new Rig({}, saved(0)).saved).to.deep.equal([]);
    expect(new Rig({}, saved(HOUR)).saved).to.deep.equal([]);
  });

  for (const [what, text] of [
    ["broken text", "{"],
    ["no set", "[]"],
    ["no key that this version takes", '{"keys":[]}'],
  ]) {
    it(`a saved document with ${what} counts as absent`, () => {
      const rig = new Rig({}, { document: text ?? "", fetchedAt: saved(0).fetchedAt });
      expect(rig.keys.current(rig.now)).to.equal(undefined);
      expect(rig.asked).to.have.length(1);
    });
  }
});

describe("RemoteKeys: closed", () => {
  it("closed remote keys do not fetch, and a running fetch changes and saves nothing", async () => {
    const rig = new Rig();
    rig.keys.close();
    await rig.last.give(documentOf("a"));
    expect(rig.keys.current(rig.now)).to.equal(undefined);
    expect([rig.saved, rig.changes, rig.failures]).to.deep.equal([[], [], []]);
    await rig.time.pass(10 * HOUR);
    expect(rig.asked).to.have.length(1);
    expect(await rig.load("a")).to.be.a("number");
  });

  it("a fetch that fails after closing is not reported", async () => {
    const rig = new Rig();
    rig.keys.close();
    await rig.last.fail();
    expect(rig.failures).to.deep.equal([]);
    expect(rig.time.timers).to.equal(0);
  });
});
