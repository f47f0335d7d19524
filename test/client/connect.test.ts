import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import {
  type ConnectOptions,
  connect,
  VerificationFailure,
  type VerifierClient,
  type VerifyRequest,
} from "../../src/client/index.js";
import { FAILURE_REASONS, FAILURES } from "../../src/contract/failures.js";
import { failure, type Outcome } from "../../src/contract/verifier.js";
import { statusNumber } from "../../src/wire/catalogue.js";
import { deferred, NOW, REJECTED, start, VERIFIED } from "../grpc/harness.js";
import { type ClosedPort, closedPort } from "../support/closed-port.js";

const NEVER = new Promise<Outcome>(() => undefined);
const clients: VerifierClient[] = [];
/** A client whose calls may take ten minutes, so that a slow machine fails no test; a test's own options go first. */
const open: typeof connect = (address, options) => {
  const client = connect(address, { deadlineMs: 600_000, ...options });
  clients.push(client);
  return client;
};
after(() => {
  for (const client of clients) client.close();
});

const thrownBy = (call: Promise<unknown>): Promise<any> =>
  call.then(
    () => expect.fail("did not throw"),
    (error: unknown) => error,
  );

/** The address of a port that has no listener. */
const deadAddress = ({ port }: ClosedPort): string => `127.0.0.1:${port}`;

