import { expect } from "chai";
import { type HttpAnswer, valuesOf } from "../support/http.js";
import {
  bodiesInRow,
  CLOWK,
  FACES,
  FISERV,
  GOOD_BODY,
  good,
  INTEGURU,
  type Opened,
  overBoth,
  Wire,
} from "./harness.js";

// The requests that reach a face, and the headers that every answer has.

const NOT_FOUND = '{"error":"Not found"}';

overBoth((how, open) => {
  describe(`gateway, faces called ${how}: paths`, () => {
    let server: Opened;
    before(async () => {
      server = await open();
    });

    /** Sends a good request to a face with another target or method. */
    function ask(path: string, target: string, method = "POST"): Promise<HttpAnswer> {
      const bytes = Buffer.from(
        good(path, [["Connection", "close"]])
          .toString("latin1")
          .replace(`POST ${path} `, `${method} ${target} `),
        "latin1",
      );
      return new Wire(server.port).send(bytes).answer(method);
    }

    for (const path of FACES) {
      const last = path.at(-1)!;
      const strangers: Record<string, string> = {
        "capital letters": path.toUpperCase(),
        "one capital letter": path.slice(0, -1) + (last === "n" ? "N" : last.toUpperCase()),
        "a trailing slash": `${path}/`,
        "a double slash at the beginning": `/${path}`,
        "a double slash within": path.replace(/(?<=.)\//, "//"),
        "an encoded letter": path.replace(/[a-z](?=[^/]*$)/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
        "an encoded slash": path.replace(/(?<=.)\//, "%2F"),
        "a dot segment": `/.${path}`,
        "a parent segment": `/x/..${path}`,
        "a parameter after a semicolon": `${path};a=b`,
        "a broken escape": `${path}%`,
        "a NUL, encoded": `${path}%00`,
        "text before the path": `/x${path}`,
        "text after the path": `${path}x`,
        "a fragment": `${path}#x`,
        "the path in its query": `/?${path}`,
        "only a slash": "/",
        "only an asterisk": "*",
      };
      for (const [what, target] of Object.entries(strangers)) {
        it(`${path}: a target with ${what} is 404`, async () => {
          const answer = await ask(path, target);
          expect(answer, target).to.include({ status: 404, body: NOT_FOUND });
        });
      }
      for (const query of ["?", "?a=b", "?a[b]=c&a[__proto__]=d", `?x=${"y".repeat(4000)}`, "?%", "?/x", "?a?b"]) {
        it(`${path}: the query ${query.slice(0, 30)} changes nothing`, async () => {
          expect(await ask(path, path + query)).to.include({ status: 200, body: GOOD_BODY[path] });
        });
      }
      it(`${path}: an absolute target is treated like its path`, async () => {
        expect(await ask(path, `http://127.0.0.1${path}?a=b`)).to.include({ status: 200, body: GOOD_BODY[path] });
        expect(await ask(path, `http://elsewhere.example:81${path}`)).to.include({
          status: 200,
          body: GOOD_BODY[path],
        });
        expect(await ask(path, `http://127.0.0.1${path}/`)).to.include({ status: 404, body: NOT_FOUND });
      });
    }

    it("a target with non-ASCII bytes reaches no face", async () => {
      for (const target of [`${INTEGURU}\u00a0`, `${INTEGURU}\u00e9`, `\u00a0${INTEGURU}`, `${INTEGURU}\u00ff\u00fe`]) {
        expect((await ask(INTEGURU, target)).status, JSON.stringify(target)).to.be.oneOf([400, 404]);
      }
    });

    for (const method of ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH"]) {
      it(`${method} is answered by the face on its path, and with 404 elsewhere`, async () => {
        const head = method === "HEAD";
        const integuru = await ask(INTEGURU, INTEGURU, method);
        const ok = method === "OPTIONS";
        expect(integuru.status).to.equal(ok ? 200 : 405);
        if (!ok) expect(integuru.body).to.equal(head ? "" : `{"detail":"Method \\"${method}\\" not allowed."}`);
        expect(valuesOf(integuru, "Allow")).to.deep.equal(["POST, OPTIONS"]);
        const clowk = await ask(CLOWK, CLOWK, method);
        expect(clowk).to.include({ status: 405, body: head ? "" : '{"error":"Method not allowed"}' });
        expect(valuesOf(clowk, "Allow")).to.deep.equal(["POST"]);
        const fiserv = await ask(FISERV, FISERV, method);
        expect(fiserv.status).to.equal(405);
        expect(valuesOf(fiserv, "Allow")).to.deep.equal(["POST"]);
        for (const answer of [integuru, clowk, fiserv])
          expect(Number(valuesOf(answer, "Content-Length")[0])).to.be.above(0);
        expect(await ask(INTEGURU, "/", method)).to.include({ status: 404, body: head ? "" : NOT_FOUND });
      });
    }
  });

  describe(`gateway, faces called ${how}: headers`, () => {
    let server: Opened;
    before(async () => {
      server = await open();
    });

    const answers: Record<string, (port: number) => Promise<HttpAnswer>> = {
      "the answer to a good token": (port) => new Wire(port).send(good(INTEGURU)).answer(),
      "the answer to a bad token": (port) =>
        new Wire(port).send(good(CLOWK).toString().replace('"good"', '"bad!"')).answer(),
      "a 404": (port) => new Wire(port).send(good("/nowhere")).answer(),
      "the answer after a fault": (port) =>
        new Wire(port).send(good(INTEGURU).toString().replace("good", "throw")).answer(),
      "the answer to malformed HTTP": (port) => new Wire(port).send("no HTTP at all\r\n\r\n").answer(),
      "the answer to oversized headers": (port) =>
        new Wire(port).send(`GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(17_000)}\r\n\r\n`).answer(),
    };
    for (const [what, answering] of Object.entries(answers)) {
      it(`${what} has the headers of every answer, and no others`, async () => {
        const answer = await answering(server.port);
        expect(valuesOf(answer, "Content-Type")).to.deep.equal(["application/json"]);
        expect(valuesOf(answer, "Cache-Control")).to.deep.equal(["no-store"]);
        expect(valuesOf(answer, "X-Content-Type-Options")).to.deep.equal(["nosniff"]);
        expect(valuesOf(answer, "X-Request-Id")).to.have.length(1);
        expect(valuesOf(answer, "Content-Length")).to.deep.equal([String(Buffer.byteLength(answer.body))]);
        for (const name of ["X-Powered-By", "ETag", "Server", "Set-Cookie", "Transfer-Encoding", "Vary"]) {
          expect(valuesOf(answer, name), name).to.deep.equal([]);
        }
        expect(JSON.stringify(JSON.parse(answer.body)), "compact JSON").to.equal(answer.body);
      });
    }

    describe("X-Request-Id", () => {
      const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
      const sending = async (path: string, ...values: string[]): Promise<readonly string[]> => {
        const headers = values.map((value) => ["X-Request-Id", value] as const);
        const bytes = Buffer.from(good(path, headers).toString("latin1"), "latin1");
        return valuesOf(await new Wire(server.port).send(bytes).answer(), "X-Request-Id");
      };

      it("X-Request-Id comes back as it was sent", async () => {
        for (const path of [...FACES, "/nowhere"]) expect(await sending(path, "abc-123")).to.deep.equal(["abc-123"]);
        expect(await sending(INTEGURU, "x".repeat(128))).to.deep.equal(["x".repeat(128)]);
        expect(await sending(INTEGURU, 'a "b" <c>')).to.deep.equal(['a "b" <c>']);
      });

      it("X-Request-Id is passed to the observer", async () => {
        await sending(INTEGURU, "told");
        expect(server.calls.at(-1)).to.include({ requestId: "told", via: "integuru", realm: "integuru", status: 200 });
      });

      for (const [what, values] of [
        ["no id", []],
        ["an empty id", [""]],
        ["an id that is too long", ["x".repeat(129)]],
        ["an id that is not ASCII", ["é"]],
        ["an id with a tab", ["a\tb"]],
      ] as const) {
        it(`X-Request-Id is generated if the client sends ${what}`, async () => {
          const [first] = await sending(INTEGURU, ...values);
          const [second] = await sending(INTEGURU, ...values);
          expect(first).to.match(UUID);
          expect(second).to.match(UUID).and.not.equal(first);
        });
      }

      it("X-Request-Id is answered once if it was sent twice", async () => {
        expect(await sending(INTEGURU, "a", "b")).to.have.length(1);
      });
    });
  });

  describe(`gateway, faces called ${how}: faults`, () => {
    const bodies = bodiesInRow("500");
    const throwing = {
      "throws at once": () => {
        throw new Error("a fault of the test's own");
      },
      "rejects later": () => Promise.reject(new Error("a fault of the test's own")),
    };
    it("every face has a body for its 500", () => expect(Object.keys(bodies)).to.have.members(FACES));

    for (const [how, verify] of Object.entries(throwing)) {
      for (const [path, body] of Object.entries(bodies)) {
        it(`${path}: a verifier that ${how} is answered with the vendor's 500, and reported as a fault`, async () => {
          const server = await open(verify);
          const wire = new Wire(server.port).send(good(path, [["X-Request-Id", "a-fault"]]));
          expect(await wire.answer()).to.include({ status: 500, body });
          expect(server.faults).to.have.length(1);
          expect(server.faults[0]?.requestId).to.equal("a-fault");
          expect(String(server.faults[0]?.error)).to.include("a fault of the test's own");
          expect(server.calls).to.have.length(1);
          expect(server.calls[0]).to.include({ status: 500, requestId: "a-fault" });
          // The connection is kept.
          expect((await wire.send(good("/nowhere")).answer()).status).to.equal(404);
          wire.halfClose();
        });
      }
    }

    it("an observer that throws fails no call and does not stop the gateway", async () => {
      const observer = {
        ended: () => {
          throw new Error("the log is full");
        },
        fault: () => {
          throw new Error("the log is full");
        },
      };
      for (const token of ["good", "throw"]) {
        const server = await open(undefined, {}, { observer });
        const wire = new Wire(server.port).send(good(INTEGURU).toString().replace("good", token));
        expect((await wire.answer()).status).to.equal(token === "good" ? 200 : 500);
        expect((await wire.send(good(INTEGURU)).answer()).status).to.equal(200);
        wire.halfClose();
      }
    });
  });
});
