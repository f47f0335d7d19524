import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import https from "node:https";
import { join } from "node:path";
import { json, text as textIn } from "node:stream/consumers";
import { Client, credentials, status } from "@grpc/grpc-js";
import { expect } from "chai";
import { StreamVerifyTokensRequest, StreamVerifyTokensResponse } from "../../gen/tokenverifier/v1/token_verifier.js";
import { mint } from "../../src/cli/mint.js";
import { type ClientTls, connect, VerificationFailure, type VerifierClient } from "../../src/client/index.js";
import { loadConfig } from "../../src/config/load.js";
import { type Running, serve } from "../../src/server/serve.js";
import type { Clock } from "../../src/util/clock.js";
import { emptyFolder, run } from "../cli/harness.js";
import { eventually } from "../grpc/harness.js";
import { type Certified, certify, pki } from "../support/certificates.js";
import { createMemoryLog, type MemoryLog } from "../support/log.js";
import { greet } from "../support/tls.js";

// A whole service over TLS: which callers it admits, and how it renews certificates.

const { authority, server, workload } = pki();
const nameless = certify("nobody", { issuer: authority });
const other = certify("other", { issuer: authority, names: [["DNS", "other.internal.example"]] });

const TLS = "tls: { certFile: server.pem, keyFile: server.key, clientCaFile: ca.pem }";
const SECRET = "a-secret-that-is-used-in-this-test-only";
const partner = (issuer: string, more: string): string =>
  `{ algorithms: [HS256], issuer: ${issuer}, audience: null, keys: [{ secret: ${SECRET} }], ${more} }`;
const SAN = `callers: { san: ["spiffe://internal.example/web"] }`;
const CONFIG = `grpc: { address: "127.0.0.1:0", ${TLS} }
http: { address: "127.0.0.1:0", tls: { certFile: server.pem, keyFile: server.key } }
metrics: { address: "127.0.0.1:0", tls: { certFile: server.pem, keyFile: server.key } }
drain: { delay: 0s, timeout: 1m }
limits: { request: 1m }
realms:
  integuru: { preset: integuru, keys: [{ secret: ${SECRET} }] }
  web: ${partner("https://a.example", SAN)}
  dns: ${partner("https://b.example", "callers: { san: [web.INTERNAL.example] }")}
  web2: ${partner("https://c.example", SAN)}
  any: { byIssuer: [web, web2] }
  explained: ${partner("https://d.example", `explain: { san: ["DNS:web.internal.example"] }`)}
`;

interface Service {
  readonly running: Running;
  readonly folder: string;
  readonly log: MemoryLog;
  /** Looks at its files for changes. */
  readonly look: () => void;
}

const started: Running[] = [];
const clients: VerifierClient[] = [];
after(async () => {
  for (const client of clients) client.close();
  await Promise.all(started.map((running) => running.stop()));
});

function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

async function startAt(folder: string, only?: "http", clock: Clock = Date.now): Promise<Service> {
  const log = createMemoryLog();
  let look = (): void => {};
  const watch = (looking: () => void) => {
    look = looking;
    return () => {};
  };
  const running = await serve(join(folder, "verifier.yaml"), only, { env: {}, clock, log: log.log, watch });
  started.push(running);
  return { running, folder, log, look: () => look() };
}

function folderFor(config: string): string {
  const folder = emptyFolder();
  write(folder, {
    "verifier.yaml": config,
    "ca.pem": authority.cert,
    "server.pem": server.cert,
    "server.key": server.key,
    "web.pem": workload.cert,
    "web.key": workload.key,
  });
  return folder;
}

const token = (folder: string, realm: string): Promise<string> =>
  mint(loadConfig(join(folder, "verifier.yaml"), { env: {} }), { realm, claim: [], expires: "1h" }, Date.now());

function client(address: string, of: Certified | undefined, more: ClientTls = {}): VerifierClient {
  const one = connect(address, {
    waitForReady: false,
    // More time than any machine takes; no test waits for it to pass.
    deadlineMs: 60_000,
    tls: { ca: authority.cert, ...(of !== undefined && { cert: of.cert, key: of.key }), ...more },
  });
  clients.push(one);
  return one;
}

/** The reason and the code with which a request fails. */
async function reasonOf(asked: Promise<unknown>): Promise<string> {
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof VerificationFailure)) throw new Error(`did not fail: ${String(error)}`);
  return `${error.reason} ${status[error.code]}`;
}

const agent = (ca = authority.cert): https.Agent => new https.Agent({ ca, keepAlive: true, maxSockets: 4 });

