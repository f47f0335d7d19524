import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { endFile } from "../test/support/after-file.ts";

const OUTPUT = ["--outDir", ".test-build", "--incremental", "--declaration", "false", "--sourceMap", "false"];

/**
 * Compiles what tests start in processes of their own: they start in half the time, and it is what is shipped. Coverage looks
 * at the sources themselves, and does without (test/cli/harness.ts).
 */
export function mochaGlobalSetup() {
  if (process.env.NODE_V8_COVERAGE !== undefined) return;
  const root = fileURLToPath(new URL("..", import.meta.url));
  const { status, stdout } = spawnSync(
    process.execPath,
    ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", ...OUTPUT],
    { cwd: root, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`what the tests start does not compile:\n${stdout}`);
}

/** In each worker, after each file. */
export const mochaHooks = { afterAll: endFile };

// Mocha 12 swallows unhandled rejections. This listener throws them again, which fails the running test or the run.
process.on("unhandledRejection", (reason) => {
  throw reason;
});
