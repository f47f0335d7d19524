import { access, mkdtemp, rm } from "node:fs/promises";
import http2 from "node:http2";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { expect } from "chai";
import type { Outcome } from "../../src/contract/verifier.js";
import { createServer } from "../../src/grpc/server.js";
import { failureFromStatus } from "../../src/wire/status.js";
import { collect, deferred, eventually, failing, LIMITS, start, testClient, VERIFIED } from "./harness.js";
import { watchHealth } from "./health-client.js";
import { callHeaders, frame, grpcRequest, grpcStatus, headerFrames, http2Frame, PREFACE, RawCall } from "./raw.js";

/** A request of a batch in protobuf, with its index in the realm's name. */
function item(index: number): Buffer {
  const realm = Buffer.from(`r${index}`);
  const request = Buffer.concat([Buffer.from([0x0a, realm.length]), realm, Buffer.from([0x12, 1, 0x74])]);
  return Buffer.concat([Buffer.from([0x0a, request.length]), request]);
}

/** Asserts that a stream ended because the server shuts down, with a wait of up to five seconds. */
function expectShuttingDown(ended: Parameters<typeof failureFromStatus>[0]): void {
  const { retryAfter, ...failed } = failureFromStatus(ended);
  expect(failed).to.deep.equal({ kind: "failure", reason: "SHUTTING_DOWN" });
  expect(retryAfter).to.be.within(0, 5000);
}

const NEVER = new Promise<Outcome>(() => undefined);

describe("closing a gRPC server", () => {
  it("close lets unary calls in flight finish, and ends streams after their answers", async () => {
    const late = deferred<Outcome>();
    const { client, server, asked } = await start(() => late.promise);
    const unary = client.call("VerifyToken", { token: "t" });
    const batch = client.call("BatchVerifyTokens", { requests: [{ token: "b" }] });
    const stream = client.stream();
    const all = collect(stream);
    stream.write({ id: "1", requests: [{ token: "s" }] });
    const idle = collect(client.stream());
    await eventually(() => asked.length === 3 && server.streams() === 2);
    const closed = server.close(10_000);
    expectShuttingDown((await idle).status);
    late.resolve(VERIFIED);
    expect((await unary).value.verdict).to.equal("verified");
    expect((await batch).value.responses).to.have.length(1);
    const { messages, status: ended } = await all;
    expect(messages.map(({ id }) => id)).to.deep.equal(["1"]);
    expectShuttingDown(ended);
    expect(await closed, "calls cut").to.equal(0);
  });

  it("a closed server takes no more connections", async () => {
    // Another process may have opened the same port at the other tests' address in the meantime, so this test has
    // its own.
    const { server, address } = await start(() => VERIFIED, {}, "127.0.0.3:0");
    await server.close(1000);
    const client = testClient(address);
    const error = await failing(client.call("VerifyToken", { token: "t" }));
    expect(error.code).to.equal(status.UNAVAILABLE);
    client.raw.close();
  });

  it("close cuts the calls that are left at its time-out", async () => {
    const { client, server, asked } = await start(() => NEVER);
    const unary = failing(client.call("VerifyToken", { token: "t" }));
    const stream = client.stream();
    const all = collect(stream);
    stream.write({ id: "1", requests: [{ token: "s" }] });
    await eventually(() => asked.length === 2);
    expect(await server.close(20), "calls cut").to.equal(2);
    expect((await unary).code).to.be.oneOf([status.UNAVAILABLE, status.CANCELLED]);
    expect((await all).status.code).to.be.oneOf([status.UNAVAILABLE, status.CANCELLED]);
  });

  it("close does not wait for a peer that does not close its side", async () => {
    const { server, address } = await start(() => VERIFIED);
    const [host, port] = address.split(":");
    const socket = net.connect({ host: host as string, port: Number(port), allowHalfOpen: true });
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    socket.on("error", () => undefined);
    await new Promise((resolve) => socket.once("data", resolve));
    await server.close(50);
    socket.destroy();
  });

  it("close waits for a caller with an open call, but not for silent or half-closed peers", async () => {
    const late = deferred<Outcome>();
    const { client, server, address, asked } = await start(() => late.promise);
    const silent = net.connect({ host: "127.0.0.1", port: Number(address.split(":").at(-1)), allowHalfOpen: true });
    const over = new Promise((resolve) => silent.once("end", resolve));
    silent.on("error", () => undefined).resume();
    const call = client.call("VerifyToken", { token: "t" });
    await eventually(() => asked.length === 1 && server.connections() === 2);
    // This is longer than any test may take.
    const closed = server.close(600_000);
    await over;
    late.resolve(VERIFIED);
    expect((await call).value.verdict).to.equal("verified");
    expect(await closed, "calls cut").to.equal(0);
    silent.destroy();
  });

  it("close sends everything that was written to a peer that reads slowly", async () => {
    const payload = JSON.stringify({ sub: "x".repeat(32_000) });
    const { server, address, asked } = await start(() => ({ ...VERIFIED, token: { ...VERIFIED.token, payload } }));
    const socket = net.connect({ port: Number(address.split(":").at(-1)), host: "127.0.0.1" });
    let bytes = 0;
    socket.on("data", (data) => {
      bytes += data.length;
    });
    socket.pause();
    const over = new Promise((resolve) => socket.once("end", resolve));
    const wide = Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]); // SETTINGS_INITIAL_WINDOW_SIZE
    const wider = Buffer.from([0x7f, 0, 0, 0]);
    // The message has a thousand items of BatchVerifyTokensRequest.requests.
    const batch = frame(Buffer.concat(Array.from({ length: 1000 }, (_, n) => item(n))));
    const parts = [
      http2Frame(4, 0, 0, wide),
      http2Frame(8, 0, 0, wider),
      http2Frame(1, 4, 1, callHeaders("BatchVerifyTokens")),
    ];
    socket.write(Buffer.concat([Buffer.from(PREFACE), ...parts, http2Frame(0, 1, 1, batch)]));
    await eventually(() => asked.length === 1000);
    const closed = server.close(600_000);
    // This is longer than close waits for silent peers.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    socket.resume();
    await over;
    expect(bytes).to.be.above(1000 * payload.length);
    expect(await closed, "calls cut").to.equal(0);
  });

  it("close may be called twice, and before the server listens", async () => {
    const { server } = await start(() => VERIFIED);
    await Promise.all([server.close(1000), server.close(1000)]);
    await createServer({ limits: LIMITS }).close(1000);
  });

  it("a server that is not ready still answers calls until it closes", async () => {
    const { client, server, address } = await start(() => VERIFIED);
    const watch = await watchHealth(address, "");
    expect(watch.seen).to.deep.equal(["SERVING"]);
    server.setServing(false);
    await eventually(() => watch.seen.length === 2);
    expect(watch.seen).to.deep.equal(["SERVING", "NOT_SERVING"]);
    expect((await client.call("VerifyToken", { token: "t" })).value.verdict).to.equal("verified");
    const stream = client.stream();
    const all = collect(stream);
    stream.end({ id: "1", requests: [{ token: "s" }] });
    expect((await all).messages).to.have.length(1);
    const closed = server.close(10_000);
    expect((await watch.ended).code).to.equal(status.UNAVAILABLE);
    await closed;
  });
});