/** Asks Integuru's endpoint, and returns the status. */
function post(address: string, bearer: string, by: https.Agent): Promise<number> {
  const [host, port] = address.split(":");
  const headers = { Authorization: `Bearer ${bearer}` };
  return new Promise((resolve, reject) => {
    https
      .request({ host, port, agent: by, method: "POST", path: "/api/verify-token", headers }, (res) => {
        res.resume();
        res.once("end", () => resolve(res.statusCode ?? 0));
      })
      .on("error", reject)
      .end();
  });
}

/** Returns the text behind a URL. */
async function textOf(url: string): Promise<string> {
  const [res] = (await once(https.get(url, { ca: authority.cert }), "response")) as [IncomingMessage];
  return textIn(res);
}

/**
 * Calls VerifyToken over HTTP, and returns the status and the answer. @param by the agent with the caller's
 * certificate
 */
async function postRpc(address: string, realm: string, bearer: string, by: https.Agent): Promise<readonly unknown[]> {
  const [host, port] = address.split(":");
  const path = "/tokenverifier.v1.TokenVerifier/VerifyToken";
  const headers = { "Content-Type": "application/json" };
  const [res] = (await once(
    https
      .request({ host, port, agent: by, method: "POST", path, headers })
      .end(JSON.stringify({ realm, token: bearer })),
    "response",
  )) as [IncomingMessage];
  return [res.statusCode, await json(res)];
}

