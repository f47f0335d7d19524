import fc from "fast-check";
import { documentOf, HOUR, kidsOf, Rig, SECOND } from "./rig.js";

// Invariants of remote keys that hold under any events in any order.

const SETTINGS = {
  refreshMin: 10 * SECOND,
  refreshMax: 160 * SECOND,
  staleIfError: 600 * SECOND,
  cooldown: 7 * SECOND,
  timeout: 5 * SECOND,
};
const KIDS = ["a", "b", "c", "d"] as const;

/** A load and its outcome. */
interface Question {
  readonly kid: string | undefined;
  readonly since: number;
  readonly deadline: number;
  over: boolean;
}

class Model {
  readonly rig: Rig;
  /** The kids of the last set that a fetch returned. */
  published: readonly string[] | undefined;
  fetchedAt = Number.NEGATIVE_INFINITY;
  readonly questions: Question[] = [];
  /** The number of fetches that a load started at once. */
  begun = 0;
  #ended = 0;

  constructor(random: number) {
    this.rig = new Rig(SETTINGS, undefined, random);
  }

  get isOpen(): boolean {
    return this.#ended < this.rig.asked.length;
  }

  async end(how: "give" | "same" | "fail" | "empty", kids: readonly string[], lifetime: number | undefined) {
    if (!this.isOpen) return;
    const { last } = this.rig;
    this.#ended = this.rig.asked.length;
    if (how === "give" || (how === "same" && this.published !== undefined)) {
      this.fetchedAt = last.at;
      if (how === "give") this.published = kids;
    }
    if (how === "give") await last.give(documentOf(...kids), lifetime);
    else if (how === "same") await last.same(lifetime);
    else if (how === "empty") await last.give({ keys: [] });
    else await last.fail();
  }

  async ask(kid: string | undefined, patience: number): Promise<void> {
    const question: Question = { kid, since: this.rig.now, deadline: this.rig.now + patience, over: false };
    this.questions.push(question);
    const before = this.rig.asked.length;
    void this.rig.keys.load(kid, question.since, question.deadline).then((wait) => {
      question.over = true;
      this.answered(question, wait);
    });
    this.begun += this.rig.asked.length - before;
    await this.rig.time.pass(0);
  }

  answered({ kid, since, deadline }: Question, wait: number | undefined): void {
    const { now, keys } = this.rig;
    if (now > deadline) throw new Error("answered after its deadline");
    if (wait !== undefined) {
      if (!(wait >= SECOND && wait <= SETTINGS.refreshMax)) throw new Error(`told to wait for ${wait} ms`);
      return;
    }
    const set = keys.current(now);
    if (set === undefined) throw new Error("told to look again where there is nothing");
    if (kid === undefined) {
      if (this.fetchedAt < since - SETTINGS.cooldown) throw new Error("a set too old for a token without a kid");
    } else if (!set.hasKid(kid) && this.fetchedAt < since) {
      throw new Error("would say that the key is unknown against a set older than the question");
    }
  }

  check(): void {
    const { rig } = this;
    if (rig.mostOpen > 1) throw new Error("two fetches at a time");
    const kids = kidsOf(rig.keys.current(rig.now));
    const isBound = rig.now - this.fetchedAt <= SETTINGS.staleIfError;
    const want = isBound ? this.published : undefined;
    if (JSON.stringify(kids) !== JSON.stringify(want)) throw new Error(`has ${String(kids)}, not ${String(want)}`);
    for (const { over, deadline } of this.questions) {
      if (!over && rig.now > deadline) throw new Error("waits past its deadline");
    }
  }
}

const kids = fc.uniqueArray(fc.constantFrom(...KIDS), { minLength: 1 });
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), millis: fc.integer({ min: 0, max: 60_000 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), millis: fc.integer({ min: 0, max: HOUR }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      how: fc.constantFrom("give", "same", "fail", "empty"),
      kids,
      lifetime: fc.option(fc.integer({ min: 0, max: 400 }), { nil: undefined }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("ask" as const),
      kid: fc.option(fc.constantFrom(...KIDS, "nobody's"), { nil: undefined }),
      patience: fc.integer({ min: 0, max: 20_000 }),
    }),
  },
);

describe("RemoteKeys under random events", function () {
  this.timeout(60_000);

  it("remote keys fetch one at a time and not too often, wait past no deadline, and call no kid unknown against an old set", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (steps, random) => {
          const model = new Model(random);
          for (const one of steps) {
            if (one.kind === "pass") await model.rig.time.pass(one.millis);
            else if (one.kind === "end") await model.end(one.how, one.kids, one.lifetime);
            else await model.ask(one.kid, one.patience);
            model.check();
          }
          // A scheduled fetch and an unscheduled one may coincide; then a pause follows.
          const { asked } = model.rig;
          for (const [index, { at }] of asked.entries()) {
            if (at - (asked[index - 2]?.at ?? Number.NEGATIVE_INFINITY) < 500)
              throw new Error("too many fetches at once");
          }
          const span = ((asked.at(-1)?.at ?? 0) - (asked[0]?.at ?? 0)) / SETTINGS.cooldown;
          if (model.begun > span + 2) throw new Error("too many fetches out of turn");
        },
      ),
      { numRuns: 200 },
    ));
});
