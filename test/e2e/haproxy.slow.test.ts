import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import net, { type AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { mint } from "../../src/cli/mint.js";
import { loadConfig } from "../../src/config/load.js";
import { configuration, emptyFolder, end, folderOf, type Process, ROOT, start } from "../cli/harness.js";
import { afterEachFile } from "../support/after-file.js";
import { createClient, type Message, readError } from "../support/grpc.js";

// Two services and two gateways behind HAProxy, by deploy/haproxy.cfg, under a steady load, while each process is restarted
// as an operator would: by SIGTERM.

/** The addresses of this test, which no other uses, so that a port that is free for a moment stays free. */
const HOSTS = {
  service: ["127.9.1.1", "127.9.1.2"],
  gateway: ["127.9.1.3", "127.9.1.4"],
  haproxy: "127.9.1.9",
} as const;

const DRAIN = "drain: { delay: 1500ms, timeout: 5s }";

/** A process at addresses that stay the same when it is started again. */
interface Member {
  readonly folder: string;
  readonly args: readonly string[];
  process: Process;
  addresses: Readonly<Record<string, string>>;
}

const portOf = (address = ""): string => address.slice(address.lastIndexOf(":") + 1);

const ARGS = ["serve", "--config", "verifier.yaml"];

/** Starts a member at free ports, and writes them into its configuration. */
async function launch(folder: string, args: readonly string[]): Promise<Member> {
  const process = start(args, folder);
  const addresses = await process.ready();
  const file = join(folder, "verifier.yaml");
  let text = readFileSync(file, "utf8");
  for (const name of ["grpc", "http", "metrics"]) {
    if (addresses[name] !== undefined)
      text = text.replace(new RegExp(`^${name}: .*$`, "m"), `${name}: ${addresses[name]}`);
  }
  writeFileSync(file, text);
  return { folder, args, process, addresses };
}

async function launchService(host: string): Promise<Member> {
  const text = configuration(`metrics: ${host}:0\ntrustedProxies: [127.0.0.0/8]\n${DRAIN}`)
    .replace(/^grpc: .*$/m, `grpc: ${host}:0`)
    .replace(/^http: .*\n/m, "");
  return launch(folderOf(text), [...ARGS, "--only", "grpc"]);
}

async function launchGateway(host: string, upstreams: readonly string[]): Promise<Member> {
  const folder = emptyFolder();
  const text = `http: ${host}:0
metrics: ${host}:0
upstream: [${upstreams.join(", ")}]
trustedProxies: [127.0.0.0/8]
${DRAIN}
realms: { integuru: { preset: integuru }, fiserv: { preset: fiserv }, clowk: { preset: clowk } }
`;
  writeFileSync(join(folder, "verifier.yaml"), text);
  return launch(folder, [...ARGS, "--only", "http"]);
}

async function freePort(host: string): Promise<number> {
  const server = net.createServer().listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Starts HAProxy by the committed file, at the addresses of this test. */
async function launchHaproxy(services: readonly Member[], gateways: readonly Member[]) {
  const [grpc, rest] = [await freePort(HOSTS.haproxy), await freePort(HOSTS.haproxy)];
  let text = readFileSync(join(ROOT, "deploy/haproxy.cfg"), "utf8")
    .replace("bind :50051", `bind ${HOSTS.haproxy}:${grpc}`)
    .replace("bind :8080", `bind ${HOSTS.haproxy}:${rest}`)
    .replace("inter 1s", "inter 300ms")
    // As many files as any shell may open.
    .replace("maxconn 20000", "maxconn 200");
  for (const [kind, members] of Object.entries({ service: services, gateway: gateways })) {
    for (const [index, { addresses }] of members.entries()) {
      const address = addresses[kind === "service" ? "grpc" : "http"] ?? "";
      text = text.replace(
        new RegExp(`server ${kind}-${index + 1} \\S+`),
        `server ${kind}-${index + 1} ${address} port ${portOf(addresses["metrics"])}`,
      );
    }
  }
  const file = join(emptyFolder(), "haproxy.cfg");
  writeFileSync(file, text);
  const child = spawn("haproxy", ["-db", "-f", file], { stdio: ["ignore", "inherit", "pipe"] });
  afterEachFile(() => void child.kill("SIGKILL"));
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (data: string) => {
    said += data;
  });
  return { child, grpc: `${HOSTS.haproxy}:${grpc}`, http: { host: HOSTS.haproxy, port: rest }, said: () => said };
}

/** What a load has seen. */
class Tally {
  answered = 0;
  readonly failed: string[] = [];

  count(answer: string, expected: string): void {
    if (answer === expected) this.answered++;
    else this.failed.push(answer);
  }
}

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

/** Calls again and again until the signal. */
async function repeat(signal: AbortSignal, call: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await call();
    await pause(10);
  }
}

/** Posts a token to a vendor's endpoint. @returns the status, or the error's code */
function post(to: { host: string; port: number }, agent: http.Agent | false, token: string): Promise<string> {
  return new Promise((resolve) => {
    const headers = { Authorization: `Bearer ${token}` };
    const request = http.request({ ...to, agent, method: "POST", path: "/api/verify-token", headers }, (answer) => {
      answer.resume().once("end", () => resolve(String(answer.statusCode)));
    });
    request.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message)).end();
  });
}

