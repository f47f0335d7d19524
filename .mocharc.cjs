// `npm test` runs every test; `npm test -- test/jws/reader.test.ts` only the files named (mocha would add them to all).
const named = process.argv.some((argument) => argument.endsWith(".test.ts"));

module.exports = {
  spec: named ? [] : ["test/**/*.test.ts"],
  "node-option": ["import=tsx"],
  require: ["./scripts/mocha-setup.mjs"],
  reporter: "dot",
  timeout: 20_000,
};