/** The frame type of GOAWAY. */
const GOAWAY = 7;

describe("a gRPC server that begins to shut down", () => {
  it("tells its clients to connect again, and still answers the calls that are on their way", async () => {
    const { server, address } = await start(() => VERIFIED);
    const call = new RawCall(address, "VerifyToken");
    await call.arrived(http2Frame(0, 1, 1, frame(item(1).subarray(2))));
    server.retire(600_000);
    while (!(await call.frames(1, 0)).includes(GOAWAY)) await new Promise((resolve) => setImmediate(resolve));
    call.send(...headerFrames(3, callHeaders("VerifyToken")), http2Frame(0, 1, 3, frame(item(2).subarray(2))));
    // Headers, message and trailers.
    expect(await call.frames(3, 3)).to.deep.equal([1, 0, 1]);
    await call.closed();
    await server.close(1000);
  });

  it("accepts connections and answers calls until it closes", async () => {
    const { client, server, address } = await start(() => VERIFIED);
    await client.call("VerifyToken", { token: "t" });
    server.retire(600_000);
    const late = testClient(address);
    for (const one of [client, late, client]) {
      expect((await one.call("VerifyToken", { token: "t" })).value.verdict).to.equal("verified");
    }
    late.raw.close();
  });

  it("ends streams before it closes, with the answers under way, and reports NOT_SERVING at once", async () => {
    const { client, server, address } = await start(() => VERIFIED);
    const watch = await watchHealth(address, "");
    const all = collect(client.stream());
    await eventually(() => server.streams() === 2);
    server.retire(20);
    expectShuttingDown((await all).status);
    expect(watch.seen).to.deep.equal(["SERVING", "NOT_SERVING"]);
    expect(server.streams(), "the watch of health lasts until the server closes").to.equal(1);
    const closed = server.close(1000);
    expect((await watch.ended).code).to.equal(status.UNAVAILABLE);
    await closed;
  });

  it("is closed at its time-out, whatever a client with a full flow-control window holds", async () => {
    const { server, address } = await start(() => VERIFIED);
    const session = http2.connect(`http://${address}`, { settings: { initialWindowSize: 0 } });
    session.on("error", () => undefined);
    const call = grpcRequest(session, "VerifyToken");
    call.end(frame(item(1).subarray(2)));
    await new Promise((resolve) => call.once("response", resolve));
    server.retire(0);
    expect(await server.close(50), "calls cut").to.equal(1);
    expect(await grpcStatus(call)).to.equal("cut");
  });
});

