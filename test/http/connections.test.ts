import { expect } from "chai";
import type { Outcome } from "../../src/contract/verifier.js";
import { requestBytes, valuesOf } from "../support/http.js";
import {
  CLOWK,
  FACES,
  FISERV,
  GOOD_BODY,
  good,
  INTEGURU,
  type Opened,
  open,
  READING_FACES,
  verdict,
  Wire,
} from "./harness.js";

// The gateway's HTTP on the wire, apart from any vendor.

/** Checks that the same server still answers. */
async function expectAlive({ port }: Opened): Promise<void> {
  for (const path of FACES) {
    const answer = await new Wire(port).send(good(path, [["Connection", "close"]])).answer();
    expect(answer).to.include({ status: 200, body: GOOD_BODY[path] });
  }
}

describe("gateway: connections", () => {
  let server: Opened;
  before(async () => {
    server = await open();
  });
  afterEach(() => expectAlive(server));

  for (const path of FACES) {
    describe(path, () => {
      it(`${path}: a connection is kept for the next request`, async () => {
        const wire = new Wire(server.port);
        for (let turn = 0; turn < 3; turn++) {
          expect(await wire.send(good(path)).answer()).to.include({ status: 200, body: GOOD_BODY[path] });
        }
        expect(wire.isClosed).to.equal(false);
        wire.halfClose();
        await wire.closed;
      });

      it(`${path}: three requests in one packet are answered in order`, async () => {
        const ids = ["first", "second", "third"];
        const wire = new Wire(server.port).send(Buffer.concat(ids.map((id) => good(path, [["X-Request-Id", id]]))));
        for (const id of ids) {
          const answer = await wire.answer();
          expect(answer).to.include({ status: 200, body: GOOD_BODY[path] });
          expect(valuesOf(answer, "X-Request-Id")).to.deep.equal([id]);
        }
        wire.halfClose();
      });

      it(`${path}: a connection is closed if the client asks for it`, async () => {
        const wire = new Wire(server.port).send(good(path, [["Connection", "close"]]));
        const answer = await wire.answer();
        expect(answer.status).to.equal(200);
        expect(valuesOf(answer, "Connection")).to.deep.equal(["close"]);
        await wire.closed;
        expect(wire.text).to.equal("");
      });

      it(`${path}: a client that has closed its side gets its answer`, async () => {
        const wire = new Wire(server.port).send(good(path));
        wire.halfClose();
        expect(await wire.answer()).to.include({ status: 200, body: GOOD_BODY[path] });
        await wire.closed;
      });

      it(`${path}: an HTTP/1.0 request is answered, and its connection closed`, async () => {
        const wire = new Wire(server.port).send(good(path).toString().replace("HTTP/1.1", "HTTP/1.0"));
        expect(await wire.answer()).to.include({ status: 200, body: GOOD_BODY[path] });
        await wire.closed;
      });
    });
  }

  it("pipelined requests are answered in order, even if the second is ready first", async () => {
    let release!: (outcome: Outcome) => void;
    let waiting!: () => void;
    const asked = new Promise<void>((resolve) => {
      waiting = resolve;
    });
    const slow = await open((request) => {
      if (request.token.reveal() !== "slow") return verdict(request);
      return new Promise((resolve) => {
        release = resolve;
        waiting();
      });
    });
    const first = good(INTEGURU, [["X-Request-Id", "slow"]])
      .toString()
      .replace("Bearer good", "Bearer slow");
    const wire = new Wire(slow.port).send(first + good(INTEGURU, [["X-Request-Id", "quick"]]).toString());
    await asked;
    release({ kind: "rejected", reason: "TOKEN_EXPIRED", claim: "exp", signatureVerified: false, checks: [] });
    expect(valuesOf(await wire.answer(), "X-Request-Id")).to.deep.equal(["slow"]);
    expect(valuesOf(await wire.answer(), "X-Request-Id")).to.deep.equal(["quick"]);
    wire.halfClose();
  });

  it("the gateway survives a client that resets its connection before the answer", async () => {
    let seen!: () => void;
    const asked = new Promise<void>((resolve) => {
      seen = resolve;
    });
    let release!: (outcome: Outcome) => void;
    const slow = await open(() => {
      seen();
      return new Promise((resolve) => {
        release = resolve;
      });
    });
    const wire = new Wire(slow.port).send(good(INTEGURU));
    await asked;
    wire.reset();
    await wire.closed;
    release({ kind: "rejected", reason: "TOKEN_EXPIRED", claim: "exp", signatureVerified: false, checks: [] });
    const other = new Wire(slow.port).send(good(INTEGURU));
    while (slow.asked.length < 2) await new Promise((resolve) => setImmediate(resolve));
    release({ kind: "rejected", reason: "TOKEN_EXPIRED", claim: "exp", signatureVerified: false, checks: [] });
    expect((await other.answer()).status).to.equal(401);
    expect(slow.faults).to.deep.equal([]);
    other.halfClose();
  });

  it("the gateway survives a client that goes away in the middle of its body", async () => {
    const before = server.calls.length;
    for (const path of READING_FACES) {
      const wire = new Wire(server.port);
      const whole = good(path, [["X-Request-Id", "gone"]]).toString();
      wire.send(whole.slice(0, -5));
      // The answer on the other connection shows that the first request has been read, too.
      await new Wire(server.port).send(good(path, [["Connection", "close"]])).answer();
      wire.reset();
      await wire.closed;
    }
    await expectAlive(server);
    expect(server.faults).to.deep.equal([]);
    expect(server.calls.slice(before).map(({ requestId }) => requestId)).not.to.include("gone");
  });
});