describe("callers identified by a certificate", () => {
  let service: Service;
  let address: string;
  let folder: string;
  before(async () => {
    folder = folderFor(CONFIG);
    service = await startAt(folder);
    address = service.running.addresses["grpc"] ?? "";
  });

  it("a caller whose certificate has a name that the realm lists is answered", async () => {
    const web = client(address, workload);
    for (const realm of ["web", "dns"]) {
      const verdict = await web.verify({ realm, token: await token(folder, realm) });
      expect(verdict.kind, realm).to.equal("verified");
    }
    expect((await web.verify({ realm: "any", token: await token(folder, "web") })).kind).to.equal("verified");
    const batch = await web.verifyBatch([
      { realm: "web", token: await token(folder, "web") },
      { realm: "web", token: "x" },
    ]);
    expect(batch.map((one) => ("kind" in one ? one.kind : one.reason))).to.deep.equal(["verified", "rejected"]);
  });

  it("a caller whose certificate has no listed name is denied before its token is looked at", async () => {
    for (const one of [other, nameless]) {
      const denied = client(address, one);
      for (const realm of ["web", "dns", "any"]) {
        expect(await reasonOf(denied.verify({ realm, token: "x" }))).to.equal("CALLER_DENIED PERMISSION_DENIED");
      }
      expect((await denied.verify({ realm: "integuru", token: await token(folder, "integuru") })).kind).to.equal(
        "verified",
      );
    }
  });

  it("a caller with a certificate may not send a credential as well", async () => {
    const asked = client(address, workload).verify({ realm: "web", token: "x", instanceSecretKey: "sk_live_x" });
    expect(await reasonOf(asked)).to.equal("CREDENTIAL_REFUSED INVALID_ARGUMENT");
  });

  it("a caller may ask for explained verdicts if the realm lists its certificate for them", async () => {
    const request = { realm: "explained", token: await token(folder, "explained"), explain: true };
    const verdict = await client(address, workload).verify(request);
    expect(verdict.checks).not.to.have.length(0);
    expect(await reasonOf(client(address, other).verify(request))).to.equal("EXPLAIN_DENIED PERMISSION_DENIED");
  });

  it("a client without a certificate, or without trust in the service's, reaches nothing", async () => {
    expect(await reasonOf(client(address, undefined).verify({ realm: "web", token: "x" }))).to.match(/ UNAVAILABLE$/);
    const distrusting = client(address, workload, { ca: certify("x", { isAuthority: true }).cert });
    expect(await reasonOf(distrusting.verify({ realm: "web", token: "x" }))).to.match(/ UNAVAILABLE$/);
    const misnamed = client(address, workload, { servername: "elsewhere.example" });
    expect(await reasonOf(misnamed.verify({ realm: "web", token: "x" }))).to.match(/ UNAVAILABLE$/);
    const renamed = client(address, workload, { servername: "localhost" });
    expect((await renamed.verify({ realm: "web", token: "x" })).kind).to.equal("rejected");
  });

  it("a caller on a port that asks for no certificate is CALLER_MISSING", async () => {
    const open = folderFor(
      CONFIG.replace(TLS, "tls: { certFile: server.pem, keyFile: server.key }").replace(
        `http: { address: "127.0.0.1:0", tls: { certFile: server.pem, keyFile: server.key } }`,
        `http: { address: "127.0.0.1:0", ${TLS} }`,
      ),
    );
    const { running } = await startAt(open);
    const asked = client(running.addresses["grpc"] ?? "", workload).verify({ realm: "web", token: "x" });
    expect(await reasonOf(asked)).to.equal("CALLER_MISSING UNAUTHENTICATED");
  });

  it("a caller with a certificate may call VerifyToken over HTTP", async () => {
    const shown = `http: { address: "127.0.0.1:0", rpc: [web, any], ${TLS} }`;
    const { running } = await startAt(folderFor(CONFIG.replace(/^http: .*$/m, shown)));
    const at = running.addresses["http"] ?? "";
    const agentOf = ({ cert, key }: Certified): https.Agent => new https.Agent({ ca: authority.cert, cert, key });
    for (const realm of ["web", "any"]) {
      const [code, answer] = await postRpc(at, realm, await token(folder, "web"), agentOf(workload));
      expect(code).to.equal(200);
      expect(answer).to.have.property("verified");
      const [refused, error] = await postRpc(at, realm, "x", agentOf(other));
      expect(refused).to.equal(403);
      expect(error).to.deep.include({ code: "permission_denied" });
      expect(JSON.stringify(error)).to.include('"reason":"CALLER_DENIED"');
    }
  });

  it("a caller on an HTTP port that asks for no certificate is CALLER_MISSING", async () => {
    const shown = 'http: { address: "127.0.0.1:0", rpc: [web], tls: { certFile: server.pem, keyFile: server.key } }';
    const { running } = await startAt(folderFor(CONFIG.replace(/^http: .*$/m, shown)));
    const by = new https.Agent({ ca: authority.cert, cert: workload.cert, key: workload.key });
    const [code, error] = await postRpc(running.addresses["http"] ?? "", "web", "x", by);
    expect(code).to.equal(401);
    expect(JSON.stringify(error)).to.include('"reason":"CALLER_MISSING"');
  });

  it("the command line may be a caller with a certificate", async () => {
    const asking = ["verify", "--address", address, "--realm", "web", await token(folder, "web")];
    const trusting = [...asking, "--ca-file", "ca.pem"];
    const good = await run([...trusting, "--cert-file", "web.pem", "--key-file", "web.key"], folder);
    expect([good.code, good.stdout.split("\n")[0]]).to.deep.equal([0, "verified"]);
    expect((await run([...asking, "--tls"], folder)).code).to.equal(3);
    const half = await run([...trusting, "--cert-file", "web.pem"], folder);
    expect([half.code, half.stderr]).to.deep.equal([2, "--key-file is missing: certFile goes with it.\n"]);
    const offline = await run(["verify", "--config", "verifier.yaml", "--realm", "web", "--tls", "x"], folder);
    expect(offline.code).to.equal(2);
    const checked = await run(["check", "--config", "verifier.yaml"], folder);
    expect(checked.stdout).to.match(/^grpc {5}127\.0\.0\.1:0 \(TLS with client certificates\)$/m);
    expect(checked.stdout).to.match(/^http {5}127\.0\.0\.1:0 \(TLS\)$/m);
  });

  it("refused handshakes leave no key in the log, and at most ten lines a second", async () => {
    // All handshakes fall into one second of the service's clock.
    const now = Date.now();
    const { running, log } = await startAt(folder, undefined, () => now);
    const port = Number(running.addresses["grpc"]?.split(":").at(-1));
    const tries = Array.from({ length: 30 }, () =>
      greet(port, { ca: authority.cert, ALPNProtocols: ["h2"], maxVersion: "TLSv1.2" }).then(
        () => "in",
        () => "out",
      ),
    );
    expect(new Set(await Promise.all(tries))).to.deep.equal(new Set(["out"]));
    const metricsOf = (): Promise<string> => textOf(`https://${running.addresses["metrics"]}/metrics`);
    const failed = /tokenverifier_connections_refused_total\{port="grpc",reason="handshake"\} 30$/m;
    while (!failed.test(await metricsOf())) await new Promise((resolve) => setImmediate(resolve));
    const text = log.text();
    const lines = text.split("\n").filter((line) => line.includes("handshake failed"));
    expect(lines).to.have.length(10);
    expect(JSON.parse(lines.at(-1) ?? ""))
      .to.include({ port: "grpc", address: "127.0.0.1" })
      .and.to.have.property("code");
    for (const line of server.key.split("\n").filter((part) => part.length > 40)) expect(text).not.to.include(line);
    const metrics = await metricsOf();
    expect(metrics).to.match(/^tokenverifier_certificate_expiry_seconds\{port="http"\} [\d.e+]+$/m);
  });
});