describe("a gRPC connection that has reached its age", () => {
  it("closes once its calls are answered, and its streams are told to come back", async () => {
    const late = deferred<Outcome>();
    const { client, server, asked } = await start(() => late.promise, { connectionAge: 300, grace: 60_000 });
    const all = collect(client.stream());
    const unary = client.call("VerifyToken", { token: "t" });
    await eventually(() => asked.length === 1 && server.streams() === 1);
    expectShuttingDown((await all).status);
    expect(server.connections()).to.equal(1);
    late.resolve(VERIFIED);
    expect((await unary).value.verdict).to.equal("verified");
    await eventually(() => server.connections() === 0);
    expect((await client.call("VerifyToken", { token: "again" })).value.verdict).to.equal("verified");
  });

  it("is cut with its calls after the grace", async () => {
    const { client, asked } = await start(() => NEVER, { connectionAge: 10, grace: 20 });
    const unary = failing(client.call("VerifyToken", { token: "t" }));
    await eventually(() => asked.length === 1);
    expect((await unary).code).to.be.oneOf([status.UNAVAILABLE, status.CANCELLED]);
  });
});

describe("listening on an address", () => {
  it("listen fails with the system's error if the port is taken, and reports nothing else", async () => {
    const { address, server } = await start(() => VERIFIED);
    const error = await createServer({ limits: LIMITS })
      .listen(address)
      .then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    expect(error).to.include({ code: "EADDRINUSE", syscall: "listen" });
    await server.close(100);
  });

  for (const address of [
    "",
    "50051",
    ":50051",
    "127.0.0.1",
    "127.0.0.1:65536",
    "::1:80",
    "unix:",
    "http://a:1",
    "a b:1",
  ]) {
    it(`listen refuses the address "${address}"`, async () => {
      const error = await createServer({ limits: LIMITS })
        .listen(address)
        .then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
      expect(error).to.be.instanceOf(RangeError);
      expect((error as Error).message).to.include("use host:port, [v6]:port or unix:/path");
    });
  }

  it("a server listens on several ports, including IPv6", async function () {
    const { server, asked } = await start(() => VERIFIED);
    const v6 = await server.listen("[::1]:0").catch((error: unknown) => error as Error);
    if (v6 instanceof Error) return this.skip();
    const client = testClient(v6);
    await client.call("VerifyToken", { token: "t" });
    expect(asked[0]?.call.address).to.equal("::1");
    client.raw.close();
  });

  it("listen creates a socket file and replaces an abandoned one, but never one in use", async () => {
    const directory = await mkdtemp(join(tmpdir(), "tv-"));
    const path = join(directory, "s.sock");
    const { client, asked, server } = await start(() => VERIFIED, {}, `unix:${path}`);
    await client.call("VerifyToken", { token: "t" });
    expect(asked[0]?.call.address).to.equal("");
    const second = createServer({ limits: LIMITS });
    const error = await second.listen(`unix:${path}`).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).to.include({ code: "EADDRINUSE" });
    await server.close(1000);
    expect(
      await access(path).then(
        () => true,
        () => false,
      ),
    ).to.equal(false);
    await abandon(path);
    expect(await second.listen(`unix:${path}`)).to.equal(`unix:${path}`);
    await second.close(100);
    await rm(directory, { recursive: true });
  });
});

/** Leaves a socket file without a listener, as a killed process does. */
async function abandon(path: string): Promise<void> {
  const { spawnSync } = await import("node:child_process");
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script], { env: {} });
}