describe("gateway: Expect: 100-continue", () => {
  let server: Opened;
  before(async () => {
    server = await open();
  });
  afterEach(() => expectAlive(server));
  const EXPECT = ["Expect", "100-continue"] as const;

  /** Splits a request into its head and its body. */
  function parts(bytes: Buffer): [string, string] {
    const text = bytes.toString("latin1");
    const end = text.indexOf("\r\n\r\n") + 4;
    return [text.slice(0, end), text.slice(end)];
  }

  it("Clowk's face asks for the body once the credential is good", async () => {
    const [head, body] = parts(good(CLOWK, [EXPECT]));
    const wire = new Wire(server.port).send(head);
    await wire.until("HTTP/1.1 100 Continue\r\n\r\n");
    wire.send(body);
    expect(await wire.answer()).to.include({ status: 200, body: GOOD_BODY[CLOWK], continued: true });
    // The connection is kept.
    expect(await wire.send(good(CLOWK)).answer()).to.include({ status: 200, continued: false });
    wire.halfClose();
  });

  for (const [what, from, to, body] of [
    ["unknown", "sk_good", "sk_wrong", '{"error":"Unauthorized"}'],
    ["missing", "X-Clowk-Secret-Key: sk_good\r\n", "", '{"error":"Missing secret key"}'],
  ] as const) {
    it(`Clowk's face does not ask for the body if the credential is ${what}`, async () => {
      const [head, rest] = parts(Buffer.from(good(CLOWK, [EXPECT]).toString().replace(from, to)));
      const wire = new Wire(server.port).send(head);
      const answer = await wire.answer();
      expect(answer).to.include({ status: 401, body, continued: false });
      // The client may or may not still send its body, so the connection cannot be used again.
      expect(valuesOf(answer, "Connection")).to.deep.equal(["close"]);
      wire.send(rest).send(good(CLOWK));
      await wire.closed;
      expect(wire.text).to.equal("");
    });
  }

  it("Integuru's face never asks for the body", async () => {
    const bytes = requestBytes(
      {
        method: "POST",
        target: INTEGURU,
        headers: [["Authorization", "Bearer good"], EXPECT],
        body: Buffer.alloc(1000),
      },
      "",
    );
    const [head] = parts(bytes);
    const wire = new Wire(server.port).send(head);
    expect(await wire.answer()).to.include({ status: 200, body: GOOD_BODY[INTEGURU], continued: false });
    wire.halfClose();
  });

  it("Fiserv's face asks for the body at once, unless the content type is already wrong", async () => {
    const [head, body] = parts(good(FISERV, [EXPECT]));
    const wire = new Wire(server.port).send(head);
    await wire.until("HTTP/1.1 100 Continue\r\n\r\n");
    expect(await wire.send(body).answer()).to.include({ status: 200, continued: true });
    wire.halfClose();
    const other = new Wire(server.port).send(head.replace("application/json", "text/plain"));
    expect(await other.answer()).to.include({ status: 415, continued: false });
    other.halfClose();
  });

  it("the gateway does not ask for a body whose announced length is too large", async () => {
    const [head] = parts(good(CLOWK, [EXPECT]));
    const wire = new Wire(server.port).send(head.replace(/Content-Length: \d+/, "Content-Length: 65537"));
    expect(await wire.answer()).to.include({ status: 413, continued: false });
    wire.halfClose();
  });

  it("the gateway sends no 100 Continue to an HTTP/1.0 client", async () => {
    const bytes = good(CLOWK, [EXPECT]).toString().replace("HTTP/1.1", "HTTP/1.0");
    expect(await new Wire(server.port).send(bytes).answer()).to.include({ status: 200, continued: false });
  });

  it("the gateway ignores an unknown expectation", async () => {
    const wire = new Wire(server.port).send(good(CLOWK, [["Expect", "the-unexpected"]]));
    expect(await wire.answer()).to.include({ status: 200, body: GOOD_BODY[CLOWK], continued: false });
    wire.halfClose();
  });

  it("a path without a face is answered with 404 and no 100 Continue", async () => {
    const [head] = parts(good(CLOWK, [EXPECT]));
    const wire = new Wire(server.port).send(head.replace(CLOWK, "/nowhere"));
    expect(await wire.answer()).to.include({ status: 404, continued: false });
    wire.halfClose();
  });
});

