import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { expect } from "chai";
import { VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { mint } from "../../src/cli/mint.js";
import { type Running, serve } from "../../src/cli/serve.js";
import { loadConfig } from "../../src/config/load.js";
import { createMemoryLog } from "../support/log.js";

// The operators' port of a real service: what it counts of real calls, and its probes.

describe("the metrics' port", () => {
  let folder: string;
  let file: string;
  let running: Running;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "metrics-test-"));
    file = join(folder, "verifier.yaml");
    writeFileSync(
      file,
      `grpc: 127.0.0.1:0
http: 127.0.0.1:0
metrics: 127.0.0.1:0
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
  /** The value of a series, 0 where there is none. */
  const value = async (series: string): Promise<number> => {
    const line = (await (await get("/metrics")).text()).split("\n").find((one) => one.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1) ?? 0);
  };
  const post = (authorization: string): Promise<Response> =>
    fetch(`http://${running.addresses["http"]}/api/verify-token`, {
      method: "POST",
      headers: { Authorization: authorization },
    });
  /** Calls a gRPC method with any bytes; the status code. */
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
  const verifyToken = "/tokenverifier.v1.TokenVerifier/VerifyToken";
  const request = (realm: string, token: string): Buffer =>
    Buffer.from(VerifyTokenRequest.encode(VerifyTokenRequest.fromPartial({ realm, token })).finish());

  it("counts verifications by realm, way, outcome and reason, and answers by status", async () => {
    const token = await mint(
      loadConfig(file, { env: {} }),
      { realm: "integuru", claim: [], expires: "1h" },
      Date.now(),
    );
    const series = "tokenverifier_verifications_total";
    const good = `${series}{realm="integuru",via="integuru",outcome="verified",reason=""}`;
    const bad = `${series}{realm="integuru",via="integuru",outcome="rejected",reason="TOKEN_MALFORMED"}`;
    const none = `${series}{realm="integuru",via="integuru",outcome="refused",reason=""}`;
    const rpc = `${series}{realm="integuru",via="VerifyToken",outcome="verified",reason=""}`;
    expect((await post(`Bearer ${token}`)).status).to.equal(200);
    expect((await post("Bearer x")).status).to.equal(401);
    expect((await post("")).status).to.equal(401);
    expect(await call(verifyToken, request("integuru", token))).to.equal(0);
    for (const one of [good, bad, none, rpc]) expect(await value(one), one).to.equal(1);
    expect(await value(`tokenverifier_http_answers_total{face="integuru",code="401"}`)).to.equal(2);
    expect(await value(`tokenverifier_verification_seconds_count{via="VerifyToken"}`)).to.equal(1);
    expect(await value("tokenverifier_fact_cache_bytes")).to.be.above(1000);
  });

  it("counts gRPC calls by code, those too that nobody could read or that no method is for", async () => {
    const codes = "tokenverifier_grpc_calls_total";
    const before = await value(`${codes}{method="${verifyToken}",code="NOT_FOUND"}`);
    expect(await call(verifyToken, request("nobody's", "t"))).to.equal(5);
    expect(await value(`${codes}{method="${verifyToken}",code="NOT_FOUND"}`)).to.equal(before + 1);
    expect(await call(verifyToken, Buffer.from("ff", "hex"))).to.equal(13);
    expect(await value(`${codes}{method="${verifyToken}",code="INTERNAL"}`)).to.equal(1);
    expect(await call("/made.up.Service/Method", Buffer.alloc(0))).to.equal(12);
    expect(await value(`${codes}{method="unknown",code="UNIMPLEMENTED"}`)).to.equal(1);
  });

  it("lets no caller make up a label", async () => {
    for (const realm of ["made-up-1", "made-up-2", '"} 1\nx{y="']) await call(verifyToken, request(realm, "t"));
    const text = await (await get("/metrics")).text();
    expect(text).not.to.include("made-up").and.not.to.include("made.up");
    expect(text).to.match(/^tokenverifier_verifications_total\{realm="unknown",.*reason="REALM_UNKNOWN"\} [34]$/m);
  });

  it("has every metric that docs/reference/metrics.md has, and no other of our own", async () => {
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

  it("answers probes: alive, ready with its realms, and not ready once it drains", async () => {
    const alive = await get("/healthz");
    expect([alive.status, await alive.json()]).to.deep.equal([200, { status: "ok" }]);
    const ready = await get("/readyz?verbose");
    expect([ready.status, await ready.json()]).to.deep.equal([200, { ready: true, realms: { integuru: "fresh" } }]);
    expect((await get("/other")).status).to.equal(404);
    const posted = await fetch(`http://${running.addresses["metrics"]}/metrics`, { method: "POST" });
    expect([posted.status, posted.headers.get("allow")]).to.deep.equal([405, "GET, HEAD"]);
  });
});
