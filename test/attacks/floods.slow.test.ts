import { expect } from "chai";
import { Wire } from "../http/harness.js";
import { createClient } from "../support/grpc.js";
import { FLOODS, startFlood } from "./http2-floods.js";
import { type Besieged, besiege } from "./siege.js";

// Floods of a service in its own process, while another caller gets right answers about good and bad tokens. The
// benchmark bench/floods.ts measures the memory that they take.

/** The number of rounds in which another caller asks during a flood. */
const ROUNDS = 8;

const post = (path: string, more: string): string => `POST ${path} HTTP/1.1\r\nHost: a\r\n${more}`;
describe("floods of HTTP/2", function () {
  this.timeout(60_000);
  let service: Besieged;
  before(async () => {
    service = await besiege("limits: { request: 3s, idle: 3s, perAddress: 300, streams: 20 }");
  });
  after(() => service.end());
  for (const [what, frames] of Object.entries(FLOODS)) {
    it(`a flood of ${what} leaves another caller's answers right, and no connection or stream open`, async () => {
      const flood = startFlood(service, frames);
      let sent: number;
      try {
        for (let turn = 0; turn < ROUNDS; turn++) await service.expectRight();
      } finally {
        sent = await flood.end();
      }
      expect(sent, "bytes of the flood").to.be.above(10_000);
      // Only the other caller's connection is left.
      const open = 'tokenverifier_connections{port="grpc"}';
      while ((await service.metric(open)) > 1) await service.expectRight();
      expect(await service.metric('tokenverifier_streams{port="grpc"}')).to.equal(0);
    });
  }
});

describe("a flood of pipelined HTTP/1 requests", function () {
  this.timeout(60_000);
  let service: Besieged;
  before(async () => {
    service = await besiege("limits: { perAddress: 300 }");
    for (let turn = 0; turn < 10; turn++) await service.expectRight();
  });
  after(() => service.end());

  it("another caller is answered before a fifth of a flood of pipelined requests", async () => {
    const clients = 100;
    // Each client sends 64 KiB, which Node reads and parses at once.
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

/** Counts the answers in a piece of text by the start of their status lines, which pieces rarely divide. */
const occurrences = (text: unknown): number => String(text).split("HTTP/1.1 ").length - 1;

describe("a flood of distinct tokens", function () {
  this.timeout(60_000);
  let service: Besieged;
  const CACHE = 1024 ** 2;
  before(async () => {
    service = await besiege("cache: { facts: 1MiB }");
  });
  after(() => service.end());

  it("a flood of distinct tokens stays within the cache's bound, and does not evict the tokens of other realms", async () => {
    const client = createClient(`127.0.0.1:${service.port("grpc")}`);
    const lookups = (result: string): Promise<number> =>
      service.metric(`tokenverifier_fact_cache_lookups_total{result="${result}"}`);
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
      // The other realm's token is still cached: it is looked up at least twice a round.
      expect(await lookups("hit")).to.be.above(hits);
      expect(misses).to.be.above(turn * 500);
      held = Math.max(held, await service.metric("tokenverifier_fact_cache_bytes"));
    }
    client.close();
    expect(held).to.be.within(CACHE / 4, CACHE);
  });
});
