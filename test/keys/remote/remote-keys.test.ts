import { expect } from "chai";
import { jwkOf } from "../../support/keys.js";
import { documentOf, HOUR, kidsOf, MINUTE, Rig, SECOND, SETTINGS } from "./rig.js";
import { VirtualTime } from "./virtual-time.js";

describe("RemoteKeys: fresh", () => {
  it("fetches at once, and counts nothing before", async () => {
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
    it(`asks again after ${next / MINUTE} minutes: ${what}`, async () => {
      const rig = new Rig();
      await rig.last.give(documentOf("a"), lifetime);
      await rig.time.pass(next - 1);
      expect(rig.asked).to.have.length(1);
      await rig.time.pass(1);
      expect(rig.asked).to.have.length(2);
    });
  }

  it("asks every second where it is told to", async () => {
    const rig = new Rig({ refreshMin: SECOND, refreshMax: SECOND, staleIfError: SECOND, cooldown: SECOND });
    for (let times = 1; times <= 5; times++) {
      expect(rig.asked).to.have.length(times);
      await rig.last.give(documentOf("a"), 3600);
      await rig.time.pass(SECOND);
    }
  });

  it("gives what it remembers, and takes the word that nothing changed for a fetch", async () => {
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

  it("a first answer that nothing changed is a failure", async () => {
    const rig = new Rig();
    await rig.last.same();
    expect(rig.keys.status(rig.now).state).to.equal("failing");
  });

  it("a set that is the same stays the same object, and its keys in another set stay theirs", async () => {
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

  it("leaves unusable keys out one by one, and tells of them when they change", async () => {
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
    expect(kidsOf(rig.keys.current(rig.now))).to.deep.equal(["good"]);
    const refused = rig.keys.leftOut.filter((one) => one.refused).map(({ index }) => index);
    expect(refused).to.include.members([1, 2, 3, 4, 6]);
    expect(rig.changes[0]?.leftOut).to.deep.equal(rig.keys.leftOut);
    await rig.time.pass(HOUR);
    await rig.last.give(document);
    expect(rig.changes[1]?.leftOut, "told once").to.deep.equal([]);
  });
});

describe("RemoteKeys: an outage", () => {
  for (const [what, document] of [
    ["an empty set", { keys: [] }],
    ["no set", { kees: [] }],
    ["null", null],
    ["no usable key", { keys: [{ kty: "oct", k: "c2VjcmV0" }] }],
    ["keys of another algorithm alone", { keys: [jwkOf("rsa")] }],
  ] as const) {
    it(`${what} is a failed fetch: the old set stays`, async () => {
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

  it("what cannot be written down is a failed fetch: nothing of it is believed, now or later", async () => {
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

  it("a set of more than 100 keys is a failed fetch: the old set stays", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("a"));
    await rig.time.pass(5 * MINUTE);
    await rig.last.give(documentOf(...Array.from({ length: 101 }, (_, index) => `k${index}`)));
    expect(rig.failures).to.deep.equal([
      ["the set has 101 keys, more than 100: take out those that are not in use", 1],
    ]);
    expect(kidsOf(rig.keys.current(rig.now))).to.deep.equal(["a"]);
  });

  it("names of keys are told by their first 64 characters", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("x".repeat(100_000)));
    expect(rig.changes.at(-1)?.added).to.deep.equal([`${"x".repeat(64)}…`]);
  });

  it("a fault of ours is a failed fetch too, and says nothing of itself", async () => {
    const rig = new Rig();
    await rig.last.break();
    expect(rig.failures).to.deep.equal([["internal error while fetching", 1]]);
  });

  it("pauses twice as long each time, up to refreshMax, and begins anew once it is over", async () => {
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

  it("the last good set counts for staleIfError from its last fetch, to the millisecond, and no longer", async () => {
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

  it("tells the end of the set's time when it comes, once, and that it is over", async () => {
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

  it("tells it with the first failure where there was no set, or one of an earlier run that is too old", async () => {
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

  it("tells it of a set of an earlier run when its time ends, and of none that is closed", async () => {
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

  it("heals once there is an answer, whatever was before", async () => {
    const rig = new Rig({ staleIfError: SECOND });
    await rig.last.give(documentOf("a"));
    await rig.time.pass(5 * MINUTE);
    await rig.last.fail();
    await rig.time.pass(SECOND);
    expect(rig.keys.current(rig.now)).to.equal(undefined);
    await rig.last.give(documentOf("b"));
    expect(kidsOf(rig.keys.current(rig.now))).to.deep.equal(["b"]);
  });

  it("questions out of turn do not make the schedule slower", async () => {
    const rig = new Rig({ cooldown: SECOND });
    await rig.last.give(documentOf("a"));
    await rig.time.pass(5 * MINUTE);
    await rig.last.fail();
    // The schedule's next are at 1, 3, 7, 15 and 31 s; meanwhile a stranger asks every 100 ms.
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

  it("a failed fetch out of turn brings the next scheduled one near", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("a"), 3600);
    await rig.time.pass(SECOND);
    void rig.load("b");
    await rig.last.fail();
    expect(rig.keys.status(rig.now)).to.include({ state: "stale", next: SECOND });
  });
});

describe("RemoteKeys: questions", () => {
  it("wait for the first fetch, all of them for the one", async () => {
    const rig = new Rig();
    const asked = [rig.load("a"), rig.load("a"), rig.load(undefined)];
    await rig.last.give(documentOf("a"));
    expect(await Promise.all(asked)).to.deep.equal([undefined, undefined, undefined]);
    expect(rig.asked).to.have.length(1);
  });

  it("for a kid that is there are answered without a fetch", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("a"));
    await rig.time.pass(SECOND);
    expect(rig.keys.answers("a", rig.now, rig.now)).to.equal(true);
    expect(await rig.load("a", 0)).to.equal(undefined);
    expect(rig.asked).to.have.length(1);
  });

  it("for an unknown kid share one fetch that begins after them; then it is known to be unknown", async () => {
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

  it("a fetch that began before the question does not answer it, but may bring the key", async () => {
    const rig = new Rig();
    await rig.time.pass(10);
    const [found, other] = [rig.load("b"), rig.load("c")];
    await rig.last.give(documentOf("b"));
    expect(await found).to.equal(undefined);
    expect(rig.asked, "another for the one that was not in it").to.have.length(2);
    await rig.last.give(documentOf("b"));
    expect(await other).to.equal(undefined);
  });

  it("within the cooldown are answered at once, with how long it lasts", async () => {
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

  it("the cooldown counts from the last fetch for a question, not from scheduled ones", async () => {
    const rig = new Rig();
    await rig.last.give(documentOf("a"));
    await rig.time.pass(5 * MINUTE);
    await rig.last.give(documentOf("a"));
    await rig.time.pass(1);
    void rig.load("b");
    expect(rig.asked).to.have.length(3);
  });

  it("without a kid take a set that is no older than the cooldown, and fetch where it is", async () => {
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

  it("wait no longer than their deadline, and leave nothing behind", async () => {
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

  it("that end before the fetch under way are told when that has ended, at the latest", async () => {
    const rig = new Rig();
    const first = rig.load("a", 200);
    await rig.time.pass(200);
    expect(await first).to.equal(4800);
    const second = rig.load(undefined, 2000);
    await rig.time.pass(2000);
    expect(await second).to.equal(2800);
  });

  it("are never told to come again within a second", async () => {
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

  it("after a failed first fetch are told when the next is due", async () => {
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

  it("while nothing counts are answered at once between fetches, and bring one about every cooldown", async () => {
    const rig = new Rig({ cooldown: 10 * SECOND });
    for (let times = 0; times < 12; times++) {
      await rig.last.fail();
      await rig.time.pass(rig.keys.status(rig.now).next);
    }
    await rig.last.fail();
    expect(rig.keys.status(rig.now).next).to.equal(HOUR);
    // The issuer is back; nobody has to wait for the schedule's hour.
    const asked = rig.load("a");
    await rig.last.fail();
    expect(await asked).to.equal(10 * SECOND);
    await rig.time.pass(10 * SECOND);
    const again = rig.load("a");
    await rig.last.give(documentOf("a"));
    expect(await again).to.equal(undefined);
  });

  it("a clock that is set back neither makes the cooldown longer nor an old set new", async () => {
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

  it("verifies with the saved set from the start, of its age, and says so until it is fetched", async () => {
    const rig = new Rig({}, saved(HOUR));
    expect(kidsOf(rig.keys.current(rig.now))).to.deep.equal(["a"]);
    expect(rig.keys.isStale).to.equal(true);
    expect(rig.keys.status(rig.now)).to.include({ state: "stale", age: HOUR });
    await rig.last.fail();
    expect(rig.keys.status(rig.now)).to.include({ state: "stale", age: HOUR });
    expect(rig.keys.current(rig.now + 23 * HOUR)).not.to.equal(undefined);
    expect(rig.keys.current(rig.now + 23 * HOUR + 1)).to.equal(undefined);
  });

  it("a set that is confirmed is no change", async () => {
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

  it("a set that was saved in the future answers for no key that it lacks", () => {
    const rig = new Rig({}, saved(-HOUR));
    expect(kidsOf(rig.keys.current(rig.now))).to.deep.equal(["a"]);
    expect(rig.keys.answers("b", rig.now, rig.now)).to.equal(false);
    expect(rig.keys.current(rig.now + SETTINGS.staleIfError)).to.equal(undefined);
  });

  it("a set that was saved in the future counts from the first start on, and not anew at each", () => {
    const first = new Rig({}, saved(-HOUR));
    expect(first.saved).to.deep.equal([{ document, fetchedAt: first.now - 1 }]);
    // Of the past, it stays what it is.
    expect(new Rig({}, saved(0)).saved).to.deep.equal([]);
    expect(new Rig({}, saved(HOUR)).saved).to.deep.equal([]);
  });

  for (const [what, text] of [
    ["broken text", "{"],
    ["no set", "[]"],
    ["no key that this version takes", '{"keys":[]}'],
  ]) {
    it(`${what} is as nothing saved`, () => {
      const rig = new Rig({}, { document: text ?? "", fetchedAt: saved(0).fetchedAt });
      expect(rig.keys.current(rig.now)).to.equal(undefined);
      expect(rig.asked).to.have.length(1);
    });
  }
});

describe("RemoteKeys: closed", () => {
  it("fetches no more, and what is under way changes and saves nothing", async () => {
    const rig = new Rig();
    rig.keys.close();
    await rig.last.give(documentOf("a"));
    expect(rig.keys.current(rig.now)).to.equal(undefined);
    expect([rig.saved, rig.changes, rig.failures]).to.deep.equal([[], [], []]);
    await rig.time.pass(10 * HOUR);
    expect(rig.asked).to.have.length(1);
    expect(await rig.load("a")).to.be.a("number");
  });

  it("a fetch that fails then is told to nobody", async () => {
    const rig = new Rig();
    rig.keys.close();
    await rig.last.fail();
    expect(rig.failures).to.deep.equal([]);
    expect(rig.time.timers).to.equal(0);
  });
});
