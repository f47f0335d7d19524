import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { gzipSync } from "node:zlib";
import { compressionAlgorithms, status } from "@grpc/grpc-js";
import { expect } from "chai";
import { standStill } from "../support/stand-still.js";
import { collect, eventually, failing, start, testClient, VERIFIED } from "./harness.js";
import { watchHealth } from "./health-client.js";
import { callHeaders, frame, grpcRequest, grpcStatus, http2Frame, PREFACE, RawCall, SETTINGS } from "./raw.js";

/** A VerifyTokenRequest with the realm "r" and the token "t". */
const GOOD = Buffer.from([0x0a, 1, 0x72, 0x12, 1, 0x74]);
/** The first bytes of a message of 65,280 bytes. */
const BEGUN = Buffer.from([0, 0, 0, 255, 0, 0]);

/** The flag of a message that grpc-js does not compress (its WriteFlags.NoCompress). */
const NO_COMPRESS = 2;

const PATHS = {
  VerifyToken: "/tokenverifier.v1.TokenVerifier/VerifyToken",
  BatchVerifyTokens: "/tokenverifier.v1.TokenVerifier/BatchVerifyTokens",
  StreamVerifyTokens: "/tokenverifier.v1.TokenVerifier/StreamVerifyTokens",
  "Health/Check": "/grpc.health.v1.Health/Check",
  "Health/List": "/grpc.health.v1.Health/List",
  "Health/Watch": "/grpc.health.v1.Health/Watch",
  "ServerReflectionInfo (v1)": "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "ServerReflectionInfo (v1alpha)": "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
  "an unknown method": "/a.b/C",
};

