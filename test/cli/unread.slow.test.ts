import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { expect } from "chai";
import { EXIT } from "../../src/cli/errors.js";
import { mint } from "../../src/cli/mint.js";
import { loadConfig } from "../../src/config/load.js";
import { INTEGURU, Wire } from "../http/harness.js";
import { requestBytes } from "../support/http.js";
import { COMMAND, configuration, emptyFolder, end, folderOf, type Process, serving } from "./harness.js";

// A log that is not read for a while: the collector of the lines has stopped, and the pipe is full.

/** Calls that log over 300 characters each, two MiB in all, of which one MiB is kept besides the system's own buffers. */
const CALLS = 7_000;

/** The number of calls over one connection. */
const TOGETHER = 500;

describe("standard output that is not read", () => {
  let service: Process;
  let ask: (times: number) => Promise<void>;

  beforeEach(async () => {
    const folder = folderOf(configuration("log: { calls: all }\ndrain: { delay: 0s, timeout: 1s }"));
    const config = loadConfig(`${folder}/verifier.yaml`, { env: {} });
    const token = await mint(config, { realm: "integuru", claim: [], expires: "1h" }, Date.now());
    const started = await serving(folder);
    service = started.service;
    const headers = [
      ["Authorization", `Bearer ${token}`],
      ["X-Request-Id", "r".repeat(128)],
    ] as const;
    const request = { method: "POST", target: INTEGURU, headers };
    const last = requestBytes(request);
    const others = Buffer.concat(Array<Buffer>(TOGETHER - 1).fill(requestBytes(request, "")));
    ask = async (times) => {
      for (let asked = 0; asked < times; asked += TOGETHER) {
        const wire = new Wire(started.port).send(others).send(last);
        await wire.closed;
        expect(wire.text.match(/HTTP\/1\.1 200 OK/g)).to.have.length(TOGETHER);
      }
    };
  });

  const callLines = (): number => service.lines().filter(({ msg }) => msg === "call").length;

  it("unread standard output delays no call, and lost lines are counted once it is read again", async () => {
    service.child.stdout?.pause();
    await ask(CALLS);
    service.child.stdout?.resume();
    await service.until(/"msg":"log lines lost"\}\n/);
    await ask(TOGETHER);
    const { code } = await end(service);
    expect(code).to.equal(0);
    const lost = service.lines().filter(({ msg }) => msg === "log lines lost");
    expect(lost).to.have.length(1);
    expect(lost[0]).to.include({ level: "warn" });
    expect(lost[0]?.["lines"]).to.be.within(1, CALLS);
    expect(callLines() + Number(lost[0]?.["lines"])).to.equal(CALLS + TOGETHER);
  });

  it("unread standard output does not keep the service from ending", async () => {
    service.child.stdout?.pause();
    await ask(CALLS);
    const exited = new Promise((resolve) => service.child.once("exit", (code) => resolve(code)));
    service.kill("SIGTERM");
    expect(await exited).to.equal(0);
    service.child.stdout?.resume();
    await service.ended;
    expect(callLines()).to.be.within(1, CALLS - 1);
  });

  it("closed standard output does not end the service", async () => {
    service.child.stdout?.destroy();
    await ask(TOGETHER);
    service.kill("SIGTERM");
    const { code, stderr } = await service.ended;
    expect({ code, stderr }).to.deep.equal({
      code: 0,
      stderr: "Log lines are lost: standard output cannot be written (EPIPE).\n",
    });
  });
});

describe("standard output of a command", () => {
  /** Runs a line of bash and returns its status and output. */
  const bash = (line: string) => spawnSync("bash", ["-c", line], { cwd: emptyFolder(), encoding: "utf8" });

  it("a command whose standard output is closed early ends without a message", () => {
    const { stdout, stderr } = bash(`${COMMAND} --help | true; echo "\${PIPESTATUS[0]}"`);
    expect({ stdout, stderr }).to.deep.equal({ stdout: `${EXIT.unavailable}\n`, stderr: "" });
  });

  it("a command that cannot write its standard output says so, and does not exit with the code of a rejection", function () {
    if (!existsSync("/dev/full")) this.skip();
    const { status, stderr } = bash(`${COMMAND} --help > /dev/full`);
    expect({ status, stderr }).to.deep.equal({
      status: EXIT.unavailable,
      stderr: "Standard output cannot be written (ENOSPC). Check where it is redirected to.\n",
    });
  });
});
