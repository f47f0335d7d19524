import type net from "node:net";
import { expect } from "chai";
import { callHeaders, hpackHeader, http2Frame, PREFACE, SETTINGS } from "../grpc/raw.js";
import { Wire } from "../http/harness.js";
import { createClient } from "../support/grpc.js";
import { greet } from "../support/tls.js";
import { type Besieged, besiege, overWith } from "./siege.js";

// Much at once, against a service in a process of its own. While it lasts, another caller is given right answers about
// good and bad tokens; and what the service holds stays within bounds, which its own metrics tell.

const MB = 1024 ** 2;
/** Bytes that the heap may hold more after a flood, once its garbage was collected: what Node compiled meanwhile. */
const HELD = 8 * MB;
/** Bytes that the process may take more under a flood, garbage that is not yet collected among them. */
const TAKEN = 512 * MB;
/** Connections of a flood at a time: of two that read what they are told, and of two that do not. */
const ATTACKERS = 4;
/** How often another caller asks under a flood. */
const ROUNDS = 8;
const GREETING = Buffer.concat([Buffer.from(PREFACE), SETTINGS]);
const CALL = callHeaders("VerifyToken");
const CANCEL = Buffer.from([0, 0, 0, 8]);

const HEADERS = 1;
const END_HEADERS = 4;

/** What a slow client sends first, and what at each turn from then on. */
interface Slow {
  readonly first?: Buffer | string;
  readonly turns?: (turn: number) => Buffer | string;
  readonly closesItsSide?: true;
}

const post = (path: string, more: string): string => `POST ${path} HTTP/1.1\r\nHost: a\r\n${more}`;
const withBody = (more: string): string =>
  post("/api/v1/tokens/verify", `X-Clowk-Secret-Key: x\r\nContent-Type: application/json\r\n${more}\r\n\r\n`);
/** The first bytes of a message, then one at a time. */
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
    "sends a message to nobody a byte at a time": slowly(callHeaders("/a.b/C")),
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

describe("slow clients, as many as one address may be", function () {
  this.timeout(60_000);
  let service: Besieged;
  before(async () => {
    service = await besiege("limits: { request: 2s, idle: 3s, perAddress: 300 }");
  });
  after(() => service.end());

  for (const [port, kinds] of Object.entries(SLOW)) {
    it(`port ${port}: all are cut in time, and nobody else is kept waiting`, async () => {
      const refused = `tokenverifier_connections_refused_total{port="${port}",reason="address"}`;
      const open = `tokenverifier_connections{port="${port}"}`;
      const all = Object.entries(kinds);
      // Told by the clients' own sockets: whoever asks the service may stand still until it has cut them.
      const told = { open: 0, atOnce: 0 };
      const clients = Array.from({ length: 300 }, (_, index) => {
        const [what, slow] = all[index % all.length]!;
        const socket = service.attacker(port, slow.first ?? "");
        socket.resume().once("connect", () => {
          told.atOnce = Math.max(told.atOnce, ++told.open);
          socket.once("close", () => told.open--);
        });
        if (slow.closesItsSide === true) socket.end();
        return { what, slow, socket };
      });
      let turn = 0;
      const drip = setInterval(() => {
        for (const { slow, socket } of clients) if (socket.writable) socket.write(slow.turns?.(turn) ?? "");
        turn++;
      }, 50);
      try {
        let most = 0;
        const started = performance.now();
        while (clients.some(({ socket }) => !socket.closed)) {
          await service.expectRight();
          if (port === "admin") (await greet(service.port(port), service.trust)).socket.destroy();
          most = Math.max(most, await service.metric(open));
          if (performance.now() - started > 20_000) break;
        }
        const left = clients.filter(({ socket }) => !socket.closed).map(({ what }) => what);
        expect([...new Set(left)], "still open").to.deep.equal([]);
        expect(told.atOnce, "were open at once").to.be.within(100, 300);
        expect(most, "were open by its own count").to.be.at.most(310);
        expect(await service.metric(refused)).to.equal(0);
      } finally {
        clearInterval(drip);
        for (const { socket } of clients) socket.destroy();
      }
    });
  }

  it("one more than that is closed at once, and others come in", async () => {
    const refused = 'tokenverifier_connections_refused_total{port="grpc",reason="address"}';
    const sockets = Array.from({ length: 400 }, () => service.attacker("grpc", GREETING).resume());
    await Promise.all([...sockets.map(overWith), service.expectRight(), service.expectRight()]);
    expect(await service.metric(refused)).to.be.within(1, 100);
  });
});

