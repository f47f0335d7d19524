import { once } from "node:events";
import net from "node:net";
import { expect } from "chai";
import { eventually, REJECTED, type Running, start } from "../grpc/harness.js";
import { callHeaders, frame, headerFrames, http2Frame } from "../grpc/raw.js";
import { GREETING } from "./http2-floods.js";

// Calls that are over before the service hears of them: their frames arrive in one read.

const REALM_OTHER = frame(Buffer.from("\x0a\x05other\x12\x01t", "latin1"));
const PACKED = Buffer.concat([Buffer.from([1]), REALM_OTHER.subarray(1)]);
const END_STREAM = 1;

/** Heads of calls, as the fields that differ from those of a good one. */
const HEADS: Readonly<Record<string, Buffer>> = {
  "a good head": callHeaders("VerifyToken"),
  "a batch's head": callHeaders("BatchVerifyTokens"),
  "a stream's head": callHeaders("StreamVerifyTokens"),
  "the head of a method that does not exist": callHeaders("Nothing"),
  "another method than POST": replaced("POST", "HEAD"),
  "another content type": replaced("application/grpc", "application/json"),
  "a malformed timeout": callHeaders("VerifyToken", ["grpc-timeout", "1x"]),
  "a timeout that is over": callHeaders("VerifyToken", ["grpc-timeout", "0n"]),
  "too large headers": callHeaders("VerifyToken", ["x", "y".repeat(20_000)]),
  "too large headers of a stream": callHeaders("StreamVerifyTokens", ["x", "y".repeat(20_000)]),
  "an encoding": callHeaders("VerifyToken", ["grpc-encoding", "gzip"]),
  "an unknown encoding": callHeaders("VerifyToken", ["grpc-encoding", "br"]),
  "an unknown encoding of a stream": callHeaders("StreamVerifyTokens", ["grpc-encoding", "br"]),
};

function replaced(from: string, to: string): Buffer {
  const block = callHeaders("VerifyToken");
  const at = block.indexOf(Buffer.concat([Buffer.from([from.length]), Buffer.from(from)]));
  const value = Buffer.concat([Buffer.from([to.length]), Buffer.from(to)]);
  return Buffer.concat([block.subarray(0, at), value, block.subarray(at + 1 + from.length)]);
}

const data = (id: number, bytes: Buffer, flags = 0): Buffer => http2Frame(0, flags, id, bytes);
const reset = (id: number): Buffer => http2Frame(3, 0, id, Buffer.from([0, 0, 0, 8]));

/** How the client goes on, and ends the call, in the same write. */
const TAILS: Readonly<Record<string, (id: number) => Buffer>> = {
  "a reset": reset,
  "a reset without an error": (id) => http2Frame(3, 0, id, Buffer.alloc(4)),
  "the end, and a reset": (id) => Buffer.concat([data(id, Buffer.alloc(0), END_STREAM), reset(id)]),
  "a request, and a reset": (id) => Buffer.concat([data(id, REALM_OTHER), reset(id)]),
  "a whole request, and a reset": (id) => Buffer.concat([data(id, REALM_OTHER, END_STREAM), reset(id)]),
  "a packed request, and a reset": (id) => Buffer.concat([data(id, PACKED, END_STREAM), reset(id)]),
  "two requests, and a reset": (id) =>
    Buffer.concat([data(id, REALM_OTHER), data(id, REALM_OTHER, END_STREAM), reset(id)]),
  "a window of 0, and the end": (id) =>
    Buffer.concat([http2Frame(8, 0, id, Buffer.alloc(4)), data(id, REALM_OTHER, 1)]),
  "a window that overflows": (id) => http2Frame(8, 0, id, Buffer.from([0x7f, 0xff, 0xff, 0xff])),
  "data after the end": (id) => Buffer.concat([data(id, REALM_OTHER, END_STREAM), data(id, REALM_OTHER)]),
  "a second head": (id) => Buffer.concat(headerFrames(id, callHeaders("VerifyToken"))),
  "a frame that is no HTTP/2": () => http2Frame(0, 0, 0, Buffer.alloc(4)),
};

describe("calls that are over before the service hears of them", () => {
  let running: Running;
  before(async () => {
    running = await start(() => REJECTED, { request: 1000 });
  });

  /** Opens three calls that end in this way, all in one write. @param isLast whether the client closes its side, too */
  async function send(block: Buffer, end: (id: number) => Buffer, hasEnded: boolean, isLast: boolean): Promise<void> {
    const socket = net.connect({ port: Number(running.address.split(":").at(-1)), host: "127.0.0.1" });
    socket.on("error", () => undefined).resume();
    await once(socket, "connect");
    const frames = [1, 3, 5].flatMap((id) => {
      const heads = headerFrames(id, block);
      if (hasEnded) heads[0]?.writeUInt8(heads[0].readUInt8(4) | END_STREAM, 4);
      return [...heads, end(id)];
    });
    socket.write(Buffer.concat([GREETING, ...frames]));
    if (isLast) socket.destroySoon();
    const { value } = await running.client.call("VerifyToken", { realm: "other", token: "t" });
    expect(value.verdict).to.equal("rejected");
    socket.destroy();
  }

  for (const [head, block] of Object.entries(HEADS)) {
    it(`${head}, and whatever ends the call in the same read, leaves the service running`, async () => {
      const ways = [0, 1, 2, 3].map((way) => [way % 2 === 1, way >= 2] as const);
      await Promise.all(
        Object.values(TAILS).flatMap((end) => ways.map(([hasEnded, isLast]) => send(block, end, hasEnded, isLast))),
      );
      await eventually(() => running.server.connections() === 1);
    });
  }

  it("none of them is left open", async () => {
    running.client.raw.close();
    expect(await running.server.close(10_000)).to.equal(0);
    expect(running.faults).to.deep.equal([]);
  });
});
