import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { expect } from "chai";
import { MAIN } from "./harness.js";

// The command under an unsupported Node.js, whose version main.js checks before it imports anything.

/** A flag that makes this Node.js report another version. */
const pretend = (version: string): string =>
  `--import=data:text/javascript,${encodeURIComponent(
    `Object.defineProperty(process, "versions", { value: { ...process.versions, node: ${JSON.stringify(version)} } })`,
  )}`;

/** A flag that fails the start if any module of a package, or of ours besides main.js, is loaded. */
const ALONE = `--import=data:text/javascript,${encodeURIComponent(
  `import { registerHooks } from "node:module";
  registerHooks({ load: (url, context, next) => {
    if (/node_modules|run\\.[jt]s/.test(url)) throw new Error("loaded " + url);
    return next(url, context);
  } });`,
)}`;

const said = (version: string): string =>
  `token-verifier needs Node.js 22.19 or later; this is Node.js ${version}. In a checkout of the project, run \`node_modules/.bin/node dist/src/cli/main.js\`.`;

/** Runs the command and returns its exit status and output. */
function runWith(node: string, args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(node, args, { encoding: "utf8" });
  return { status, stdout, stderr };
}

describe("the command under a Node.js that is too old", () => {
  before(function () {
    // Coverage runs the sources, which need a package to compile them.
    if (MAIN.length > 1) this.skip();
  });

  for (const version of ["18.20.4", "20.20.0", "22.18.0"]) {
    it(`the command under Node.js ${version} exits with 2 and says which version it needs, before it loads anything else`, () => {
      const ended = runWith(process.execPath, [pretend(version), ALONE, ...MAIN, "serve"]);
      expect(ended).to.deep.equal({ status: 2, stdout: "", stderr: `${said(version)}\n` });
    });
  }

  it("the command with --json reports an unsupported Node.js as JSON", () => {
    const ended = runWith(process.execPath, [pretend("20.20.0"), ALONE, ...MAIN, "version", "--json"]);
    expect(ended).to.include({ status: 2, stdout: "" });
    expect(JSON.parse(ended.stderr)).to.deep.equal({ error: { code: "NODE_TOO_OLD", message: said("20.20.0") } });
  });

  for (const version of ["22.19.0", "24.0.0"]) {
    it(`the command runs under Node.js ${version}`, () => {
      const ended = runWith(process.execPath, [pretend(version), ...MAIN, "version"]);
      expect(ended.status, ended.stderr).to.equal(0);
    });
  }

  it("the command under the machine's own Node.js, if that is too old, exits with 2 and says which version it needs", function () {
    const node = "/usr/bin/node";
    const version = existsSync(node) ? runWith(node, ["--version"]).stdout.trim().slice(1) : "";
    const [major = 0, minor = 0] = version.split(".").map(Number);
    if (version === "" || major > 22 || (major === 22 && minor >= 19)) this.skip();
    expect(runWith(node, [...MAIN, "version"])).to.deep.equal({ status: 2, stdout: "", stderr: `${said(version)}\n` });
    const json = runWith(node, [...MAIN, "version", "--json"]);
    expect(json.status).to.equal(2);
    expect(JSON.parse(json.stderr).error).to.include({ code: "NODE_TOO_OLD" });
  });
});
