// Checks the import rule of .dependency-cruiser.mjs, and that dependency-cruiser works at all: without a parser for our
// TypeScript it sees no files and reports no errors, so each file on disk must be among the modules it saw.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const ROOTS = ["src", "gen", "test", "bench", "scripts"].filter((root) => existsSync(root));
const BIN = "node_modules/dependency-cruiser/bin";

const run = (command, args, input) =>
  spawnSync(process.execPath, [join(BIN, command), ...args], { input, encoding: "utf8", maxBuffer: 1 << 28 });

const cruise = run("dependency-cruise.mjs", ["--config", ".dependency-cruiser.mjs", "-T", "json", ...ROOTS]);
if (cruise.status !== 0) {
  console.log(cruise.stdout, cruise.stderr);
  process.exit(1);
}

const { modules, summary } = JSON.parse(cruise.stdout);
if (summary.error > 0) {
  console.log(run("depcruise-fmt.mjs", ["-T", "err-long", "-"], cruise.stdout).stdout.trim());
}

const seen = new Set(modules.map((module) => module.source));
const unseen = ROOTS.flatMap((root) =>
  readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.[cm]?ts$/.test(name))
    .map((name) => join(root, name))
    .filter((name) => !seen.has(name)),
);
for (const name of unseen) console.log(`not looked at: ${name}`);

const blind = summary.totalCruised === 0 || summary.totalDependenciesCruised === 0;
if (blind) console.log("dependency-cruiser saw nothing: is @swc/core there, and does it know this TypeScript?");

console.log(`${summary.totalCruised} modules, ${summary.totalDependenciesCruised} imports`);
process.exit(summary.error > 0 || unseen.length > 0 || blind ? 1 : 0);
