// `npm test` runs every test; `npm test -- test/jws/reader.test.ts` only the files named (mocha would add them to all).
const named = process.argv.some((argument) => argument.endsWith(".test.ts"));

// Where Node can require() ES modules mocha does so, and tsx then makes CommonJS of ours: not the code that is shipped,
// and coverage that does not add up with that of child processes. Without the feature mocha imports them.
const asModules = process.features.require_module ? ["no-experimental-require-module"] : [];

module.exports = {
  spec: named ? [] : ["test/**/*.test.ts"],
  "node-option": ["import=tsx", ...asModules],
  require: ["./scripts/mocha-setup.mjs"],
  reporter: "dot",
  timeout: 20_000,
};
