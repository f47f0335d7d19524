import { expect } from "chai";
import { FAILURES } from "../../src/contract/failures.js";
import { expectAnswer, expectOutcome } from "../support/expect.js";
import { exchange } from "../support/http.js";
import { secretOf } from "../support/keys.js";
import { attacked, CLOWK, claimsWith, expectGrpc, FISERV, faceRequest, makeToken, type Target } from "./harness.js";

// security.md, "Callers". Held elsewhere: limits of failures (test/verifier/credential-rate-limit.test.ts), of callers in a batch
// (test/e2e/calls.test.ts), whose word counts for an address (test/util/client-address.test.ts), and the time that a refusal
// takes (npm run timing; test/directory/directory-cache.test.ts).

describe("attacks on callers", () => {
  const service = attacked();

  /** What a careless comparison takes for a text. */
  const nearly = (text: string): string[] => [
    `${text} `,
    ` ${text}`,
    `${text}\0`,
    `${text}\0${text}`,
    `\0${text}`,
    `${text}\n`,
    `${text}x`,
    text.slice(0, -1),
    text.slice(1),
    text.toUpperCase(),
    text.replace(/[a-z]/, (char) => char.toUpperCase()),
    text.replace("s", "ſ"),
    text.replace("a", "ａ"),
    text.replace("e", "e\u0301"),
    `${text}\u200b`,
    `\ufeff${text}`,
    text.split("").toReversed().join(""),
    `${text}${text}`,
    "%",
    `${text.slice(0, 3)}%`,
    "_".repeat(text.length),
    "' OR '1'='1",
    `${text}' --`,
    "__proto__",
    "constructor",
    "null",
    "undefined",
    "*",
    "x".repeat(50),
    "\u{10ffff}",
  ];

  const CLIENT = { client_id: "vision-api-user", client_secret: "abcdefghizklmnopponommnshfghzxxs" };
  const UNKNOWN = { error: "CALLER_UNKNOWN" };
  const clients = (client: object): Target => ({ ...FISERV, caller: { client_credentials: client } });
  const REFUSED = {
    status: 401,
    body: '[{"detail":"Please refer to invalid-params for error details","errorCode":"140106","instance":"/v1/api/oauth/validateToken","invalid-params":["Invalid client credentials"],"source":"AGT","status":401,"title":"Unauthorized"}]',
  };

  const refusedClient = async (client: object): Promise<void> => {
    const target = clients(client);
    const token = makeToken(FISERV);
    const answer = await service().client.verify({ realm: "fiserv", token, ...target.caller });
    expectOutcome(answer, UNKNOWN, { payload: undefined });
    expectAnswer(await exchange(service().deployment.inProcess, faceRequest(target, token)), REFUSED);
  };

  for (const text of nearly(CLIENT.client_id)) {
    it(`the client ${JSON.stringify(text)} is unknown`, () => refusedClient({ ...CLIENT, client_id: text }));
  }
  for (const text of [...nearly(CLIENT.client_secret), "another-secret-of-32-characters-x", CLIENT.client_id]) {
    it(`the secret ${JSON.stringify(text)} is wrong, in the same words`, () =>
      refusedClient({ ...CLIENT, client_secret: text }));
  }
  it("id and secret the wrong way round are unknown", () =>
    refusedClient({ client_id: CLIENT.client_secret, client_secret: CLIENT.client_id }));
  it("control: the client is known, to the end", () => expectGrpc(service(), FISERV, makeToken(FISERV), "verified"));

  const key = secretOf("clowk");
  // HTTP itself trims a header, and carries no control characters: those are asked over gRPC alone.
  const sent = (text: string): boolean => /^[\x21-\x7e]+$/.test(text);
  for (const text of [...nearly(key), secretOf("integuru"), secretOf("hs256"), "inst_abc123", "app_xyz789"]) {
    it(`the secret key ${JSON.stringify(text.replace(key, "KEY"))} is nobody's`, async () => {
      const target: Target = { ...CLOWK, caller: { instance_secret_key: text } };
      const token = makeToken(CLOWK);
      expectOutcome(await service().client.verify({ realm: "clowk", token, ...target.caller }), UNKNOWN, {
        payload: undefined,
      });
      if (!sent(text)) return;
      const answer = await exchange(service().deployment.inProcess, faceRequest(target, token));
      expectAnswer(answer, { status: 401, body: '{"error":"Unauthorized"}' });
    });
  }
  it("control: the secret key is its instance's", () => expectGrpc(service(), CLOWK, makeToken(CLOWK), "verified"));

  it("an instance learns nothing of another's tokens: genuine, forged and expired are told in the same words", async () => {
    const other: Target = { ...CLOWK, caller: { instance_secret_key: secretOf("clowk-other") } };
    for (const token of [
      makeToken(CLOWK),
      makeToken({ ...CLOWK, key: "clowk-other" }),
      makeToken({ ...CLOWK, key: "hs256" }),
      makeToken(CLOWK, { payload: claimsWith({ exp: 1 }) }),
      makeToken(CLOWK, { payload: claimsWith({ jti: "revoked" }) }),
      makeToken(CLOWK, { payload: claimsWith({ sub: "nobody" }) }),
    ]) {
      await expectGrpc(service(), other, token, "INSTANCE_MISMATCH instance_id");
      const answer = await exchange(service().deployment.inProcess, faceRequest(other, token));
      expectAnswer(answer, { status: 401, body: '{"valid":false,"error":"Token does not belong to this instance"}' });
    }
  });

  it("an instance's own key does not make another's token its own", async () => {
    const other: Target = { ...CLOWK, key: "clowk-other", caller: { instance_secret_key: secretOf("clowk-other") } };
    const own = { ...other.claims, instance_id: "inst_other", sub: "only-of-other" };
    await expectGrpc(service(), other, makeToken({ ...other, claims: own }), "verified");
    await expectGrpc(service(), other, makeToken({ ...CLOWK, claims: own }), "SIGNATURE_INVALID");
    await expectGrpc(
      service(),
      other,
      makeToken({ ...other, claims: { ...own, sub: CLOWK.claims["sub"] } }),
      "USER_UNKNOWN sub",
    );
  });

  it("no failure says more than its catalogue: no secret, token, path, SQL or stack", async () => {
    for (const { message } of Object.values(FAILURES)) {
      expect(message).to.not.match(/SELECT|sqlite|\/[a-z]+\/|at .*:\d+|\$\{/i);
    }
    const log = service().deployment.log();
    for (const secret of [CLIENT.client_secret, key, secretOf("clowk-other")]) expect(log).to.not.include(secret);
  });
});
