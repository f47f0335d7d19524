import { revoke } from "./changes.js";
import { now, pause } from "./clock.js";
import { openOperator } from "./operator.js";
import { createRandom } from "./random.js";
import { type RigOptions, startRig } from "./rig.js";
import { type Way, waysTo } from "./senders.js";
import { createPool, type Token } from "./tokens.js";

// How long a revocation takes from its acknowledgement to each replica.

/** Milliseconds from the acknowledgement to the sending of the first call that is answered with it: of each replica, and the slowest. */
export interface Latency {
  readonly each: readonly number[];
  readonly slowest: readonly number[];
}

/** The pause between two revocations, in milliseconds; it is no multiple of a poll's interval. */
const APART = 137;

/** Measures revocations one after the other. */
export async function measureLatency(options: RigOptions, revocations: number): Promise<Latency> {
  const rig = await startRig(options);
  const operator = await openOperator(rig);
  const opened = rig.replicas
    .flatMap(({ service }) => rig.targets.filter(({ name }) => name === service.name))
    .map(waysTo);
  try {
    const random = createRandom(1);
    const pool = createPool(rig.issuer);
    const unary = opened.flatMap(({ ways }) => ways.filter(({ via }) => via === "unary"));
    const [each, slowest]: [number[], number[]] = [[], []];
    for (let n = 0; n < revocations; n++) {
      const token = pool.take(random, "integuru");
      // Each replica has the token in its cache, as that of a bearer who calls all the time.
      await Promise.all(unary.map((way) => isVerified(way, token)));
      await pause(APART);
      let acknowledged = Number.POSITIVE_INFINITY;
      const making = operator.make({ ...revoke(token, "digest"), effects: [] }).then(() => {
        acknowledged = now();
      });
      const heard = await Promise.all(
        unary.map(async (way) => {
          for (;;) {
            const sent = now();
            if (!(await isVerified(way, token))) return sent;
            await pause(1);
          }
        }),
      );
      await making;
      const delays = heard.map((at) => Math.max(0, at - acknowledged));
      each.push(...delays);
      slowest.push(Math.max(...delays));
    }
    return { each, slowest };
  } finally {
    for (const { close } of opened) close();
    await operator.close();
    await rig.close();
  }
}

async function isVerified({ send }: Way, token: Token): Promise<boolean> {
  const [answer] = await send([token]);
  if (answer === undefined || "failed" in answer) throw new Error(`a call failed: ${answer?.failed}`);
  return answer.outcome.startsWith("verified");
}

/** Returns the row of a table: p50, p99 and the longest, of each replica and until the last one. */
export function latencyRow(name: string, { each, slowest }: Latency): string {
  const figures = [each, slowest].flatMap((list) => [0.5, 0.99, 1].map((share) => quantile(list, share).toFixed(0)));
  return `| ${name} | ${figures.join(" | ")} |`;
}

export const LATENCY_HEAD = `| revocations, ms | p50 | p99 | longest | p50, all replicas | p99 | longest |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |`;

function quantile(list: readonly number[], share: number): number {
  const sorted = list.toSorted((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
}