describe("connect", () => {
  it("verify returns the verdict on a good token", async () => {
    const { address } = await start(() => VERIFIED);
    expect(await open(address).verify({ realm: "r", token: "t" })).to.deep.equal(VERIFIED);
  });

  it("verify returns the verdict on a bad token, with a message", async () => {
    const { address } = await start(() => REJECTED);
    expect(await open(address).verify({ realm: "r", token: "t" })).to.deep.equal({
      kind: "rejected",
      reason: "TOKEN_EXPIRED",
      claim: "exp",
      signatureVerified: false,
      message: "The token has expired ('exp' is not after now).",
      checks: [],
    });
  });

  it("verify sends every field of the request", async () => {
    const { address, asked } = await start(() => VERIFIED);
    const client = open(address);
    await client.verify({ realm: "r", token: "t", instanceSecretKey: "sk", explain: true }, { requestId: "id-1" });
    await client.verify({ realm: "r", token: "t", clientCredentials: { clientId: "c", clientSecret: "s" } });
    const [first, second] = asked;
    expect(first?.call.requestId).to.equal("id-1");
    expect(first?.request).to.include({ realm: "r", explain: true });
    expect(first?.request.token.reveal()).to.equal("t");
    expect(first?.request.credential?.kind).to.equal("instance");
    expect(second?.request.credential).to.include({ kind: "client", clientId: "c" });
  });

  it("verify refuses a request with two callers", async () => {
    const { address, asked } = await start(() => VERIFIED);
    const two = {
      realm: "r",
      token: "t",
      instanceSecretKey: "k",
      clientCredentials: { clientId: "c", clientSecret: "s" },
    };
    expect(await thrownBy(open(address).verify(two))).to.be.instanceOf(TypeError);
    expect(asked).to.have.length(0);
  });

  for (const reason of FAILURE_REASONS) {
    it(`verify throws a VerificationFailure for ${reason}`, async () => {
      const { address } = await start(() => failure(reason));
      const error = await thrownBy(open(address).verify({ realm: "r", token: "t" }, { requestId: "id-1" }));
      expect(error).to.be.instanceOf(VerificationFailure);
      const { status: name, message, retryAfter: retryAfterMs } = FAILURES[reason];
      const code = statusNumber(name);
      expect(error).to.include({ name: "VerificationFailure", reason, code, message, retryAfterMs, requestId: "id-1" });
    });
  }

  it("a VerificationFailure has the cause for which a key was refused", async () => {
    const { address } = await start(() => ({ ...failure("KEY_REFUSED"), cause: "unsupported" }));
    const error = await thrownBy(open(address).verify({ realm: "r", token: "t" }));
    expect(error).to.include({ reason: "KEY_REFUSED", code: 9, causeName: "unsupported", retryAfterMs: undefined });
    expect(error)
      .to.have.property("message")
      .that.matches(/Cause: unsupported\.$/);
  });

  it("verifyBatch answers in order, with failures in their places", async () => {
    const { address } = await start(({ token }) =>
      token.reveal() === "no" ? failure("REALM_UNKNOWN") : token.reveal() === "bad" ? REJECTED : VERIFIED,
    );
    const requests = ["a", "bad", "no", "b"].map((token) => ({ realm: "r", token }));
    const answers = await open(address).verifyBatch(requests);
    expect(answers.map((one) => (one instanceof VerificationFailure ? one.reason : one.kind))).to.deep.equal([
      "verified",
      "rejected",
      "REALM_UNKNOWN",
      "verified",
    ]);
  });

  it("verifyBatch throws if the batch fails as a whole", async () => {
    const { address } = await start(() => VERIFIED, { batch: 1 });
    const error = await thrownBy(
      open(address).verifyBatch([
        { realm: "r", token: "a" },
        { realm: "r", token: "b" },
      ]),
    );
    expect(error).to.be.instanceOf(VerificationFailure).and.include({ reason: "BATCH_TOO_LARGE" });
  });

  it("a call is given up at its deadline", async () => {
    const { address } = await start(() => NEVER);
    const error = await thrownBy(open(address, { deadlineMs: 30 }).verify({ realm: "r", token: "t" }));
    expect(error).to.include({ reason: "TIMED_OUT" });
    const sooner = await thrownBy(open(address).verify({ realm: "r", token: "t" }, { deadlineMs: 30 }));
    expect(sooner).to.include({ reason: "TIMED_OUT" });
  });

  it("a call has a deadline of 2 seconds by default", async () => {
    const { address, asked } = await start(() => VERIFIED, { request: 600_000 });
    // The client's clock is a minute ahead, so the call has a minute more than its two seconds, however slow the
    // machine is.
    const began = Date.now();
    const client = connect(address, { clock: () => Date.now() + 60_000 });
    clients.push(client);
    await client.verify({ realm: "r", token: "t" });
    const took = Date.now() - began;
    // The deadline is on the service's own clock, which does not move.
    expect(asked[0]?.call.deadline).to.be.within(NOW + 62_000 - took - 1, NOW + 62_000);
  });

  it("a call is cancelled by its signal, and rejects with the signal's reason", async () => {
    const entered = deferred<void>();
    const { address } = await start(() => {
      entered.resolve();
      return NEVER;
    });
    const controller = new AbortController();
    const call = thrownBy(open(address).verify({ realm: "r", token: "t" }, { signal: controller.signal }));
    await entered.promise;
    const reason = new Error("enough");
    controller.abort(reason);
    expect(await call).to.equal(reason);
    const late = await thrownBy(open(address).verify({ realm: "r", token: "t" }, { signal: controller.signal }));
    expect(late).to.equal(reason);
  });

  it("a call fails at once, with the address and a fix, if nothing listens there", async () => {
    const dead = await closedPort();
    const address = deadAddress(dead);
    const client = open(address);
    const error = await thrownBy(client.verify({ realm: "r", token: "t" }));
    expect(error).to.be.instanceOf(VerificationFailure);
    expect(error).to.include({ reason: "VERIFIER_UNAVAILABLE", code: 14, retryAfterMs: 1000 });
    expect(error.message).to.equal(
      `No service can be reached at ${address}: nothing listens there. Check that the service is running, and that the address is right.`,
    );
    expect(error.cause.message).to.include("ECONNREFUSED");
    const batch = await thrownBy(client.verifyBatch([{ realm: "r", token: "t" }]));
    expect(batch.message).to.equal(error.message);
    dead.release();
  });

  it("the error says that a socket file is missing, or a host name unknown", async () => {
    const places = {
      "unix:/nowhere/at.sock": "there is no such socket file",
      "nowhere.invalid:50051": "its name cannot be resolved",
    };
    for (const [address, why] of Object.entries(places)) {
      const error = await thrownBy(open(address).verify({ realm: "r", token: "t" }));
      expect(error, address).to.include({ reason: "VERIFIER_UNAVAILABLE" });
      expect(error.message).to.include(`${address}: ${why}. Check `);
    }
  });

  it("a client with waitForReady waits for a service that is not up yet, within its deadline", async () => {
    const dead = await closedPort();
    const address = deadAddress(dead);
    const client = open(address, { waitForReady: true });
    const call = client.verify({ realm: "r", token: "t" });
    dead.release();
    await start(() => VERIFIED, {}, address);
    expect((await call).kind).to.equal("verified");
  });

  it("a client with waitForReady says that nothing listened if its deadline passes", async () => {
    const dead = await closedPort();
    const address = deadAddress(dead);
    const client = open(address, { waitForReady: true, deadlineMs: 300 });
    const ask = (): Promise<any> => thrownBy(client.verify({ realm: "r", token: "t" }));
    // A call that ends before the first attempt to connect was refused knows only that its time is over.
    let gone = await ask();
    while (gone.reason === "TIMED_OUT") gone = await ask();
    expect(gone).to.include({ reason: "VERIFIER_UNAVAILABLE" });
    expect(gone.message).to.include(address);
    dead.release();
  });

  it("a client finds a service that was restarted", async () => {
    const first = await start(() => VERIFIED);
    const client = open(first.address);
    await client.verify({ realm: "r", token: "t" });
    await first.server.close(1000);
    await start(() => REJECTED, {}, first.address);
    expect((await client.verify({ realm: "r", token: "t" })).kind).to.equal("rejected");
  });

  it("a client opens as many connections as configured, and uses them in turn", async () => {
    const { address, asked } = await start(() => VERIFIED);
    const client = open(address, { connections: 3 });
    for (let turn = 0; turn < 6; turn++) await client.verify({ realm: "r", token: "t" });
    expect(asked).to.have.length(6);
  });

  /** Two services at one `ipv4:` address, and a client of both. The first answers as given, the second that the token is good. */
  async function twoServices(verify: Parameters<typeof start>[0], options?: ConnectOptions) {
    const first = await start(verify);
    const second = await start(() => VERIFIED);
    const client = open(`ipv4:${first.address},${second.address}`, options);
    return { first, second, client };
  }

  it("a client of several addresses uses them in turn, and goes on with one when the other is gone", async () => {
    const { first, second, client } = await twoServices(() => REJECTED);
    const ask = async (): Promise<string> => (await client.verify({ realm: "r", token: "t" })).kind;
    while (first.asked.length === 0 || second.asked.length === 0) await ask();
    const kinds: string[] = [];
    for (let turn = 0; turn < 6; turn++) kinds.push(await ask());
    expect(kinds.toSorted()).to.deep.equal([...Array(3).fill("rejected"), ...Array(3).fill("verified")]);
    await first.server.close(0);
    for (let turn = 0; turn < 6; turn++) expect(await ask()).to.equal("verified");
  });

  /** Makes calls until the first of two services has one that it does not answer, and cuts that one's connection. */
  async function callUntilCut(options: ConnectOptions, request: Partial<VerifyRequest> = {}) {
    const entered = deferred<void>();
    const services = await twoServices(() => {
      entered.resolve();
      return NEVER;
    }, options);
    const calls: Promise<string>[] = [];
    while (services.first.asked.length === 0) {
      for (const token of ["t", "u"]) {
        const call = services.client.verify({ realm: "r", token, ...request });
        calls.push(
          call.then(
            ({ kind }) => kind,
            (error: unknown) => (error as VerificationFailure).reason,
          ),
        );
      }
      await Promise.race([entered.promise, Promise.all(calls)]);
    }
    await services.first.server.close(0);
    return { ...services, results: await Promise.all(calls) };
  }

  for (const [what, batch] of [
    ["a call", false],
    ["each call of a batch", true],
  ] as const) {
    it(`${what} whose connection is lost before the answer is made once more over another`, async () => {
      const { results, first, second } = await callUntilCut({ batch });
      expect(new Set(results)).to.deep.equal(new Set(["verified"]));
      expect(second.asked).to.have.length(results.length);
      expect(first.asked).to.have.length.within(1, 2);
    });
  }

  it("a call with a proof is never made again", async () => {
    const proof = { dpop: { proof: "p", method: "GET", url: "https://api.example/" } };
    const { results, first, second } = await callUntilCut({}, { proof });
    expect(results.filter((one) => one === "verified")).to.have.length(second.asked.length);
    expect(results.filter((one) => one !== "verified")).to.have.length(first.asked.length);
    expect(results).to.have.length(first.asked.length + second.asked.length);
  });

  it("a client connects over a socket file", async () => {
    const directory = await mkdtemp(join(tmpdir(), "tv-"));
    const { address } = await start(() => VERIFIED, {}, `unix:${join(directory, "s.sock")}`);
    expect((await open(address).verify({ realm: "r", token: "t" })).kind).to.equal("verified");
    await rm(directory, { recursive: true });
  });

  it("a closed client fails its calls", async () => {
    const { address } = await start(() => VERIFIED);
    const client = connect(address);
    client.close();
    expect(await thrownBy(client.verify({ realm: "r", token: "t" }))).to.include({ reason: "VERIFIER_UNAVAILABLE" });
  });

  it("the errors of a client contain no secret", async () => {
    const { address } = await start(() => failure("CALLER_UNKNOWN"));
    const error = await thrownBy(open(address).verify({ realm: "r", token: "TOKEN", instanceSecretKey: "SECRET" }));
    expect(JSON.stringify(error) + error.stack).to.not.match(/TOKEN\b(?!_)|SECRET/);
  });
});
