import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { expect } from "chai";
import { StreamVerifyTokensRequest, VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { mint } from "../../src/cli/mint.js";
import { loadConfig } from "../../src/config/load.js";
import { type Running, serve } from "../../src/server/serve.js";
import { systemClock } from "../../src/util/clock.js";
import { configuration, folderOf } from "../cli/harness.js";
import { Wire } from "../http/harness.js";
import { secretOf } from "../support/keys.js";
import { createMemoryLog } from "../support/log.js";

// The metrics port of a real service: its counts of real calls, and its probes.

describe("the metrics port", () => {
  let folder: string;
  let file: string;
  let running: Running;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "metrics-test-"));
    file = join(folder, "verifier.yaml");
    writeFileSync(
      file,
      `grpc: 127.0.0.1:0
http: { address: 127.0.0.1:0, rpc: [integuru], cors: { origins: ["*"] } }
metrics: 127.0.0.1:0
limits: { headers: 4KiB }
drain: { delay: 0s, timeout: 1s }
realms:
  integuru: { preset: integuru, keys: [{ secret: a-secret-that-is-used-in-this-test-only }] }
`,
    );
    running = await serve(file, undefined, { env: {}, clock: Date.now, log: createMemoryLog().log });
  });
  after(async () => {
    await running.stop();
    rmSync(folder, { recursive: true });
  });

  const get = (path: string): Promise<Response> => fetch(`http://${running.addresses["metrics"]}${path}`);
  /** The value of a series, 0 if it is absent. */
  const value = async (series: string): Promise<number> => {
    const line = (await (await get("/metrics")).text()).split("\n").find((one) => one.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1) ?? 0);
  };
  const post = (authorization: string): Promise<Response> =>
    fetch(`http://${running.addresses["http"]}/api/verify-token`, {
      method: "POST",
      headers: { Authorization: authorization },
    });
  /** Calls a gRPC method with any bytes and returns the status code. */
  const call = (method: string, bytes: Buffer): Promise<number> => {
    const client = new Client(running.addresses["grpc"] ?? "", credentials.createInsecure());
    const asIs = (given: Buffer): Buffer => given;
    return new Promise((resolve) => {
      client.makeUnaryRequest(method, asIs, asIs, bytes, (error) => {
        client.close();
        resolve(error?.code ?? 0);
      });
    });
  };
  it("the metrics port answers pipelined requests, and admits 100 connections from one address", async () => {
    const port = Number(running.addresses["metrics"]?.split(":").at(-1));
    const last = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    const wire = new Wire(port).send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200) + last);
    await wire.closed;
    expect(wire.text.match(/HTTP\/1\.1 200 OK/g)).to.have.length(201);
    const silent = Array.from({ length: 101 }, () => new Wire(port));
    await Promise.race(silent.map(({ closed }) => closed));
    expect(silent.filter(({ isClosed }) => isClosed)).to.have.length.above(0);
    for (const one of silent) one.reset();
    // The service notices the closed connections a moment later.
    let status: number | undefined;
    while (status === undefined)
      status = await get("/healthz").then(
        (answer) => answer.status,
        () => undefined,
      );
    expect(status).to.equal(200);
  });

  it("the process keeps no resource timings of fetches", async () => {
    performance.clearResourceTimings();
    await (await get("/healthz")).text();
    await new Promise((resolve) => setImmediate(resolve));
    expect(performance.getEntriesByType("resource")).to.have.length(0);
  });

  it("the metrics port answers a malformed request with 400, after the requests before it", async () => {
    const port = Number(running.addresses["metrics"]?.split(":").at(-1));
    const wire = new Wire(port).send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nno HTTP\r\n\r\n");
    await wire.closed;
    expect(wire.text).to.match(
      /^HTTP\/1.1 200 OK\r\n.*{"status":"ok"}.*HTTP\/1.1 400 Bad Request\r\n.*{"error":"Bad Request"}$/s,
    );
  });

  it("the metrics port answers 431 to headers above limits.headers", async () => {
    const port = Number(running.addresses["metrics"]?.split(":").at(-1));
    const ask = (bytes: number) =>
      `GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ${"x".repeat(bytes)}\r\n\r\n`;
    expect((await new Wire(port).send(ask(3 * 1024)).answer()).status).to.equal(200);
    expect((await new Wire(port).send(ask(40 * 1024)).answer()).status).to.equal(431);
  });

  const verifyToken = "/tokenverifier.v1.TokenVerifier/VerifyToken";
  const request = (realm: string, token: string): Buffer =>
    Buffer.from(VerifyTokenRequest.encode(VerifyTokenRequest.fromPartial({ realm, token })).finish());

  it("verifications are counted by realm, via, outcome and reason, and HTTP answers by status", async () => {
    const token = await mint(
      loadConfig(file, { env: {} }),
      { realm: "integuru", claim: [], expires: "1h" },
      Date.now(),
    );
    const name = "tokenverifier_verifications_total";
    const good = `${name}{realm="integuru",via="integuru",outcome="verified",reason=""}`;
    const bad = `${name}{realm="integuru",via="integuru",outcome="rejected",reason="TOKEN_MALFORMED",signed="false"}`;
    const none = `${name}{realm="integuru",via="integuru",outcome="refused",reason=""}`;
    const rpc = `${name}{realm="integuru",via="VerifyToken",outcome="verified",reason=""}`;
    expect((await post(`Bearer ${token}`)).status).to.equal(200);
    expect((await post("Bearer x")).status).to.equal(401);
    expect((await post("")).status).to.equal(401);
    expect(await call(verifyToken, request("integuru", token))).to.equal(0);
    const http = `${name}{realm="integuru",via="http/VerifyToken",outcome="verified",reason=""}`;
    const body = JSON.stringify({ realm: "integuru", token });
    const asked = await fetch(`http://${running.addresses["http"]}${verifyToken}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
    });
    expect(asked.status).to.equal(200);
    expect(await value(`tokenverifier_http_answers_total{face="http/VerifyToken",code="200"}`)).to.equal(1);
    for (const one of [good, bad, none, rpc, http]) expect(await value(one), one).to.equal(1);
    // A browser's preflight counts as an answer, but not as a verification.
    const verifications = async () =>
      (await (await get("/metrics")).text()).split("\n").filter((one) => one.startsWith(name));
    const before = await verifications();
    expect((await fetch(`http://${running.addresses["http"]}${verifyToken}`, { method: "OPTIONS" })).status).to.equal(
      204,
    );
    expect(await value(`tokenverifier_http_answers_total{face="http/VerifyToken",code="204"}`)).to.equal(1);
    expect(await verifications()).to.deep.equal(before);
    expect(await value(`tokenverifier_http_answers_total{face="integuru",code="401"}`)).to.equal(2);
    expect(await value(`tokenverifier_verification_seconds_count{via="VerifyToken"}`)).to.equal(1);
    expect(await value("tokenverifier_fact_cache_bytes")).to.be.above(1000);
  });

  it("gRPC calls are counted by code, including malformed ones and those to unknown methods", async () => {
    const codes = "tokenverifier_grpc_calls_total";
    const before = await value(`${codes}{method="${verifyToken}",code="NOT_FOUND"}`);
    expect(await call(verifyToken, request("nobody's", "t"))).to.equal(5);
    expect(await value(`${codes}{method="${verifyToken}",code="NOT_FOUND"}`)).to.equal(before + 1);
    expect(await call(verifyToken, Buffer.from("ff", "hex"))).to.equal(13);
    expect(await value(`${codes}{method="${verifyToken}",code="INTERNAL"}`)).to.equal(1);
    expect(await call("/made.up.Service/Method", Buffer.alloc(0))).to.equal(12);
    expect(await value(`${codes}{method="unknown",code="UNIMPLEMENTED"}`)).to.equal(1);
  });

  it("requests to unknown paths, and empty tokens from gateways, have series of their own", async () => {
    const unknown = 'tokenverifier_http_answers_total{face="unknown",code="404"}';
    const before = await value(unknown);
    expect((await fetch(`http://${running.addresses["http"]}/v1/api/verify-token`)).status).to.equal(404);
    expect(await value(unknown)).to.equal(before + 1);
    const probe =
      'tokenverifier_verifications_total{realm="integuru",via="VerifyToken",outcome="probe",reason="TOKEN_EMPTY"}';
    expect(await call(verifyToken, request("integuru", ""))).to.equal(3);
    expect(await value(probe)).to.equal(1);
  });

  it("headers above limits.headers, and input that is no request, are counted by status", async () => {
    const port = Number(running.addresses["http"]?.split(":").at(-1));
    const large = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(40 * 1024)}\r\n\r\n`;
    for (const [input, status] of [
      [large, 431],
      ["no HTTP\r\n\r\n", 400],
    ] as const) {
      const series = `tokenverifier_http_answers_total{face="unknown",code="${status}"}`;
      const before = await value(series);
      expect((await new Wire(port).send(input).answer()).status).to.equal(status);
      expect(await value(series)).to.equal(before + 1);
    }
  });

  it("the metrics show a refused configuration, and one that needs a restart", async () => {
    const states = async () => [
      await value("tokenverifier_configuration_refused"),
      await value("tokenverifier_restart_needed"),
    ];
    const good = readFileSync(file, "utf8");
    const becomes = async (text: string) => {
      writeFileSync(file, text);
      running.reload();
      return states();
    };
    expect(await states()).to.deep.equal([0, 0]);
    expect(await becomes("realms: 5\n")).to.deep.equal([1, 0]);
    expect(await becomes(`${good}cache: { facts: 1MiB }\n`)).to.deep.equal([0, 1]);
    expect(await becomes(good)).to.deep.equal([0, 0]);
  });

  it("a caller cannot create a label value", async () => {
    for (const realm of ["made-up-1", "made-up-2", '"} 1\nx{y="']) await call(verifyToken, request(realm, "t"));
    const text = await (await get("/metrics")).text();
    expect(text).not.to.include("made-up").and.not.to.include("made.up");
    expect(text).to.match(/^tokenverifier_verifications_total\{realm="unknown",.*reason="REALM_UNKNOWN"\} [34]$/m);
  });

  it("the metrics port serves exactly the metrics in docs/reference/metrics.md", async () => {
    const docs = readFileSync(new URL("../../docs/reference/metrics.md", import.meta.url), "utf8");
    const documented = Array.from(
      docs.matchAll(/^\| `(tokenverifier_\w+)` \| (\w+) \|/gm),
      ([, name, type]) => `${name} ${type}`,
    );
    const text = await (await get("/metrics")).text();
    const served = Array.from(
      text.matchAll(/^# TYPE (tokenverifier_\w+) (\w+)$/gm),
      ([, name, type]) => `${name} ${type}`,
    );
    expect(served.toSorted()).to.deep.equal(documented.toSorted());
  });

  it("the metrics port answers the probes for liveness and readiness", async () => {
    const alive = await get("/healthz");
    expect([alive.status, await alive.json()]).to.deep.equal([200, { status: "ok" }]);
    const ready = await get("/readyz?verbose");
    expect([ready.status, await ready.json()]).to.deep.equal([200, { ready: true, realms: { integuru: "fresh" } }]);
    expect((await get("/other")).status).to.equal(404);
    const posted = await fetch(`http://${running.addresses["metrics"]}/metrics`, { method: "POST" });
    expect([posted.status, posted.headers.get("allow")]).to.deep.equal([405, "GET, HEAD"]);
  });
});

