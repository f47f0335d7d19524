import { alignColumns } from "../src/cli/output.js";
import { DEADLINE, RECOVERY, type Seen, startDrill } from "../test/e2e/outage-drill.js";
import { held } from "./compare.js";

// The latency of calls while issuers misbehave in every way, and the time until a new key is known afterwards.

/** The slack of a call beyond the service's deadline, and of a recovery beyond its pauses, in milliseconds. */
const [LATE_CALL, LATE_RECOVERY] = [1000, 5000];

/** Measures calls during and after outages. @param seconds the length of the outages */
export async function outages(seconds: number): Promise<void> {
  const drill = await startDrill();
  try {
    const seen = await drill.trouble(seconds);
    console.log(`issuers in trouble for ${seconds} s: calls, their answers and the slowest of them`);
    for (const line of alignColumns([HEAD, ...[...seen].map(row)])) console.log(`  ${line}`);
    const all = [...seen.values()];
    const slowest = Math.max(...all.map((one) => one.slowest));
    const sumOf = (kind: string, answer: string): number => all.reduce((sum, one) => sum + count(one, kind, answer), 0);
    const figures = [
      ["good tokens rejected", sumOf("good", "rejected"), 0, "calls"],
      ["bad tokens verified", sumOf("bad", "verified"), 0, "calls"],
      ["the slowest call", Math.round(slowest), DEADLINE + LATE_CALL, "ms"],
      ["until new keys verify", Math.round(await drill.recover()), RECOVERY + LATE_RECOVERY, "ms"],
    ] as const;
    for (const [name, figure, most, unit] of figures) {
      console.log(`  ${name.padEnd(24)} ${`${figure} ${unit}`.padEnd(12)} ${held(figure, most, unit)}`);
    }
  } finally {
    await drill.close();
  }
}

const HEAD = ["trouble", "calls", "good", "rejected", "bad", "verified", "fetches, of allowed", "slowest ms"];

function row([name, seen]: readonly [string, Seen]): string[] {
  const figures = [
    count(seen, "", ""),
    count(seen, "good", ""),
    count(seen, "good", "rejected"),
    count(seen, "bad", ""),
    count(seen, "bad", "verified"),
  ].map(String);
  return [name, ...figures, `${seen.fetches} of ${seen.allowed}`, seen.slowest.toFixed(0)];
}

/** Selects calls by the kind of token and a word in the answer; an empty text selects all. */
function count({ counts }: Seen, kind: string, answer: string): number {
  return Object.entries(counts)
    .filter(([key]) => key.startsWith(kind) && key.includes(answer))
    .reduce((sum, [, calls]) => sum + calls, 0);
}
