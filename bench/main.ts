import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { measurePeers } from "./beside-peers.js";
import { client } from "./client.js";
import type { Plan } from "./compare.js";
import { costlyInput } from "./costly-input.js";
import { curves } from "./curves.js";
import { decisions } from "./decisions.js";
import { directory } from "./directory.js";
import { floods } from "./floods.js";
import { garbageToken } from "./garbage-token.js";
import { goals } from "./goals.js";
import { markdownOf, replacePart, textOf } from "./grid.js";
import { heldMemory } from "./held-memory.js";
import { importBeside } from "./import.js";
import { kill } from "./kill.js";
import { largestToken } from "./largest-token.js";
import { outages } from "./outages.js";
import { profile } from "./profile.js";
import { proofs } from "./proofs.js";
import {
  compareReports,
  describeMachine,
  type Findings,
  type Report,
  readReports,
  thisMachine,
  writeReports,
} from "./report.js";
import { revocations } from "./revocations.js";
import { soak } from "./soak.js";
import { signatures, strictJson } from "./strict-json.js";
import { measure } from "./table.js";
import { measureTail } from "./tail.js";
import { tls } from "./tls.js";
import { waits } from "./waits.js";

// npm run bench prints the table of what a verification costs, and npm run bench -- NAME ... runs the named benchmarks.
// CONTRIBUTING.md describes them.

interface Options extends Plan {
  /** The length of a timed benchmark (default: its own). */
  readonly seconds: number | undefined;
  /** Whether stores kept from earlier runs are rebuilt. */
  readonly fresh: boolean;
}

interface Benchmark {
  readonly about: string;
  /** Whether `npm run bench -- bounds` runs it: it is quick, and its exit code is 1 above a bound. */
  readonly isBound?: boolean;
  /** Runs it and prints what it finds. */
  readonly run?: (options: Options) => Promise<void> | void;
  /** Runs it and returns what it finds, which --write writes into the part of docs/performance.md with its name. */
  readonly measure?: (options: Options) => Promise<Findings>;
}

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  table: {
    about: "CPU of a verification by each transport, algorithm and shape, beside bare servers (runs unasked)",
    measure: () => measure("table", given.full ? sized(21, 2_000) : sized(9, 800)),
  },
  floor: {
    about: "the table's short form: RS256, unary and batches of 100, and the vendors' endpoints",
    measure: () => measure("floor", given.full ? sized(21, 2_000) : sized(15, 500)),
  },
  peers: {
    about: "RS256 beside grpc-go, HAProxy (bench/peers/install.sh), fast-jwt and jose",
    measure: () => measurePeers(given.full ? sized(21, 2_000) : sized(9, 800)),
  },
  goals: {
    about: "the goals for all of this, and whether they are reached (4 minutes)",
    measure: () => (given.full ? goals(sized(21, 2_000), 2_000_000, 30) : goals(sized(9, 800), 300_000, 10)),
  },
  profile: {
    about: "where the time of a verification goes, by cause, beside servers that only answer",
    measure: () => profile(sized(1, 4_000).requests),
  },
  curves: {
    about: "CPU of a verification as tokens, keys, realms, users, revocations and headers grow; --write draws them",
    run: () => curves(given.full ? sized(15, 1_000) : sized(5, 500), given.write ? "docs/images" : undefined),
  },
  tail: {
    about: "what calls wait at half of saturation, beside batches of fresh tokens",
    measure: ({ seconds }) => measureTail(seconds ?? 10),
  },
  json: {
    isBound: true,
    about: "CPU of reading tokens, beside JSON.parse, and of signatures, beside bare crypto",
    run: () => {
      strictJson();
      signatures();
    },
  },
  client: {
    about: "CPU and latency of our Node client, alone, with `batch: true` and with `cache: true`",
    run: () => client(sized(5, 4_000)),
  },
  decisions: { about: "CPU of a decision in process, first and again", run: decisions },
  largest: {
    isBound: true,
    about: "CPU of the largest tokens that are admitted, and of garbage",
    run: () => largestToken().then(garbageToken),
  },
  costly: { isBound: true, about: "CPU of input that is made to cost much", run: costlyInput },
  held: { isBound: true, about: "heap that addresses and failing clients take", run: heldMemory },
  waits: { isBound: true, about: "how long a slow or silent peer is waited for", run: waits },
  proofs: { isBound: true, about: "CPU and memory of DPoP proofs", run: proofs },
  revocations: { about: "memory and CPU of up to ten million revocations", run: revocations },
  directory: {
    about: "CPU per look-up among a million users, beside a thousand",
    run: (options) => directory(options, options.fresh),
  },
  import: { about: "time and memory of an import, and what calls wait beside it", run: importBeside },
  tls: { about: "CPU per call over TLS and mutual TLS, beside one in the clear", run: tls },
  kill: { about: "what twenty imports leave that are killed", run: () => kill(20) },
  floods: { about: "memory under floods, and afterwards", run: floods },
  outages: {
    about: "calls while issuers are in trouble, and until new keys verify",
    run: ({ seconds }) => outages(seconds ?? 60),
  },
  soak: { about: "memory under ten minutes of everything", run: ({ seconds }) => soak(seconds ?? 600) },
};