describe("the metrics of a service with a store", () => {
  let running: Running;
  let token: string;
  let began: number;
  const secondsSinceStart = (): number => (performance.now() - began) / 1000;
  before(async () => {
    began = performance.now();
    const file = join(folderOf(configuration("metrics: 127.0.0.1:0")), "verifier.yaml");
    token = await mint(loadConfig(file, { env: {} }), { realm: "clowk", claim: [], expires: "1h" }, Date.now());
    running = await serve(file, undefined, { env: {}, clock: systemClock(), log: createMemoryLog().log });
  });
  after(() => running.stop());

  /** All series whose names begin with `start`, with their values. */
  async function series(start: string): Promise<Readonly<Record<string, number>>> {
    const text = await (await fetch(`http://${running.addresses["metrics"]}/metrics`)).text();
    const lines = text.split("\n").filter((line) => line.startsWith(start));
    return Object.fromEntries(
      lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]),
    );
  }

  it("the metrics show the entries of the directory, its reads, and the position of its feed", async () => {
    const verify = () =>
      fetch(`http://${running.addresses["http"]}/api/v1/tokens/verify`, {
        method: "POST",
        headers: { Authorization: `Bearer ${secretOf("clowk")}`, "Content-Type": "application/json" },
        body: JSON.stringify({ token }),
      });
    expect(Object.values(await series("tokenverifier_directory_entries"))).to.deep.equal([0, 0, 0, 0]);
    for (let time = 0; time < 3; time++) expect((await verify()).status).to.equal(200);
    expect(await series("tokenverifier_directory_entries")).to.deep.equal({
      'tokenverifier_directory_entries{kind="instance"}': 1,
      'tokenverifier_directory_entries{kind="client"}': 0,
      'tokenverifier_directory_entries{kind="user"}': 1,
      'tokenverifier_directory_entries{kind="revocation"}': 0,
    });
    const reads = await series("tokenverifier_store_read_seconds_count");
    expect(reads['tokenverifier_store_read_seconds_count{read="instance",result="ok"}']).to.equal(1);
    expect(reads['tokenverifier_store_read_seconds_count{read="user",result="ok"}']).to.equal(1);
    expect(Object.keys(reads).filter((name) => name.includes("failed"))).to.deep.equal([]);
    const sum = Object.values(await series("tokenverifier_store_read_seconds_sum")).reduce((a, b) => a + b);
    expect(sum).to.be.above(0).and.below(secondsSinceStart());
    expect((await series("tokenverifier_feed_position"))["tokenverifier_feed_position"]).to.be.above(0);
    expect((await series("tokenverifier_feed_age_seconds"))["tokenverifier_feed_age_seconds"]).to.be.within(
      0,
      secondsSinceStart(),
    );
    const lookups = await series("tokenverifier_fact_cache_lookups_total");
    expect(lookups['tokenverifier_fact_cache_lookups_total{result="hit"}']).to.be.at.least(2);
    expect(lookups['tokenverifier_fact_cache_lookups_total{result="miss"}']).to.be.at.least(1);
  });

  it("the metrics count open streams", async () => {
    const streams = async () => (await series("tokenverifier_streams"))['tokenverifier_streams{port="grpc"}'];
    const client = new Client(running.addresses["grpc"] ?? "", credentials.createInsecure());
    const asIs = (given: Buffer): Buffer => given;
    const stream = client.makeBidiStreamRequest("/tokenverifier.v1.TokenVerifier/StreamVerifyTokens", asIs, asIs);
    const answered = new Promise((resolve) => stream.once("data", resolve));
    stream.on("error", () => {});
    stream.write(Buffer.from(StreamVerifyTokensRequest.encode({ id: "1", requests: [] }).finish()));
    await answered;
    expect(await streams()).to.equal(1);
    const ended = new Promise((resolve) => stream.once("end", resolve));
    stream.end();
    await ended;
    expect(await streams()).to.equal(0);
    client.close();
  });
});

