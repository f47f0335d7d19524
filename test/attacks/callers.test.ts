import { expect } from "chai";
import { FAILURES } from "../../src/contract/failures.js";
import { expectAnswer, expectOutcome } from "../support/expect.js";
import { exchange } from "../support/http.js";
import { secretOf } from "../support/keys.js";
import { attacked, CLOWK, claimsWith, expectGrpc, FISERV, faceRequest, makeToken, type Target } from "./harness.js";

// Attacks on callers' credentials. Other files test the limits of failures (test/verifier/credential-rate-
// limit.test.ts) and of callers in a batch (test/e2e/calls.test.ts), trusted proxies (test/util/client-
// address.test.ts), and the time that a refusal takes (npm run timing; test/directory/directory-cache.test.ts).

describe("attacks on callers", () => {
  const service = attacked();

  /** Texts that a careless comparison takes for the given one. */
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
    it(`the client secret ${JSON.stringify(text)} is wrong, and refused in the same words`, () =>
      refusedClient({ ...CLIENT, client_secret: text }));
  }
  it("a client whose id and secret are swapped is unknown", () =>
    refusedClient({ client_id: CLIENT.client_secret, client_secret: CLIENT.client_id }));
  it("control: the right client credentials are accepted", () =>
    expectGrpc(service(), FISERV, makeToken(FISERV), "verified"));

  const key = secretOf("clowk");
  // HTTP trims headers and carries no control characters, so those keys are tried over gRPC alone.
  const sent = (text: string): boolean => /^[\x21-\x7e]+$/.test(text);
  for (const text of [...nearly(key), secretOf("integuru"), secretOf("hs256"), "inst_abc123", "app_xyz789"]) {
    it(`the secret key ${JSON.stringify(text.replace(key, "KEY"))} is unknown`, async () => {
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
  it("control: the right secret key is accepted", () => expectGrpc(service(), CLOWK, makeToken(CLOWK), "verified"));

  it("an instance gets the same answer for another's tokens, whether genuine, forged or expired", async () => {
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

  it("an instance cannot verify another's token with its own key", async () => {
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

  it("no failure's message contains a path, SQL or stack, and the log contains no secret", async () => {
    for (const { message } of Object.values(FAILURES)) {
      expect(message).to.not.match(/SELECT|sqlite|\/[a-z]+\/|at .*:\d+|\$\{/i);
    }
    const log = service().deployment.log();
    for (const secret of [CLIENT.client_secret, key, secretOf("clowk-other")]) expect(log).to.not.include(secret);
  });
});
