import { expect } from "chai";
import fc from "fast-check";
import type { RemoteSettings } from "../../../src/keys/remote/held-keys.js";
import { networkSource } from "../../../src/keys/remote/network-source.js";
import { UnknownKids } from "../../../src/keys/remote/unknown-kids.js";
import { documentOf, HOUR, MINUTE, Rig, SECOND } from "./rig.js";
import { VirtualTime } from "./virtual-time.js";

// A `kid` that a fetch after its first question did not bring is unknown for the rest of the cooldown.

/** A realm's keys from several issuers, which publish what the test says, at once. */
class Realm {
  readonly time = new VirtualTime();
  readonly rigs: readonly Rig[];
  readonly source: ReturnType<typeof networkSource>;
  /** The kids that each issuer publishes; an outage if undefined. */
  readonly published: (readonly string[] | undefined)[];
  readonly #ended: number[];

  constructor(count: number, settings: Partial<RemoteSettings> = {}) {
    this.rigs = Array.from({ length: count }, () => new Rig(settings, undefined, 0, this.time));
    this.published = this.rigs.map((_, index) => [`of ${index}`]);
    this.#ended = this.rigs.map(() => 0);
    this.source = networkSource(
      [],
      this.rigs.map(({ keys }) => keys),
    );
  }

  get now(): number {
    return this.time.clock();
  }

  /** Fetches of all issuers. */
  get fetches(): number {
    return this.rigs.reduce((sum, { asked }) => sum + asked.length, 0);
  }

