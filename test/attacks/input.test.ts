import http2 from "node:http2";
import { expect } from "chai";
import { frame, grpcRequest, grpcStatus } from "../grpc/raw.js";
import { randomOf } from "../jws/random.js";
import { expectOutcome } from "../support/expect.js";
import { exchange } from "../support/http.js";
import { secretOf } from "../support/keys.js";
import { attacked, expectGrpc, FISERV, HS256, INTEGURU, makeToken, VENDORS } from "./harness.js";

// Attacks with malformed input. Other files test broken protocols, slow and half-closed connections and limits
// (test/grpc/protocol.test.ts, test/http/hostile.test.ts, test/http/connections.test.ts), and huge, deep or full
// tokens (encoding.test.ts).

describe("attacks by input", () => {
  const service = attacked();

  const REALMS = [
    "",
    " ",
    "HS256",
    "hs256 ",
    "hs256\0",
    "hs256/",
    "../hs256",
    "__proto__",
    "constructor",
    "toString",
    "*",
    "%",
    "x".repeat(100_000),
  ];
  for (const realm of REALMS) {
    it(`the realm ${JSON.stringify(realm.slice(0, 20))} is unknown`, async () => {
      const answer = await service().client.verify({ realm, token: makeToken(HS256) });
      expectOutcome(answer, { error: "REALM_UNKNOWN" }, { payload: undefined });
    });
  }

  it("random bytes in place of a request are refused or judged, and the next good request is verified", async () => {
    const { deployment, client } = service();
    const session = http2.connect(`http://${deployment.grpc}`);
    session.on("error", () => undefined);
    const random = randomOf(7);
    const good = Buffer.concat([
      Buffer.from([0x0a, 5]),
      Buffer.from("hs256"),
      Buffer.from([0x12, 0x82, 0x01]),
      Buffer.alloc(130, "x"),
    ]);
    const ends = new Set<string>();
    try {
      for (let round = 0; round < 300; round++) {
        const bytes = random.oneIn(2) ? random.bytes(random.below(200)) : Buffer.from(good);
        for (let times = random.below(4); times > 0 && bytes.length > 0; times--) {
          bytes.writeUInt8(random.below(256), random.below(bytes.length));
        }
        const request = grpcRequest(session, random.of(["VerifyToken", "BatchVerifyTokens", "StreamVerifyTokens"]));
        request.end(frame(bytes));
        ends.add(await grpcStatus(request));
      }
    } finally {
      session.close();
    }
    // The statuses are OK, INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, INTERNAL (undecodable) and
    // UNAUTHENTICATED, but never UNKNOWN or a cut.
    expect([...ends].filter((end) => !["0", "3", "5", "7", "8", "13", "16"].includes(end))).to.deep.equal([]);
    expect(ends.has("13"), "some could not be decoded").to.equal(true);
    expect(await client.verify({ realm: "hs256", token: makeToken(HS256) })).to.have.property("verdict");
  });

  it("random text in place of a token is malformed at every face", async () => {
    const random = randomOf(11);
    const units = ["a", ".", "=", "{", '"', "\\", "é", "😀", "\u0000", "e30", "\ud800", "%", "/", " "];
    for (let round = 0; round < 150; round++) {
      const text = `x${Array.from({ length: random.below(40) }, () => random.of(units)).join("")}`;
      for (const target of VENDORS.filter((one) => one !== INTEGURU)) {
        const body = { token: text, ...(target === FISERV ? (target.caller?.["client_credentials"] as object) : {}) };
        const clowk = secretOf("clowk");
        const answer = await exchange(service().deployment.inProcess, {
          method: "POST",
          target: target === FISERV ? "/v1/api/oauth/validateToken" : "/api/v1/tokens/verify",
          headers: [
            ["Content-Type", "application/json"],
            ["X-Clowk-Secret-Key", clowk],
          ],
          body: Buffer.from(JSON.stringify(body)),
        });
        const said = target === FISERV ? '{"valid":false}' : '{"valid":false,"error":"Token malformed"}';
        expect(answer.body, JSON.stringify(text)).to.equal(said);
      }
    }
    await expectGrpc(service(), HS256, makeToken(HS256), "verified");
  });

  it("a token that is costly to read gets a verdict like any other", async () => {
    const costly = [
      "x".repeat(1_048_576),
      ".".repeat(1_048_576),
      makeToken({ ...HS256, claims: {} }, { payload: `{"a":${"[".repeat(700_000)}` }),
      makeToken({ ...HS256, claims: {} }, { payload: `{"a":"${"\\u0061".repeat(110_000)}"}` }),
      makeToken({ ...HS256, claims: {} }, { payload: `{${'"a":1,'.repeat(100_000)}"b":1}` }),
    ];
    for (const token of costly) {
      expect(await service().client.verify({ realm: "large", token })).to.have.property("verdict");
    }
  });
});
