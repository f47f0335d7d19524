import { writeFileSync } from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import { join } from "node:path";
import { type Client, credentials, loadPackageDefinition, type ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import Database from "better-sqlite3";
import { expect } from "chai";
import { mint } from "../../src/cli/mint.js";
import { loadConfig } from "../../src/config/load.js";
import { exampleRequests } from "../../src/server/development/requests.js";
import { CLOWK, FISERV, INTEGURU, Wire } from "../http/harness.js";
import { createClient, type Message, readError, readItems } from "../support/grpc.js";
import { requestBytes } from "../support/http.js";
import {
  CLIENT_SECRET,
  configuration,
  end,
  folderOf,
  isTaken,
  MASTER_KEY,
  Process,
  run,
  SEED,
  serving,
  start,
} from "./harness.js";

// `serve` as an operator runs it: how it starts, fails to start, and ends.

const HEALTH = new URL("../../node_modules/grpc-health-check/proto/health/v1/health.proto", import.meta.url).pathname;
const health = loadSync(HEALTH, { enums: String });

/** The status that the health service reports. */
function healthOf(address: string): Promise<string> {
  const loaded = loadPackageDefinition(health) as any;
  const client = new loaded.grpc.health.v1.Health(address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  }) as Client & Record<string, any>;
  return new Promise((resolve, reject) => {
    client["Check"]({ service: "" }, (error: ServiceError | null, answer: { status: string }) => {
      client.close();
      if (error === null) resolve(answer.status);
      else reject(error);
    });
  });
}

const token = (folder: string, realm: string): Promise<string> =>
  mint(loadConfig(join(folder, "verifier.yaml"), { env: {} }), { realm, claim: [], expires: "1h" }, Date.now());

/** A VerifyToken call whose message is sent in two halves. */
class HalfCall {
  readonly #session: http2.ClientHttp2Session;
  readonly #stream: http2.ClientHttp2Stream;
  readonly #rest: Buffer;
  /** The grpc-status and the bytes of the response. */
  readonly answered: Promise<{ status: string; body: Buffer }>;

  constructor(address: string, realm: string, text: string) {
    const field = (number: number, value: string): Buffer => {
      const bytes = Buffer.from(value);
      const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
      return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
    };
    const message = Buffer.concat([field(1, realm), field(2, text)]);
    const frame = Buffer.concat([Buffer.from([0, 0, 0, message.length >> 8, message.length & 255]), message]);
    this.#session = http2.connect(`http://${address}`);
    this.#session.on("error", () => {});
    this.#stream = this.#session.request({
      ":method": "POST",
      ":path": "/tokenverifier.v1.TokenVerifier/VerifyToken",
      "content-type": "application/grpc",
      te: "trailers",
    });
    this.#stream.write(frame.subarray(0, 20));
    this.#rest = frame.subarray(20);
    this.answered = new Promise((resolve) => {
      const body: Buffer[] = [];
      let status = "none";
      this.#stream.on("data", (data: Buffer) => body.push(data));
      this.#stream.on("trailers", (trailers) => (status = String(trailers["grpc-status"])));
      this.#stream.on("response", (headers) => (status = String(headers["grpc-status"] ?? status)));
      this.#stream.on("error", () => {});
      this.#stream.on("close", () => {
        this.#session.close();
        resolve({ status, body: Buffer.concat(body) });
      });
    });
  }

  finish(): void {
    this.#stream.end(this.#rest);
  }

  /** Resolves once the server has seen the first half, shown by its answer to a later ping. */
  seen(): Promise<void> {
    return new Promise((resolve) => this.#session.ping(() => resolve()));
  }
}

/** Node flags that make a delay of 23 hours last until SIGUSR2, so that the test decides when it ends. */
const HELD_DELAY = [
  `--import=data:text/javascript,${encodeURIComponent(`
    const later = globalThis.setTimeout;
    globalThis.setTimeout = (then, millis, ...more) =>
      millis === 82_800_000 ? void process.once("SIGUSR2", then) : later(then, millis, ...more);
  `)}`,
];

/** A configuration for services in this process, whose log would mix with the output of the tests. */
const QUIET = configuration("log: { level: silent }");