describe("limits on calls", () => {
  const sessions: http2.ClientHttp2Session[] = [];
  afterEach(() => {
    for (const session of sessions.splice(0)) session.destroy();
  });
  const connect = (address: string, options: http2.ClientSessionOptions = {}): http2.ClientHttp2Session => {
    const session = http2.connect(`http://${address}`, options);
    session.on("error", () => undefined);
    sessions.push(session);
    return session;
  };

  describe("time limits", () => {
    for (const [name, path] of Object.entries(PATHS)) {
      it(`${name}: a message that does not arrive whole in time is not waited for`, async () => {
        const { address } = await start(() => VERIFIED, { request: 100 });
        const call = grpcRequest(connect(address), "", { ":path": path });
        call.write(BEGUN);
        expect(await grpcStatus(call)).to.equal(name === "an unknown method" ? String(status.UNIMPLEMENTED) : "cut");
      });
    }

    it("each later message of a stream has the same time, counted from its own first byte", async () => {
      const { address, asked } = await start(() => VERIFIED, { request: 100 });
      const call = new RawCall(address, "StreamVerifyTokens");
      const one = frame(Buffer.concat([Buffer.from([0x12, GOOD.length]), GOOD]));
      for (let turn = 0; turn < 8; turn++) {
        // Messages are cut anywhere, and the rest is sent along with the first byte, so a process that stalls
        // delays both.
        const parts = [one.subarray(0, 3), one.subarray(3, 7), one.subarray(7)];
        await call.arrived(...parts.map((part) => http2Frame(0, 0, 1, part)));
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
      expect(asked).to.have.length(8);
      call.send(http2Frame(0, 0, 1, one.subarray(0, 9)));
      // The frames are the headers, eight answers and RST_STREAM.
      expect(await call.frames(10)).to.deep.equal([1, ...Array<number>(8).fill(0), 3]);
      call.close();
    });

    it("a call that has its status is over, even if its caller wants to send more", async () => {
      const { address } = await start(() => VERIFIED, { streams: 1 });
      const session = connect(address);
      const first = grpcRequest(session, "StreamVerifyTokens");
      first.write(frame(Buffer.alloc(0)));
      await new Promise((resolve) => first.once("data", resolve));
      const refused = grpcRequest(session, "StreamVerifyTokens");
      expect(await grpcStatus(refused)).to.equal(String(status.RESOURCE_EXHAUSTED));
      const failed = grpcRequest(session, "StreamVerifyTokens", { ":path": PATHS["ServerReflectionInfo (v1)"] });
      failed.write(frame(Buffer.from([0x0b])));
      expect(await grpcStatus(failed)).to.equal(String(status.INTERNAL));
    });

    it("a stream without messages ends with OK, and frees its place for another", async () => {
      const { client } = await start(() => VERIFIED, { idle: 250, streams: 1 });
      for (let turn = 0; turn < 2; turn++) {
        const stream = client.stream();
        const all = collect(stream);
        stream.write({ id: "1", requests: [{ token: "t" }] });
        const { messages, status: ended } = await all;
        expect(messages).to.have.length(1);
        expect(ended.code).to.equal(status.OK);
      }
    });

    it("a stream whose answers are not read is cut", async () => {
      const { address, server } = await start(() => VERIFIED, { idle: 100, request: 100 });
      const session = connect(address, { settings: { initialWindowSize: 0 } });
      const call = grpcRequest(session, "StreamVerifyTokens");
      call.write(frame(GOOD.subarray(0, 0)));
      expect(await grpcStatus(call)).to.equal("cut");
      expect(server.streams()).to.equal(0);
    });

    it("a watch of health stays open and receives changes", async () => {
      const { address, server, client } = await start(() => VERIFIED, { request: 100, idle: 100 });
      const { seen } = await watchHealth(address, "");
      const call = client.stream();
      await collect(call);
      await new Promise((resolve) => setTimeout(resolve, 250));
      server.setServing(false);
      while (seen.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(seen).to.deep.equal(["SERVING", "NOT_SERVING"]);
    });
  });

  describe("time limits after the process stalled", () => {
    const ANSWER = [1, 0, 1];
    const message = (bytes: Buffer): Buffer => http2Frame(0, 0, 1, bytes);

    /**
     * Sends part of a message, then the rest just before the process stalls; returns the types of the call's
     * frames.
     */
    async function asking(
      path: string,
      first: Buffer,
      rest: Buffer,
      frames: number,
      request = 250,
    ): Promise<readonly number[]> {
      const { address } = await start(() => VERIFIED, { request, idle: 250 });
      const call = new RawCall(address, path);
      await call.arrived(first);
      await standStill(400, () => call.send(rest));
      const types = await call.frames(frames);
      call.close();
      return types;
    }

    const one = frame(Buffer.concat([Buffer.from([0x12, GOOD.length]), GOOD]));
    for (const [what, path, bytes] of [
      ["a call's message", PATHS.VerifyToken, frame(GOOD)],
      ["a batch", PATHS.BatchVerifyTokens, frame(Buffer.alloc(0))],
      ["a health check", PATHS["Health/Check"], frame(Buffer.alloc(0))],
    ] as const) {
      it(`the rest of ${what} counts as received in time after the process stalled`, async () => {
        const [first, rest] = [message(bytes.subarray(0, 4)), http2Frame(0, 1, 1, bytes.subarray(4))];
        expect(await asking(path, first, rest, 3)).to.deep.equal(ANSWER);
      });

      it(`the rest of ${what} counts as received in time after the process stalled for several time limits`, async () => {
        const [first, rest] = [message(bytes.subarray(0, 4)), http2Frame(0, 1, 1, bytes.subarray(4))];
        expect(await asking(path, first, rest, 3, 80)).to.deep.equal(ANSWER);
      });
    }

    it("the rest of a watch request counts as received in time after the process stalled", async () => {
      const [first, rest] = [message(Buffer.alloc(4)), http2Frame(0, 1, 1, Buffer.alloc(1))];
      expect(await asking(PATHS["Health/Watch"], first, rest, 2)).to.deep.equal([1, 0]);
    });

    it("the rest of a stream's message, and its next message, count as received in time after the process stalled", async () => {
      const path = PATHS.StreamVerifyTokens;
      const [first, rest] = [message(one.subarray(0, 4)), message(one.subarray(4))];
      expect((await asking(path, first, rest, 2)).slice(0, 2)).to.deep.equal([1, 0]);
      expect((await asking(path, message(one), message(one), 3)).slice(0, 3)).to.deep.equal([1, 0, 0]);
    });
  });

  describe("byte limits", () => {
    it("one address may hold 64 MiB of incomplete calls and no more, and the room is free again when they end", async () => {
      const { codes, address, client, server } = await start(() => VERIFIED, { request: 60_000 });
      const session = connect(address);
      const ends: string[] = [];
      const calls: http2.ClientHttp2Stream[] = [];
      const begun = frame(Buffer.alloc(4 * 1024 ** 2)).subarray(0, -1);
      // The calls are opened one after the other: side by side, more would be cut before the first had given back
      // its room.
      for (let index = 0; index < 20; index++) {
        const call = grpcRequest(session, "BatchVerifyTokens");
        calls.push(call);
        void grpcStatus(call).then((end) => ends.push(end));
        await new Promise((resolve) => call.once("close", resolve).write(begun, resolve));
        await new Promise((resolve) => session.ping(resolve));
      }
      // There is room for fifteen calls and their overhead.
      await eventually(() => ends.length >= 5);
      const resets = calls.filter(({ closed }) => closed).map(({ rstCode }) => rstCode);
      expect(new Set(resets)).to.deep.equal(new Set([http2.constants.NGHTTP2_ENHANCE_YOUR_CALM]));
      expect(codes).to.deep.equal(Array.from({ length: 5 }, () => status.RESOURCE_EXHAUSTED));
      await client.call("VerifyToken", { token: "t" });
      expect(ends).to.have.length(5);
      session.destroy();
      await eventually(() => server.connections() === 1);
      // Together the two calls need more than the room that is left.
      const again = connect(address);
      const both = [1, 2].map(() => {
        const call = grpcRequest(again, "BatchVerifyTokens");
        call.end(frame(Buffer.concat([Buffer.from([0x7a, 0x80, 0x80, 0xc0, 1]), Buffer.alloc(3 * 1024 ** 2)])));
        return grpcStatus(call);
      });
      expect(await Promise.all(both)).to.deep.equal(["0", "0"]);
    });
  });

  it("a connection whose calls are refused again and again is cut, and gives back its room", async () => {
    const { address, client, server, cut } = await start(() => VERIFIED, { request: 60_000, headers: 1024 ** 2 });
    const header = { "x-a": "x".repeat(60_000) };
    const session = connect(address);
    const over = new Promise((resolve) => session.once("close", resolve));
    for (let index = 0; index < 999; index++) grpcRequest(session, "VerifyToken", header);
    const second = connect(address);
    for (let index = 0; index < 999; index++) grpcRequest(second, "VerifyToken", header);
    await Promise.race([over, new Promise((resolve) => second.once("close", resolve))]);
    for (const one of [session, second]) one.destroy();
    // Neither connection waits for the other, so the server may notice the close a little later.
    await eventually(() => server.connections() === 0);
    expect(new Set(cut)).to.deep.equal(new Set(["refusals 127.0.0.1"]));
    const { value } = await client.call("VerifyToken", { token: "t" });
    expect(value.verdict).to.equal("verified");
  });

  it("refused calls that arrive in one piece with their data do not harm the server", async () => {
    const { address, client } = await start(() => VERIFIED, { request: 60_000, headers: 1024 ** 2 });
    const full = connect(address);
    // The headers of some 876 calls fill the room of this address and hold it. The rest are refused, but fewer than
    // would have the connection cut, which would give the room back.
    await new Promise((resolve) => {
      for (let index = 0; index < 900; index++) {
        grpcRequest(full, "VerifyToken", { "x-a": "x".repeat(60_000) }).once("close", resolve);
      }
    });
    const call = callHeaders("VerifyToken");
    const calls = Array.from({ length: 300 }, (_, index) => [
      http2Frame(1, 4, index * 2 + 1, call),
      http2Frame(0, 0, index * 2 + 1, Buffer.alloc(10)),
    ]);
    const socket = net.connect({ port: Number(address.split(":").at(-1)), host: "127.0.0.1" });
    const over = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {});
    socket.resume().write(Buffer.concat([Buffer.from(PREFACE), SETTINGS, ...calls.flat()]));
    await over;
    expect(full.closed).to.equal(false);
    full.destroy();
    const { value } = await client.call("VerifyToken", { token: "t" });
    expect(value.verdict).to.equal("verified");
  });

  describe("limits on fields", () => {
    const unknown = (count: number): Buffer => Buffer.alloc(2 * count, Buffer.from([0x78, 0]));
    const send = async (method: string, message: Buffer): Promise<string> => {
      const { address } = await start(() => VERIFIED, { batch: 10 });
      const call = grpcRequest(connect(address), method);
      call.end(frame(message));
      return grpcStatus(call);
    };

    it("a request may have a thousand unknown fields, but not many times as many", async () => {
      expect(await send("VerifyToken", Buffer.concat([GOOD, unknown(990)]))).to.equal("0");
      expect(await send("VerifyToken", Buffer.concat([GOOD, unknown(2001)]))).to.equal(String(status.INTERNAL));
    });

    it("a batch may have more unknown fields than a single request", async () => {
      expect(await send("BatchVerifyTokens", unknown(1160))).to.equal("0");
      expect(await send("BatchVerifyTokens", unknown(2321))).to.equal(String(status.INTERNAL));
      expect(await send("StreamVerifyTokens", unknown(2321))).to.equal(String(status.INTERNAL));
    });

    it("known fields and nested fields count towards the limit too", async () => {
      const repeated = (bytes: number[]) => Buffer.alloc(2001 * bytes.length, Buffer.from(bytes));
      for (const field of [
        [0x28, 1],
        [0x0a, 0],
        [0x22, 0],
        [0x22, 2, 0x0a, 0],
      ]) {
        expect(await send("VerifyToken", repeated(field))).to.equal(String(status.INTERNAL));
      }
    });
  });

  describe("compression", () => {
    const packed = frame(gzipSync(GOOD));
    packed[0] = 1;
    const UNARY = ["VerifyToken", "BatchVerifyTokens"];
    for (const [name, path] of Object.entries(PATHS).filter(([name]) => !UNARY.includes(name))) {
      it(`${name}: a compressed message is UNIMPLEMENTED, and the answer names the accepted encodings`, async () => {
        const { address, asked } = await start(() => VERIFIED);
        const call = grpcRequest(connect(address), "", { ":path": path, "grpc-encoding": "gzip" });
        const headers = new Promise<http2.IncomingHttpHeaders>((resolve) => call.once("response", resolve));
        call.write(packed);
        expect(await grpcStatus(call)).to.equal(String(status.UNIMPLEMENTED));
        expect(await headers).to.include({ "grpc-accept-encoding": "identity" });
        expect(asked).to.have.length(0);
      });
    }

    for (const [name, path] of Object.entries(PATHS).filter(
      ([name]) => name.endsWith("Token") || name.endsWith("Tokens"),
    )) {
      for (const encoding of ["gzip", "deflate", "br", "identity", "snappy, gzip"]) {
        it(`${name}: a message that is not flagged as compressed is taken with grpc-encoding ${encoding}`, async () => {
          const { address, asked } = await start(() => VERIFIED);
          const call = grpcRequest(connect(address), "", { ":path": path, "grpc-encoding": encoding });
          // A request, a batch of it, and a stream's message with it.
          const field = {
            VerifyToken: [],
            BatchVerifyTokens: [0x0a, GOOD.length],
            StreamVerifyTokens: [0x12, GOOD.length],
          };
          call.end(frame(Buffer.from([...(field[name as keyof typeof field] ?? []), ...GOOD])));
          expect(await grpcStatus(call)).to.equal("0");
          expect(asked).to.have.length(1);
        });
      }
    }

    it("a message that is flagged as compressed ends a stream whose messages before it were taken", async () => {
      const { address } = await start(() => VERIFIED);
      const call = grpcRequest(connect(address), "StreamVerifyTokens", { "grpc-encoding": "gzip" });
      call.write(frame(Buffer.from([0x0a, 1, 0x61])));
      await new Promise((resolve) => call.once("data", resolve));
      call.write(packed);
      expect(await grpcStatus(call)).to.equal(String(status.UNIMPLEMENTED));
    });

    for (const name of UNARY) {
      it(`${name}: a message in another encoding than gzip is UNIMPLEMENTED, and the answer names the accepted ones`, async () => {
        const { address, asked } = await start(() => VERIFIED);
        const call = grpcRequest(connect(address), name, { "grpc-encoding": "deflate" });
        const headers = new Promise<http2.IncomingHttpHeaders>((resolve) => call.once("response", resolve));
        call.write(packed);
        expect(await grpcStatus(call)).to.equal(String(status.UNIMPLEMENTED));
        expect(await headers).to.include({ "grpc-accept-encoding": "identity,gzip" });
        expect(await headers, "apart from the status").to.not.have.property("grpc-status");
        expect(asked).to.have.length(0);
      });
    }

    it("a grpc-js client that compresses with gzip is answered", async () => {
      const { address, asked } = await start(() => VERIFIED);
      const { call, raw } = testClient(address, { "grpc.default_compression_algorithm": compressionAlgorithms.gzip });
      expect((await call("VerifyToken", { token: "t" })).value.verdict).to.equal("verified");
      const { value } = await call("BatchVerifyTokens", { requests: [{ token: "a" }, { token: "b" }] });
      expect(value.responses).to.have.length(2);
      expect(asked.map(({ request }) => request.token.reveal())).to.deep.equal(["t", "a", "b"]);
      raw.close();
    });

    it("a grpc-js client that compresses otherwise is refused once, and sends what follows uncompressed", async () => {
      const { address, asked } = await start(() => VERIFIED);
      const { call, raw } = testClient(address, {
        "grpc.default_compression_algorithm": compressionAlgorithms.deflate,
      });
      const error = await failing(call("VerifyToken", { token: "t" }));
      expect(error.code).to.equal(status.UNIMPLEMENTED);
      expect(error.details).to.contain("send messages with gzip or uncompressed");
      expect((await call("VerifyToken", { token: "t" })).value.verdict).to.equal("verified");
      expect(asked).to.have.length(1);
      raw.close();
    });

    it("a grpc-js client that compresses may send a stream's messages with the flag NoCompress", async () => {
      const { address } = await start(() => VERIFIED);
      const { raw } = testClient(address, { "grpc.default_compression_algorithm": compressionAlgorithms.gzip });
      const stream = raw["StreamVerifyTokens"]();
      stream.write({ id: "a", requests: [{ token: "t" }] }, NO_COMPRESS);
      stream.end();
      const { messages, status: ended } = await collect(stream);
      expect(messages.map(({ id }) => id)).to.deep.equal(["a"]);
      expect(ended.code).to.equal(status.OK);
      raw.close();
    });

    it("a unary answer says which encodings the service accepts, and is not compressed", async () => {
      const { address } = await start(() => VERIFIED);
      const call = grpcRequest(connect(address), "VerifyToken", { "grpc-accept-encoding": "gzip" });
      const headers = new Promise<http2.IncomingHttpHeaders>((resolve) => call.once("response", resolve));
      call.end(frame(GOOD));
      expect(await grpcStatus(call)).to.equal("0");
      expect(await headers).to.include({ "grpc-accept-encoding": "identity,gzip", "grpc-encoding": "identity" });
      expect(await headers).to.have.property("date");
    });
  });

  describe("what grpc-js did for unary calls", () => {
    it("a connection with a call now and then is not idle, however short limits.idle is beside its age", async () => {
      const { address } = await start(() => VERIFIED, { idle: 400 });
      const session = connect(address);
      let goaway = false;
      session.on("goaway", () => {
        goaway = true;
      });
      for (let turn = 0; turn < 15; turn++) {
        const call = grpcRequest(session, "VerifyToken");
        call.end(frame(GOOD));
        expect(await grpcStatus(call)).to.equal("0");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      expect(goaway).to.equal(false);
      await once(session, "goaway");
    });

    it("an early status is followed by a reset without an error, if the client has not ended its side", async () => {
      const { address } = await start(() => VERIFIED);
      const session = connect(address);
      const call = grpcRequest(session, "VerifyToken");
      call.write(frame(Buffer.from([0x0b])));
      expect(await grpcStatus(call)).to.equal(String(status.INTERNAL));
      expect(call.rstCode).to.equal(http2.constants.NGHTTP2_NO_ERROR);
    });

    it("an unanswered call past its caller's own deadline gets DEADLINE_EXCEEDED from the service", async () => {
      const { address } = await start(() => new Promise(() => undefined));
      for (const method of ["VerifyToken", "BatchVerifyTokens"]) {
        const call = grpcRequest(connect(address), method, { "grpc-timeout": "50m" });
        call.end(method === "VerifyToken" ? frame(GOOD) : frame(Buffer.from([0x0a, GOOD.length, ...GOOD])));
        expect(await grpcStatus(call)).to.be.oneOf(method === "VerifyToken" ? ["4"] : ["4", "0"]);
      }
      const incomplete = grpcRequest(connect(address), "VerifyToken", { "grpc-timeout": "50m" });
      incomplete.write(frame(GOOD).subarray(0, 7));
      expect(await grpcStatus(incomplete)).to.equal("4");
    });

    it("the bytes of answers that a client does not take count towards its room", async () => {
      const payload = "x".repeat(4 * 1024 ** 2);
      const { address, codes } = await start(() => ({ ...VERIFIED, token: { ...VERIFIED.token, payload } }), {
        request: 60_000,
      });
      const session = connect(address, { settings: { initialWindowSize: 0 } });
      const calls = Array.from({ length: 20 }, () => {
        const call = grpcRequest(session, "VerifyToken");
        call.end(frame(GOOD));
        return call;
      });
      // There is room for fifteen such answers.
      await eventually(() => calls.filter(({ closed }) => closed).length === 5);
      const resets = calls.filter(({ closed }) => closed).map(({ rstCode }) => rstCode);
      expect(new Set(resets)).to.deep.equal(new Set([http2.constants.NGHTTP2_ENHANCE_YOUR_CALM]));
      expect(codes).to.deep.equal(Array.from({ length: 5 }, () => status.RESOURCE_EXHAUSTED));
    });

    it("a connection that resets most of its calls at once takes no more of them", async () => {
      const { address, asked, client, cut } = await start(() => VERIFIED);
      const call = new RawCall(address, "StreamVerifyTokens");
      const [head, body] = [callHeaders("VerifyToken"), frame(GOOD)];
      for (let at = 1; at <= 300; at++) {
        const id = 1 + 2 * at;
        call.send(
          http2Frame(1, 4, id, head),
          http2Frame(0, 1, id, body),
          http2Frame(3, 0, id, Buffer.from([0, 0, 0, 8])),
        );
      }
      await call.arrived();
      expect(asked.length).to.be.within(100, 103);
      expect(cut).to.deep.equal(["resets 127.0.0.1"]);
      call.close();
      expect((await client.call("VerifyToken", { token: "t" })).value.verdict).to.equal("verified");
    });
  });
});
