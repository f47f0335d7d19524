const { availableParallelism } = require("node:os");

/** The files that each suite has: `npm test` runs the quick ones, `npm run test:slow` the slow ones. */
const SUITES = {
  quick: { spec: ["test/**/*.test.ts"], ignore: ["test/**/*.slow.test.ts"] },
  slow: { spec: ["test/**/*.slow.test.ts"] },
  all: { spec: ["test/**/*.test.ts"] },
};
const suite = process.env.TESTS ?? "quick";
if (!Object.hasOwn(SUITES, suite)) throw new Error(`TESTS is ${suite}: it can be ${Object.keys(SUITES).join(", ")}`);

// `npm test -- test/jws/compact.test.ts` runs only the files named, whichever suite they are in: mocha would add them to all.
const named = process.argv.some((argument) => argument.endsWith(".test.ts"));

// Where Node can require() ES modules mocha does so, and tsx then makes CommonJS of ours: not the code that is shipped,
// and coverage that does not add up with that of child processes. Without the feature mocha imports them.
const asModules = process.features.require_module ? ["no-experimental-require-module"] : [];

// Files share nothing, and much of a file's time goes into waiting for processes and sockets.
const jobs = Math.min(4, availableParallelism());

module.exports = {
  ...(named ? { spec: [] } : SUITES[suite]),
  parallel: !named && jobs > 1,
  jobs,
  "node-option": ["import=tsx", ...asModules],
  require: ["./scripts/mocha-setup.mjs"],
  reporter: "dot",
  timeout: 60_000,
};
