import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { replacePart } from "../grid.js";
import { describeMachine, thisMachine } from "../report.js";
import { MAIN } from "../run-import.js";
import { FAULTS } from "./faults.js";
import { examplesOf, isKept, tablesOf } from "./report.js";
import { runChaos } from "./run.js";

// npm run chaos breaks a deployment in every way of the table of faults, under load, and judges every answer.

const PAGE = "docs/reliability.md";

const USAGE = `npm run chaos -- [--minutes N] [--seed N] [--store sqlite|postgres] [--replicas N] [--workers N] [--gateways N]
                 [--rate CALLS-PER-SECOND] [--changes PER-SECOND] [--stale-for SECONDS] [--only PART-OF-A-NAME]...
                 [--old MAIN.JS] [--write] [--list]`;

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
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const minutes = Number(values.minutes);
console.log(`chaos for ${minutes} min, --seed ${seed}; ${describeMachine(thisMachine())}`);
const result = await runChaos({
  program: MAIN,
  oldProgram: values.old,
  store: values.store === "sqlite" ? "sqlite" : "postgres",
  replicas: Number(values.replicas),
  workers: Number(values.workers),
  gateways: Number(values.gateways),
  staleFor: Number(values["stale-for"]),
  millis: minutes * 60_000,
  seed,
  rate: Number(values.rate),
  changes: Number(values.changes),
  only: values.only ?? [],
  tell: console.log,
});
const tables = tablesOf(result);
console.log(`\n${result.seconds.toFixed(0)} s\n\n${tables}\n`);
for (const example of examplesOf(result)) console.log(example);
if (values.write) {
  const about = `${minutes} minutes, seed ${seed}; ${describeMachine(thisMachine())}.`;
  writeFileSync(PAGE, replacePart(readFileSync(PAGE, "utf8"), "chaos", `${about}\n\n${tables}`));
}
process.exit(isKept(result) ? 0 : 1);

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