/** The page that --write changes, and its parts. */
const PAGE = "docs/performance.md";
const PARTS: ReadonlySet<string> = new Set(["table", "peers", "goals", "profile"]);

const OPTIONS = {
  rounds: { type: "string" },
  requests: { type: "string" },
  seconds: { type: "string" },
  full: { type: "boolean" },
  fresh: { type: "boolean" },
  write: { type: "boolean" },
  json: { type: "string" },
  compare: { type: "string" },
  help: { type: "boolean" },
} as const;

const { values: given, positionals } = parsed();
/** Returns the size of a benchmark. @param rounds and requests: its own defaults */
function sized(rounds: number, requests: number): Plan {
  return { rounds: Number(given.rounds ?? rounds), requests: Number(given.requests ?? requests) };
}
const options: Options = {
  ...sized(9, 5_000),
  seconds: given.seconds === undefined ? undefined : Number(given.seconds),
  fresh: given.fresh ?? false,
};

if (given.help) {
  console.log("npm run bench -- [NAME ... | bounds] [--full] [--rounds N] [--requests N] [--seconds N] [--fresh]");
  console.log("                 [--json FILE] [--compare FILE] [--write]\n");
  for (const [name, { about, isBound }] of Object.entries(BENCHMARKS)) {
    console.log(`  ${name.padEnd(10)} ${about}${isBound ? " (one of the bounds)" : ""}`);
  }
  process.exit();
}
const stranger = positionals.find((name) => name !== "bounds" && !Object.hasOwn(BENCHMARKS, name));
if (stranger !== undefined) {
  console.error(`There is no benchmark ${stranger}. There are: bounds, ${Object.keys(BENCHMARKS).join(", ")}.`);
  process.exit(2);
}
const asked = new Set(positionals.length === 0 ? ["table"] : positionals);
const reports = new Map(
  given.compare === undefined ? [] : readReports(given.compare).map((one) => [one.benchmark, one]),
);
const kept: Report[] = [];
for (const [name, { run, measure: measured, isBound }] of Object.entries(BENCHMARKS)) {
  if (!asked.has(name) && !(asked.has("bounds") && isBound)) continue;
  await run?.(options);
  const found = await measured?.(options);
  if (found !== undefined) tell(name, found);
}
if (given.json !== undefined) writeReports(given.json, kept);
process.exit();

/** Prints what a benchmark found, beside an earlier run, and keeps it. */
function tell(name: string, { grids, report }: Findings): void {
  const rounds = report === undefined ? "" : `medians of ${report.rounds} rounds; `;
  const about = `${rounds}${describeMachine(report?.machine ?? thisMachine())}`;
  console.log(`${name}: ${about}\n\n${grids.map(textOf).join("\n\n")}\n`);
  if (given.write && PARTS.has(name)) {
    const content = [`${about[0]?.toUpperCase()}${about.slice(1)}.`, ...grids.map(markdownOf)].join("\n\n");
    writeFileSync(PAGE, replacePart(readFileSync(PAGE, "utf8"), name, content));
  }
  if (report === undefined) return;
  kept.push(report);
  const then = reports.get(name);
  if (then !== undefined) console.log(`${compareReports(then, report).join("\n")}\n`);
}

function parsed() {
  try {
    return parseArgs({ allowPositionals: true, options: OPTIONS });
  } catch (error) {
    console.error(`${(error as Error).message}. See npm run bench -- --help.`);
    process.exit(2);
  }
}
