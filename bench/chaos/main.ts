import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { replacePart } from "../grid.js";
import { describeMachine, thisMachine } from "../report.js";
import { MAIN } from "../run-import.js";
import { FAULTS } from "./faults.js";
import { LATENCY_HEAD, latencyRow, measureLatency } from "./latency.js";
import { examplesOf, isKept, tablesOf } from "./report.js";
import { runChaos } from "./run.js";

// npm run chaos breaks a deployment in every way of the table of faults, under load, and judges every answer.

const PAGE = "docs/reliability.md";

const USAGE = `npm run chaos -- [--minutes N] [--seed N] [--store sqlite|postgres] [--replicas N] [--workers N] [--gateways N]
                 [--rate CALLS-PER-SECOND] [--changes PER-SECOND] [--stale-for SECONDS] [--only PART-OF-A-NAME]...
                 [--old MAIN.JS] [--bouncer] [--latency REVOCATIONS] [--write] [--list]`;

const { values } = parsed();
if (values.help) {
  console.log(USAGE);
  process.exit();
}
if (values.list) {
  for (const { name, needs = [] } of FAULTS)
    console.log(needs.length === 0 ? name : `${name} (needs: ${needs.join(", ")})`);
  process.exit();
}
// Leaves no process behind: the services end in handlers of `exit`.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const minutes = Number(values.minutes);
const deployment = {
  program: MAIN,
  oldProgram: values.old,
  store: values.store === "sqlite" ? "sqlite" : "postgres",
  bouncer: values.bouncer,
  replicas: Number(values.replicas),
  workers: Number(values.workers),
  gateways: Number(values.gateways),
  staleFor: Number(values["stale-for"]),
} as const;
if (values.latency !== undefined) {
  const revocations = Number(values.latency);
  const rows = [latencyRow(values.store, await measureLatency(deployment, revocations))];
  if (deployment.store === "postgres") {
    const polled = await measureLatency({ ...deployment, bouncer: true }, revocations);
    rows.push(latencyRow("postgres by polling alone (PgBouncer)", polled));
  }
  write(
    "latency",
    `${revocations} revocations, ${deployment.replicas} replicas; ${describeMachine(thisMachine())}.\n\n${[LATENCY_HEAD, ...rows].join("\n")}`,
  );
  process.exit();
}
console.log(`chaos for ${minutes} min, --seed ${seed}; ${describeMachine(thisMachine())}`);
const result = await runChaos({
  ...deployment,
  millis: minutes * 60_000,
  seed,
  rate: Number(values.rate),
  changes: Number(values.changes),
  only: values.only ?? [],
  tell: console.log,
});
write("chaos", `${minutes} minutes, seed ${seed}; ${describeMachine(thisMachine())}.\n\n${tablesOf(result)}`);
for (const example of examplesOf(result)) console.log(example);
process.exit(isKept(result) ? 0 : 1);

/** Prints what was found, and writes it into a part of the page if asked to. */
function write(part: string, content: string): void {
  console.log(`\n${content}\n`);
  if (values.write) writeFileSync(PAGE, replacePart(readFileSync(PAGE, "utf8"), part, content));
}

function parsed() {
  try {
    return parseArgs({
      options: {
        minutes: { type: "string", default: "10" },
        seed: { type: "string" },
        store: { type: "string", default: "postgres" },
        replicas: { type: "string", default: "3" },
        workers: { type: "string", default: "2" },
        gateways: { type: "string", default: "2" },
        rate: { type: "string", default: "60" },
        changes: { type: "string", default: "2" },
        "stale-for": { type: "string", default: "10" },
        only: { type: "string", multiple: true },
        old: { type: "string" },
        bouncer: { type: "boolean", default: false },
        latency: { type: "string" },
        write: { type: "boolean" },
        list: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}
