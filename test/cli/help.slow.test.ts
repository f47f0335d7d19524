import { createPublicKey } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { prepareDevelopment } from "../../src/server/development/folder.js";
import { keyOf } from "../support/keys.js";
import { COMMAND, type Ended, emptyFolder, Process, run } from "./harness.js";

// Runs the examples in the help of every command in a newcomer's folder, with only the ports changed.

/** The subcommands that a help text lists. */
const commandsIn = (help: string): string[] =>
  Array.from((help.split("\nCommands:\n")[1] ?? "").matchAll(/^ {2}([\w-]+)/gm), ([, name = ""]) => name).filter(
    (name) => name !== "help",
  );

/** The words and operators of a shell line without its comment, as far as the examples use them. */
const wordsOf = (line: string): string[] =>
  Array.from(line.replace(/\s# .*$/, "").matchAll(/'([^']*)'|[^\s']+/g), ([word, quoted]) => quoted ?? word);

describe("the help", () => {
  let folder: string;
  const examples = new Map<string, readonly string[]>();

  before(async () => {
    folder = emptyFolder();
    const { file } = prepareDevelopment(join(folder, "data"));
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace("127.0.0.1:50051", "127.0.0.1:0").replace("127.0.0.1:8080", "127.0.0.1:0"));
    const { publicPem = "" } = keyOf("rsa");
    const jwk = createPublicKey(publicPem).export({ format: "jwk" });
    writeFileSync(join(folder, "next.jwks.json"), JSON.stringify({ keys: [{ ...jwk, kid: "next" }] }));
    const gather = async (path: readonly string[]): Promise<void> => {
      const { code, stdout } = await run([...path, "--help"], folder);
      expect(code).to.equal(0);
      const below = commandsIn(stdout);
      const [, shown = ""] = stdout.split("\nExamples:\n");
      if (below.length === 0) examples.set(path.join(" "), shown.match(/\S.*\S/g) ?? []);
      for (const name of below) await gather([...path, name]);
    };
    await gather([]);
  });

  /** Runs a line of piped commands, with redirections from and into files. */
  async function runLine(line: string): Promise<Ended> {
    let ended: Ended = { code: null, signal: null, stdout: "", stderr: "" };
    const commands = line.split(" | ");
    for (const [at, command] of commands.entries()) {
      const [program, ...words] = wordsOf(command);
      expect(program, line).to.equal("token-verifier");
      const [from, into] = ["<", ">"].map((sign) =>
        words.includes(sign) ? words.splice(words.indexOf(sign), 2)[1] : undefined,
      );
      const stdin = from === undefined ? ended.stdout : readFileSync(join(folder, from), "utf8");
      ended = await run(words, folder, stdin);
      if (into !== undefined) writeFileSync(join(folder, into), ended.stdout);
      if (at < commands.length - 1) expect(ended.code, `${command}\n${ended.stderr}`).to.equal(0);
    }
    return ended;
  }

  /** Starts a service by its line with `exec`, so that it receives the signals itself. */
  function start(line: string): Process {
    const json = line.includes("--json") ? "" : " --json";
    return new Process("bash", ["-c", line.replace("token-verifier", `exec ${COMMAND}`) + json], folder, undefined);
  }

  it("the help of every command has examples", () => {
    expect(examples.size).to.be.at.least(9);
    for (const [command, lines] of examples) {
      expect(lines, command).to.have.length.above(0);
      for (const line of lines) expect(line).to.include(`token-verifier ${command}`);
    }
  });

  it("the examples in the help end with the exit codes that they state", async () => {
    const [first = "", ...others] = examples.get("serve") ?? [];
    const service = start(first);
    const { grpc } = await service.ready();
    for (const line of ["token-verifier mint --realm integuru > token.txt", "token-verifier export > directory.jsonl"])
      expect((await runLine(line)).code, line).to.equal(0);
    for (const line of [...examples].flatMap(([command, lines]) => (command === "serve" ? [] : lines))) {
      const said = /# exit code (\d)/.exec(line)?.[1] ?? "0";
      // Without a configuration, verify would ask the service at its default port.
      const asked = / verify (?!.*(--config|-c) )/.test(line) ? line.replace(/ -$/, ` --address ${grpc} -`) : line;
      const { code, stdout, stderr } = await runLine(asked);
      expect(code, `${line}\n${stdout}${stderr}`).to.equal(Number(said));
    }
    service.kill("SIGTERM");
    expect((await service.ended).code).to.equal(0);
    for (const line of others) {
      const serving = start(line);
      await serving.ready();
      serving.kill("SIGTERM");
      expect((await serving.ended).code, line).to.equal(0);
    }
  }).timeout(120_000);
});
