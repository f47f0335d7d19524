import { type Figures, type Plan, race, ratios, spread } from "./compare.js";
import { type Age, type Entry, floorsOf, nameOf } from "./entries.js";
import { FACES } from "./faces.js";
import { type FactsHeld, factsHeld } from "./facts.js";
import type { Grid } from "./grid.js";
import { lineUp } from "./line-up.js";
import { arePeersInstalled } from "./peers/peers.js";
import { type Findings, reportOf } from "./report.js";
import { jsonRatio } from "./strict-json.js";
import { progress } from "./table.js";
import { failedIn, type Tail, tail } from "./tail.js";

// The goals for the cost of a verification, as ratios in one run, and whether this run reached them.

const ours = (shape: "unary" | "batch100" | "stream1" | "stream16", age: Age) =>
  ({ kind: "grpc", shape, algorithm: "RS256", age }) as const;
const GO = { kind: "peer", peer: "grpc-go unary" } as const;
const GO_BATCH = { kind: "peer", peer: "grpc-go batch of 100" } as const;
const GRPC_JS = { kind: "floor", floor: "grpc-js unary" } as const;
const GRPC_JS_STREAM = { kind: "floor", floor: "grpc-js stream" } as const;

/** A ratio of two contenders of a race, and the most that it should be. */
interface Goal {
  readonly about: string;
  readonly of: Entry;
  readonly to: Entry;
  readonly most: number;
}

const GOALS: readonly Goal[] = [
  { about: "unary, seen before, beside grpc-go with golang-jwt", of: ours("unary", "seen"), to: GO, most: 0.65 },
  { about: "unary, seen before, beside an empty grpc-js call", of: ours("unary", "seen"), to: GRPC_JS, most: 0.85 },
  { about: "unary, fresh RS256, beside grpc-go", of: ours("unary", "fresh"), to: GO, most: 1 },
  { about: "batch of 100, seen before, beside grpc-go", of: ours("batch100", "seen"), to: GO_BATCH, most: 0.15 },
  { about: "batch of 100, fresh RS256, beside grpc-go", of: ours("batch100", "fresh"), to: GO_BATCH, most: 0.75 },
  {
    about: "stream of 16 a message, seen before, beside grpc-go unary",
    of: ours("stream16", "seen"),
    to: GO,
    most: 0.2,
  },
  {
    about: "stream of 1 a message, seen before, beside an empty grpc-js stream",
    of: ours("stream1", "seen"),
    to: GRPC_JS_STREAM,
    most: 1,
  },
  ...FACES.flatMap(({ vendor }): Goal[] =>
    (
      [
        ["node:http", 1.6],
        ["Express", 1],
      ] as const
    ).map(([floor, most]) => ({
      about: `${vendor}, seen before, beside bare ${floor}`,
      of: { kind: "face", vendor, age: "seen" },
      to: { kind: "face floor", floor, vendor },
      most,
    })),
  ),
];

const isGo = ({ kind }: Entry): boolean => kind === "peer";

/** What the race needs: without the Go server, where it is not installed. */
function entries(): readonly Entry[] {
  const all = new Map(GOALS.flatMap(({ of, to }) => [of, to]).map((entry) => [nameOf(entry), entry]));
  return [...all.values()].filter((entry) => !isGo(entry) || arePeersInstalled());
}

/** Figures that are no ratios of the race. */
interface Others {
  /** A text on why there are none, if the benchmark failed. */
  readonly facts: FactsHeld | string;
  readonly tail: Tail | string;
  /** The time of the strict reader beside that of JSON.parse. */
  readonly json: number;
}

/** Measures the goals. @param tokens that fill the cache @param seconds of calls for the tail */
export async function goals(plan: Plan, tokens: number, seconds: number): Promise<Findings> {
  if (!arePeersInstalled()) console.log("The server in Go is not installed: bench/peers/install.sh does that.\n");
  const line = await lineUp(entries(), plan);
  let figures: Figures;
  try {
    figures = await race(line.contenders, plan, (round) => progress(`round ${round} of ${plan.rounds}`));
    await line.check();
  } finally {
    await line.close();
  }
  progress("facts");
  const facts = await orFault(factsHeld(tokens));
  progress("tail");
  const others = { facts, tail: await orFault(tail(seconds)), json: jsonRatio() };
  progress("");
  return { grids: [goalsGrid(figures, others)], report: reportOf("goals", figures, floorsOf(entries()), plan) };
}

/** Returns the goals as a table. */
function goalsGrid(figures: Figures, { facts, tail: waits, json }: Others): Grid {
  const row = (about: string, most: number, figure: number): readonly string[] => [
    about,
    `≤ ${most}`,
    figure.toFixed(2),
    reached(figure <= most),
  ];
  return {
    title: "The goals, as ratios of the CPU of servers in one run:",
    header: ["", "goal", "measured", "reached"],
    rows: [
      ...GOALS.map(({ about, of, to, most }) => {
        const all = ratios(figures, nameOf(of), nameOf(to));
        return all.some(Number.isNaN)
          ? [about, `≤ ${most}`, "", "not installed"]
          : row(about, most, spread(all).median);
      }),
      ...factsRows(facts),
      ["CPU of two workers, beside two processes", "≤ 1.15", "", "not built"],
      tailRow(waits),
      ["strict reading of header and payload, beside JSON.parse", "≤ 1.3", json.toFixed(2), reached(json <= 1.3)],
    ],
  };
}

function factsRows(facts: FactsHeld | string): readonly (readonly string[])[] {
  const about = "tokens in a cache of 64 MiB, as memory of the process";
  if (typeof facts === "string") return [[about, "≥ 40000", "", facts]];
  const { held, length, mib, busy, growth } = facts;
  return [
    [
      about,
      "≥ 40000",
      `${held} of ${length} characters in ${busy.toFixed(0)} MiB (${mib.toFixed(0)} without garbage)`,
      reached(held >= 40_000 && busy <= 64),
    ],
    ["memory after all tokens, beside half of them", "≤ 1.05", growth.toFixed(2), reached(growth <= 1.05)],
  ];
}

function tailRow(waits: Tail | string): readonly string[] {
  if (typeof waits === "string") return ["99 % of calls, at half of saturation", "< 5 ms", "", waits];
  const { rate, ours, bare, failures } = waits;
  const failed = ours.failed + failures.length > 0 ? `; ${failedIn(waits)}` : "";
  return [
    `99 % of calls, at half of saturation (${rate}/s), beside 1,000 fresh ES256 each second`,
    "< 5 ms",
    `${ours.p99.toFixed(1)} ms (bare server ${bare.p99.toFixed(1)} ms)${failed}`,
    reached(ours.p99 < 5 && failed === ""),
  ];
}

/** Waits for figures; without them a text on why there are none, so that the other goals are told. */
async function orFault<Figures>(found: Promise<Figures>): Promise<Figures | string> {
  try {
    return await found;
  } catch (error) {
    return `not measured: ${(error as Error).message}`;
  }
}

const reached = (is: boolean): string => (is ? "yes" : "NO");