/** Frames that are sent again and again on one connection. @param turn how often before */
type Flood = (turn: number) => Buffer;

const many = (count: number, frame: (n: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, n) => frame(n)));
const ACK_WANTED = many(1000, () => http2Frame(6, 0, 0, Buffer.alloc(8)));
const NEW_WINDOW = many(1000, () => http2Frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 255, 255])));
const NO_DATA = many(1000, () => http2Frame(0, 0, 1, Buffer.alloc(0)));
const OTHER_ORDER = many(1000, () => http2Frame(2, 0, 1, Buffer.from([0, 0, 0, 0, 1])));
/** Calls that were not there before: ids of a client's streams are odd. */
const calls = (turn: number, more: (id: number) => Buffer, headers = CALL): Buffer =>
  many(500, (n) => {
    const id = (turn * 500 + n) * 2 + 1;
    return Buffer.concat([http2Frame(HEADERS, END_HEADERS, id, headers), more(id)]);
  });
const continued = (turn: number, more: Buffer): Buffer => http2Frame(turn === 0 ? HEADERS : 9, 0, 1, more);

const CHECK = callHeaders("/grpc.health.v1.Health/Check");
const BEGUN = Buffer.from([0, 0, 0, 255, 0, ...Buffer.alloc(95)]);

const RESETS: Flood = (turn) => calls(turn, (id) => http2Frame(3, 0, id, CANCEL));

const FLOODS: Readonly<Record<string, Flood>> = {
  pings: () => ACK_WANTED,
  SETTINGS: () => NEW_WINDOW,
  "calls that are reset at once": RESETS,
  "calls that are left open": (turn) => calls(turn, () => Buffer.alloc(0)),
  "messages that are left unfinished": (turn) => calls(turn, (id) => http2Frame(0, 0, id, BEGUN), CHECK),
  "calls that are reset by an error of their own": (turn) => calls(turn, (id) => http2Frame(8, 0, id, Buffer.alloc(4))),
  "headers without end": (turn) => continued(turn, turn === 0 ? CALL : hpackHeader("x", "y".repeat(8000))),
  "headers in frames of nothing": (turn) =>
    turn === 0 ? continued(0, CALL) : many(100, () => continued(1, Buffer.alloc(0))),
  "headers that unpack to megabytes": (turn) => {
    // One header of 4,000 bytes for the table, and a thousand mentions of it.
    const mentions = Buffer.alloc(1000, 0xbe);
    return http2Frame(
      HEADERS,
      END_HEADERS,
      turn * 2 + 1,
      Buffer.concat([CALL, hpackHeader("x", "y".repeat(4000), true), mentions]),
    );
  },
  "data of nothing": (turn) => (turn === 0 ? http2Frame(HEADERS, END_HEADERS, 1, CALL) : NO_DATA),
  "changes of priority": () => OTHER_ORDER,
};

describe("floods of HTTP/2", function () {
  this.timeout(60_000);
  let service: Besieged;
  const siege = { isOver: false };
  before(async () => {
    service = await besiege("limits: { request: 3s, idle: 3s, perAddress: 300, streams: 20 }");
    for (let turn = 0; turn < 50; turn++) await service.expectRight();
    await Promise.all([flood(RESETS, true), flood(RESETS, false)]);
  });
  after(() => service.end());
  const memory = (): Promise<number> => service.metric("process_resident_memory_bytes");

  /** Floods over one connection until the service has enough of it; the bytes that it was sent. */
  async function flood(frames: Flood, reads: boolean): Promise<number> {
    const socket = service.attacker("grpc", GREETING);
    const told = { off: false };
    // A GOAWAY has 17 bytes or more, of which the fourth is 7; whatever else is told is shorter here, or comes at the end.
    if (reads) socket.on("data", (data: Buffer) => (told.off ||= data[3] === 7));
    else socket.pause();
    for (let turn = 0; !(siege.isOver || told.off || socket.closed || socket.destroyed); turn++) {
      if (!socket.write(frames(turn)) && !(await drained(socket))) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const sent = socket.bytesWritten;
    socket.destroy();
    await overWith(socket);
    return sent;
  }

  for (const [what, frames] of Object.entries(FLOODS)) {
    it(what, async () => {
      const held = await service.held();
      const before = await memory();
      siege.isOver = false;
      let sent = 0;
      let most = before;
      const attackers = Array.from({ length: ATTACKERS }, async (_, index) => {
        while (!siege.isOver) sent += await flood(frames, index % 2 === 0);
      });
      try {
        for (let turn = 0; turn < ROUNDS; turn++) {
          await service.expectRight();
          most = Math.max(most, await memory());
        }
      } finally {
        siege.isOver = true;
        await Promise.all(attackers);
      }
      expect(sent, "bytes of the flood").to.be.above(10_000);
      expect(most - before, "bytes taken").to.be.below(TAKEN);
      // Nothing of it is left: no connection but the other caller's, no stream, and no memory.
      const open = 'tokenverifier_connections{port="grpc"}';
      while ((await service.metric(open)) > 1) await service.expectRight();
      expect(await service.metric('tokenverifier_streams{port="grpc"}')).to.equal(0);
      // What was cut goes when the event loop comes to it, on a busy machine some rounds later.
      let left = Number.POSITIVE_INFINITY;
      for (let turn = 0; turn < 50 && left >= HELD; turn++) {
        await service.expectRight();
        left = (await service.held()) - held;
      }
      expect(left, "bytes held").to.be.below(HELD);
    });
  }
});

/** Waits until a connection takes more; false where it takes no more within a while, or is over. */
function drained(socket: net.Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      socket.off("drain", done).off("close", done);
      resolve(!socket.writableNeedDrain && !socket.destroyed);
    };
    const timer = setTimeout(done, 300);
    socket.on("drain", done).on("close", done);
  });
}

