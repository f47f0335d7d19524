import { expect } from "chai";
import type { Outcome } from "../../src/contract/verifier.js";
import { valuesOf } from "../support/http.js";
import { FISERV, GOOD_BODY, good, INTEGURU, open, verdict, Wire, withBody } from "./harness.js";

// Many requests sent on one connection before any of their answers.

/** The most requests that are under way at once: those answered together, and those in one more piece of input. */
const MOST = 16 + 20;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("gateway: pipelined requests", () => {
  it("any number of pipelined requests are answered in order", async () => {
    const server = await open();
    const ids = Array.from({ length: 500 }, (_, index) => `id-${index}`);
    const paths = [INTEGURU, FISERV];
    const requests = ids.map((id, index) => good(paths[index % 2] ?? "", [["X-Request-Id", id]]));
    const wire = new Wire(server.port).send(Buffer.concat(requests));
    for (const [index, id] of ids.entries()) {
      const answer = await wire.answer();
      expect(answer).to.include({ status: 200, body: GOOD_BODY[paths[index % 2] ?? ""] });
      expect(valuesOf(answer, "X-Request-Id")).to.deep.equal([id]);
    }
    wire.halfClose();
    await wire.closed;
  });

  /** Requests of 256 bytes, each with a body, of which one ends 30 bytes after every 256th byte. */
  const straddling = (count: number): Buffer[] => {
    const ofLength = (length: number): Buffer => {
      const padded = (body: number): Buffer => withBody(INTEGURU, Buffer.alloc(body, "x"), false, "");
      return padded(100 + length - padded(100).length);
    };
    return Array.from({ length: count }, (_, index) => ofLength(index === 0 ? 256 + 30 : 256));
  };

  const manyRequests: Readonly<Record<string, (count: number) => Buffer[]>> = {
    "pipelined requests": (count) => Array.from({ length: count }, () => good(INTEGURU)),
    "pipelined requests whose bodies hold the ends of all slices": straddling,
  };
  for (const [what, requests] of Object.entries(manyRequests)) {
    it(`a limited number of ${what} are read before there are answers, and the rest afterwards`, async () => {
      const pending: (() => void)[] = [];
      let isQuick = false;
      const server = await open((request) => {
        const outcome = verdict(request);
        return isQuick ? outcome : new Promise<Outcome>((resolve) => pending.push(() => resolve(outcome)));
      });
      const wire = new Wire(server.port).send(Buffer.concat(requests(300)));
      while (pending.length < 16) await turn();
      // A request on another connection arrives after everything that this one had sent.
      const other = new Wire(server.port).send(good(INTEGURU, [["X-Request-Id", "other"]]));
      const before = pending.length;
      while (pending.length === before) await turn();
      expect(pending.length).to.be.within(17, MOST);
      isQuick = true;
      for (const answer of pending) answer();
      for (let answered = 0; answered < 300; answered++) expect((await wire.answer()).status).to.equal(200);
      expect((await other.answer()).status).to.equal(200);
      expect(server.calls).to.have.length(301);
      wire.halfClose();
      other.halfClose();
    });
  }

  it("floods of pipelined requests do not hold up another client's request", async () => {
    const server = await open();
    const floods = Array.from({ length: 20 }, () =>
      new Wire(server.port).send(Buffer.concat(Array.from({ length: 1000 }, () => good("/nowhere")))),
    );
    while (server.calls.length < 100) await turn();
    const answer = await new Wire(server.port).send(good(INTEGURU)).answer();
    expect(answer.status).to.equal(200);
    const before = server.calls.findIndex(({ via }) => via !== "unknown");
    expect(before, "requests before that one").to.be.within(100, 10_000);
    for (const wire of floods) wire.reset();
  });

  it("large bodies of many pipelined requests are read whole", async () => {
    const server = await open();
    const body = Buffer.from(`{"token":"good","client_id":"a","client_secret":"b","x":"${"x".repeat(60_000)}"}`);
    const requests = Array.from({ length: 40 }, (_, index) => withBody(FISERV, body, index % 2 === 0, ""));
    const wire = new Wire(server.port).send(Buffer.concat(requests));
    for (const _ of requests) expect(await wire.answer()).to.include({ status: 200, body: GOOD_BODY[FISERV] });
    wire.halfClose();
  });

  it("requests of any length are answered in order, wherever the pieces they arrive in end", async () => {
    const server = await open();
    const ids = Array.from({ length: 60 }, (_, index) => `id-${index}`);
    const bytes = Buffer.concat(
      ids.map((id, index) => {
        const headers = [
          ["X-Request-Id", id],
          ["X-Filler", "x".repeat((index * 37) % 1200)],
        ] as const;
        return good(index % 2 === 0 ? INTEGURU : FISERV, headers);
      }),
    );
    const wire = new Wire(server.port);
    for (let at = 0, piece = 1; at < bytes.length; at += piece, piece = (piece * 7) % 1999) {
      wire.send(bytes.subarray(at, at + piece));
      await turn();
    }
    for (const id of ids) expect(valuesOf(await wire.answer(), "X-Request-Id")).to.deep.equal([id]);
    wire.halfClose();
  });

  it("a client that closes its side after pipelined requests gets all their answers", async () => {
    const server = await open();
    const wire = new Wire(server.port).send(Buffer.concat(Array.from({ length: 100 }, () => good(INTEGURU))));
    wire.halfClose();
    for (let answered = 0; answered < 100; answered++) expect((await wire.answer()).status).to.equal(200);
    await wire.closed;
  });

  it("nonsense after pipelined requests is answered once, after them", async () => {
    const server = await open();
    const flood = Array.from({ length: 50 }, () => good(INTEGURU));
    const wire = new Wire(server.port).send(Buffer.concat([...flood, Buffer.from("nonsense\r\n\r\n".repeat(500))]));
    for (let answered = 0; answered < 50; answered++) expect((await wire.answer()).status).to.equal(200);
    expect((await wire.answer()).status).to.equal(400);
    await wire.closed;
    expect(wire.text).to.equal("");
  });
});
