import { status } from "@grpc/grpc-js";
import { expect } from "chai";
import { FAILURE_REASONS, FAILURES } from "../../src/contract/failures.js";
import { failure, type Outcome } from "../../src/contract/verifier.js";
import { statusNumber } from "../../src/wire/catalogue.js";
import { failureFromStatus } from "../../src/wire/status.js";
import { deferred, failing, NOW, REJECTED, start, VERIFIED } from "./harness.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("VerifyToken", () => {
  it("answers a verdict, verified or rejected, as a good call", async () => {
    const { client } = await start(({ token }) => (token.reveal() === "good" ? VERIFIED : REJECTED));
    const { value: good } = await client.call("VerifyToken", { realm: "r", token: "good" });
    expect(good.verdict).to.equal("verified");
    expect(good.verified.token).to.include({ subject: "jane", keyId: "k1", payload: '{"sub":"jane"}' });
    const { value: bad } = await client.call("VerifyToken", { realm: "r", token: "bad" });
    expect(bad.rejected).to.deep.equal({
      reason: "REASON_TOKEN_EXPIRED",
      claim: "exp",
      message: "The token has expired ('exp' is not after now).",
    });
  });

  it("hands the whole question to the verifier", async () => {
    const { client, asked } = await start(() => VERIFIED);
    await client.call("VerifyToken", { realm: "r", token: "t", instanceSecretKey: "sk_1", explain: true });
    await client.call("VerifyToken", {
      realm: "r",
      token: "t",
      clientCredentials: { clientId: "c", clientSecret: "s" },
    });
    await client.call("VerifyToken", { realm: "", token: "" });
    const [instance, app, none] = asked.map(({ request }) => request);
    expect(instance?.explain).to.equal(true);
    expect(instance?.credential?.kind === "instance" && instance.credential.secretKey.reveal()).to.equal("sk_1");
    expect(app?.credential?.kind === "client" && app.credential.clientSecret.reveal()).to.equal("s");
    expect(none?.credential).to.equal(undefined);
    expect(none?.token.isEmpty).to.equal(true);
    expect(asked[0]?.call.address).to.equal("127.0.0.1");
  });

  for (const reason of FAILURE_REASONS) {
    it(`fails with ${reason}, which comes back the same`, async () => {
      const { client } = await start(() => failure(reason));
      const error = await failing(client.call("VerifyToken", { realm: "r", token: "t" }, { "x-request-id": "id-1" }));
      expect(error.code).to.equal(statusNumber(FAILURES[reason].status));
      expect(error.details).to.equal(FAILURES[reason].message);
      expect(failureFromStatus(error)).to.deep.equal(failure(reason));
      expect(error.metadata.get("x-request-id")).to.deep.equal(["id-1"]);
    });
  }

  it("waits for a verifier that has to", async () => {
    const { client } = await start(async () => VERIFIED);
    const { value } = await client.call("VerifyToken", { realm: "r", token: "t" });
    expect(value.verdict).to.equal("verified");
  });

  describe("the request id", () => {
    it("comes back as it was sent, and stands in the verifier's context", async () => {
      const { client, asked } = await start(() => VERIFIED);
      const { trailer } = await client.call("VerifyToken", { token: "t" }, { "x-request-id": "my id/1" });
      expect(trailer.get("x-request-id")).to.deep.equal(["my id/1"]);
      expect(asked[0]?.call.requestId).to.equal("my id/1");
    });

    for (const [what, sent] of Object.entries({
      none: {},
      "one that is too long": { "x-request-id": "x".repeat(129) },
    })) {
      it(`is made where there is ${what}`, async () => {
        const { client, asked } = await start(() => VERIFIED);
        const { trailer } = await client.call("VerifyToken", { token: "t" }, sent);
        expect(trailer.get("x-request-id")[0]).to.match(UUID).and.equal(asked[0]?.call.requestId);
      });
    }
  });

  describe("time", () => {
    it("is the service's own limit where the caller sets none", async () => {
      const { client, asked } = await start(() => VERIFIED, { request: 5000 });
      await client.call("VerifyToken", { token: "t" });
      expect(asked[0]?.call.deadline).to.equal(NOW + 5000);
    });

    it("is the caller's where that is shorter", async () => {
      const { client, asked } = await start(() => VERIFIED, { request: 500_000_000 });
      await client.call("VerifyToken", { token: "t" }, {}, { deadline: Date.now() + 60_000 });
      expect(asked[0]?.call.deadline).to.be.lessThan(NOW + 500_000_000);
    });

    it("over, the call is TIMED_OUT, once", async () => {
      const late = deferred<Outcome>();
      const { client, verified } = await start(() => late.promise, { request: 100 });
      const error = await failing(client.call("VerifyToken", { token: "t" }));
      expect(failureFromStatus(error)).to.deep.equal(failure("TIMED_OUT"));
      late.resolve(VERIFIED);
      await late.promise;
      expect(verified.map(({ outcome }) => outcome)).to.deep.equal([failure("TIMED_OUT")]);
    });

    it("over at the caller, the call is DEADLINE_EXCEEDED", async () => {
      const { client } = await start(() => new Promise(() => undefined));
      const error = await failing(client.call("VerifyToken", { token: "t" }, {}, { deadline: Date.now() + 30 }));
      expect(error.code).to.equal(status.DEADLINE_EXCEEDED);
    });
  });

  it("does not answer a cancelled call, and goes on serving", async () => {
    const [entered, late] = [deferred<void>(), deferred<Outcome>()];
    const { client, verified, faults } = await start(({ token }) => {
      if (token.reveal() !== "slow") return VERIFIED;
      entered.resolve();
      return late.promise;
    });
    const call = client.raw["VerifyToken"]({ token: "slow" }, () => undefined);
    await entered.promise;
    const over = new Promise((resolve) => call.on("status", resolve));
    call.cancel();
    await over;
    await client.call("VerifyToken", { token: "t" });
    late.resolve(VERIFIED);
    await client.call("VerifyToken", { token: "t" });
    expect(verified).to.have.length(3);
    expect(faults).to.deep.equal([]);
  });

  describe("what should not happen", () => {
    const SECRET = new Error("password=hunter2 at /srv/db.ts:1");
    const cases: Record<string, () => Outcome | Promise<Outcome>> = {
      "a verifier that throws": () => {
        throw SECRET;
      },
      "a verifier that rejects": () => Promise.reject(SECRET),
      "a verdict that cannot be written": () => ({ ...VERIFIED, token: null as never }),
    };
    for (const [what, verify] of Object.entries(cases)) {
      it(`${what} is INTERNAL to the caller and a fault to the observer`, async () => {
        const { client, faults, verified } = await start(verify);
        const error = await failing(client.call("VerifyToken", { token: "t" }));
        expect(failureFromStatus(error)).to.deep.equal(failure("INTERNAL"));
        expect(error.details).to.equal(FAILURES.INTERNAL.message);
        expect(faults).to.have.length(1);
        expect(verified.map(({ outcome }) => outcome)).to.deep.equal([failure("INTERNAL")]);
      });
    }
  });

  it("tells the observer of each verification", async () => {
    const { client, verified } = await start(() => REJECTED);
    await client.call("VerifyToken", { realm: "r", token: "t" }, { "x-request-id": "id-1" });
    expect(verified).to.have.length(1);
    const [{ call, realm, outcome, items, millis } = expect.fail()] = verified;
    expect({ via: call.via, realm, outcome, items, millis }).to.deep.equal({
      via: "VerifyToken",
      realm: "r",
      outcome: REJECTED,
      items: 1,
      millis: 0,
    });
    expect({ requestId: call.requestId, address: call.address }).to.deep.equal({
      requestId: "id-1",
      address: "127.0.0.1",
    });
  });
});
