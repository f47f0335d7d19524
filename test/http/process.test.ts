import { randomBytes } from "node:crypto";
import http2 from "node:http2";
import { join } from "node:path";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { expect } from "chai";
import { mint } from "../../src/cli/mint.js";
import { loadConfig } from "../../src/config/load.js";
import { configuration, end, folderOf, type Process, serving } from "../cli/harness.js";
import { http2Frame, PREFACE, SETTINGS } from "../grpc/raw.js";
import { createClient } from "../support/grpc.js";
import { requestBytes } from "../support/http.js";
import { INTEGURU, Wire } from "./harness.js";

// The whole service as its own process, which keeps serving whatever is sent to its ports.

describe("the service's process", () => {
  let service: Process;
  let grpc: string;
  let ports: { grpc: number; http: number };
  let token: string;

  before(async () => {
    const folder = folderOf(configuration("limits: { request: 2s, idle: 2s }\ndrain: { delay: 0s }"));
    token = await mint(
      loadConfig(join(folder, "verifier.yaml"), { env: {} }),
      { realm: "integuru", claim: [], expires: "1h" },
      Date.now(),
    );
    const running = await serving(folder);
    ({ service, grpc } = running);
    ports = { grpc: Number(grpc.split(":").at(-1)), http: running.port };
  });
  after(async () => {
    const { code, stderr } = await end(service);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    // Nothing that was sent is a fault of the service itself.
    expect(service.lines().filter(({ level }) => level === "error" || level === "fatal")).to.deep.equal([]);
  });

  afterEach(async () => {
    const headers = [["Authorization", `Bearer ${token}`]] as const;
    const wire = new Wire(ports.http).send(requestBytes({ method: "POST", target: INTEGURU, headers }));
    expect((await wire.answer()).status).to.equal(200);
    const client = createClient(grpc);
    expect(await client.verify({ realm: "integuru", token })).to.have.nested.property("verdict.verified");
    client.close();
    expect(service.child.exitCode).to.equal(null);
  });

  const garbage: Record<string, () => Buffer | string> = {
    "random bytes": () => randomBytes(4096),
    "a megabyte of random bytes": () => randomBytes(1024 ** 2),
    "a good HTTP/1 request": () =>
      requestBytes({ method: "POST", target: INTEGURU, headers: [["Authorization", "Bearer x"]] }),
    "half a preface": () => PREFACE.slice(0, 10),
    "a preface and random bytes": () => Buffer.concat([Buffer.from(PREFACE), randomBytes(1000)]),
    "a frame above the size limit": () =>
      Buffer.concat([Buffer.from(PREFACE), SETTINGS, http2Frame(0, 0, 1, Buffer.alloc(100_000))]),
    "DATA on a stream that was never opened": () =>
      Buffer.concat([Buffer.from(PREFACE), SETTINGS, http2Frame(0, 0, 1, Buffer.alloc(10))]),
    "HEADERS that are not HPACK": () =>
      Buffer.concat([Buffer.from(PREFACE), SETTINGS, http2Frame(1, 4, 1, Buffer.alloc(100, 0xff))]),
    "HEADERS on stream 0": () =>
      Buffer.concat([Buffer.from(PREFACE), SETTINGS, http2Frame(1, 5, 0, Buffer.from([0x82]))]),
    "1000 pings": () =>
      Buffer.concat([
        Buffer.from(PREFACE),
        SETTINGS,
        ...Array.from({ length: 1000 }, () => http2Frame(6, 0, 0, Buffer.alloc(8))),
      ]),
    "1000 SETTINGS": () => Buffer.concat([Buffer.from(PREFACE), ...Array.from({ length: 1000 }, () => SETTINGS)]),
    "a GOAWAY": () => Buffer.concat([Buffer.from(PREFACE), SETTINGS, http2Frame(7, 0, 0, Buffer.alloc(8))]),
    "a TLS ClientHello": () => Buffer.from("16030100c8010000c403035f5f5f5f", "hex"),
  };
  for (const [what, bytes] of Object.entries(garbage)) {
    it(`${what} sent to either port gets no verdict`, async () => {
      for (const port of [ports.grpc, ports.http]) {
        const wire = new Wire(port).send(bytes());
        wire.halfClose();
        await wire.closed;
        expect(wire.text, "no verdict").not.to.include('"valid":true');
      }
    });
  }

  it("connections that are opened and reset at once do no harm", async () => {
    for (const port of [ports.grpc, ports.http]) {
      const wires = Array.from({ length: 200 }, () => new Wire(port).send("P"));
      for (const wire of wires) wire.reset();
      await Promise.all(wires.map((wire) => wire.closed));
    }
  });

  /** Makes a raw gRPC call, and returns its status from the headers or the trailers. */
  function call(path: string, body: Buffer, headers: Record<string, string> = {}): Promise<string> {
    const session = http2.connect(`http://${grpc}`);
    session.on("error", () => {});
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    return new Promise((resolve) => {
      let status = "none";
      stream.on("response", (answer) => (status = String(answer["grpc-status"] ?? answer[":status"])));
      stream.on("trailers", (trailers) => (status = String(trailers["grpc-status"] ?? status)));
      stream.on("error", () => {});
      stream.on("close", () => {
        session.close();
        resolve(status);
      });
      stream.resume();
      stream.end(body);
    });
  }
  const message = (bytes: Buffer, flag = 0, length = bytes.length): Buffer => {
    const head = Buffer.alloc(5);
    head[0] = flag;
    head.writeUInt32BE(length, 1);
    return Buffer.concat([head, bytes]);
  };
  const VERIFY = "/tokenverifier.v1.TokenVerifier/VerifyToken";

  for (const [what, status, body] of [
    ["an undecodable message", ["13"], () => message(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]))],
    ["random bytes as a message", ["13", "3", "5"], () => message(randomBytes(200))],
    ["a string that is not UTF-8", ["13"], () => message(Buffer.from([0x0a, 0x02, 0xc3, 0x28]))],
    ["groups without an end", ["13", "3"], () => message(Buffer.alloc(10_000, 0x0b))],
    ["a message above the size limit", ["8"], () => message(Buffer.alloc(5 * 1024 ** 2))],
    ["a length of 4 GiB", ["8"], () => message(Buffer.alloc(10), 0, 0xffffffff)],
    ["a message that is wrongly marked as compressed", ["13", "12", "5"], () => message(Buffer.alloc(10), 1)],
    ["no message", ["13", "12", "2"], () => Buffer.alloc(0)],
    [
      "two messages in a unary call",
      ["13", "12", "3"],
      () => Buffer.concat([message(Buffer.alloc(0)), message(Buffer.alloc(0))]),
    ],
  ] as const) {
    it(`gRPC: ${what} is an error of that call alone`, async () => {
      expect(await call(VERIFY, body())).to.be.oneOf([...status]);
    });
  }

  it("gRPC: an unknown method or service is UNIMPLEMENTED", async () => {
    for (const path of [
      "/tokenverifier.v1.TokenVerifier/Nothing",
      "/nothing.Nothing/Nothing",
      "/",
      "/tokenverifier.v1.TokenVerifier/__proto__",
      `/${"x".repeat(2000)}`,
    ]) {
      expect(await call(path, message(Buffer.alloc(0))), path).to.equal("12");
    }
  });

  it("gRPC: another content type is answered with 415", async () => {
    expect(await call(VERIFY, Buffer.from("{}"), { "content-type": "application/json" })).to.equal("415");
  });

  it("gRPC: metadata above the limit ends the call, but not the service", async () => {
    const client = new Client(grpc, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
    client.close();
    const status = await call(VERIFY, message(Buffer.alloc(0)), { "x-long": "x".repeat(60_000) });
    expect(status).not.to.equal("0");
  });

  it("gRPC: a call whose message never arrives whole ends within limits.request", async () => {
    const session = http2.connect(`http://${grpc}`);
    session.on("error", () => {});
    const stream = session.request({
      ":method": "POST",
      ":path": VERIFY,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => {});
    stream.write(Buffer.from([0, 0, 0]));
    await new Promise((resolve) => stream.on("close", resolve));
    session.destroy();
  });

  it("gRPC: a cancelled stream and a lost connection are not reported as faults", async () => {
    const client = createClient(grpc);
    const stream = client.open();
    const over = new Promise<ServiceError>((resolve) => stream.on("error", resolve));
    stream.write({ id: "a", requests: [{ realm: "integuru", token }] });
    stream.cancel();
    expect((await over).code).to.equal(1);
    client.close();
    const wire = new Wire(ports.grpc).send(Buffer.concat([Buffer.from(PREFACE), SETTINGS]));
    await wire.until("\0\0");
    wire.reset();
    await wire.closed;
  });
});