describe("a flood of pipelined HTTP/1 requests", function () {
  this.timeout(60_000);
  let service: Besieged;
  before(async () => {
    service = await besiege("limits: { perAddress: 300 }");
    for (let turn = 0; turn < 10; turn++) await service.expectRight();
  });
  after(() => service.end());

  it("another caller is answered before a fifth of it", async () => {
    const clients = 100;
    // 64 KiB each: what Node reads and parses at once.
    const requests = 1200;
    const pipelined = post("/", "Content-Length: 0\r\n\r\n").repeat(requests);
    const sockets = Array.from({ length: clients }, () => service.attacker("http", ""));
    const answered = { count: 0 };
    for (const socket of sockets)
      socket.setEncoding("latin1").on("data", (text) => (answered.count += occurrences(text)));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    const other = new Wire(service.port("http")).send(post("/", "\r\n"));
    await other.answer();
    for (const socket of sockets) socket.write(pipelined);
    await other.send(post("/", "\r\n")).answer();
    const before = answered.count;
    other.reset();
    const isOver = (): boolean => answered.count >= clients * requests || sockets.some((socket) => socket.closed);
    while (!isOver()) await service.expectRight();
    expect(answered.count, "answers to the flood in all").to.equal(clients * requests);
    expect(before, "answers to the flood before the other caller's").to.be.below((clients * requests) / 5);
  });
});

/** The answers in a piece of text, by the first characters of a status line, which no piece divides for long. */
const occurrences = (text: unknown): number => String(text).split("HTTP/1.1 ").length - 1;

describe("a flood of distinct tokens", function () {
  this.timeout(60_000);
  let service: Besieged;
  const CACHE = 1 * MB;
  before(async () => {
    service = await besiege("cache: { facts: 1MiB }");
  });
  after(() => service.end());

  it("stays within the cache's bound, and leaves the tokens of other realms theirs", async () => {
    const client = createClient(`127.0.0.1:${service.port("grpc")}`);
    const lookups = (result: string): Promise<number> =>
      service.metric(`tokenverifier_fact_cache_lookups_total{result="${result}"}`);
    for (let turn = 0; turn < 20; turn++) await service.expectRight();
    const before = await service.held();
    let held = 0;
    for (let turn = 0; turn < 10; turn++) {
      const tokens = await Promise.all(
        Array.from({ length: 500 }, (_, n) => service.mint("integuru", `jti=${turn}-${n}`, `x=${"x".repeat(500)}`)),
      );
      const items = client.batch(tokens.map((token) => ({ realm: "integuru", token })));
      await service.expectRight();
      const outcomes = await items;
      if (!Array.isArray(outcomes)) throw new Error(JSON.stringify(outcomes));
      for (const outcome of outcomes) expect(outcome).to.have.nested.property("verdict.verified");
      const [hits, misses] = [await lookups("hit"), await lookups("miss")];
      await service.expectRight();
      // What was there before the flood is there still: the other realm's token, twice a round at the least.
      expect(await lookups("hit")).to.be.above(hits);
      expect(misses).to.be.above(turn * 500);
      held = Math.max(held, await service.metric("tokenverifier_fact_cache_bytes"));
    }
    client.close();
    expect(held).to.be.within(CACHE / 4, CACHE);
    expect((await service.held()) - before, "bytes held").to.be.below(HELD);
  });
});