describe("gateway: closing", () => {
  it("a closing gateway answers the requests under way with Connection: close, and does not wait for its time-out", async () => {
    let release!: (outcome: Outcome) => void;
    let seen!: () => void;
    const asked = new Promise<void>((resolve) => {
      seen = resolve;
    });
    const server = await open(() => {
      seen();
      return new Promise((resolve) => {
        release = resolve;
      });
    });
    const idle = new Wire(server.port).send(good("/nowhere"));
    await idle.answer();
    const wire = new Wire(server.port).send(good(INTEGURU));
    await asked;
    // This is longer than any test may take.
    const closed = server.gateway.close(600_000);
    await idle.closed;
    release({ kind: "rejected", reason: "TOKEN_EXPIRED", claim: "exp", signatureVerified: false, checks: [] });
    const answer = await wire.answer();
    expect(answer.status).to.equal(401);
    expect(valuesOf(answer, "Connection")).to.deep.equal(["close"]);
    await closed;
    await wire.closed;
  });

  it("a closing gateway answers every request of one packet", async () => {
    const pending: ((outcome: Outcome) => void)[] = [];
    const server = await open(
      () =>
        new Promise((resolve) => {
          pending.push(resolve);
        }),
    );
    const wire = new Wire(server.port).send(Buffer.concat([good(INTEGURU), good(INTEGURU), good(INTEGURU)]));
    while (pending.length < 3) await new Promise((resolve) => setImmediate(resolve));
    const closed = server.gateway.close(15_000);
    for (const resolve of pending)
      resolve({ kind: "rejected", reason: "TOKEN_EXPIRED", claim: "exp", signatureVerified: false, checks: [] });
    const connections: (readonly string[])[] = [];
    for (let turn = 0; turn < 3; turn++) connections.push(valuesOf(await wire.answer(), "Connection"));
    expect(connections.at(-1)).to.deep.equal(["close"]);
    await closed;
  });

  it("a closing gateway does not wait for peers that are silent or stop within a request's head", async () => {
    const server = await open();
    const [silent, begun] = [new Wire(server.port), new Wire(server.port).send("POST / HTTP/1.1\r\nHost: a\r\n")];
    while (server.gateway.connections() < 2) await new Promise((resolve) => setImmediate(resolve));
    // This is longer than any test may take.
    expect(await server.gateway.close(600_000), "requests cut").to.equal(0);
    await silent.closed;
    await begun.closed;
  });

  it("a closed gateway takes no more connections", async () => {
    // Another process may have opened the same port at the other tests' address in the meantime, so this test has
    // its own.
    const host = "127.0.0.3";
    const server = await open(verdict, {}, {}, undefined, host);
    await server.gateway.close(0);
    const wire = new Wire(server.port, host);
    await wire.closed;
    expect(wire.text).to.equal("");
  });

  it("a closing gateway cuts the connections that are still open after its time-out", async () => {
    const server = await open(() => new Promise(() => {}));
    const wire = new Wire(server.port).send(good(INTEGURU));
    while (server.asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await server.gateway.close(50);
    await wire.closed;
    expect(wire.text).to.equal("");
  });
});
