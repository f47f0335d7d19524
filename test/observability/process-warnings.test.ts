import { EventEmitter } from "node:events";
import { expect } from "chai";
import type { Logger } from "pino";
import { logWarnings } from "../../src/observability/logger.js";
import { COMMAND, configuration, end, folderOf, Process } from "../cli/harness.js";
import { NOW } from "../support/clock.js";
import { createMemoryLog } from "../support/log.js";

// Warnings of Node and of libraries while the service runs.

/** Resolves once all pending callbacks have run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A stand-in for the process, with Node's own listener for warnings. */
function source() {
  const emitter = new EventEmitter();
  const standard: Error[] = [];
  emitter.on("warning", (warning: Error) => standard.push(warning));
  return { emitter, standard, warn: (warning: Error) => emitter.emit("warning", warning) };
}

const warning = (more: object = {}): Error => Object.assign(new Error("old"), { name: "DeprecationWarning", ...more });

describe("process warnings", () => {
  it("process warnings become log lines, without the objects attached to them", async () => {
    const { emitter, standard, warn } = source();
    const log = createMemoryLog();
    logWarnings(emitter, Promise.resolve(log.log), () => NOW);
    warn(warning({ code: "DEP0005", emitter: { secret: "in the socket" } }));
    warn(warning());
    await settled();
    const lines = log
      .text()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).to.have.length(2);
    expect(lines[0]).to.include({
      msg: "process warning",
      name: "DeprecationWarning",
      why: "old",
      code: "DEP0005",
    });
    expect(lines[0].stack).to.include("warnings.test.ts");
    expect(lines[1]).not.to.have.property("code");
    expect(log.text()).not.to.include("in the socket");
    expect(standard).to.deep.equal([]);
  });

  it("process warnings wait until the log is open", async () => {
    const { emitter, standard, warn } = source();
    const log = createMemoryLog();
    let open: (log: Logger) => void = () => {};
    logWarnings(emitter, new Promise((resolve) => (open = resolve)), () => NOW);
    warn(warning());
    await settled();
    expect(log.text()).to.equal("");
    open(log.log);
    await settled();
    expect(log.text()).to.include("process warning");
    expect(standard).to.deep.equal([]);
  });

  it("process warnings go to Node's own listener if the service does not start", async () => {
    const { emitter, standard, warn } = source();
    logWarnings(emitter, Promise.reject(new Error("no service")), () => NOW);
    const [early, late] = [warning(), warning()];
    warn(early);
    await settled();
    warn(late);
    expect(standard).to.deep.equal([early, late]);
    expect(emitter.listenerCount("warning")).to.equal(1);
  });

  it("process warnings are not logged if Node was told to suppress them", () => {
    const emitter = new EventEmitter();
    logWarnings(emitter, Promise.resolve(createMemoryLog().log), () => NOW);
    expect(emitter.listenerCount("warning")).to.equal(0);
  });

  it("process warnings beyond the limit of a second are counted", async () => {
    const { emitter, warn } = source();
    const log = createMemoryLog();
    let now = NOW;
    logWarnings(emitter, Promise.resolve(log.log), () => now);
    for (let times = 0; times < 25; times++) warn(warning());
    await settled();
    now += 1000;
    warn(warning());
    await settled();
    expect(log.text().match(/"process warning"/g)).to.have.length(11);
    expect(log.text()).to.include('"omitted":15');
  });

  it("a warning of a running service is not written to standard error", async () => {
    const folder = folderOf(configuration());
    const listener = "process.on('SIGUSR2',()=>process.emitWarning('tried',{code:'TEST1'}))";
    const line = `NODE_OPTIONS="--import=data:text/javascript,${listener}" exec ${COMMAND} serve --config verifier.yaml`;
    const service = new Process("bash", ["-c", line], folder, undefined);
    await service.ready();
    service.kill("SIGUSR2");
    await service.until(/"msg":"process warning"\}\n/);
    const logged = service.lines().find(({ msg }) => msg === "process warning");
    expect(logged).to.include({ level: "warn", name: "Warning", why: "tried", code: "TEST1" });
    expect(await end(service)).to.include({ code: 0, stderr: "" });
  });
});