describe("services and gateways behind HAProxy", function () {
  this.timeout(300_000);

  before(function () {
    // Debian's package haproxy, which .ci/run installs.
    if (spawnSync("haproxy", ["-v"]).status !== 0) this.skip();
  });

  it("HAProxy accepts deploy/haproxy.cfg", () => {
    const { status, stderr } = spawnSync("haproxy", ["-c", "-f", join(ROOT, "deploy/haproxy.cfg")], {
      encoding: "utf8",
    });
    expect(status, stderr).to.equal(0);
  });

  it("no call fails while each process is restarted, and streams end as SHUTTING_DOWN and go on elsewhere", async () => {
    const services = await Promise.all(HOSTS.service.map(launchService));
    const upstreams = services.map(({ addresses }) => addresses["grpc"] ?? "");
    const gateways = await Promise.all(HOSTS.gateway.map((host) => launchGateway(host, upstreams)));
    const haproxy = await launchHaproxy(services, gateways);
    const first = services[0] as Member;
    const config = loadConfig(join(first.folder, "verifier.yaml"), { env: {} });
    const token = await mint(config, { realm: "integuru", claim: [], expires: "1h" }, Date.now());

    const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
    while ((await post(haproxy.http, agent, token)) !== "200") {
      expect(haproxy.child.exitCode, haproxy.said()).to.equal(null);
      await pause(50);
    }
    const client = createClient(haproxy.grpc);
    while ("error" in (await client.verify({ realm: "integuru", token }))) await pause(50);
    const stop = new AbortController();
    const { signal } = stop;
    const tallies = {
      unary: new Tally(),
      fresh: new Tally(),
      batch: new Tally(),
      rest: new Tally(),
      stream: new Tally(),
    };
    const request: Message = { realm: "integuru", token };
    const ended: string[] = [];

    /** Sends message after message, over a new stream whenever one has ended; an unanswered message is sent again. */
    const streaming = async (): Promise<void> => {
      while (!signal.aborted) {
        const stream = client.open();
        let answered = (): void => {};
        const over: { reason?: string } = {};
        stream.on("data", () => answered());
        stream.on("error", (error) => {
          over.reason = readError(error).reason ?? error.message;
          answered();
        });
        while (over.reason === undefined && !signal.aborted) {
          stream.write({ id: "1", requests: [request] });
          await new Promise<void>((resolve) => {
            answered = resolve;
            if (over.reason !== undefined) resolve();
          });
          if (over.reason === undefined) tallies.stream.answered++;
          await pause(10);
        }
        if (over.reason === undefined) stream.end();
        else ended.push(over.reason);
        await pause(5);
      }
    };
    const loads = [
      ...Array.from({ length: 4 }, () =>
        repeat(signal, async () => {
          const answer = await client.verify(request);
          tallies.unary.count("error" in answer ? JSON.stringify(answer.error) : "verdict", "verdict");
        }),
      ),
      repeat(signal, async () => {
        const answer = await client.batch([request, request]);
        tallies.batch.count(Array.isArray(answer) ? "verdict" : JSON.stringify(answer), "verdict");
      }),
      repeat(signal, async () => {
        const one = createClient(haproxy.grpc);
        const answer = await one.verify(request);
        one.close();
        tallies.fresh.count("error" in answer ? JSON.stringify(answer.error) : "verdict", "verdict");
      }),
      ...Array.from({ length: 3 }, () =>
        repeat(signal, async () => tallies.rest.count(await post(haproxy.http, agent, token), "200")),
      ),
      repeat(signal, async () => tallies.rest.count(await post(haproxy.http, false, token), "200")),
      streaming(),
      streaming(),
    ];

    const logs: Record<string, unknown>[] = [];
    afterEachFile(() => stop.abort());
    for (const member of [...services, ...gateways]) {
      const { code } = await end(member.process);
      expect(code).to.equal(0);
      logs.push(...member.process.lines());
      member.process = start(member.args, member.folder);
      await member.process.ready();
      // HAProxy and the gateways find it ready before the next one ends.
      await pause(1200);
    }
    stop.abort();
    await Promise.all(loads);
    agent.destroy();
    client.close();

    const failed = Object.entries(tallies).flatMap(([name, tally]) => tally.failed.map((one) => `${name}: ${one}`));
    expect(failed, haproxy.said()).to.deep.equal([]);
    for (const [name, { answered }] of Object.entries(tallies)) expect(answered, name).to.be.above(50);
    expect(new Set(ended)).to.deep.equal(new Set(["SHUTTING_DOWN"]));
    expect(ended).to.have.length.above(2);
    expect(logs.filter(({ msg }) => msg === "stopped").map(({ cut }) => cut)).to.deep.equal([0, 0, 0, 0]);
    await Promise.all([...services, ...gateways].map(({ process }) => end(process)));
  });
});
