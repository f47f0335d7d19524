import { cors as connectCors } from "@connectrpc/connect";
import { expect } from "chai";
import { isOrigin } from "../../src/http/cors.js";
import { INTEGURU, type Opened, open, verdict } from "./harness.js";

// Requests from pages of other origins, by the Fetch standard's CORS protocol.

const APP = "https://app.example";
const VERIFY = "/tokenverifier.v1.TokenVerifier/VerifyToken";
const GOOD = '{"realm":"shown","token":"good"}';

/** Returns the headers of an answer that CORS defines. */
function corsOf(answer: Response): Record<string, string> {
  return Object.fromEntries(
    [...answer.headers].filter(([name]) => name.startsWith("access-control-") || name === "vary"),
  );
}

const POST = { method: "POST", body: GOOD, headers: { "Content-Type": "application/json" } };

describe("gateway: CORS", () => {
  let server: Opened;
  let everyone: Opened;
  before(async () => {
    const cors = { origins: [APP, "http://localhost:3000"], maxAge: 600_000 };
    server = await open(verdict, {}, {}, { realms: ["shown"], cors });
    everyone = await open(verdict, {}, {}, { realms: ["shown"], cors: { origins: ["*"], maxAge: 1500 } });
  });

  const ask = ({ port }: Opened, init: RequestInit, origin?: string, path = VERIFY): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (origin !== undefined) headers.set("Origin", origin);
    return fetch(`http://127.0.0.1:${port}${path}`, { ...init, headers });
  };
  const preflight = (server: Opened, origin?: string, path = VERIFY): Promise<Response> =>
    ask(server, { method: "OPTIONS", headers: { "Access-Control-Request-Method": "POST" } }, origin, path);

  const ALLOWED = {
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "Content-Type, Connect-Protocol-Version, Connect-Timeout-Ms, X-Request-Id",
    "access-control-max-age": "600",
  };
  const READABLE = { "access-control-expose-headers": "Retry-After, X-Request-Id" };

  for (const origin of [APP, "http://localhost:3000"]) {
    it(`a page of ${origin} may send requests and read every answer`, async () => {
      const answer = await preflight(server, origin);
      expect(answer.status).to.equal(204);
      const shared = { vary: "Origin", "access-control-allow-origin": origin, ...READABLE };
      expect(corsOf(answer)).to.deep.equal({ ...shared, ...ALLOWED });
      expect(answer.headers.get("content-type")).to.equal(null);
      expect(answer.headers.get("content-length")).to.equal(null);
      expect(answer.headers.get("x-request-id")).to.be.a("string");
      const good = await ask(server, POST, origin);
      expect([good.status, corsOf(good)]).to.deep.equal([200, shared]);
      for (const [status, body, type] of [
        [400, "x", "application/json"],
        [404, '{"realm":"other","token":"t"}', "application/json"],
        [415, GOOD, "text/plain"],
        [429, "x".repeat(70_000), "application/json"],
      ] as const) {
        const bad = await ask(server, { ...POST, body, headers: { "Content-Type": type } }, origin);
        expect([bad.status, corsOf(bad)]).to.deep.equal([status, shared]);
      }
      const get = await ask(server, { method: "GET" }, origin);
      expect([get.status, corsOf(get)]).to.deep.equal([405, shared]);
    });
  }

  for (const origin of [
    undefined,
    "null",
    "https://app.example.evil.example",
    "http://app.example",
    "https://app.example:8443",
    "https://APP.example",
    "https://app.example/",
    "*",
  ]) {
    it(`a page of ${origin} may read nothing`, async () => {
      const answer = await preflight(server, origin);
      expect(answer.status).to.equal(204);
      expect(corsOf(answer)).to.deep.equal({ vary: "Origin", ...ALLOWED });
      expect(corsOf(await ask(server, POST, origin))).to.deep.equal({ vary: "Origin" });
    });
  }

  it('origins: ["*"] allows every page, and the answers do not vary by origin', async () => {
    for (const origin of [undefined, APP, "null"]) {
      const shared = { "access-control-allow-origin": "*", ...READABLE };
      const answer = await preflight(everyone, origin);
      expect(corsOf(answer)).to.deep.equal({ ...shared, ...ALLOWED, "access-control-max-age": "1" });
      expect(corsOf(await ask(everyone, POST, origin))).to.deep.equal(shared);
    }
  });

  it("no answer allows cookies", async () => {
    for (const opened of [server, everyone]) {
      for (const answer of [await preflight(opened, APP), await ask(opened, POST, APP)]) {
        expect(answer.headers.get("access-control-allow-credentials")).to.equal(null);
      }
    }
  });

  it("a preflight allows the headers that Connect's browser client sends", async () => {
    const admitted = new Set(ALLOWED["access-control-allow-headers"].toLowerCase().split(", "));
    const sent = connectCors.allowedHeaders.filter((name) => !/grpc|user-agent|encoding/i.test(name));
    expect(sent).to.have.length(3);
    for (const name of sent) expect([...admitted]).to.include(name.toLowerCase());
  });

  it("the faces and unknown paths are the same with and without CORS", async () => {
    const plain = await open(verdict);
    for (const path of [INTEGURU, "/nowhere"]) {
      const [with_, without] = [await preflight(server, APP, path), await preflight(plain, APP, path)];
      expect(with_.status).to.equal(without.status);
      expect(corsOf(with_)).to.deep.equal(corsOf(without));
      expect(Object.keys(corsOf(with_)).filter((name) => name.startsWith("access"))).to.deep.equal([]);
    }
  });

  it("a preflight is reported to the observer as one, without a verdict", async () => {
    const { calls, asked } = server;
    const [toldBefore, askedBefore] = [calls.length, asked.length];
    await preflight(server, APP);
    expect(asked).to.have.length(askedBefore);
    const told = calls.slice(toldBefore);
    expect(told.map(({ via, realm, status, outcome }) => [via, realm, status, outcome])).to.deep.equal([
      ["http/VerifyToken", "", 204, "preflight"],
    ]);
  });
});

describe("isOrigin", () => {
  for (const text of ["https://app.example", "http://localhost:3000", "http://127.0.0.1:8080", "https://[::1]:8443"]) {
    it(`isOrigin accepts ${text}`, () => expect(isOrigin(text)).to.equal(true));
  }
  for (const text of [
    "",
    "*",
    "null",
    "app.example",
    "https://app.example/",
    "https://app.example/x",
    "https://App.example",
    "https://app.example:443",
    "https://user@app.example",
    "https://*.example",
    "ftp://app.example",
    "file:///x",
    " https://app.example",
  ]) {
    it(`isOrigin refuses ${JSON.stringify(text)}`, () => expect(isOrigin(text)).to.equal(false));
  }
});
