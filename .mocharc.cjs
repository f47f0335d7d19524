const { availableParallelism } = require("node:os");

// `npm test` runs every test; `npm test -- test/jws/compact.test.ts` only the files named (mocha would add them to all).
const named = process.argv.some((argument) => argument.endsWith(".test.ts"));

// Where Node can require() ES modules mocha does so, and tsx then makes CommonJS of ours: not the code that is shipped,
// and coverage that does not add up with that of child processes. Without the feature mocha imports them.
const asModules = process.features.require_module ? ["no-experimental-require-module"] : [];

// Files know nothing of each other, and most of the time of many goes into waiting for processes and sockets.
const jobs = Math.min(4, availableParallelism());

module.exports = {
  parallel: !named && jobs > 1,
  jobs,
  spec: named ? [] : ["test/**/*.test.ts"],
  "node-option": ["import=tsx", ...asModules],
  require: ["./scripts/mocha-setup.mjs"],
  reporter: "dot",
  timeout: 60_000,
};
