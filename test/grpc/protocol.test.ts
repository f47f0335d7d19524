import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { gzipSync } from "node:zlib";
import { status } from "@grpc/grpc-js";
import { expect } from "chai";
import { failing, start, VERIFIED } from "./harness.js";
import { frame, grpcRequest, grpcStatus } from "./raw.js";

/** A VerifyTokenRequest with the realm "r" and the token "t". */
const GOOD = Buffer.from([0x0a, 1, 0x72, 0x12, 1, 0x74]);

/** A gRPC message that is flagged as compressed. */
function packed(bytes: Buffer): Buffer {
  const message = frame(bytes);
  message[0] = 1;
  return message;
}

const GZIP = { "grpc-encoding": "gzip" };

describe("malformed gRPC calls", () => {
  let running: Awaited<ReturnType<typeof start>>;
  let session: http2.ClientHttp2Session;
  before(async () => {
    running = await start(() => VERIFIED, { message: 10_000, request: 200 });
    session = http2.connect(`http://${running.address}`);
    session.on("error", () => undefined);
  });
  after(() => session.destroy());
  afterEach("the server goes on answering", async () => {
    const { value } = await running.client.call("VerifyToken", { token: "t" });
    expect(value.verdict).to.equal("verified");
  });

  const send = (body: Uint8Array, headers = {}, method = "VerifyToken"): Promise<string> => {
    const request = grpcRequest(session, method, headers);
    request.end(body);
    return grpcStatus(request);
  };

  it("control: a well-formed call is answered", async () => {
    expect(await send(frame(GOOD))).to.equal("0");
  });

  const INTERNAL = String(status.INTERNAL);
  const undecodable: Record<string, number[]> = {
    "a field cut short": [0x0a, 5, 0x72],
    "an endless varint": [0x0a, ...Buffer.alloc(11, 0xff)],
    "a group that is not closed": [0x0b],
    "invalid UTF-8 in the realm": [0x0a, 2, 0xc3, 0x28],
    "an overlong encoding in the token": [0x12, 2, 0xc0, 0xae],
    "a surrogate in a secret": [0x1a, 3, 0xed, 0xa0, 0x80],
    "invalid UTF-8 in a client's id": [0x22, 3, 0x0a, 1, 0xff],
  };
  for (const [what, bytes] of Object.entries(undecodable)) {
    it(`a message with ${what} is INTERNAL`, async () => {
      expect(await send(frame(Buffer.from(bytes)))).to.equal(INTERNAL);
    });
  }

  it("deeply nested groups are refused or skipped without harm", async () => {
    let nested = Buffer.alloc(0);
    for (let depth = 0; depth < 200; depth++)
      nested = Buffer.concat([Buffer.from([0x9b, 0x06]), nested, Buffer.from([0x9c, 0x06])]);
    expect(await send(frame(nested))).to.be.oneOf([INTERNAL, "0"]);
  });

  it("an oversized message is RESOURCE_EXHAUSTED", async () => {
    const error = await failing(running.client.call("VerifyToken", { token: "t".repeat(10_001) }));
    expect(error.code).to.equal(status.RESOURCE_EXHAUSTED);
  });

  it("a gzip message that would be larger than the limit unpacked is RESOURCE_EXHAUSTED, and unpacks no more than it says", async () => {
    const large = gzipSync(Buffer.alloc(10_000_000));
    expect(await send(packed(large), GZIP)).to.equal(String(status.RESOURCE_EXHAUSTED));
    large.writeUInt32LE(10, large.length - 4);
    expect(await send(packed(large), GZIP)).to.equal(INTERNAL);
  });

  const gzip = gzipSync(GOOD);
  const malformed: Record<string, Buffer> = {
    "no gzip": Buffer.from("no gzip, but long enough for it"),
    "two members": Buffer.concat([gzip, gzip]),
    "bytes behind its end": Buffer.concat([gzip, Buffer.alloc(3)]),
    "its end missing": gzip.subarray(0, -2),
  };
  for (const [what, bytes] of Object.entries(malformed)) {
    it(`a message flagged as gzip with ${what} is INTERNAL`, async () => {
      expect(await send(packed(bytes), GZIP)).to.equal(INTERNAL);
    });
  }

  it("a gzip message of several kilobytes and one above 16 KiB are taken", async () => {
    for (const size of [4_000, 9_900]) {
      const token = Buffer.concat([Buffer.from([0x12, (size & 127) | 128, size >> 7]), Buffer.alloc(size, 0x74)]);
      expect(await send(packed(gzipSync(token)), GZIP)).to.equal("0");
    }
    const { address } = await start(() => VERIFIED);
    const other = http2.connect(`http://${address}`);
    const size = 1_000_000;
    const field = [0x12, (size & 127) | 128, ((size >> 7) & 127) | 128, size >> 14];
    const request = grpcRequest(other, "VerifyToken", GZIP);
    request.end(packed(gzipSync(Buffer.concat([Buffer.from(field), Buffer.alloc(size, 0x74)]))));
    expect(await grpcStatus(request)).to.equal("0");
    other.destroy();
  });

  it("a message flagged as compressed in a call without an encoding is INTERNAL", async () => {
    expect(await send(packed(gzip))).to.equal(INTERNAL);
    expect(await send(packed(gzip), { "grpc-encoding": "identity" })).to.equal(INTERNAL);
  });

  it("a message flagged as compressed with another encoding than gzip is UNIMPLEMENTED", async () => {
    for (const encoding of ["deflate", "br", "snappy, gzip", "GZIP"]) {
      expect(await send(packed(gzip), { "grpc-encoding": encoding })).to.equal(String(status.UNIMPLEMENTED));
    }
  });

  it("unknown methods and unknown services are UNIMPLEMENTED", async () => {
    expect(await send(frame(GOOD), {}, "Nonsense")).to.equal(String(status.UNIMPLEMENTED));
    expect(await send(frame(GOOD), { ":path": "/a.B/C" })).to.equal(String(status.UNIMPLEMENTED));
  });

  it("a unary call with no message or two messages is UNIMPLEMENTED", async () => {
    expect(await send(Buffer.alloc(0))).to.equal(String(status.UNIMPLEMENTED));
    expect(await send(Buffer.concat([frame(GOOD), frame(GOOD)]))).to.equal(String(status.UNIMPLEMENTED));
  });

  const foreign: Record<string, [http2.OutgoingHttpHeaders, number]> = {
    "another content type": [{ "content-type": "application/json" }, 415],
    "gRPC-Web's content type": [{ "content-type": "application/grpc-web" }, 415],
    "the content type of gRPC with JSON": [{ "content-type": "application/grpc+json" }, 415],
    "the method PUT": [{ ":method": "PUT" }, 405],
    "the method GET": [{ ":method": "GET" }, 405],
    "the method HEAD": [{ ":method": "HEAD" }, 405],
  };
  for (const [what, [headers, answer]] of Object.entries(foreign)) {
    it(`a call with ${what} is answered with HTTP ${answer}`, async () => {
      const request = grpcRequest(session, "VerifyToken", headers);
      request.end(headers[":method"] === undefined ? "{}" : undefined);
      const [got] = (await once(request, "response")) as [http2.IncomingHttpHeaders];
      expect(got[":status"]).to.equal(answer);
      if (answer === 405) expect(got["allow"]).to.equal("POST");
    });
  }

  it("a content type's parameters are ignored", async () => {
    expect(await send(frame(GOOD), { "content-type": "application/grpc+proto; v=1" })).to.equal("0");
  });

  it("a call with headers above the limit is cut", async () => {
    expect(await send(frame(GOOD), { "x-filler": "x".repeat(15_000) })).to.equal("0");
    expect(await send(frame(GOOD), { "x-filler": "x".repeat(17_000) })).to.not.equal("0");
    const error = await failing(running.client.call("VerifyToken", { token: "t" }, { "x-filler": "x".repeat(17_000) }));
    expect(error.code).to.be.oneOf([status.RESOURCE_EXHAUSTED, status.INTERNAL, status.UNAVAILABLE, status.CANCELLED]);
  });

  it("a request that does not arrive whole in time is cut", async () => {
    const request = grpcRequest(session, "VerifyToken");
    request.write(frame(GOOD).subarray(0, 7));
    expect(await grpcStatus(request)).to.equal("cut");
  });

  it("a malformed time-out is INTERNAL", async () => {
    for (const text of ["soon", "1", "100000000S", "1s", "1 S"]) {
      expect(await send(frame(GOOD), { "grpc-timeout": text }), text).to.equal(INTERNAL);
    }
  });

  const strangers: Record<string, string | Buffer> = {
    "HTTP/1.1": "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS to a plain port": Buffer.from("16030100050100000100", "hex"),
    noise: Buffer.alloc(4096, 0xa7),
    "a preface and then noise": Buffer.concat([
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      Buffer.alloc(64, 0xff),
    ]),
  };
  for (const [what, bytes] of Object.entries(strangers)) {
    it(`the connection of a peer that sends ${what} is closed`, async () => {
      const [host, port] = running.address.split(":");
      const socket = net.connect(Number(port), host);
      socket.on("error", () => undefined);
      socket.write(bytes);
      socket.resume();
      await new Promise((resolve) => socket.on("close", resolve));
    });
  }
});
