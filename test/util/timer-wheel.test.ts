import { expect } from "chai";
import fc from "fast-check";
import { Timed, TimerWheel } from "../../src/util/timer-wheel.js";

/** An entry that calls back when it expires. */
class Entry extends Timed {
  readonly #run: (entry: Entry) => void;
  constructor(run: (entry: Entry) => void) {
    super();
    this.#run = run;
  }
  override expire(): void {
    this.#run(this);
  }
}

/** A wheel on a clock that the test sets. */
function wheelAt(start: number) {
  const clock = { now: start };
  const wheel = new TimerWheel(() => clock.now);
  const to = (now: number): void => {
    clock.now = now;
    wheel.turn();
  };
  return { clock, wheel, to };
}

describe("TimerWheel", () => {
  it("an entry expires once its time has passed, at most 25 ms late, and only once", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 10_000_000 }),
        fc.array(fc.nat({ max: 60_000 }), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 200 }),
        (start, delays, steps) => {
          const { wheel, to, clock } = wheelAt(start);
          const expired = new Map<number, number[]>();
          delays.forEach((delay, index) => {
            expired.set(index, []);
            wheel.add(new Entry(() => expired.get(index)?.push(clock.now - start)), delay);
          });
          const times = [0];
          for (const step of steps) times.push((times.at(-1) ?? 0) + step);
          for (const time of times) to(start + time);
          delays.forEach((delay, index) => {
            const late = times.find((time) => time >= delay + 25);
            const [first, ...others] = expired.get(index) ?? [];
            expect(others).to.have.length(0);
            if (first === undefined) expect(late).to.equal(undefined);
            else expect(first).to.be.within(delay, late ?? Infinity);
          });
        },
      ),
    );
  });

  it("an entry that is taken out does not expire, and may be taken out twice", () => {
    const { wheel, to } = wheelAt(7);
    const expired: string[] = [];
    const [a, b] = [new Entry(() => expired.push("a")), new Entry(() => expired.push("b"))];
    wheel.add(a, 100);
    wheel.add(b, 100);
    wheel.remove(a);
    wheel.remove(a);
    expect(wheel.size).to.equal(1);
    to(1000);
    expect(expired).to.deep.equal(["b"]);
    expect(wheel.size).to.equal(0);
  });

  it("an entry that expires may go in again, and may take out others that are due", () => {
    const { wheel, to } = wheelAt(0);
    const expired: string[] = [];
    const other = new Entry(() => expired.push("other"));
    const again = new Entry((entry) => {
      expired.push("again");
      wheel.remove(other);
      wheel.add(entry, 0);
    });
    wheel.add(again, 10);
    wheel.add(other, 10);
    to(50);
    to(100);
    expect(expired).to.deep.equal(["again", "again"]);
    expect(wheel.size).to.equal(1);
    wheel.remove(again);
  });

  it("after a pause of hours, all that was due expires at the next turn", () => {
    const { wheel, to } = wheelAt(123);
    let expired = 0;
    for (let delay = 0; delay < 40_000; delay += 100) wheel.add(new Entry(() => expired++), delay);
    to(123 + 3_600_000);
    expect(expired).to.equal(400);
  });

  it("its own timer expires entries, and lets the process end while there are some", async () => {
    const wheel = new TimerWheel();
    await new Promise<void>((resolve) => {
      // An unreferenced timer does not keep the test's process alive.
      const alive = setInterval(() => {}, 1000);
      wheel.add(
        new Entry(() => {
          clearInterval(alive);
          resolve();
        }),
        1,
      );
    });
    expect(wheel.size).to.equal(0);
  });
});
