import { expect } from "chai";
import { valuesOf } from "../support/http.js";
import { standStill } from "../support/stand-still.js";
import {
  bodiesInRow,
  bodyOf,
  FACES,
  FISERV,
  GOOD_BODY,
  good,
  INTEGURU,
  type Opened,
  open,
  READING_FACES,
  Wire,
  withBody,
} from "./harness.js";

// Requests that no client should send. The same server answers a good request after each of them.

const MB = 1024 ** 2;

async function expectAlive({ port, faults }: Opened): Promise<void> {
  for (const path of FACES) {
    const answer = await new Wire(port).send(good(path, [["Connection", "close"]])).answer();
    expect(answer).to.include({ status: 200, body: GOOD_BODY[path] });
  }
  expect(faults).to.deep.equal([]);
}

const TOO_LARGE = bodiesInRow("413");

describe("gateway: bodies", () => {
  let server: Opened;
  before(async () => {
    server = await open();
  });
  afterEach(() => expectAlive(server));

  /** A good request whose body is filled up to a length with one more member or parameter, which no face reads. */
  const padded = (path: string, length: number, chunked: boolean, connection?: string): Buffer => {
    const body = bodyOf(path);
    const frame = body.startsWith("{") ? body.replace("{", '{"x":"",') : `x=&${body}`;
    const more = "x".repeat(length - frame.length);
    const grown = frame.replace(/^(\{"x":"|x=)/, (start) => start + more);
    return withBody(path, Buffer.from(grown), chunked, connection);
  };

  for (const path of FACES) {
    for (const chunked of [false, true]) {
      const how = chunked ? "chunked" : "announced";
      it(`${path}, ${how}: a body of exactly the limit is read`, async () => {
        const answer = await new Wire(server.port).send(padded(path, 64 * 1024, chunked)).answer();
        expect(answer).to.include({ status: 200, body: GOOD_BODY[path] });
      });

      it(`${path}, ${how}: a body of one byte more than the limit is ${READING_FACES.includes(path) ? "answered with 413" : "ignored"}`, async () => {
        const wire = new Wire(server.port).send(padded(path, 64 * 1024 + 1, chunked, ""));
        const answer = await wire.answer();
        if (!READING_FACES.includes(path)) expect(answer).to.include({ status: 200, body: GOOD_BODY[path] });
        else expect(answer).to.include({ status: 413, body: TOO_LARGE[path] });
        // The rest of the body is dropped, and the connection is kept.
        expect(await wire.send(good(path)).answer()).to.include({ status: 200, body: GOOD_BODY[path] });
        wire.halfClose();
      });

      it(`${path}, ${how}: a body of 10 MB is ${READING_FACES.includes(path) ? "answered with 413" : "ignored"}, and the connection is kept`, async () => {
        const wire = new Wire(server.port).send(withBody(path, Buffer.alloc(10 * MB, "x"), chunked, ""));
        expect((await wire.answer()).status).to.equal(READING_FACES.includes(path) ? 413 : 200);
        expect(await wire.send(good(path)).answer()).to.include({ status: 200, body: GOOD_BODY[path] });
        wire.halfClose();
      });
    }
  }

  it("413 is answered while the body is still being sent", async () => {
    for (const path of READING_FACES) {
      const head = withBody(path, Buffer.alloc(0), true, "").toString().replace("0\r\n\r\n", "");
      const wire = new Wire(server.port).send(head);
      // 80 KiB of an endless body are sent, and no more until the answer has arrived.
      for (let chunk = 0; chunk < 10; chunk++) wire.send(`2000\r\n${"x".repeat(8192)}\r\n`);
      expect(await wire.answer()).to.include({ status: 413, body: TOO_LARGE[path] });
      wire.reset();
    }
  });

  it("a chunked body with one byte in each chunk is read whole", async () => {
    const [head, body] = good(FISERV).toString().split("\r\n\r\n") as [string, string];
    const chunks = Array.from(body, (byte) => `1\r\n${byte}\r\n`).join("");
    const wire = new Wire(server.port).send(
      `${head.replace(/Content-Length: \d+/, "Transfer-Encoding: chunked")}\r\n\r\n${chunks}0\r\nX-Trailer: y\r\n\r\n`,
    );
    expect(await wire.answer()).to.include({ status: 200, body: GOOD_BODY[FISERV] });
    wire.halfClose();
  });

  it("a body nested 20,000 levels deep is answered with 400", async () => {
    const deep = Buffer.from(`{"token":${"[".repeat(20_000)}${"]".repeat(20_000)}}`);
    for (const path of READING_FACES) {
      expect((await new Wire(server.port).send(withBody(path, deep)).answer()).status).to.equal(400);
    }
  });

  it("a request whose body is cut short by a half-closed client gets no verdict", async () => {
    for (const path of READING_FACES) {
      const wire = new Wire(server.port).send(good(path).subarray(0, -5));
      wire.halfClose();
      await wire.closed;
      expect(wire.text).not.to.include("200 OK");
    }
  });
});

describe("gateway: malformed HTTP", () => {
  let server: Opened;
  before(async () => {
    server = await open();
  });
  afterEach(() => expectAlive(server));

  const body = '{"token":"good","client_id":"a","client_secret":"b"}';
  const post = (lines: readonly string[], rest = ""): string =>
    `POST ${FISERV} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n${rest}`;
  const hidden = good("/hidden").toString();

  const malformed: Record<string, string | Buffer> = {
    "random bytes": Buffer.from("8f3ac1d2e4b5960718293a4b5c6d7e8ff0e1d2c3b4a59687", "hex"),
    "an empty line and nonsense": "\r\n\r\nhello\r\n\r\n",
    "a TLS ClientHello": Buffer.from("16030100c8010000c403035f", "hex"),
    "the HTTP/2 preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.0": "POST / HTTP/3.0\r\nHost: a\r\n\r\n",
    "an unknown method": "VERIFY / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method in lower case": "post / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a target with a space": "POST /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "a header without a colon": post(["X-Nothing"]),
    "a header name with a space": post(["X Y: z"]),
    "a space before the colon": post(["X-Y : z"]),
    "a NUL in a header": post(["X: a\0b"]),
    "a bare CR in a header": post(["X: a\rb: c"]),
    "a folded header": post(["X: a", " b"]),
    "Content-Length twice, different": post(["Content-Length: 5", "Content-Length: 6"], body),
    "Content-Length twice, the same": post([`Content-Length: ${body.length}`, `Content-Length: ${body.length}`], body),
    "Content-Length as a list": post([`Content-Length: ${body.length}, ${body.length}`], body),
    "Content-Length with a sign": post([`Content-Length: +${body.length}`], body),
    "a negative Content-Length": post(["Content-Length: -1"], body),
    "Content-Length in hex": post(["Content-Length: 0x10"], body),
    "Content-Length beyond 64 bits": post(["Content-Length: 99999999999999999999999"], body),
    "TE.CL": post(["Transfer-Encoding: chunked", "Content-Length: 4"], `5c\r\n${hidden}\r\n0\r\n\r\n`),
    "CL.TE": post(["Content-Length: 6", "Transfer-Encoding: chunked"], `0\r\n\r\n${hidden}`),
    "TE.TE": post(["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], `0\r\n\r\n${hidden}`),
    "chunked, but not last": post(["Transfer-Encoding: chunked, gzip"], `0\r\n\r\n${hidden}`),
    "a spelling of chunked": post(["Transfer-Encoding: xchunked"], `0\r\n\r\n${hidden}`),
    "chunked after a vertical tab": post(["Transfer-Encoding: \u000bchunked"], `0\r\n\r\n${hidden}`),
    "an unknown transfer coding": post(["Transfer-Encoding: cow"], `0\r\n\r\n${hidden}`),
  };
  for (const [what, bytes] of Object.entries(malformed)) {
    it(`${what} gets 400 and a closed connection`, async () => {
      const wire = new Wire(server.port).send(bytes);
      const answer = await wire.answer();
      expect(answer).to.include({ status: 400, body: '{"error":"Bad Request"}' });
      expect(valuesOf(answer, "Connection")).to.deep.equal(["close"]);
      await wire.closed;
      // No request that was hidden inside is answered.
      expect(wire.text).to.equal("");
    });
  }

  it("a request without Host gets 400 and a closed connection", async () => {
    const wire = new Wire(server.port).send(good(INTEGURU).toString().replace("Host: 127.0.0.1\r\n", ""));
    expect((await wire.answer()).status).to.equal(400);
    await wire.closed;
  });

  for (const [what, chunks] of [
    ["a chunk without a size", "zz\r\nabc\r\n0\r\n\r\n"],
    ["a chunk longer than its size", '5\r\n{"token":"good"}\r\n0\r\n\r\n'],
    ["a chunk size beyond 64 bits", "fffffffffffffffff\r\na\r\n0\r\n\r\n"],
    ["a bare line feed after a chunk size", "5\n{}   \r\n0\r\n\r\n"],
  ] as const) {
    it(`${what} gets no verdict and a closed connection`, async () => {
      for (const path of FACES) {
        const head = withBody(path, Buffer.alloc(0), true, "").toString().replace("0\r\n\r\n", "");
        const wire = new Wire(server.port).send(head + chunks + hidden);
        const answer = await wire.answer();
        // A face that needs only the headers may have answered before the body turned out to be malformed.
        if (!READING_FACES.includes(path)) expect(answer.status).to.be.oneOf([200, 400]);
        else expect(answer).to.include({ status: 400, body: '{"error":"Bad Request"}' });
        await wire.closed;
        expect(wire.text).to.equal("");
      }
    });
  }

  it("nonsense after good requests gets 400 and a closed connection, once the requests are answered", async () => {
    for (const path of FACES) {
      const wire = new Wire(server.port).send(Buffer.concat([good(path), good(path), Buffer.from("nonsense\r\n\r\n")]));
      expect(await wire.answer()).to.include({ status: 200, body: GOOD_BODY[path] });
      expect(await wire.answer()).to.include({ status: 200, body: GOOD_BODY[path] });
      expect((await wire.answer()).status).to.equal(400);
      await wire.closed;
    }
  });

  it("CONNECT is refused and Upgrade is ignored", async () => {
    const wire = new Wire(server.port).send("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n");
    await wire.closed;
    const upgrade = [
      ["Connection", "Upgrade, HTTP2-Settings"],
      ["Upgrade", "h2c"],
      ["HTTP2-Settings", "AAMAAABkAAQ"],
    ] as const;
    const other = new Wire(server.port).send(good(INTEGURU, upgrade));
    expect(await other.answer()).to.include({ status: 200, body: GOOD_BODY[INTEGURU] });
    other.halfClose();
  });

  it("64 KiB of headers get 431 and a closed connection", async () => {
    for (const headers of [
      `X-Long: ${"x".repeat(64 * 1024)}\r\n`,
      "X-Many: y\r\n".repeat(6000),
      `Authorization: Bearer ${"x".repeat(64 * 1024)}\r\n`,
      `${"x".repeat(64 * 1024)}: y\r\n`,
    ]) {
      const wire = new Wire(server.port).send(`POST ${INTEGURU} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`);
      expect(await wire.answer()).to.include({ status: 431, body: '{"error":"Request Header Fields Too Large"}' });
      await wire.closed;
    }
    const wire = new Wire(server.port).send(`POST /${"x".repeat(64 * 1024)} HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect((await wire.answer()).status).to.equal(431);
    await wire.closed;
  });

  it("limits.headers holds below and above Node's own default of 16 KiB", async () => {
    const filler = (bytes: number) => [["X-Filler", "x".repeat(bytes)]] as const;
    for (const [headers, bytes, status] of [
      [4 * 1024, 3 * 1024, 200],
      [4 * 1024, 5 * 1024, 431],
      [4 * 1024, 40 * 1024, 431],
      [128 * 1024, 100 * 1024, 200],
      [128 * 1024, 130 * 1024, 431],
    ] as const) {
      const { port } = await open(undefined, { headers });
      const answer = await new Wire(port).send(good(INTEGURU, filler(bytes))).answer();
      expect(answer.status, `${bytes} bytes with a limit of ${headers}`).to.equal(status);
    }
  });

  it("a request with many headers within the limit is answered", async () => {
    // Some versions of Node count about ten bytes more for each header than it has.
    const many = Array.from({ length: 500 }, (_, index) => [`X-${index}`, "y"] as const);
    const wire = new Wire(server.port).send(good(INTEGURU, many));
    expect((await wire.answer()).status).to.equal(200);
    wire.halfClose();
  });

  it("500 silent connections do not keep others out", async () => {
    const silent = Array.from({ length: 500 }, () => new Wire(server.port));
    await expectAlive(server);
    for (const wire of silent) wire.reset();
  });
});

describe("gateway: slow clients", () => {
  let server: Opened;
  before(async () => {
    server = await open(undefined, { request: 300 });
  });
  afterEach(() => expectAlive(server));

  /** Sends a byte every 20 ms until the server closes. */
  async function drip(wire: Wire, bytes: string): Promise<void> {
    let at = 0;
    const timer = setInterval(() => wire.send(bytes[at++ % bytes.length] ?? "x"), 20);
    await wire.closed;
    clearInterval(timer);
  }

  it("a request whose headers are sent a byte at a time is cut with 408", async () => {
    const wire = new Wire(server.port).send("POST / HTTP/1.1\r\nHost: a\r\nX: ");
    await drip(wire, "x");
    expect(wire.text).to.match(/^HTTP\/1\.1 408 Request Timeout\r\n/);
    expect(wire.text).to.match(/\{"error":"Request Timeout"\}$/);
  });

  it("a silent connection is closed", async () => {
    const wire = new Wire(server.port);
    await wire.closed;
  });

  for (const path of READING_FACES) {
    it(`${path}: a request whose body is sent a byte at a time is cut with 408`, async () => {
      const wire = new Wire(server.port).send(
        withBody(path, Buffer.alloc(0), true, "").toString().replace("0\r\n\r\n", ""),
      );
      await drip(wire, "1\r\nx\r\n");
      expect(wire.text).to.match(/^HTTP\/1\.1 408 Request Timeout\r\n/);
    });
  }

  it("a connection whose request was answered is closed if the request's body does not end", async () => {
    const wire = new Wire(server.port).send(
      withBody(INTEGURU, Buffer.alloc(0), true, "").toString().replace("0\r\n\r\n", ""),
    );
    expect(await wire.answer()).to.include({ status: 200, body: GOOD_BODY[INTEGURU] });
    await drip(wire, "1\r\nx\r\n");
    // The answer was given already, so there is no second one.
    expect(wire.text).to.equal("");
  });

  it("idle connections are closed after `limits.idle`", async () => {
    const idle = await open(undefined, { idle: 200 });
    const wire = new Wire(idle.port).send(good(INTEGURU));
    await wire.answer();
    await wire.closed;
    expect(wire.text).to.equal("");
  });
});

describe("gateway: a process that stalled", () => {
  const turns = async (until: () => boolean): Promise<void> => {
    while (!until()) await new Promise((resolve) => setImmediate(resolve));
  };

  it("a process that stalled answers a first request that arrived meanwhile", async () => {
    const server = await open(undefined, { idle: 100 });
    const wire = new Wire(server.port);
    await turns(() => server.gateway.connections() === 1);
    await standStill(200, () => wire.send(good(INTEGURU)));
    expect((await wire.answer()).status).to.equal(200);
  });

  it("a process that stalled answers a next request that arrived meanwhile", async () => {
    const server = await open(undefined, { idle: 100 });
    const wire = new Wire(server.port).send(good(INTEGURU));
    await wire.answer();
    // Node waits a second longer than the configured time.
    await standStill(1200, () => wire.send(good(INTEGURU)));
    expect((await wire.answer()).status).to.equal(200);
  });

  for (const path of READING_FACES) {
    for (const [what, part] of [
      ["headers", 10],
      ["body", -1],
    ] as const) {
      it(`${path}: a process that stalled answers a request whose ${what} arrived meanwhile`, async () => {
        const server = await open(undefined, { request: 300 });
        const wire = new Wire(server.port);
        const request = good(path);
        wire.send(request.subarray(0, part));
        await turns(() => server.gateway.connections() === 1);
        // The process stalls only until the first part was read; any longer, and it would be late itself.
        for (let left = 20; left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
        await standStill(500, () => wire.send(request.subarray(part)));
        expect((await wire.answer()).status).to.equal(200);
        // The time limit of the next request is the usual one.
        wire.send(request.subarray(0, part));
        expect((await wire.answer()).status).to.equal(408);
        await wire.closed;
      });
    }
  }

  it("a process that stalled closes a connection on which nothing has arrived", async () => {
    const server = await open(undefined, { idle: 100 });
    const wire = new Wire(server.port);
    await turns(() => server.gateway.connections() === 1);
    await standStill(200, () => {});
    await wire.closed;
    expect(wire.text).to.equal("");
  });
});