describe("serve", () => {
  it("serve logs one ready line with its addresses", async () => {
    const folder = folderOf(configuration("admin: 127.0.0.1:0"));
    const { service, grpc, port } = await serving(folder);
    expect(service.lines().map(({ msg }) => msg)).to.deep.equal(["store made", "directory seed loaded", "ready"]);
    expect(service.lines()[0]).to.include({ level: "info", file: join(folder, "verifier.db") });
    const ready = service.lines().at(-1)!;
    expect(ready).to.include({ level: "info", file: "verifier.yaml", grpc });
    expect(ready["admin"]).to.match(/^127\.0\.0\.1:\d+$/);
    expect(await healthOf(grpc)).to.equal("SERVING");
    expect(await healthOf(String(ready["admin"]))).to.equal("SERVING");
    expect(port).to.be.above(0);
    expect(await end(service)).to.include({ code: 0, stderr: "" });
    expect(
      service
        .lines()
        .map(({ msg }) => msg)
        .slice(3),
    ).to.deep.equal(["draining", "stopped"]);
    const again = await serving(folder);
    expect(again.service.lines()[0]?.["msg"]).to.equal("directory seed not read: the store was filled before");
    await end(again.service);
  });

  it("serve warns when it makes a store beside the journal of a lost one", async () => {
    const folder = folderOf();
    writeFileSync(join(folder, "verifier.db-wal"), "");
    const { service } = await serving(folder);
    expect(service.lines()[0]).to.include({ msg: "store made", level: "warn" });
    await end(service);
  });

  it("serve logs at once that another process has locked the store, and starts once the lock is gone", async () => {
    const folder = folderOf();
    await end((await serving(folder)).service);
    const other = new Database(join(folder, "verifier.db"));
    other.pragma("locking_mode = EXCLUSIVE");
    other.exec("BEGIN IMMEDIATE; DELETE FROM audit WHERE 0; COMMIT");
    const service = start(["serve", "--config", "verifier.yaml"], folder);
    await service.until('"msg":"store locked"');
    expect(service.lines().at(-1)).to.include({ level: "warn", wait: 10_000 });
    other.close();
    await service.until('"msg":"ready"');
    await end(service);
  });

  it("the example requests cover every vendor and gRPC", async () => {
    const folder = folderOf();
    const config = loadConfig(join(folder, "verifier.yaml"), { env: {} });
    const requests = await exampleRequests(config, { grpc: "127.0.0.1:1", http: "127.0.0.1:2" }, Date.now());
    expect(requests.map(({ title }) => title)).to.deep.equal([
      "integuru: the vendor's endpoint",
      "clowk: the vendor's endpoint",
      "fiserv: the vendor's endpoint",
      "gRPC, by reflection",
    ]);
    for (const { command } of requests) expect(command).to.match(/127\.0\.0\.1:[12]\//);
  });

  it("SIGTERM drains the service: it turns unready, closes its ports, finishes calls in flight, and exits with 0", async () => {
    const folder = folderOf(configuration("drain: { delay: 23h, timeout: 1h }\nlimits: { request: 1h }"));
    const service = start(["serve", "--config", "verifier.yaml"], folder, undefined, HELD_DELAY);
    const { grpc = "", http = "" } = await service.ready();
    const port = Number(http.split(":").at(-1));
    const [integuru, fiserv] = await Promise.all([token(folder, "integuru"), token(folder, "fiserv")]);

    // In flight are a REST request and a unary call, each with half its body sent, and a stream.
    const body = JSON.stringify({ token: fiserv, client_id: "vision-api-user", client_secret: CLIENT_SECRET });
    const request = requestBytes(
      { method: "POST", target: FISERV, headers: [["Content-Type", "application/json"]], body: Buffer.from(body) },
      "",
    );
    const rest = new Wire(port).send(request.subarray(0, -20));
    const unary = new HalfCall(grpc, "integuru", integuru);
    await unary.seen();
    const client = createClient(grpc);
    const stream = client.open();
    const messages: Message[] = [];
    let wake = (): void => {};
    stream.on("data", (message) => {
      messages.push(message);
      wake();
    });
    const answered = (): Promise<void> =>
      new Promise((resolve) => {
        wake = resolve;
      });
    const streamEnded = new Promise<ServiceError>((resolve) => stream.on("error", resolve));
    stream.write({ id: "before", requests: [{ realm: "integuru", token: integuru }] });
    await answered();

    service.kill("SIGTERM");
    await service.until('"msg":"draining"');
    expect(await healthOf(grpc)).to.equal("NOT_SERVING");
    expect(await isTaken(port), "ports go on accepting for the delay").to.equal(true);
    const late = new Wire(port).send(
      requestBytes({ method: "POST", target: INTEGURU, headers: [["Authorization", `Bearer ${integuru}`]] }),
    );
    expect((await late.answer()).status).to.equal(200);
    const second = answered();
    stream.write({ id: "while", requests: [{ realm: "integuru", token: integuru }] });
    await second;

    service.kill("SIGUSR2");
    const ended = await streamEnded;
    expect(readError(ended)).to.include({ code: 14, reason: "SHUTTING_DOWN" });
    expect(messages.map(({ id }) => id)).to.deep.equal(["before", "while"]);
    for (const message of messages) expect(readItems(message)[0]).to.have.nested.property("verdict.verified");
    // The ports are closed by now, and calls in flight are still finished.
    while (await isTaken(port)) await new Promise((resolve) => setImmediate(resolve));
    rest.send(request.subarray(-20));
    expect(await rest.answer()).to.include({ status: 200, body: '{"valid":true}' });
    unary.finish();
    const { status, body: answer } = await unary.answered;
    expect(status).to.equal("0");
    expect(answer.length).to.be.above(100);
    client.close();
    const { code, stderr } = await service.ended;
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    expect(service.lines().at(-1)).to.include({ msg: "stopped", level: "info", cut: 0 });
  }).timeout(60_000);

  it("serve logs how many calls it cut at the end of drain.timeout", async () => {
    const folder = folderOf(configuration("drain: { delay: 0s, timeout: 100ms }"));
    const { service, grpc, port } = await serving(folder);
    const unary = new HalfCall(grpc, "integuru", await token(folder, "integuru"));
    await unary.seen();
    unary.answered.catch(() => undefined);
    // The request is in flight once its head has arrived, while the face waits for the body.
    const head = `POST ${FISERV} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n`;
    const rest = new Wire(port).send(head);
    await rest.until("100 Continue");
    service.kill("SIGTERM");
    const { code } = await service.ended;
    expect(code).to.equal(0);
    expect(service.lines().at(-1)).to.include({ msg: "stopped", level: "warn", cut: 2 });
  });

  it("a second signal ends the service at once", async () => {
    for (const [first, second] of [
      ["SIGTERM", "SIGTERM"],
      ["SIGINT", "SIGTERM"],
    ] as const) {
      const { service } = await serving(folderOf(configuration("drain: { delay: 1h, timeout: 1h }")));
      service.kill(first);
      await service.until('"msg":"draining"');
      service.kill(second);
      const { code, signal } = await service.ended;
      expect({ code, signal }).to.deep.equal({ code: 3, signal: null });
    }
  });

  it("serve exits with 3 if a port is in use, and says which address and what to do", async () => {
    const other = net.createServer();
    const port = await new Promise<number>((resolve) =>
      other.listen(0, "127.0.0.1", () => resolve((other.address() as net.AddressInfo).port)),
    );
    try {
      for (const name of ["grpc", "http"]) {
        const folder = folderOf(QUIET.replace(`${name}: 127.0.0.1:0`, `${name}: 127.0.0.1:${port}`));
        const { code, stderr } = await run(["serve", "--config", "verifier.yaml"], folder);
        expect({ code, stderr }).to.deep.equal({
          code: 3,
          stderr: `Cannot listen at 127.0.0.1:${port}: another process listens there. Stop it, or give another address in the configuration.\n`,
        });
      }
    } finally {
      other.close();
    }
  });

  it("a second serve in one process adds no listener to standard output", async () => {
    const folder = folderOf(QUIET.replace("grpc: 127.0.0.1:0", "grpc: 192.0.2.1:0"));
    const counts: number[] = [];
    for (let turn = 0; turn < 2; turn++) {
      expect(await run(["serve", "--config", "verifier.yaml"], folder)).to.include({ code: 3 });
      counts.push(process.stdout.listenerCount("error"));
    }
    expect(counts[1]).to.equal(counts[0]);
  });

  it("serve exits with 3 for an address that this machine does not have", async () => {
    const folder = folderOf(QUIET.replace("http: 127.0.0.1:0", "http: 192.0.2.1:0"));
    const { code, stderr } = await run(["serve", "--config", "verifier.yaml"], folder);
    expect(code).to.equal(3);
    expect(stderr).to.match(
      /^Cannot listen at 192\.0\.2\.1(:0)?: this machine has no such address\. Give another in the configuration\.\n$/,
    );
  });

  it("serve exits with 2 for a wrong master key, and shows neither key", async () => {
    const folder = folderOf();
    const { service } = await serving(folder);
    await end(service);
    const other = Buffer.alloc(32, "another").toString("base64");
    writeFileSync(join(folder, "master.key"), other);
    const { code, stderr } = await run(["serve", "--config", "verifier.yaml"], folder);
    expect(code, stderr).to.equal(2);
    expect(stderr).to.match(/master key/i);
    for (const secret of [other, MASTER_KEY]) expect(stderr).not.to.include(secret.slice(0, 12));
    expect(stderr).not.to.match(/\n {4}at /);
  });

  it("serve exits with 2 for a broken seed, reports every problem, and loads the seed once it is fixed", async () => {
    const folder = folderOf(configuration(), {
      "directory.yaml":
        "instances:\n  - { id: a, appId: b, secretKeys: [S3CRET], userz: [] }\nclients:\n  - { clientId: 5, clientSecret: S3CRET }\n",
    });
    const { code, stderr } = await start(["serve", "--config", "verifier.yaml"], folder).ended;
    expect(code, stderr).to.equal(2);
    expect(stderr).to.match(/directory\.yaml cannot be used:\n/);
    expect(stderr).to.match(/instances\[0\]\.userz/);
    expect(stderr).to.match(/clients\[0\]\.clientId/);
    expect(stderr).not.to.include("S3CRET");
    writeFileSync(join(folder, "directory.yaml"), SEED);
    const { service } = await serving(folder);
    expect(service.lines()[0]).to.include({ msg: "directory seed loaded" });
    await end(service);
  });

  it("serve exits with 2 if the configuration gives no address to listen at", async () => {
    const text = configuration().replace(/^(grpc|http):.*\n/gm, "");
    const { code, stderr } = await run(["serve", "--config", "verifier.yaml"], folderOf(text));
    expect({ code, stderr }).to.deep.equal({
      code: 2,
      stderr: "verifier.yaml cannot be used:\n  grpc: is missing: give grpc or http an address to listen at\n",
    });
    const only = await run(
      ["serve", "--config", "verifier.yaml", "--only", "grpc"],
      folderOf(configuration().replace(/^grpc:.*\n/m, "")),
    );
    expect({ code: only.code, stderr: only.stderr }).to.deep.equal({
      code: 2,
      stderr: "verifier.yaml cannot be used:\n  grpc: is missing: give grpc an address to listen at\n",
    });
  });

  it("serve --only grpc and serve --only http work together as one service in two processes", async () => {
    const folder = folderOf();
    const core = await serving(folder, "--only", "grpc");
    expect(core.http).to.equal("");
    const gateway = `http: 127.0.0.1:0\nupstream: ${core.grpc}\ndrain: { delay: 0s }\nrealms:\n  integuru: { preset: integuru }\n  clowk: { preset: clowk }\n  fiserv: { preset: fiserv }\n`;
    writeFileSync(join(folder, "gateway.yaml"), gateway);
    const face = start(["serve", "--config", "gateway.yaml", "--only", "http"], folder);
    const { http = "" } = await face.ready();
    const config = loadConfig(join(folder, "verifier.yaml"), { env: {} });
    const requests = await exampleRequests(config, { http, grpc: core.grpc }, Date.now());
    for (const { command, title } of requests.slice(0, 3)) {
      const { code, stdout } = await new Process("bash", ["-c", command], folder, undefined).ended;
      expect(code, title).to.equal(0);
      expect(stdout, title).to.match(/^HTTP\/1\.1 200 OK/);
    }
    // A token is not rejected while the core is gone.
    await end(core.service);
    const bodies: Record<string, string> = {
      [INTEGURU]: '{"detail":"Token verification is temporarily unavailable."}',
      [CLOWK]: '{"error":"Service unavailable"}',
    };
    for (const [path, body] of Object.entries(bodies)) {
      const wire = new Wire(Number(http.split(":").at(-1)));
      const headers = [
        ["Authorization", "Bearer x.y.z"],
        ["Content-Type", "application/json"],
      ] as const;
      const answer = await wire
        .send(requestBytes({ method: "POST", target: path, headers, body: Buffer.from('{"token":"x"}') }))
        .answer();
      expect(answer, path).to.include({ status: 503, body });
    }
    expect(await end(face)).to.include({ code: 0 });
  }).timeout(60_000);

  it("serve replaces a socket file that no process listens at", async () => {
    const folder = folderOf();
    const socket = join(folder, "http.sock");
    writeFileSync(
      join(folder, "verifier.yaml"),
      configuration().replace("http: 127.0.0.1:0", `http: "unix:${socket}"`),
    );
    const first = await serving(folder);
    expect(first.http).to.equal(`unix:${socket}`);
    first.service.kill("SIGKILL");
    await first.service.ended;
    const second = await serving(folder);
    expect(second.http).to.equal(`unix:${socket}`);
    const third = await start(["serve", "--config", "verifier.yaml"], folder).ended;
    expect(third.code).to.equal(3);
    expect(third.stderr).to.include(socket);
    await end(second.service);
  });
});