  /** Ends the fetches that are running. */
  async end(): Promise<void> {
    for (const [index, rig] of this.rigs.entries()) {
      if (this.#ended[index] === rig.asked.length) continue;
      this.#ended[index] = rig.asked.length;
      const kids = this.published[index];
      await (kids === undefined ? rig.last.fail() : rig.last.give(documentOf(...kids), 3600));
    }
  }

  async pass(millis: number): Promise<void> {
    await this.time.pass(millis);
    await this.end();
  }

  /** Asks as a call does: once more after a load. @returns `known`, `unknown`, or `wait` where there is no verdict */
  async ask(kid: string): Promise<"known" | "unknown" | "wait"> {
    const since = this.now;
    for (let loads = 0; loads < 4; loads++) {
      if (this.source.current(this.now)?.hasKid(kid) === true) return "known";
      if (this.source.answers(kid, since, this.now)) return "unknown";
      const wait = this.source.load(kid, since, since + 5 * SECOND);
      await this.end();
      await this.end();
      if ((await wait) !== undefined) return "wait";
    }
    return "wait";
  }
}

/** A realm whose issuers have been fetched, a minute ago. */
async function realm(count: number, settings: Partial<RemoteSettings> = {}): Promise<Realm> {
  const one = new Realm(count, settings);
  await one.end();
  await one.pass(MINUTE);
  return one;
}

describe("a kid that is in no set", () => {
  it("the first question costs one fetch, and later ones are answered by it for the rest of the cooldown", async () => {
    const one = await realm(1);
    expect(await one.ask("x")).to.equal("unknown");
    expect(one.fetches).to.equal(2);
    for (const [passed, fetches, answer] of [
      [0, 2, "unknown"],
      [1, 2, "unknown"],
      [30 * SECOND - 2, 2, "unknown"],
      [1, 3, "unknown"],
      [10 * SECOND, 3, "unknown"],
    ] as const) {
      await one.pass(passed);
      expect([await one.ask("x"), one.fetches], `after ${passed} ms more`).to.deep.equal([answer, fetches]);
    }
  });

  it("another kid, first asked for within the cooldown, waits for its end: no fetch has begun since", async () => {
    const one = await realm(1);
    await one.ask("x");
    await one.pass(SECOND);
    expect(await one.ask("y")).to.equal("wait");
    await one.pass(29 * SECOND);
    // Anyone's question brings the fetch that answers both.
    expect(await one.ask("z")).to.equal("unknown");
    await one.pass(SECOND);
    expect([await one.ask("y"), await one.ask("z"), one.fetches]).to.deep.equal(["unknown", "unknown", 3]);
    expect(await one.ask("x"), "asked for before that fetch").to.equal("unknown");
  });

  it("a key that is published meanwhile is found by the next fetch, scheduled or asked for", async () => {
    const one = await realm(1);
    await one.ask("x");
    one.published[0] = ["of 0", "x"];
    await one.pass(29 * SECOND);
    expect(await one.ask("x"), "the price: within the cooldown").to.equal("unknown");
    await one.pass(SECOND);
    expect(await one.ask("x")).to.equal("known");
  });

  it("a set that differs from the last makes every kid worth a fetch again", async () => {
    const one = await realm(1);
    expect(await one.ask("x")).to.equal("unknown");
    await one.pass(MINUTE);
    one.published[0] = ["of 0", "new"];
    expect(await one.ask("y"), "the fetch for it brings the new set").to.equal("unknown");
    await one.pass(SECOND);
    expect([await one.ask("x"), await one.ask("y")]).to.deep.equal(["wait", "wait"]);
    await one.pass(30 * SECOND);
    expect([await one.ask("x"), await one.ask("y")]).to.deep.equal(["unknown", "unknown"]);
  });

  it("a set that only confirms the last keeps them, also if it is answered as unchanged", async () => {
    const one = await realm(1);
    await one.ask("x");
    await one.time.pass(HOUR);
    const { fetches } = one;
    expect(fetches).to.equal(3);
    await one.rigs[0]?.last.same(3600);
    expect([await one.ask("x"), one.fetches]).to.deep.equal(["unknown", fetches]);
  });

  it("of several issuers each must have been fetched after the first question", async () => {
    const one = await realm(2);
    one.published[1] = undefined;
    expect(await one.ask("x")).to.equal("wait");
    await one.pass(SECOND);
    expect(await one.ask("x"), "the second issuer has not answered since").to.equal("wait");
    one.published[1] = ["of 1"];
    await one.pass(MINUTE);
    expect(await one.ask("x")).to.equal("unknown");
    await one.pass(SECOND);
    const { fetches } = one;
    expect([await one.ask("x"), one.fetches]).to.deep.equal(["unknown", fetches]);
  });

  it("an issuer whose set is too old leaves every kid open", async () => {
    const one = await realm(2, { staleIfError: 10 * MINUTE });
    await one.ask("x");
    one.published[1] = undefined;
    await one.pass(HOUR);
    await one.pass(MINUTE);
    expect(one.source.answers("x", one.now, one.now)).to.equal(false);
    expect(await one.ask("x")).to.equal("wait");
  });

  it("a failed fetch shows nothing", async () => {
    const one = await realm(1);
    one.published[0] = undefined;
    expect(await one.ask("x")).to.equal("wait");
    await one.pass(SECOND);
    expect(await one.ask("x")).to.equal("wait");
  });

  it("setting the clock back makes no kid unknown without a fetch", async () => {
    const one = await realm(1);
    await one.ask("x");
    one.time.set(one.now - HOUR);
    expect(await one.ask("x")).to.equal("wait");
  });

  it("a flood of 5,000 kids is held to 1,000, the oldest forgotten, at one fetch a cooldown", async () => {
    const one = await realm(1);
    expect(await one.ask("first")).to.equal("unknown");
    await one.pass(SECOND);
    for (let index = 0; index < 5000; index++) expect(await one.ask(`made up ${index}`)).to.equal("wait");
    expect(one.fetches).to.equal(2);
    expect(await one.ask("first"), "forgotten").to.equal("wait");
    await one.pass(30 * SECOND);
    expect(await one.ask("another")).to.equal("unknown");
    await one.pass(SECOND);
    expect(await one.ask("made up 4999")).to.equal("unknown");
    expect(await one.ask("made up 100")).to.equal("wait");
    expect(one.fetches).to.equal(3);
  });

  it("the memory holds 1,000 kids, and the first question of each", () => {
    const kids = new UnknownKids();
    for (let index = 0; index < 5000; index++) expect(kids.note(`k${index}`, index)).to.equal(index);
    expect(kids.size).to.equal(1000);
    expect([kids.firstAsked("k3999"), kids.firstAsked("k4000")]).to.deep.equal([undefined, 4000]);
    expect(kids.note("k4000", 9000)).to.equal(4000);
    expect(kids.note("k4000", 100), "the clock was set back").to.equal(100);
    kids.clear();
    expect([kids.size, kids.firstAsked("k4999")]).to.deep.equal([0, undefined]);
  });

  const KIDS = ["x", "y", "z"] as const;
  const step = fc.oneof(
    fc.record({ kind: fc.constant("ask" as const), kid: fc.constantFrom(...KIDS) }),
    fc.record({ kind: fc.constant("pass" as const), millis: fc.integer({ min: 0, max: 40_000 }) }),
    fc.record({
      kind: fc.constant("publish" as const),
      issuer: fc.integer({ min: 0, max: 1 }),
      kids: fc.option(fc.uniqueArray(fc.constantFrom("a", "b", ...KIDS), { minLength: 1 }), { nil: undefined }),
    }),
  );

  it("a kid is called unknown only by a fetch of each issuer that began after a question for it, within the cooldown", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 2 }), async (steps, count) => {
        const one = await realm(count);
        const first = new Map<string, number>();
        for (const event of steps) {
          if (event.kind === "pass") await one.pass(event.millis);
          else if (event.kind === "publish") {
            if (event.issuer < count) one.published[event.issuer] = event.kids;
          } else {
            const { now } = one;
            first.set(event.kid, first.get(event.kid) ?? now);
            const answer = await one.ask(event.kid);
            if (answer === "known") first.delete(event.kid);
            if (answer !== "unknown") continue;
            for (const { keys } of one.rigs) {
              if (keys.latest?.hasKid(event.kid) !== false) throw new Error("it is in a set");
              if (keys.fetchedAt < (first.get(event.kid) ?? 0)) throw new Error("no fetch since the first question");
              if (now - keys.fetchedAt >= 30 * SECOND) throw new Error("the cooldown is over");
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
