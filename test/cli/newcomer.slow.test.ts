import { createPublicKey } from "node:crypto";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { loadConfig } from "../../src/config/load.js";
import { prepareDevelopment } from "../../src/server/development/folder.js";
import { exampleRequests } from "../../src/server/development/requests.js";
import { serve } from "../../src/server/serve.js";
import { VENDORS } from "../../src/vendors/index.js";
import { createMemoryLog } from "../support/log.js";
import { type Ended, emptyFolder, linkModules, type Process, run, shell, start } from "./harness.js";

// The newcomer's path: `serve` without a configuration, and the requests that it prints pasted into a shell.

/** Expects every printed request to work. */
async function expectAllWork(commands: readonly string[], folder: string): Promise<void> {
  // There is one request for each vendor, and one over gRPC.
  expect(commands).to.have.length(VENDORS.length + 1);
  for (const command of commands) expect(command, "a single line").not.to.include("\n");
  const answers: Ended[] = [];
  for (const command of commands) answers.push(await shell(command, folder));
  for (const [at, { code, stdout, stderr }] of answers.entries())
    expect(code, `${commands[at]}\n${stdout}${stderr}`).to.equal(0);
  const texts = answers.map(({ stdout }) => stdout);
  const [integuru, clowk, fiserv] = texts;
  const grpc = texts.pop();
  for (const answer of texts) expect(answer).to.match(/^HTTP\/1\.1 200 OK\r\n/);
  expect(integuru).to.match(/\r\n\r\n\{"valid":true,"taiki_user":"[0-9a-f-]{36}","client":"app_dev"\}$/);
  expect(clowk).to.match(/"data":\{"valid":true,"email":"jane@example\.com","name":"Jane Doe"/);
  expect(fiserv).to.match(/\r\n\r\n\{"valid":true\}$/);
  expect(JSON.parse(grpc ?? "")).to.have.property("verified");
}

/**
 * Starts a service without a configuration, on the default ports, and waits for its output. Skips the test if another process
 * listens at one of them, even one that started meanwhile, since the system hands these ports out too.
 */
async function startOnDefaultPorts(
  test: Mocha.Context,
  folder: string,
  said: string | RegExp,
  ...flags: readonly string[]
): Promise<Process> {
  const service = start(["serve", ...flags], folder);
  await service.until(said).catch(async (error: unknown) => {
    const { stderr } = await service.ended;
    if (!stderr.includes("another process listens there")) throw error;
    process.stdout.write("      (skipped: another process listens at 127.0.0.1:50051 or 127.0.0.1:8080)\n");
    test.skip();
  });
  return service;
}

const commandsIn = (stdout: string): string[] => stdout.split("\n").filter((line) => /^(curl|npx) /.test(line));

describe("serve without a configuration", () => {
  it("serve makes a folder whose requests work, on other ports too, and uses it again at the next start", async () => {
    const folder = emptyFolder();
    linkModules(folder);
    const data = join(folder, "data");
    expect(prepareDevelopment(data)).to.deep.equal({ file: join(data, "verifier.yaml"), made: true });
    const file = join(data, "verifier.yaml");
    writeFileSync(
      file,
      readFileSync(file, "utf8").replace("127.0.0.1:50051", "127.0.0.1:0").replace("127.0.0.1:8080", "127.0.0.1:0"),
    );
    const context = { env: {}, clock: Date.now, log: createMemoryLog().log };
    const requests = async (addresses: Readonly<Record<string, string>>) =>
      (await exampleRequests(loadConfig(file, context), addresses, Date.now())).map(({ command }) => command);

    const first = await serve(file, undefined, context);
    await expectAllWork(await requests(first.addresses), folder);
    await first.stop();

    const made = Object.fromEntries(readdirSync(data).map((name) => [name, readFileSync(join(data, name))]));
    expect(prepareDevelopment(data)).to.deep.equal({ file, made: false });
    for (const name of [
      "verifier.yaml",
      "directory.yaml",
      "master.key",
      "integuru.key",
      "fiserv.pem",
      "fiserv.private.pem",
    ]) {
      expect(readFileSync(join(data, name)).equals(made[name] as Buffer), name).to.equal(true);
    }
    const second = await serve(file, undefined, context);
    await expectAllWork(await requests(second.addresses), folder);
    await second.stop();
  }).timeout(60_000);

  it("only its owner can read the development folder, and each folder gets its own keys", () => {
    const folder = emptyFolder();
    const data = join(folder, "data");
    prepareDevelopment(data);
    expect(statSync(data).mode & 0o777).to.equal(0o700);
    for (const name of readdirSync(data)) expect(statSync(join(data, name)).mode & 0o777, name).to.equal(0o600);
    const other = join(emptyFolder(), "data");
    prepareDevelopment(other);
    for (const name of ["master.key", "integuru.key", "fiserv.private.pem", "directory.yaml"]) {
      expect(
        readFileSync(join(data, name)).equals(readFileSync(join(other, name))),
        `${name}: each folder has its own keys`,
      ).to.equal(false);
    }
  });

  it("serve completes a folder that was left half made", () => {
    const data = join(emptyFolder(), "data");
    prepareDevelopment(data);
    const key = readFileSync(join(data, "master.key"), "utf8");
    writeFileSync(join(data, "integuru.key"), "mine\n");
    rmSync(join(data, "verifier.yaml"));
    rmSync(join(data, "fiserv.pem"));
    expect(prepareDevelopment(data).made).to.equal(true);
    expect(readdirSync(data)).to.include.members(["verifier.yaml", "fiserv.pem"]);
    // The two halves of the key pair match.
    const [half, other] = ["fiserv.pem", "fiserv.private.pem"].map((name) =>
      createPublicKey(readFileSync(join(data, name))),
    );
    expect(half!.equals(other!)).to.equal(true);
    expect(readFileSync(join(data, "master.key"), "utf8")).to.equal(key);
    expect(readFileSync(join(data, "integuru.key"), "utf8")).to.equal("mine\n");
  });

  it("serve on the default ports prints requests that work, also at its second start", async function () {
    this.timeout(60_000);
    const folder = emptyFolder();
    linkModules(folder);
    for (const [turn, said] of ["Made data/verifier.yaml.", "Found data/verifier.yaml."].entries()) {
      const service = await startOnDefaultPorts(this, folder, "VerifyToken\n");
      expect(service.stdout).to.include("This setup is for development only: its keys are in the clear in data/.");
      expect(service.stdout).to.include(said);
      await expectAllWork(commandsIn(service.stdout), folder);
      // The other commands find the folder by themselves, too.
      if (turn === 0) {
        const minted = await run(["mint", "--realm", "integuru"], folder);
        const verified = await run(["verify", "--realm", "integuru", "--explain", "-"], folder, minted.stdout);
        expect(verified.code, verified.stderr).to.equal(0);
        expect(verified.stdout).to.match(/^verified\n/);
        expect((await run(["check"], folder)).stdout).to.match(/^data\/verifier\.yaml is valid\.\n/);
      }
      service.kill(turn === 0 ? "SIGTERM" : "SIGINT");
      const { code, stderr } = await service.ended;
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    }
  });

  it("serve --json prints one line with the example requests", async function () {
    const service = await startOnDefaultPorts(this, emptyFolder(), /"requests":.*\}\n/, "--json");
    const lines = service.stdout.trim().split("\n");
    for (const line of lines) expect(() => JSON.parse(line) as unknown, line).not.to.throw();
    const told = JSON.parse(lines.find((line) => line.includes('"requests":')) ?? "") as {
      addresses: object;
      requests: { command: string }[];
    };
    expect(told.addresses).to.deep.equal({ grpc: "127.0.0.1:50051", http: "127.0.0.1:8080" });
    expect(told.requests).to.have.length(VENDORS.length + 1);
    service.kill("SIGTERM");
    expect((await service.ended).code).to.equal(0);
  });
});
