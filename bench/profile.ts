import { attribute, CAUSES, type Cause } from "./attribution.js";
import type { Contender } from "./compare.js";
import type { Entry } from "./entries.js";
import type { Grid } from "./grid.js";
import { lineUp } from "./line-up.js";
import type { Findings } from "./report.js";

// Where the CPU of a verification goes, by cause, beside the profiles of servers that only answer.

const SUBJECTS: readonly Entry[] = [
  { kind: "floor", floor: "node:http2 unary" },
  { kind: "floor", floor: "grpc-js unary" },
  { kind: "grpc", shape: "unary", algorithm: "RS256", age: "seen" },
  { kind: "grpc", shape: "unary", algorithm: "RS256", age: "fresh" },
  { kind: "grpc", shape: "batch100", algorithm: "RS256", age: "seen" },
  { kind: "grpc", shape: "batch100", algorithm: "RS256", age: "fresh" },
  { kind: "face floor", floor: "node:http", vendor: "clowk" },
  { kind: "face", vendor: "clowk", age: "seen" },
];

/** The columns' titles, by subject. */
const TITLES = ["bare http2", "bare grpc-js", "unary seen", "fresh", "batch seen", "fresh", "bare http", "Clowk seen"];

/** The time of a verification by cause, in microseconds. */
type Times = ReadonlyMap<Cause, number>;

/** Shares the CPU of the process out as a profile says: its own times include those in which other processes ran. */
async function timesOf({ server, send, requests = 1, each = 1 }: Contender): Promise<Times> {
  const stop = await server.profile?.();
  const before = await server.cpu();
  await send(requests);
  const micros = ((await server.cpu()) - before) / (requests * each);
  const profile = await stop?.();
  if (profile === undefined) throw new Error("there is no profile of this server");
  const times = attribute(profile);
  const all = sum(times);
  return new Map([...times].map(([cause, time]) => [cause, (time / all) * micros]));
}

const sum = (times: Times): number => [...times.values()].reduce((total, one) => total + one, 0);

/** Profiles all subjects. @param requests profiled of each */
export async function profile(requests: number): Promise<Findings> {
  const plan = { rounds: 1, requests };
  const line = await lineUp(SUBJECTS, plan);
  try {
    const all: Times[] = [];
    for (const contender of line.contenders) {
      await contender.send(contender.warm ?? requests);
      all.push(await timesOf(contender));
    }
    const cell = (times: Times, cause: Cause): string => {
      const micros = times.get(cause) ?? 0;
      return micros < 0.05 ? "" : `${micros.toFixed(1)} (${((100 * micros) / sum(times)).toFixed(0)} %)`;
    };
    const causes = (Object.keys(CAUSES) as Cause[]).filter((cause) => all.some((times) => cell(times, cause) !== ""));
    const grid: Grid = {
      title: "Where the CPU goes, µs per token and as a share of the main thread's time (RS256; Clowk HS256):",
      header: ["", ...TITLES],
      rows: [
        ...causes.map((cause) => [CAUSES[cause], ...all.map((times) => cell(times, cause))]),
        ["all", ...all.map((times) => sum(times).toFixed(1))],
      ],
    };
    return { grids: [grid] };
  } finally {
    await line.close();
  }
}
