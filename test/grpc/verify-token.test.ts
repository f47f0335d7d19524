import { status } from "@grpc/grpc-js";
import { expect } from "chai";
import { FAILURE_REASONS, FAILURES } from "../../src/contract/failures.js";
import { failure, type Outcome } from "../../src/contract/verifier.js";
import { statusNumber } from "../../src/wire/catalogue.js";
import { failureFromStatus } from "../../src/wire/status.js";
import { deferred, failing, NOW, REJECTED, start, VERIFIED } from "./harness.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("VerifyToken", () => {
  it("a verdict, verified or rejected, is answered with the status OK", async () => {
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

  it("the verifier receives every field of the request", async () => {
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
    it(`a failure for ${reason} can be read back from the call's error`, async () => {
      const { client } = await start(() => failure(reason));
      const error = await failing(client.call("VerifyToken", { realm: "r", token: "t" }, { "x-request-id": "id-1" }));
      expect(error.code).to.equal(statusNumber(FAILURES[reason].status));
      expect(error.details).to.equal(FAILURES[reason].message);
      expect(failureFromStatus(error)).to.deep.equal(failure(reason));
      expect(error.metadata.get("x-request-id")).to.deep.equal(["id-1"]);
    });
  }

  it("a verifier that answers later is waited for", async () => {
    const { client } = await start(async () => VERIFIED);
    const { value } = await client.call("VerifyToken", { realm: "r", token: "t" });
    expect(value.verdict).to.equal("verified");
  });

  describe("the request id of a gRPC call", () => {
    it("a request id comes back as it was sent, and reaches the verifier", async () => {
      const { client, asked } = await start(() => VERIFIED);
      const { trailer } = await client.call("VerifyToken", { token: "t" }, { "x-request-id": "my id/1" });
      expect(trailer.get("x-request-id")).to.deep.equal(["my id/1"]);
      expect(asked[0]?.call.requestId).to.equal("my id/1");
    });

    for (const [what, sent] of Object.entries({
      "no id": {},
      "an id that is too long": { "x-request-id": "x".repeat(129) },
    })) {
      it(`a request id is made for a call with ${what}`, async () => {
        const { client, asked } = await start(() => VERIFIED);
        const { trailer } = await client.call("VerifyToken", { token: "t" }, sent);
        expect(trailer.get("x-request-id")[0]).to.match(UUID).and.equal(asked[0]?.call.requestId);
      });
    }
  });

  describe("the deadline of a call", () => {
    it("a call has the service's time limit if its caller sets no deadline", async () => {
      const { client, asked } = await start(() => VERIFIED, { request: 5000 });
      await client.call("VerifyToken", { token: "t" });
      expect(asked[0]?.call.deadline).to.equal(NOW + 5000);
    });

    it("a call has its caller's deadline if that is sooner than the service's limit", async () => {
      const { client, asked } = await start(() => VERIFIED, { request: 500_000_000 });
      await client.call("VerifyToken", { token: "t" }, {}, { deadline: Date.now() + 60_000 });
      expect(asked[0]?.call.deadline).to.be.lessThan(NOW + 500_000_000);
    });

    it("a call whose time is over fails once, as TIMED_OUT", async () => {
      const late = deferred<Outcome>();
      const { client, verified } = await start(() => late.promise, { request: 100 });
      const error = await failing(client.call("VerifyToken", { token: "t" }));
      expect(failureFromStatus(error)).to.deep.equal(failure("TIMED_OUT"));
      late.resolve(VERIFIED);
      await late.promise;
      expect(verified.map(({ outcome }) => outcome)).to.deep.equal([failure("TIMED_OUT")]);
    });

    it("a call past its caller's deadline is DEADLINE_EXCEEDED", async () => {
      const { client } = await start(() => new Promise(() => undefined));
      const error = await failing(client.call("VerifyToken", { token: "t" }, {}, { deadline: Date.now() + 30 }));
      expect(error.code).to.equal(status.DEADLINE_EXCEEDED);
    });
  });

  it("a cancelled call is not answered, and the server serves on", async () => {
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

  describe("faults of the service", () => {
    const SECRET = new Error("password=hunter2 at /srv/db.ts:1");
    const cases: Record<string, () => Outcome | Promise<Outcome>> = {
      "a verifier that throws": () => {
        throw SECRET;
      },
      "a verifier that rejects": () => Promise.reject(SECRET),
      "a verdict that cannot be written": () => ({ ...VERIFIED, token: null as never }),
    };
    for (const [what, verify] of Object.entries(cases)) {
      it(`${what} is INTERNAL to the caller, and a fault to the observer`, async () => {
        const { client, faults, verified } = await start(verify);
        const error = await failing(client.call("VerifyToken", { token: "t" }));
        expect(failureFromStatus(error)).to.deep.equal(failure("INTERNAL"));
        expect(error.details).to.equal(FAILURES.INTERNAL.message);
        expect(faults).to.have.length(1);
        expect(verified.map(({ outcome }) => outcome)).to.deep.equal([failure("INTERNAL")]);
      });
    }
  });

  it("each verification is reported to the observer", async () => {
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
