import { now, pause } from "./clock.js";
import type { Failure, Verdict } from "./history.js";
import type { Random } from "./random.js";
import type { Target } from "./rig.js";
import { type Way, waysTo } from "./senders.js";
import type { Pool, Token } from "./tokens.js";

/** A steady load of calls, which notes what each one says. */
export interface Load {
  readonly verdicts: readonly Verdict[];
  readonly failures: readonly Failure[];
  /** Asks every target about tokens once more, as the audit at the end; what fails is asked again. */
  audit(tokens: readonly Token[]): Promise<void>;
  /** Ends the load, and resolves once all calls are answered. */
  stop(): Promise<void>;
  close(): void;
}

/** Callers of a target at a time, each of which waits for its answer: a slow target slows only its own callers. */
const CALLERS = 2;

/** Starts the load. @param rate calls a second in all, while they are answered at once */
export function startLoad(options: {
  readonly targets: readonly Target[];
  readonly pool: Pool;
  readonly random: Random;
  readonly rate: number;
}): Load {
  const { targets, pool, random, rate } = options;
  const verdicts: Verdict[] = [];
  const failures: Failure[] = [];
  const opened = targets.map((target) => ({ target: target.name, ...waysTo(target) }));
  const state = { isOn: true };

  const ask = async (
    target: string,
    { via, send }: Way,
    tokens: readonly Token[],
    isAudit: boolean,
  ): Promise<boolean> => {
    const sent = now();
    const answers = await send(tokens);
    const answered = now();
    let isAnswered = true;
    for (const [at, answer] of answers.entries()) {
      const call = { target, via, sent, answered };
      if ("outcome" in answer) {
        verdicts.push({
          ...call,
          item: tokens[at]?.name ?? "",
          outcome: answer.outcome,
          feedAge: answer.feedAge,
          ...(isAudit && { isAudit }),
        });
      } else {
        isAnswered = false;
        failures.push({ ...call, code: answer.failed });
      }
    }
    return isAnswered;
  };

  const interval = (1_000 * CALLERS * targets.length) / rate;
  const caller = async ({ target, ways }: (typeof opened)[number]): Promise<void> => {
    while (state.isOn) {
      const way = random.pick(ways);
      const wanted = 1 + random.below(way.most);
      const tokens: Token[] = [];
      while (tokens.length < wanted) {
        const token = pool.pick(random);
        if (way.realm === undefined || way.realm === token.realm) tokens.push(token);
      }
      await ask(target, way, tokens, false);
      await pause(interval * (0.5 + random.below(100) / 100));
    }
  };
  const running = Promise.all(opened.flatMap((one) => Array.from({ length: CALLERS }, () => caller(one))));

  return {
    verdicts,
    failures,
    async audit(tokens) {
      for (const { target, ways } of opened) {
        for (const token of tokens) {
          const way = ways.find(({ realm }) => realm === undefined || realm === token.realm);
          if (way === undefined) continue;
          for (let attempt = 0; attempt < 50 && !(await ask(target, way, [token], true)); attempt++) await pause(200);
        }
      }
    },
    async stop() {
      state.isOn = false;
      await running;
    },
    close() {
      for (const { close } of opened) close();
    },
  };
}
