import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { prepareDevelopment } from "../../src/server/development/folder.js";
import { serve } from "../../src/server/serve.js";
import { COMMAND, type Ended, emptyFolder, linkModules, PACKAGE, Process, patient, ROOT, run } from "../cli/harness.js";
import { createMemoryLog } from "../support/log.js";

// Follows README.md as a newcomer: runs its commands and programs with only the ports changed.

const README = readFileSync(join(ROOT, "README.md"), "utf8");

/** The code blocks of a language in order, each with the text between it and the next one. */
const blocks = (language: string): { code: string; after: string }[] =>
  Array.from(
    README.matchAll(
      new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`\\n([\\s\\S]*?)(?=^\`\`\`|^## |$(?![\\s\\S]))`, "gm"),
    ),
    ([, code = "", after = ""]) => ({ code, after }),
  );

/** Ids that are random on each machine. */
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const anyId = (text: string): string => text.replace(UUID, "ID");

describe("README.md", () => {
  let folder: string;
  let stop: () => Promise<void>;
  let here: (text: string) => string;

  before(async () => {
    folder = emptyFolder();
    linkModules(folder);
    symlinkSync(join(ROOT, "proto"), join(folder, "proto"));
    const { file } = prepareDevelopment(join(folder, "data"));
    writeFileSync(
      file,
      readFileSync(file, "utf8").replace("127.0.0.1:50051", "127.0.0.1:0").replace("127.0.0.1:8080", "127.0.0.1:0"),
    );
    const running = await serve(file, undefined, { env: {}, clock: Date.now, log: createMemoryLog().log });
    ({ stop } = running);
    const { grpc = "", http = "" } = running.addresses;
    here = (text) => text.replaceAll("127.0.0.1:50051", grpc).replaceAll("127.0.0.1:8080", http);
  });
  after(() => stop());

  /** Runs a shell block as a user would after setting the alias. */
  function shell(code: string): Promise<Ended> {
    const script = `shopt -s expand_aliases\nalias token-verifier="${COMMAND.replaceAll("'", "")}"\n${here(code)}`;
    return new Process("bash", ["-c", script], folder, undefined).ended;
  }

  const alias = (): string => blocks("sh").find(({ code }) => code.startsWith("alias "))?.code ?? "";

  it("the README's alias runs the program that npm start builds", () => {
    expect(alias()).to.equal("alias token-verifier='node_modules/.bin/node dist/src/cli/main.js'\n");
    const { bin, scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      bin: Record<string, string>;
      scripts: Record<string, string>;
    };
    expect(bin["token-verifier"]).to.equal("dist/src/cli/main.js");
    for (const [, script = ""] of README.matchAll(/npm run ([\w:]+)/g))
      expect(scripts, script).to.have.property(script);
  });

  for (const { code, after } of blocks("sh").filter((block) => /\bcurl\b/.test(block.code))) {
    const [, expected] = /^ {4}(\{.*)$/m.exec(after) ?? [];
    it(`${/\b(?:buf )?curl\b/.exec(code)?.[0]} ${/http:\/\/\S+?(\/\S*)/.exec(code)?.[1]} gives the answer that the README states`, async () => {
      const { code: exit, stdout, stderr } = await shell(code);
      expect(exit, stderr).to.equal(0);
      if (expected === undefined) expect(JSON.parse(stdout)).to.have.property("verified");
      else expect(anyId(stdout)).to.equal(anyId(expected));
    }).timeout(60_000);
  }

  it("the README has a command for each of the three endpoints, one over gRPC, and one for browsers", () => {
    expect(blocks("sh").filter(({ code }) => /\bcurl\b/.test(code))).to.have.length(5);
  });

  const token = async (...args: string[]): Promise<string> =>
    (await shell(`token-verifier mint --realm integuru ${args.join(" ")}`)).stdout.trim();

  it("the Node program prints the user, the reason of a rejection, or the error", async () => {
    const [{ code } = { code: "" }] = blocks("js");
    // The compiled module replaces the installed package, whose build another test covers.
    const program = patient(code.replace('"token-verifier-client"', JSON.stringify(PACKAGE.entry)));
    const runIt = (text: string, argument: string): Promise<Ended> => {
      writeFileSync(join(folder, "program.mjs"), text);
      return new Process(process.execPath, [...PACKAGE.flags, "program.mjs", argument], folder, undefined).ended;
    };
    const good = await runIt(here(program), await token());
    expect(good.code, good.stderr).to.equal(0);
    expect(good.stdout).to.match(/^[0-9a-f-]{36} \{"token_type":"access",.*\}\n$/);
    const bad = await runIt(here(program), await token("--claim", "exp=1"));
    expect({ code: bad.code, stdout: bad.stdout, stderr: bad.stderr }).to.deep.equal({
      code: 0,
      stdout: "rejected: TOKEN_EXPIRED exp\n",
      stderr: "",
    });
    const empty = await runIt(here(program), "");
    expect(empty.code, empty.stderr).to.equal(0);
    expect(empty.stderr).to.match(/^TOKEN_EMPTY \S+ \S+/);
    const nobody = await runIt(program.replaceAll("127.0.0.1:50051", "nowhere.invalid:1"), "x.y.z");
    expect(nobody.stderr).to.match(/^VERIFIER_UNAVAILABLE No service can be reached at nowhere\.invalid:1: its name /);
  }).timeout(60_000);

  it("the Python program prints the user, or the reason of a rejection", async function () {
    const python = "/usr/bin/python3";
    const isReady =
      ["/usr/bin/grpc_python_plugin", "/usr/include/google/protobuf/timestamp.proto"].every((file) =>
        existsSync(file),
      ) && spawnSync(python, ["-c", "import grpc, google.protobuf"]).status === 0;
    if (!isReady) {
      process.stdout.write("      (skipped: the Debian packages that the README names are not installed)\n");
      this.skip();
    }
    this.timeout(60_000);
    const protoc = blocks("sh").find(({ code }) => code.includes("grpc_python_plugin"))?.code ?? "";
    const made = await shell(protoc.replace(/^apt-get .*$/m, ""));
    expect(made.code, made.stderr).to.equal(0);
    const [{ code } = { code: "" }] = blocks("python");
    writeFileSync(join(folder, "program.py"), here(patient(code)));
    const runIt = (argument: string): Promise<Ended> =>
      new Process(python, ["program.py", argument], folder, undefined).ended;
    const good = await runIt(await token());
    expect(good.code, good.stderr).to.equal(0);
    expect(good.stdout).to.match(/^\{"token_type":"access",.*\}\n$/);
    const bad = await runIt(await token("--claim", "exp=1"));
    expect(bad.stdout).to.equal("rejected: REASON_TOKEN_EXPIRED exp\n");
  });

  it("the README's configuration and the commands that use it work in their order", async () => {
    const own = join(folder, "own");
    mkdirSync(join(own, "data"), { recursive: true });
    const [{ code: yaml } = { code: "" }] = blocks("yaml");
    const [, address = ""] = /^grpc: (\S+)$/m.exec(yaml) ?? [];
    const [, file = ""] = /^# (\S+\.yaml)$/m.exec(yaml) ?? [];
    writeFileSync(join(own, file), yaml.replace(address, "127.0.0.1:0"));
    const inOwn = async (line: string, exit = 0): Promise<Ended> => {
      const ended = await shell(`cd own && ${line}`);
      expect(ended.code, `${line}\n${ended.stdout}${ended.stderr}`).to.equal(exit);
      return ended;
    };
    const commands = (start: string): string =>
      blocks("sh").find(({ code }) => code.startsWith(start))?.code ?? expect.fail(start);
    await inOwn(`{ ${commands("openssl")} } 2> /dev/null`);
    let service: Process | undefined;
    for (const line of commands("token-verifier check").trim().split("\n")) {
      if (line.startsWith("alias ")) {
        expect(line, "the same in the other terminal").to.equal(alias().trim());
      } else if (line.startsWith("token-verifier serve")) {
        service = new Process("bash", ["-c", line.replace("token-verifier", `exec ${COMMAND}`)], own, undefined);
        await service.ready();
      } else if (service === undefined) {
        await inOwn(line);
      } else {
        const { grpc = "" } = await service.ready();
        await inOwn(line.replace(address, grpc));
        const expired = await run(["mint", "--config", file, "--realm", "partner", "--claim", "exp=1"], own);
        const asked = ["verify", "--address", grpc, "--realm", "partner", "-"];
        expect((await run(asked, own, expired.stdout)).code).to.equal(1);
      }
    }
    service?.kill("SIGTERM");
    expect((await service?.ended)?.code).to.equal(0);
    // The commands leave files only where git ignores them.
    expect(readdirSync(own)).to.deep.equal(["data"]);
    expect(readFileSync(join(ROOT, ".gitignore"), "utf8").split("\n")).to.include("/data/");
  }).timeout(60_000);

  it("the README links only files that exist", () => {
    for (const [, target = ""] of README.matchAll(/\]\(([^)#]+)\)/g)) {
      if (!/^https?:/.test(target)) expect(existsSync(join(ROOT, target)), target).to.equal(true);
    }
  });

  it("the README names the default addresses of the development configuration", () => {
    for (const address of ["127.0.0.1:50051", "127.0.0.1:8080"]) expect(README).to.include(address);
  });
});
