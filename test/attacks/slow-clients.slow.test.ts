import { expect } from "chai";
import { callHeaders, http2Frame, PREFACE } from "../grpc/raw.js";
import { greet } from "../support/tls.js";
import { CALL, END_HEADERS, GREETING, HEADERS } from "./http2-floods.js";
import { type Besieged, besiege, overWith } from "./siege.js";

// Clients that send a byte at a time, or nothing, to a service in its own process.

/** The bytes that a slow client sends first, and those that it sends at each later turn. */
interface Slow {
  readonly first?: Buffer | string;
  readonly turns?: (turn: number) => Buffer | string;
  readonly closesItsSide?: true;
}

const post = (path: string, more: string): string => `POST ${path} HTTP/1.1\r\nHost: a\r\n${more}`;
const withBody = (more: string): string =>
  post("/api/v1/tokens/verify", `X-Clowk-Secret-Key: x\r\nContent-Type: application/json\r\n${more}\r\n\r\n`);
/** Sends the first bytes of a message, then one at a time. */
const slowly = (headers: Buffer): Slow => ({
  first: Buffer.concat([
    GREETING,
    http2Frame(HEADERS, END_HEADERS, 1, headers),
    http2Frame(0, 0, 1, Buffer.from([0, 0, 0, 1, 0])),
  ]),
  turns: () => http2Frame(0, 0, 1, Buffer.alloc(1)),
});
const REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const CLIENT_HELLO = Buffer.from("16030100c8010000c40303", "hex");

const SLOW: Readonly<Record<string, Readonly<Record<string, Slow>>>> = {
  http: {
    "says nothing": {},
    "sends its headers a byte at a time": { first: post("/", "X: "), turns: () => "x" },
    "sends an announced body a byte at a time": { first: withBody("Content-Length: 60000"), turns: () => "x" },
    "sends a chunked body a byte at a time": {
      first: withBody("Transfer-Encoding: chunked"),
      turns: () => "1\r\nx\r\n",
    },
    "stops in its headers and closes its side": { first: post("/", "X"), closesItsSide: true },
  },
  grpc: {
    "says nothing": {},
    "sends the preface a byte at a time": { turns: (turn) => PREFACE[turn] ?? "" },
    "greets, and says no more": { first: GREETING },
    "sends a block of headers without an end": {
      first: Buffer.concat([GREETING, http2Frame(HEADERS, 0, 1, CALL)]),
    },
    "sends a frame a byte at a time": {
      first: Buffer.concat([GREETING, http2Frame(HEADERS, END_HEADERS, 1, CALL), Buffer.from([0, 1, 0, 0, 0])]),
      turns: () => "\0",
    },
    "sends a message a byte at a time": slowly(CALL),
    "sends a stream's message a byte at a time": slowly(callHeaders("StreamVerifyTokens")),
    "sends a question to health a byte at a time": slowly(callHeaders("/grpc.health.v1.Health/Check")),
    "sends a watch of health a byte at a time": slowly(callHeaders("/grpc.health.v1.Health/Watch")),
    "sends a question to reflection a byte at a time": slowly(callHeaders(REFLECT)),
    "sends a message to an unknown method a byte at a time": slowly(callHeaders("/a.b/C")),
    "sends a compressed message a byte at a time": slowly(callHeaders("VerifyToken", ["grpc-encoding", "gzip"])),
    "opens a stream, and says no more": {
      first: Buffer.concat([GREETING, http2Frame(HEADERS, END_HEADERS, 1, callHeaders("StreamVerifyTokens"))]),
    },
    "takes no answer": {
      first: Buffer.concat([
        Buffer.from(PREFACE),
        http2Frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])),
        http2Frame(HEADERS, END_HEADERS, 1, CALL),
        http2Frame(0, 1, 1, Buffer.alloc(5)),
      ]),
    },
    "stops in the preface and closes its side": { first: PREFACE.slice(0, 10), closesItsSide: true },
  },
  admin: {
    "says nothing": {},
    "stops in its greeting": { first: CLIENT_HELLO },
    "sends its greeting a byte at a time": { first: CLIENT_HELLO, turns: () => "\0" },
    "stops in its greeting and closes its side": { first: CLIENT_HELLO, closesItsSide: true },
  },
};

describe("slow clients, as many as one address may have", function () {
  this.timeout(60_000);
  let service: Besieged;
  before(async () => {
    service = await besiege("limits: { request: 2s, idle: 3s, perAddress: 300 }");
  });
  after(() => service.end());

  for (const [port, kinds] of Object.entries(SLOW)) {
    it(`slow clients at the port ${port} are all cut, while another caller is answered`, async () => {
      const refused = `tokenverifier_connections_refused_total{port="${port}",reason="address"}`;
      const open = `tokenverifier_connections{port="${port}"}`;
      const all = Object.values(kinds);
      // The clients' own sockets count, because the service may answer a question only after it has cut them.
      const counted = { open: 0, atOnce: 0 };
      const clients = Array.from({ length: 300 }, (_, index) => {
        const slow = all[index % all.length]!;
        const socket = service.attacker(port, slow.first ?? "");
        socket.resume().once("connect", () => {
          counted.atOnce = Math.max(counted.atOnce, ++counted.open);
          socket.once("close", () => counted.open--);
        });
        if (slow.closesItsSide === true) socket.end();
        return { slow, socket };
      });
      let turn = 0;
      const drip = setInterval(() => {
        for (const { slow, socket } of clients) if (socket.writable) socket.write(slow.turns?.(turn) ?? "");
        turn++;
      }, 50);
      try {
        let most = 0;
        while (clients.some(({ socket }) => !socket.closed)) {
          await service.expectRight();
          if (port === "admin") (await greet(service.port(port), service.trust)).socket.destroy();
          most = Math.max(most, await service.metric(open));
        }
        expect(counted.atOnce, "were open at once").to.be.within(100, 300);
        expect(most, "were open by its own count").to.be.at.most(310);
        expect(await service.metric(refused)).to.equal(0);
      } finally {
        clearInterval(drip);
        for (const { socket } of clients) socket.destroy();
      }
    });
  }

  it("slow clients beyond limits.perAddress are closed at once, while another caller is answered", async () => {
    const refused = 'tokenverifier_connections_refused_total{port="grpc",reason="address"}';
    const sockets = Array.from({ length: 400 }, () => service.attacker("grpc", GREETING).resume());
    await Promise.all([...sockets.map(overWith), service.expectRight(), service.expectRight()]);
    expect(await service.metric(refused)).to.be.within(1, 100);
  });
});
