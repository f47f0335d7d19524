import { expect } from "chai";
import fc from "fast-check";
import { ReplayMemory } from "../../../src/verifier/proofs/replay-memory.js";
import { NOW } from "../../support/clock.js";

const SECOND = 1000;
const now = NOW / SECOND;
const KEY = "k".repeat(43);

describe("the memory of used DPoP proofs", () => {
  it("a proof is remembered until its time is over, and accepted once", () => {
    const memory = new ReplayMemory();
    const digest = memory.digest(KEY, "a");
    expect(memory.has(digest, NOW)).to.equal(false);
    expect(memory.note(digest, now + 120, NOW)).to.equal("noted");
    for (const age of [0, 1, 60, 119.9, 120]) {
      expect(memory.has(digest, NOW + age * SECOND), `${age} s`).to.equal(true);
      expect(memory.note(digest, now + 120, NOW + age * SECOND), `${age} s`).to.equal("replayed");
    }
    expect(memory.size(NOW + 120 * SECOND)).to.equal(1);
    expect(memory.has(digest, NOW + 121 * SECOND)).to.equal(false);
    expect(memory.size(NOW + 121 * SECOND)).to.equal(0);
    expect(memory.note(digest, now + 181, NOW + 121 * SECOND)).to.equal("noted");
  });

  it("a proof whose time has a fraction is remembered to its end", () => {
    const memory = new ReplayMemory();
    const digest = memory.digest(KEY, "a");
    memory.note(digest, now + 0.5, NOW);
    expect(memory.has(digest, NOW + 500)).to.equal(true);
  });

  it("proofs of other keys, and other proofs of a key, are not the same", () => {
    const memory = new ReplayMemory();
    expect(memory.note(memory.digest(KEY, "a"), now + 60, NOW)).to.equal("noted");
    expect(memory.note(memory.digest(KEY, "b"), now + 60, NOW)).to.equal("noted");
    expect(memory.note(memory.digest("l".repeat(43), "a"), now + 60, NOW)).to.equal("noted");
    expect(memory.size(NOW)).to.equal(3);
  });

  it("a full memory takes no further proof, forgets none, and has room again once one has ended", () => {
    const memory = new ReplayMemory(3);
    const digests = [0, 1, 2, 3].map((name) => memory.digest(KEY, String(name)));
    for (const [index, digest] of digests.entries()) {
      expect(memory.note(digest, now + 60 + index, NOW)).to.equal(index < 3 ? "noted" : "full");
    }
    for (const digest of digests.slice(0, 3)) expect(memory.note(digest, now + 60, NOW)).to.equal("replayed");
    expect(memory.note(digests[3]!, now + 120, NOW + 60 * SECOND)).to.equal("full");
    expect(memory.note(digests[3]!, now + 120, NOW + 61 * SECOND)).to.equal("noted");
    expect(memory.size(NOW + 61 * SECOND)).to.equal(3);
  });

  it("after the clock was set back, living proofs are still remembered and new ones are counted", () => {
    const memory = new ReplayMemory(2);
    const [first, second, third] = ["a", "b", "c"].map((name) => memory.digest(KEY, name)) as [Buffer, Buffer, Buffer];
    memory.note(first, now + 60, NOW);
    const earlier = NOW - 3600 * SECOND;
    expect(memory.has(first, earlier)).to.equal(true);
    expect(memory.note(second, earlier / SECOND + 60, earlier)).to.equal("noted");
    expect(memory.note(third, earlier / SECOND + 60, earlier)).to.equal("full");
    expect(memory.size(NOW + 61 * SECOND)).to.equal(0);
  });

  for (const minutes of [1, 4, 10, 600]) {
    it(`after the clock was set back by ${minutes} minutes, a used proof is still used when its time comes again`, () => {
      const memory = new ReplayMemory(4);
      const used = memory.digest(KEY, "used");
      expect(memory.note(used, now + 60, NOW)).to.equal("noted");
      for (let second = now - minutes * 60, at = 0; second <= now; second += 20, at++) {
        const other = memory.digest(KEY, String(at));
        if (at % 20 === 0) expect(memory.note(other, second + 60, second * SECOND)).to.equal("noted");
        expect(memory.size(second * SECOND)).to.be.at.most(2);
      }
      expect(memory.note(used, now + 60, NOW)).to.equal("replayed");
    });
  }

  it("whatever proofs come, the memory answers like a map with times", () => {
    const event = fc.record({
      name: fc.integer({ min: 0, max: 40 }),
      life: fc.integer({ min: 0, max: 120 }),
      pause: fc.integer({ min: 0, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), fc.integer({ min: 1, max: 30 }), (events, max) => {
        const memory = new ReplayMemory(max);
        const model = new Map<number, number>();
        let time = NOW;
        for (const { name, life, pause } of events) {
          time += pause * SECOND;
          for (const [one, until] of model) if (until < time / SECOND) model.delete(one);
          const expected = model.has(name) ? "replayed" : model.size >= max ? "full" : "noted";
          expect(memory.note(memory.digest(KEY, String(name)), time / SECOND + life, time)).to.equal(expected);
          if (expected === "noted") model.set(name, time / SECOND + life);
          expect(memory.size(time)).to.equal(model.size);
        }
      }),
    );
  });
});