describe("readiness of a service whose store is lost", () => {
  it("readiness says that the directory is stale after its store is removed, then failing after store.staleFor, and why", async () => {
    const folder = folderOf(configuration("metrics: 127.0.0.1:0"));
    let ahead = 0;
    const { log, text } = createMemoryLog();
    const clock = () => Date.now() + ahead;
    const running = await serve(join(folder, "verifier.yaml"), undefined, { env: {}, clock, log });
    interface Body {
      readonly realms: Readonly<Record<string, string>>;
      readonly why?: Readonly<Record<string, string>>;
      readonly directory: { readonly state: string; readonly why?: string };
    }
    /** The body of the readiness answer, once the directory is in a state. */
    async function once(state: string): Promise<Body> {
      for (;;) {
        const body = (await (await fetch(`http://${running.addresses["metrics"]}/readyz`)).json()) as Body;
        if (body.directory.state === state) return body;
      }
    }
    try {
      const { why: none, directory: read } = await once("fresh");
      expect([none, read]).to.deep.equal([undefined, { state: "fresh" }]);
      rmSync(join(folder, "verifier.db"));
      const stale = await once("stale");
      expect(stale.directory.why)
        .to.match(/^The store \S+verifier\.db was removed while it was in use\. /)
        .and.include("Stop the service, restore a backup, and start it.")
        .and.include("revocations too");
      expect(stale.realms["clowk"]).to.equal("fresh");
      ahead = 3_600_000;
      const failing = await once("failing");
      expect(failing.realms["clowk"]).to.equal("failing");
      expect(failing.why).to.include({ clowk: "the directory cannot be read" });
      expect(text()).to.include("restore a backup");
    } finally {
      await running.stop();
    }
  });
});