describe("certificates that change on disk", () => {
  // A test that failed or timed out must not leave its load running.
  const load = { isOn: false };
  afterEach(() => {
    load.isOn = false;
  });

  it("renewed certificates fail no call under load, and old connections live on", async () => {
    const folder = folderFor(CONFIG);
    const { running, log, look } = await startAt(folder);
    const { grpc = "", http = "" } = running.addresses;
    const next = certify("server", {
      issuer: authority,
      names: [
        ["IP", "127.0.0.1"],
        ["DNS", "localhost"],
      ],
    });
    const good = { web: await token(folder, "web"), integuru: await token(folder, "integuru") };
    const failures: unknown[] = [];
    const done = { unary: 0, stream: 0, rest: 0 };
    load.isOn = true;

    const web = client(grpc, workload);
    const by = agent();
    const fresh = () => new https.Agent({ ca: authority.cert });
    const loop = async (name: "unary" | "rest", ask: () => Promise<boolean>): Promise<void> => {
      while (load.isOn) {
        if (!(await ask())) throw new Error(`${name}: not verified`);
        done[name]++;
      }
    };
    const raw = new Client(
      grpc,
      credentials.createSsl(Buffer.from(authority.cert), Buffer.from(workload.key), Buffer.from(workload.cert)),
      // Node.js 26 refuses an IP address as a server's name.
      { "grpc.ssl_target_name_override": "localhost" },
    );
    const stream = raw.makeBidiStreamRequest(
      "/tokenverifier.v1.TokenVerifier/StreamVerifyTokens",
      (message: StreamVerifyTokensRequest) => Buffer.from(StreamVerifyTokensRequest.encode(message).finish()),
      (bytes) => StreamVerifyTokensResponse.decode(bytes),
    );
    const send = (): void => {
      const requests = [{ realm: "web", token: good.web, caller: undefined, explain: false, proof: undefined }];
      stream.write({ id: String(done.stream), requests });
    };
    const streamEnd = new Promise<number>((resolve) => stream.once("status", ({ code }) => resolve(code)));
    stream.on("error", (error) => failures.push(error));
    stream.on("data", ({ responses }: StreamVerifyTokensResponse) => {
      const [item] = responses;
      if (item?.outcome?.$case !== "verdict" || item.outcome.value.verdict?.$case !== "verified") failures.push(item);
      done.stream++;
      if (load.isOn) send();
      else stream.end();
    });
    send();
    // The first call that fails ends the test, and the others with it.
    const loads = Promise.all([
      loop("unary", async () => (await web.verify({ realm: "web", token: good.web })).kind === "verified"),
      loop("rest", async () => (await post(http, good.integuru, by)) === 200),
      loop("rest", async () => (await post(http, good.integuru, fresh())) === 200),
    ]);
    const some = async (): Promise<void> => {
      const { unary, stream: messages, rest } = done;
      const isSome = (): boolean => done.unary > unary + 20 && done.stream > messages + 20 && done.rest > rest + 20;
      const isOver = (): boolean => isSome() || failures.length > 0;
      await Promise.race([eventually(isOver), loads.then(() => expect.fail("the load is over"))]);
      expect(failures).to.deep.equal([]);
    };

    const serial = async (address: string, protocol: string): Promise<string> => {
      const port = Number(address.split(":").at(-1));
      const shown = { cert: workload.cert, key: workload.key };
      const greeting = await greet(port, { ca: authority.cert, ALPNProtocols: [protocol], ...shown });
      greeting.socket.destroy();
      return greeting.serial;
    };
    await some();
    const before = [await serial(grpc, "h2"), await serial(http, "http/1.1")];
    write(folder, { "server.pem": next.cert });
    running.reload();
    await some();
    // A certificate without its key is half a change.
    expect([await serial(grpc, "h2"), await serial(http, "http/1.1")]).to.deep.equal(before);
    expect(log.text()).to.include("grpc.tls.keyFile").and.to.include("configuration not reloaded");
    write(folder, { "server.key": next.key });
    look();
    look();
    await some();
    const after_ = [await serial(grpc, "h2"), await serial(http, "http/1.1")];
    expect(new Set([...before, ...after_])).to.have.length(2);
    expect(after_[0]).not.to.equal(before[0]);
    await some();
    load.isOn = false;
    await loads;
    expect(await streamEnd).to.equal(status.OK);
    expect(failures).to.deep.equal([]);
    expect(log.text()).to.include('"certificates":["grpc","http","metrics"]');
    expect(log.text()).not.to.include("restart needed");
    raw.close();
    by.destroy();
  });

  it("a port that starts to use TLS or to ask for certificates needs a restart", async () => {
    const folder = folderFor(CONFIG);
    const { running, log } = await startAt(folder);
    write(folder, {
      "verifier.yaml": CONFIG.replace(
        `http: { address: "127.0.0.1:0", tls: { certFile: server.pem, keyFile: server.key } }`,
        `http: { address: "127.0.0.1:0", ${TLS} }`,
      ),
    });
    running.reload();
    expect(log.text()).to.match(/"keys":\["http"\],"msg":"restart needed"/);
    expect(await post(running.addresses["http"] ?? "", await token(folder, "integuru"), agent())).to.equal(200);
  });

  it("the log warns of an expired certificate", async () => {
    const old = certify("server", { issuer: authority, from: Date.now() - 2000, to: Date.now() - 1000 });
    const folder = folderFor(CONFIG);
    write(folder, { "server.pem": old.cert, "server.key": old.key });
    const { log } = await startAt(folder);
    expect(log.text()).to.match(
      /"warning":"grpc\.tls: the certificate expired: peers have refused it since \d{4}-[^"]*"/,
    );
  });
});

