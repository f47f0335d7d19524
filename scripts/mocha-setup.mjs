import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { endFile } from "../test/support/after-file.ts";
import { offerPostgres } from "../test/support/shared-postgres.ts";

const OUTPUT = ["--outDir", ".test-build", "--incremental", "--declaration", "false", "--sourceMap", "false"];

let endPostgres = async () => {};

/**
 * Offers a PostgreSQL server to the tests, which starts when the first one asks. Compiles the program that tests start in separate processes, as it is shipped, which halves their start time. Coverage
 * measures the sources themselves and does not use it (test/cli/harness.ts).
 */
export async function mochaGlobalSetup() {
  endPostgres = await offerPostgres();
  if (process.env.NODE_V8_COVERAGE !== undefined) return;
  const root = fileURLToPath(new URL("..", import.meta.url));
  const { status, stdout } = spawnSync(
    process.execPath,
    ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", ...OUTPUT],
    { cwd: root, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`what the tests start does not compile:\n${stdout}`);
}

export const mochaGlobalTeardown = () => endPostgres();

/** The hook that runs in each worker after each file. */
export const mochaHooks = { afterAll: endFile };

// Mocha 12 swallows unhandled rejections. This listener throws them again, which fails the running test or the run.
process.on("unhandledRejection", (reason) => {
  throw reason;
});
