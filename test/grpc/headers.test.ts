import http2 from "node:http2";
import { status } from "@grpc/grpc-js";
import { expect } from "chai";
import { createServer } from "../../src/grpc/server.js";
import { failing, LIMITS, start, VERIFIED } from "./harness.js";
import { callHeaders, frame, grpcRequest, grpcStatus, headerFrames, RawCall } from "./raw.js";

// `limits.headers` of a gRPC port. Node holds to it once a client has acknowledged SETTINGS, and the service itself before.

/** A VerifyTokenRequest with the realm "r" and the token "t". */
const GOOD = Buffer.from([0x0a, 1, 0x72, 0x12, 1, 0x74]);
const KIB = 1024;
const EXHAUSTED = String(status.RESOURCE_EXHAUSTED);

/** Metadata of so many bytes, in fields of at most 10 KiB. */
function metadata(bytes: number): Record<string, string> {
  const fields = Array.from({ length: Math.ceil(bytes / (10 * KIB)) }, (_, at) => {
    return [`x-filler-${at}`, "x".repeat(Math.min(10 * KIB, bytes - at * 10 * KIB))] as const;
  });
  return Object.fromEntries(fields);
}

describe("limits.headers of a gRPC port", () => {
  const closing: { destroy(): void }[] = [];
  afterEach(() => {
    for (const one of closing.splice(0)) one.destroy();
  });

  /** A connection whose client could send more headers than Node's clients do by default. */
  function connect(address: string): http2.ClientHttp2Session {
    const session = http2.connect(`http://${address}`, { maxSendHeaderBlockLength: 10 ** 6 });
    session.on("error", () => undefined);
    closing.push(session);
    return session;
  }

  function raw(address: string, ...more: readonly [string, string][]): RawCall {
    const call = new RawCall(address, "VerifyToken", ...more);
    closing.push({ destroy: () => call.close() });
    return call;
  }

  /** Sends a call before the client has got any SETTINGS. */
  async function first(address: string, headers: Record<string, string>): Promise<string> {
    return send(connect(address), headers);
  }

  /** Sends a call on a connection whose client has acknowledged SETTINGS, after a small call that is answered. */
  async function later(address: string, headers: Record<string, string>): Promise<string> {
    const session = connect(address);
    expect(await send(session, {}), "a call before").to.equal("0");
    return send(session, headers);
  }

  /** The status of a call as a gRPC client shows it: gRPC over HTTP/2 maps ENHANCE_YOUR_CALM to RESOURCE_EXHAUSTED. */
  async function send(session: http2.ClientHttp2Session, headers: Record<string, string>): Promise<string> {
    const call = grpcRequest(session, "VerifyToken", headers);
    call.end(frame(GOOD));
    const ended = await grpcStatus(call);
    return call.rstCode === http2.constants.NGHTTP2_ENHANCE_YOUR_CALM ? EXHAUSTED : ended;
  }

  for (const [when, ask] of Object.entries({ "in the first flight": first, "on a used connection": later })) {
    it(`metadata above the limit is RESOURCE_EXHAUSTED ${when}, and reaches no verifier`, async () => {
      const { address, asked } = await start(() => VERIFIED, { headers: 4 * KIB });
      expect(await ask(address, metadata(3 * KIB))).to.equal("0");
      for (const size of [5 * KIB, 40 * KIB, 100 * KIB]) {
        expect(await ask(address, metadata(size)), `${size} bytes`).to.equal(EXHAUSTED);
      }
      expect(asked, "calls answered with 0").to.have.length(ask === first ? 1 : 5);
    });

    it(`a limit of 128 KiB admits metadata of 100 KiB ${when}, and refuses 130 KiB`, async () => {
      const { address } = await start(() => VERIFIED, { headers: 128 * KIB });
      expect(await ask(address, metadata(100 * KIB))).to.equal("0");
      expect(await ask(address, metadata(130 * KIB))).to.equal(EXHAUSTED);
    });

    it(`a call may have 256 headers ${when}, and one with 257 is RESOURCE_EXHAUSTED`, async () => {
      const { address } = await start(() => VERIFIED, { headers: 128 * KIB });
      // Each call has :method, :path, :scheme, :authority, content-type and te.
      const fields = (count: number) =>
        Object.fromEntries(Array.from({ length: count - 6 }, (_, at) => [`x-${at}`, "1"]));
      expect(await ask(address, fields(256))).to.equal("0");
      expect(await ask(address, fields(257))).to.equal(EXHAUSTED);
    });

    it(`the limit counts names, values and 32 bytes for each header ${when}`, async () => {
      const { address } = await start(() => VERIFIED, { headers: 2 * KIB });
      const own = {
        ":method": "POST",
        ":path": "/tokenverifier.v1.TokenVerifier/VerifyToken",
        ":scheme": "http",
        ":authority": address,
        "content-type": "application/grpc",
        te: "trailers",
        x: "",
      };
      const size = Object.entries(own).reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
      expect(await ask(address, { x: "y".repeat(2 * KIB - size) })).to.equal("0");
      expect(await ask(address, { x: "y".repeat(2 * KIB - size + 1) })).to.equal(EXHAUSTED);
    });
  }

  it("a grpc-js client sees RESOURCE_EXHAUSTED for its first call and for later ones", async () => {
    const { client } = await start(() => VERIFIED, { headers: 4 * KIB });
    const ask = (bytes: number) => client.call("VerifyToken", { token: "t" }, metadata(bytes));
    expect((await failing(ask(40 * KIB))).code).to.equal(status.RESOURCE_EXHAUSTED);
    expect((await ask(3 * KIB)).value.verdict).to.equal("verified");
    expect((await failing(ask(40 * KIB))).code).to.equal(status.RESOURCE_EXHAUSTED);
  });

  it("a call above the limit in the bytes of the preface is answered, not judged, and its connection goes on", async () => {
    const { address, asked } = await start(() => VERIFIED, { headers: 4 * KIB });
    const call = raw(address, ["x-filler", "x".repeat(40 * KIB)]);
    expect(await call.frames(1)).to.deep.equal([1]);
    await call.arrived();
    expect(asked).to.have.length(0);
    expect(call.isClosed).to.equal(false);
  });

  it("a client that never acknowledges SETTINGS loses its connection after a hundred such calls", async () => {
    const { address, asked } = await start(() => VERIFIED, { headers: 4 * KIB });
    const call = raw(address);
    const large = callHeaders("VerifyToken", ["x-filler", "x".repeat(5 * KIB)]);
    for (let at = 1; at <= 101; at++) call.send(...headerFrames(1 + 2 * at, large));
    await call.closed();
    expect(asked).to.have.length(0);
  });

  it("a single header above 64 KiB ends its connection, and no other", async () => {
    const { address, client } = await start(() => VERIFIED, { headers: 128 * KIB });
    const call = raw(address, ["x-filler", "x".repeat(64 * KIB + 1)]);
    await call.closed();
    expect((await client.call("VerifyToken", { token: "t" })).value.verdict).to.equal("verified");
  });

  it("the operators' port holds to it too", async () => {
    const server = createServer({ limits: { ...LIMITS, headers: 4 * KIB } });
    const address = await server.listen("127.0.0.1:0");
    const check = async (bytes: number): Promise<string> => {
      const call = grpcRequest(connect(address), "", { ":path": "/grpc.health.v1.Health/Check", ...metadata(bytes) });
      call.end(frame(Buffer.alloc(0)));
      return grpcStatus(call);
    };
    expect(await check(3 * KIB)).to.equal("0");
    expect(await check(40 * KIB)).to.equal(EXHAUSTED);
    await server.close(0);
  });
});
