import { expect } from "chai";
import { configuration, type Ended, emptyFolder, folderOf, run, seeded } from "./harness.js";

// --json prints only JSON to standard output, one object or one line per entry, and an error as one object to standard error.
// The exit codes of each command are 0 for success, 1 for a negative verdict, 2 for usage or configuration, 3 for unavailable.

const CONFIG = ["--config", "verifier.yaml"];
const NO_STORE = configuration().replace("sqlite:./verifier.db", "sqlite:.");
const LINE = JSON.stringify({ client: { clientId: "c", clientSecret: "0123456789abcdef0123" } });

interface Case {
  readonly args: readonly string[];
  readonly code: 0 | 1 | 2 | 3;
  /** Members of the printed object, or of its `error`. */
  readonly told: Readonly<Record<string, unknown>>;
  readonly stdin?: string;
  readonly text?: string;
}

const CASES: Readonly<Record<string, readonly Case[]>> = {
  serve: [
    { args: ["--config", "none.yaml"], code: 2, told: { code: "CONFIGURATION", file: "none.yaml" } },
    { args: ["--only", "grpc"], code: 2, told: { code: "USAGE" } },
    {
      args: CONFIG,
      code: 3,
      text: NO_STORE.replace("realms:", "log: { level: silent }\nrealms:"),
      told: { code: "DIRECTORY_UNAVAILABLE" },
    },
  ],
  verify: [
    { args: [...CONFIG, "--realm", "integuru", "x.y.z"], code: 1, told: {} },
    {
      args: ["x.y.z"],
      code: 2,
      told: { code: "USAGE", message: "required option '-r, --realm <name>' not specified" },
    },
    { args: [...CONFIG, "--realm", "nowhere", "x.y.z"], code: 2, told: { code: "REALM_UNKNOWN", status: "NOT_FOUND" } },
    {
      args: ["--address", "127.0.0.1:1", "--realm", "integuru", "x.y.z"],
      code: 3,
      told: { code: "VERIFIER_UNAVAILABLE", status: "UNAVAILABLE" },
    },
  ],
  mint: [
    { args: [...CONFIG, "--realm", "integuru"], code: 0, told: {} },
    { args: [...CONFIG, "--realm", "nowhere"], code: 2, told: { code: "USAGE" } },
  ],
  check: [
    { args: CONFIG, code: 0, told: { file: "verifier.yaml", warnings: [] } },
    { args: ["--config", "none.yaml"], code: 2, told: { code: "CONFIGURATION" } },
    {
      args: ["--confg"],
      code: 2,
      told: { code: "USAGE", message: "unknown option '--confg'\n(Did you mean --config?)" },
    },
  ],
  import: [
    { args: [...CONFIG, "-"], stdin: LINE, code: 0, told: { dryRun: false } },
    { args: [...CONFIG, "-"], stdin: "{}", code: 2, told: { code: "DIRECTORY_INVALID" } },
    { args: [...CONFIG, "-"], stdin: LINE, text: NO_STORE, code: 3, told: { code: "DIRECTORY_UNAVAILABLE" } },
  ],
  export: [
    { args: ["--config", "none.yaml"], code: 2, told: { code: "CONFIGURATION" } },
    { args: CONFIG, text: NO_STORE, code: 3, told: { code: "DIRECTORY_UNAVAILABLE" } },
  ],
  revoke: [
    {
      args: [...CONFIG, "--realm", "partner", "--jti", "j"],
      code: 0,
      told: { realm: "partner", kind: "jti", value: "j", exp: null },
    },
    { args: CONFIG, code: 2, told: { code: "USAGE" } },
    {
      args: [...CONFIG, "--realm", "partner", "--jti", "j"],
      text: NO_STORE,
      code: 3,
      told: { code: "DIRECTORY_UNAVAILABLE" },
    },
  ],
  unrevoke: [
    { args: [...CONFIG, "--realm", "partner", "--jti", "j"], code: 2, told: { code: "USAGE" } },
    {
      args: [...CONFIG, "--realm", "partner", "--jti", "j", "--comment", "c"],
      text: NO_STORE,
      code: 3,
      told: { code: "DIRECTORY_UNAVAILABLE" },
    },
  ],
  version: [
    { args: [], code: 0, told: { node: process.version } },
    { args: ["more"], code: 2, told: { code: "USAGE" } },
  ],
};

/** The one object that a command printed, from the output that its exit code calls for. */
function objectOf({ code, stdout, stderr }: Ended): Record<string, unknown> {
  const isError = code === 2 || code === 3;
  expect(isError ? stdout : stderr, "the other output").to.equal("");
  const text = isError ? stderr : stdout;
  expect(text).to.match(/^\{.*\}\n$/);
  return isError ? JSON.parse(text).error : JSON.parse(text);
}

describe("--json and exit codes", () => {
  for (const [command, cases] of Object.entries(CASES)) {
    for (const { args, code, told, stdin, text } of cases) {
      it(`${[command, ...args].join(" ")}${text === undefined ? "" : " without a store"} exits with ${code}, with --json and without`, async () => {
        const folder = folderOf(text);
        if (command === "revoke" && code === 0)
          expect((await run(["import", "-", ...CONFIG], folder)).code).to.equal(0);
        if (command === "check" && code === 0) await seeded(folder);
        const ended = await run([command, ...args, "--json"], folder, stdin);
        expect(ended.code, ended.stderr).to.equal(code);
        const object = objectOf(ended);
        expect(object).to.deep.include(told);
        if (code > 1) expect(object["message"]).to.match(/\S/);
        const plain = await run([command, ...args], folder, stdin);
        expect(plain.code, "the same without it").to.equal(code);
        if (code > 1) expect(plain.stderr).to.include(object["message"]);
      });
    }
  }

  it("export --json prints one line per entry, and nothing else", async () => {
    const folder = folderOf();
    await run(["import", ...CONFIG, "-"], folder, `${LINE}\n${LINE.replace('"c"', '"d"')}\n`);
    const { code, stdout, stderr } = await run(["export", ...CONFIG, "--json"], folder);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    const ids = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).client?.clientId);
    // The first line is about the store itself.
    expect(ids).to.deep.equal([undefined, "c", "d"]);
  });

  it("a missing or unknown command fails as JSON with --json, and a --json after -- is an argument", async () => {
    expect(objectOf(await run(["--json"], emptyFolder()))).to.include({ code: "USAGE" });
    expect(objectOf(await run(["verfy", "--json"], emptyFolder()))["message"]).to.include("Did you mean verify?");
    const { stderr } = await run(["verify", "--realm", "r", "--at", "5", "--", "--json"], emptyFolder());
    expect(stderr).to.equal("--at works offline only. Give --config FILE with it.\n");
  });
});
