import { parseArgs } from "node:util";
import type { Plan } from "./compare.js";
import { costlyInput } from "./costly-input.js";
import { directory } from "./directory.js";
import { floods } from "./floods.js";
import { floor } from "./floor.js";
import { garbageToken } from "./garbage-token.js";
import { heldMemory } from "./held-memory.js";
import { importBeside } from "./import.js";
import { kill } from "./kill.js";
import { largestToken } from "./largest-token.js";
import { outages } from "./outages.js";
import { proofs } from "./proofs.js";
import { soak } from "./soak.js";
import { strictJson } from "./strict-json.js";
import { tls } from "./tls.js";
import { waits } from "./waits.js";

// npm run bench runs the quick benchmarks, and npm run bench -- NAME ... the named ones. CONTRIBUTING.md describes them.

interface Options extends Plan {
  /** The length of a timed benchmark (default: its own). */
  readonly seconds: number | undefined;
  /** Whether stores kept from earlier runs are rebuilt. */
  readonly fresh: boolean;
}

interface Benchmark {
  /** Whether it runs if no benchmark is named. */
  readonly quick: boolean;
  readonly about: string;
  readonly run: (options: Options) => Promise<void> | void;
}

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  floor: { quick: true, about: "CPU per call, beside the least that grpc-js and Express can do", run: floor },
  json: { quick: true, about: "CPU of the strict JSON reader, beside JSON.parse", run: strictJson },
  largest: {
    quick: true,
    about: "CPU of the largest tokens that are admitted, and of garbage",
    run: () => largestToken().then(garbageToken),
  },
  costly: { quick: true, about: "CPU of input that is made to cost much", run: costlyInput },
  held: { quick: true, about: "heap that addresses and failing clients take", run: heldMemory },
  waits: { quick: true, about: "how long a slow or silent peer is waited for", run: waits },
  proofs: { quick: true, about: "CPU and memory of DPoP proofs", run: proofs },
  directory: {
    quick: false,
    about: "CPU per look-up among a million users, beside a thousand",
    run: (options) => directory(options, options.fresh),
  },
  import: { quick: false, about: "time and memory of an import, and what calls wait beside it", run: importBeside },
  tls: { quick: false, about: "CPU per call over TLS and mutual TLS, beside one in the clear", run: tls },
  kill: { quick: false, about: "what twenty imports leave that are killed", run: () => kill(20) },
  floods: { quick: false, about: "memory under floods, and afterwards", run: floods },
  outages: {
    quick: false,
    about: "calls while issuers are in trouble, and until new keys verify",
    run: ({ seconds }) => outages(seconds ?? 60),
  },
  soak: { quick: false, about: "memory under ten minutes of everything", run: ({ seconds }) => soak(seconds ?? 600) },
};

const usual = { rounds: "9", requests: "5000", fresh: false };
const { values, positionals } = parsed();
const given = { ...usual, ...values };
const options = {
  rounds: Number(given.rounds),
  requests: Number(given.requests),
  seconds: given.seconds === undefined ? undefined : Number(given.seconds),
  fresh: given.fresh,
};

const all = Object.entries(BENCHMARKS);
if (values.help) {
  console.log("npm run bench -- [NAME ...] [--rounds N] [--requests N] [--seconds N] [--fresh]\n");
  for (const [name, { quick, about }] of all)
    console.log(`  ${name.padEnd(10)} ${about}${quick ? " (runs unasked)" : ""}`);
  process.exit();
}
const stranger = positionals.find((name) => !Object.hasOwn(BENCHMARKS, name));
if (stranger !== undefined) {
  console.error(`There is no benchmark ${stranger}. There are: ${Object.keys(BENCHMARKS).join(", ")}.`);
  process.exit(2);
}
for (const [name, { quick, run }] of all) {
  if (positionals.length === 0 ? quick : positionals.includes(name)) await run(options);
}
if (positionals.length === 0) {
  console.log("Not run, for they take minutes (npm run bench -- NAME):");
  for (const [name, { quick, about }] of all) if (!quick) console.log(`  ${name.padEnd(10)} ${about}`);
}
process.exit();

function parsed() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: "string" },
        requests: { type: "string" },
        seconds: { type: "string" },
        fresh: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
  } catch (error) {
    console.error(`${(error as Error).message}. See npm run bench -- --help.`);
    process.exit(2);
  }
}
