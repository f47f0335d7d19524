import { once } from "node:events";
import net from "node:net";
import { expect } from "chai";
import type { Verified } from "../../src/contract/verifier.js";
import { Quota } from "../../src/net/http2/quota.js";
import { eventually, REJECTED, type Running, start, VERIFIED } from "../grpc/harness.js";
import { callHeaders, frame, http2Frame } from "../grpc/raw.js";
import { ASKED_AND_RESET, BOMBS, FLOODS, type Flood, GREETING, NO_WINDOW, UNREAD_BATCHES } from "./http2-floods.js";

// Floods of HTTP/2 frames against unary calls, in this process: what is left of them when their connections are closed.
// Against a service in its own process they run in floods.slow.test.ts, and bench/floods.ts measures their memory.

/** Turns of a flood on its connection, unless the service cuts it before. */
const TURNS = 5;

describe("floods of unary calls", () => {
  /** The bytes that all calls of this process have reserved. */
  let reserved = 0;
  let most = 0;
  const { change } = Quota.prototype;
  before(() => {
    Quota.prototype.change = function (client, more) {
      const isFree = change.call(this, client, more);
      if (isFree) reserved += more;
      most = Math.max(most, reserved);
      return isFree;
    };
  });
  beforeEach(() => {
    most = 0;
  });
  after(() => {
    Quota.prototype.change = change;
  });

  /**
   * Sends a flood over one connection, while another client is answered.
   *
   * @param stay waits for something before the connection is closed
   * @returns whether the service cut it
   */
  async function flood(
    running: Running,
    frames: Flood,
    turns = TURNS,
    stay: () => Promise<void> = async () => {},
  ): Promise<boolean> {
    const socket = net.connect({ port: Number(running.address.split(":").at(-1)), host: "127.0.0.1" });
    let isCut = false;
    let pings = 0;
    socket
      .on("error", () => undefined)
      .on("data", (data: Buffer) => {
        // The last ping's answer has 17 bytes at the end of what was sent: length, type, flags, stream, and its content.
        if (data.includes(PONG)) pings++;
      });
    socket.once("close", () => {
      isCut = true;
    });
    await once(socket, "connect");
    socket.write(GREETING);
    for (let turn = 0; turn < turns && !socket.closed; turn++) {
      socket.write(frames(turn));
      await expectAnswer(running);
    }
    if (!isCut) socket.write(http2Frame(6, 0, 0, PING));
    await eventually(() => pings > 0 || isCut);
    await expectAnswer(running);
    await stay();
    const wasCut = isCut;
    socket.destroy();
    return wasCut;
  }

  async function expectAnswer({ client }: Running): Promise<void> {
    expect((await client.call("VerifyToken", { realm: "other", token: "t" })).value.verdict).to.equal("rejected");
  }

  /** Waits for the end of all calls, and closes the server, which must have no call left to cut. */
  async function expectNothingLeft({ server, faults, client }: Running): Promise<void> {
    await eventually(() => server.connections() === 1);
    await eventually(() => reserved === 0);
    expect(server.streams()).to.equal(0);
    client.raw.close();
    expect(await server.close(10_000), "calls that were still open").to.equal(0);
    expect(faults).to.deep.equal([]);
  }

  for (const [what, frames] of Object.entries(FLOODS)) {
    it(`${what}: another client is answered, and no call and no reserved byte is left`, async () => {
      const running = await start(() => REJECTED, { request: 2000, streams: 20 });
      await flood(running, frames);
      await expectNothingLeft(running);
    });
  }

  it("a client that resets whole requests loses its connection before many of them are verified", async () => {
    const running = await start(() => REJECTED);
    expect(await flood(running, ASKED_AND_RESET, 100)).to.equal(true);
    const own = running.asked.filter(({ request }) => request.realm === "integuru");
    // One read of a connection has 64 KiB, some 300 calls.
    expect(own).to.have.length.below(2000);
    await expectNothingLeft(running);
  });

  it("answers that are not taken are reserved, and their calls are reset in time", async () => {
    const running = await start(() => REJECTED, { request: 1000 });
    // Two turns are 40 batches.
    const held = (): Promise<void> => eventually(() => most > 40 * 50_000 && reserved < 50_000);
    expect(await flood(running, UNREAD_BATCHES, 2, held), "connection cut").to.equal(false);
    await expectNothingLeft(running);
  });

  it("a client that takes no answer loses its connection once there is no memory for more of them", async () => {
    const LARGE: Verified = { ...VERIFIED, token: { ...VERIFIED.token, payload: `{"a":"${"a".repeat(1024 ** 2)}"}` } };
    const running = await start(({ token }) => (token.isEmpty ? LARGE : REJECTED), { request: 20_000 });
    const call = callHeaders("VerifyToken");
    const large: Flood = (turn) =>
      Buffer.concat(
        Array.from({ length: 50 }, (_, n) => {
          const id = (turn * 50 + n) * 2 + 1;
          return [http2Frame(1, 4, id, call), http2Frame(0, 1, id, frame(Buffer.alloc(0)))];
        }).flat(),
      );
    const first: Flood = (turn) => Buffer.concat(turn === 0 ? [NO_WINDOW, large(turn)] : [large(turn)]);
    expect(await flood(running, first, 10)).to.equal(true);
    expect(most, "bytes reserved").to.be.within(60 * 1024 ** 2, 64 * 1024 ** 2);
    await expectNothingLeft(running);
  });

  it("messages that unpack to megabytes reserve what they unpack to, and one client's cannot take all", async () => {
    const running = await start(() => REJECTED);
    await flood(running, BOMBS, 4);
    expect(most, "bytes reserved").to.be.within(4 * 1024 ** 2, 64 * 1024 ** 2);
    await expectNothingLeft(running);
  });
});

/** The content of the ping that ends a flood, and its answer. */
const PING = Buffer.from("pingpong");
const PONG = http2Frame(6, 1, 0, PING);
