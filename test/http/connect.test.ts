import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { expect } from "chai";
import { failure } from "../../src/contract/verifier.js";
import { BATCH, callVerifyToken, connectTransport, rawCall } from "../support/connect.js";
import { type Opened, open, verdict } from "./harness.js";

// Connect's own clients against the gateway, for Node and for browsers, in JSON and in protobuf.

const SHOWN = { realms: ["shown"], cors: undefined };

const KINDS: Readonly<Record<string, (port: number) => Transport>> = {
  "Node's client, JSON": (port) => connectTransport(port, false),
  "Node's client, protobuf": (port) => connectTransport(port, true),
  "the browsers' client, JSON": (port) => createConnectTransport({ baseUrl: `http://127.0.0.1:${port}` }),
  "the browsers' client, protobuf": (port) =>
    createConnectTransport({ baseUrl: `http://127.0.0.1:${port}`, useBinaryFormat: true }),
};

for (const [kind, make] of Object.entries(KINDS)) {
  describe(`gateway: ${kind}`, () => {
    let server: Opened;
    let transport: Transport;
    before(async () => {
      server = await open(
        (request) => (request.token.reveal() === "wait" ? new Promise(() => {}) : verdict(request)),
        {},
        {},
        SHOWN,
      );
      transport = make(server.port);
    });

    it(`${kind} gets a verdict`, async () => {
      expect(await callVerifyToken(transport, { realm: "shown", token: "good" })).to.deep.equal({
        verdict: {
          verified: {
            token: { subject: "jane", algorithm: "HS256", payload: '{"taiki_user_id":"jane","client_app_id":"app"}' },
            principal: { user: { id: "jane", instance_id: "inst" } },
            evidence: { evaluated_at: {} },
          },
        },
      });
    });

    it(`${kind} gets a rejection`, async () => {
      const answer = await callVerifyToken(transport, { realm: "shown", token: "bad" });
      expect(answer).to.have.nested.property("verdict.rejected.reason", "REASON_TOKEN_MALFORMED");
    });

    it(`${kind} gets an error with its details`, async () => {
      const request = { realm: "shown", token: "t", instance_secret_key: "sk_bad" };
      expect(await callVerifyToken(transport, request)).to.deep.equal({
        error: {
          code: Code.Unauthenticated,
          reason: "CALLER_UNKNOWN",
          domain: "tokenverifier.v1",
          retryAfter: undefined,
          message: "The caller's credential is unknown or wrong.",
        },
      });
      expect(await callVerifyToken(transport, { realm: "integuru", token: "good" })).to.have.nested.property(
        "error.reason",
        "REALM_UNKNOWN",
      );
    });

    it(`${kind} sends its credentials and its request id`, async () => {
      const credentials = { client_id: "i", client_secret: "s" };
      const request = { realm: "shown", token: "good", client_credentials: credentials, explain: true };
      server.asked.length = 0;
      await callVerifyToken(transport, request, { headers: { "X-Request-Id": "mine" } });
      const [{ credential, explain } = expect.fail("was not asked")] = server.asked;
      expect(credential).to.include({ kind: "client", clientId: "i" });
      expect(credential?.kind === "client" && credential.clientSecret.reveal()).to.equal("s");
      expect(explain).to.equal(true);
      expect(server.calls.at(-1)).to.include({ requestId: "mine", via: "http/VerifyToken" });
    });

    it(`${kind} gets deadline_exceeded after its timeout`, async () => {
      const answer = await callVerifyToken(transport, { realm: "shown", token: "wait" }, { timeoutMs: 100 });
      expect(answer).to.have.nested.property("error.code", Code.DeadlineExceeded);
    });

    it(`${kind} gets resource_exhausted if its body is too large`, async () => {
      const answer = await callVerifyToken(transport, { realm: "shown", token: "x".repeat(70_000) });
      expect(answer).to.have.nested.property("error.code", Code.ResourceExhausted);
    });

    it(`${kind} gets unimplemented if it sends a batch`, async () => {
      const error = await rawCall(transport, BATCH, { requests: [{ realm: "shown", token: "good" }] });
      expect(ConnectError.from(error).code).to.equal(Code.Unimplemented);
    });
  });
}

describe("gateway: Connect's protobuf as bytes", () => {
  const post = async (port: number, body: Buffer): Promise<{ status: number; code: unknown }> => {
    const answer = await fetch(`http://127.0.0.1:${port}/tokenverifier.v1.TokenVerifier/VerifyToken`, {
      method: "POST",
      headers: { "Content-Type": "application/proto" },
      body,
    });
    expect(answer.headers.get("content-type")).to.equal("application/json");
    return { status: answer.status, code: ((await answer.json()) as { code: unknown }).code };
  };

  for (const [what, hex] of Object.entries({
    "a message that ends within a field": "0a0573686f",
    "a string that is not UTF-8": "0a02c0af",
    "a field with an unknown wire type": "0e00",
    JSON: Buffer.from('{"realm":"shown"}').toString("hex"),
  })) {
    it(`the protobuf endpoint refuses ${what}`, async () => {
      const { port } = await open(verdict, {}, {}, SHOWN);
      expect(await post(port, Buffer.from(hex, "hex"))).to.deep.equal({ status: 400, code: "invalid_argument" });
    });
  }

  it("a call in protobuf gets its errors in JSON", async () => {
    const { port } = await open(() => failure("NO_VERDICT"), {}, {}, SHOWN);
    const request = Buffer.from("0a0573686f776e120174", "hex");
    expect(await post(port, request)).to.deep.equal({ status: 503, code: "unavailable" });
  });
});