describe("a service with TLS that drains", () => {
  it("a service with TLS ends its idle connections when it drains, without waiting for the time-out", async () => {
    // This is longer than any test may take.
    const { running, folder } = await startAt(folderFor(CONFIG.replace("timeout: 1m", "timeout: 1h")));
    const { grpc = "", http = "" } = running.addresses;
    const web = client(grpc, workload);
    expect((await web.verify({ realm: "web", token: "x" })).kind).to.equal("rejected");
    const by = agent();
    expect(await post(http, await token(folder, "integuru"), by)).to.equal(200);
    await running.stop();
    expect(await reasonOf(web.verify({ realm: "web", token: "x" }))).to.match(/ UNAVAILABLE$/);
  });
});

describe("a gateway with a service elsewhere", () => {
  const gateway = (upstream: string, tls: string): string => `http: 127.0.0.1:0
upstream: { address: "${upstream}", tls: ${tls} }
drain: { delay: 0s, timeout: 1s }
log: { calls: none }
realms:
  integuru: { preset: integuru }
`;
  const ask = async (address: string, bearer: string): Promise<number> => {
    const headers = { Authorization: `Bearer ${bearer}` };
    return (await fetch(`http://${address}/api/verify-token`, { method: "POST", headers })).status;
  };

  it("a gateway asks its service over TLS with its own certificate, and renews it without a failed call", async () => {
    const core = await startAt(folderFor(CONFIG));
    const upstream = core.running.addresses["grpc"] ?? "";
    const good = await token(core.folder, "integuru");
    const folder = folderFor(gateway(upstream, "{ caFile: ca.pem, certFile: web.pem, keyFile: web.key }"));
    const { running, log } = await startAt(folder, "http");
    const address = running.addresses["http"] ?? "";
    expect(await ask(address, good)).to.equal(200);
    const statuses: number[] = [];
    const load = { isOn: true };
    const asking = (async () => {
      while (load.isOn) statuses.push(await ask(address, good));
    })();
    await eventually(() => statuses.length > 10);
    write(folder, { "web.pem": other.cert, "web.key": other.key });
    running.reload();
    const seen = statuses.length;
    await eventually(() => statuses.length > seen + 20);
    load.isOn = false;
    await asking;
    expect(new Set(statuses)).to.deep.equal(new Set([200]));
    expect(log.text()).to.include('"certificates":["upstream"]').and.not.to.include("restart needed");
  });

  it("a gateway answers 503 if it and its service do not trust each other", async () => {
    const core = await startAt(folderFor(CONFIG));
    const upstream = core.running.addresses["grpc"] ?? "";
    for (const tls of ["{ caFile: ca.pem }", "{ certFile: web.pem, keyFile: web.key }", "{}"]) {
      const { running } = await startAt(folderFor(gateway(upstream, tls)), "http");
      expect(await ask(running.addresses["http"] ?? "", "x"), tls).to.equal(503);
    }
  });
});
