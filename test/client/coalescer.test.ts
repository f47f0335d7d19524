import { type handleUnaryCall, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { expect } from "chai";
import {
  BatchVerifyTokensResponse,
  TokenVerifierService,
  type VerifyTokenRequest,
  type VerifyTokenResponse,
} from "../../gen/tokenverifier/v1/token_verifier.js";
import type { Channel, ChannelCall } from "../../src/client/channel.js";
import { Coalescer } from "../../src/client/coalescer.js";
import { connect, type VerificationFailure, type VerifierClient, type VerifyRequest } from "../../src/client/index.js";
import { FAILURE_REASONS } from "../../src/contract/failures.js";
import { failure, type Outcome, type VerificationRequest } from "../../src/contract/verifier.js";
import { deferred, REJECTED, type Running, start, VERIFIED } from "../grpc/harness.js";

const clients: VerifierClient[] = [];
/** A client that coalesces, whose calls may take ten minutes. */
const open: typeof connect = (address, options) => {
  const client = connect(address, { deadlineMs: 600_000, batch: true, ...options });
  clients.push(client);
  return client;
};
after(() => {
  for (const client of clients) client.close();
});

/** Verifies a token whose text says so; any other is rejected. */
const byToken = ({ token }: VerificationRequest): Outcome => (token.reveal().startsWith("good") ? VERIFIED : REJECTED);

/** What a client's promises came to: the verdict's kind, or the failure's reason. */
const results = async (calls: readonly Promise<{ readonly kind: string }>[]): Promise<readonly string[]> =>
  (await Promise.allSettled(calls)).map((one) =>
    one.status === "fulfilled" ? one.value.kind : (one.reason as VerificationFailure).reason,
  );

/** The methods that answered a server's questions, with the number of different calls of each. */
function callsOf({ verified }: Running): Readonly<Record<string, number>> {
  const ids = new Map<string, Set<string>>();
  for (const { call } of verified) ids.set(call.via, (ids.get(call.via) ?? new Set()).add(call.requestId));
  return Object.fromEntries([...ids].map(([via, { size }]) => [via, size]));
}

const many = (count: number, request: (n: number) => Partial<VerifyRequest> = () => ({})): readonly VerifyRequest[] =>
  Array.from({ length: count }, (_, n) => ({
    realm: "r",
    token: `${n % 3 === 0 ? "bad" : "good"} ${n}`,
    ...request(n),
  }));
const expected = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, n) => (n % 3 === 0 ? "rejected" : "verified"));

describe("a client with batch: true", () => {
  const COUNTS: readonly (readonly [string, number, (n: number) => Partial<VerifyRequest>, Record<string, number>])[] =
    [
      ["one call", 1, () => ({}), { VerifyToken: 1 }],
      ["two calls", 2, () => ({}), { BatchVerifyTokens: 1 }],
      ["500 calls", 500, () => ({}), { BatchVerifyTokens: 1 }],
      ["501 calls", 501, () => ({}), { BatchVerifyTokens: 1, VerifyToken: 1 }],
      ["1200 calls", 1200, () => ({}), { BatchVerifyTokens: 3 }],
      ["40 calls of two realms", 40, (n) => ({ realm: n < 20 ? "r" : "s" }), { BatchVerifyTokens: 2 }],
      ["calls of 8 callers", 40, (n) => ({ instanceSecretKey: `sk ${n % 8}` }), { BatchVerifyTokens: 1 }],
      ["calls of 9 callers", 45, (n) => ({ instanceSecretKey: `sk ${n % 9}` }), { BatchVerifyTokens: 2 }],
      [
        "calls of 17 callers of both kinds",
        68,
        (n) =>
          n % 17 < 9
            ? { instanceSecretKey: `sk ${n % 17}` }
            : { clientCredentials: { clientId: `c ${n % 17}`, clientSecret: "s" } },
        { BatchVerifyTokens: 3 },
      ],
      [
        "calls with a megabyte each",
        5,
        (n) => ({ token: `${n % 3 === 0 ? "bad" : "good"} ${"x".repeat(1_000_000)}` }),
        {
          BatchVerifyTokens: 2,
          VerifyToken: 1,
        },
      ],
      [
        "calls with a proof",
        2,
        () => ({ proof: { clientCertificate: { sha256: new Uint8Array(32) } } }),
        {
          VerifyToken: 2,
        },
      ],
    ];
  for (const [what, count, request, sent] of COUNTS) {
    it(`${what} in one turn make ${Object.entries(sent)
      .map(([via, times]) => `${times} of ${via}`)
      .join(" and ")}, each with its own answer`, async () => {
      const service = await start(byToken);
      const client = open(service.address);
      expect(await results(many(count, request).map((one) => client.verify(one)))).to.deep.equal(expected(count));
      expect(callsOf(service)).to.deep.equal(sent);
    });
  }

  it("a call with a request id of its own goes alone, under that id", async () => {
    const service = await start(byToken);
    const client = open(service.address);
    const own = client.verify({ realm: "r", token: "good" }, { requestId: "mine" });
    await Promise.all([own, ...many(3).map((one) => client.verify(one))]);
    expect(callsOf(service)).to.deep.equal({ VerifyToken: 1, BatchVerifyTokens: 1 });
    expect(service.verified.find(({ call }) => call.via === "VerifyToken")?.call.requestId).to.equal("mine");
  });

  it("calls of different turns of the event loop are not collected", async () => {
    const service = await start(byToken);
    const client = open(service.address);
    for (let turn = 0; turn < 3; turn++) await client.verify({ realm: "r", token: "good" });
    expect(callsOf(service)).to.deep.equal({ VerifyToken: 3 });
  });

  it("the bounds of a batch are the client's to choose", async () => {
    const service = await start(byToken);
    const client = open(service.address, { batch: { calls: 10 } });
    expect(await results(many(40).map((one) => client.verify(one)))).to.deep.equal(expected(40));
    expect(callsOf(service)).to.deep.equal({ BatchVerifyTokens: 4 });
  });

  const outcomes: Outcome[] = [
    VERIFIED,
    REJECTED,
    ...FAILURE_REASONS.map((reason) => failure(reason)),
    { ...failure("KEY_REFUSED"), cause: "unsupported" },
    failure("RATE_LIMITED", 12_000),
  ];
  it("every verdict and failure is the same with and without batch", async () => {
    const service = await start(({ token }) => outcomes[Number(token.reveal().split(" ")[1])] ?? VERIFIED);
    const alone = open(service.address, { batch: false });
    const ask = async (client: VerifierClient) =>
      (await Promise.allSettled(outcomes.map((_, n) => client.verify({ realm: "r", token: `t ${n}` })))).map((one) =>
        one.status === "fulfilled" ? one.value : { ...one.reason, requestId: "", message: one.reason.message },
      );
    expect(await ask(open(service.address))).to.deep.equal(await ask(alone));
  });

  it("a call is cancelled by its signal, and the others of its batch get their answers", async () => {
    const entered = deferred<void>();
    const answer = deferred<Outcome>();
    const service = await start(() => {
      entered.resolve();
      return answer.promise;
    });
    const client = open(service.address);
    const controller = new AbortController();
    const calls = [
      client.verify({ realm: "r", token: "a" }),
      client.verify({ realm: "r", token: "b" }, { signal: controller.signal }),
    ];
    const settled = Promise.allSettled(calls);
    await entered.promise;
    const reason = new Error("enough");
    controller.abort(reason);
    answer.resolve(VERIFIED);
    const [first, second] = await settled;
    expect(first).to.have.nested.property("value.kind", "verified");
    expect(second).to.deep.equal({ status: "rejected", reason });
    const late = client.verify({ realm: "r", token: "b" }, { signal: controller.signal });
    expect(await late.catch((error: unknown) => error)).to.equal(reason);
  });

  it("a batch is cancelled once all of its calls are, and calls that are cancelled before it is sent never are", async () => {
    const entered = deferred<void>();
    const service = await start(() => {
      entered.resolve();
      return new Promise(() => undefined);
    });
    const client = open(service.address);
    const controller = new AbortController();
    const { signal } = controller;
    const gone = AbortSignal.abort(new Error("gone"));
    const early = new AbortController();
    const calls = [
      ...["a", "b"].map((token) => client.verify({ realm: "r", token }, { signal })),
      client.verify({ realm: "r", token: "c" }, { signal: gone }),
      client.verify({ realm: "r", token: "d" }, { signal: early.signal }),
    ];
    const settled = Promise.allSettled(calls);
    early.abort(new Error("early"));
    await entered.promise;
    controller.abort(new Error("enough"));
    expect((await settled).map((one) => one.status === "rejected" && one.reason.message)).to.deep.equal([
      "enough",
      "enough",
      "gone",
      "early",
    ]);
    const [{ call } = expect.fail()] = service.asked;
    while (!(call as unknown as { cancelled: boolean }).cancelled)
      await new Promise((resolve) => setImmediate(resolve));
    expect(service.asked.map(({ request }) => request.token.reveal())).to.deep.equal(["a", "b"]);
  });

  it("a batch that is too large for the service is asked call by call, and so are the next calls", async () => {
    const service = await start(byToken, { batch: 5 });
    const client = open(service.address);
    for (let turn = 0; turn < 2; turn++) {
      expect(await results(many(12).map((one) => client.verify(one)))).to.deep.equal(expected(12));
    }
    expect(callsOf(service)).to.deep.equal({ VerifyToken: 24 });
    expect(service.refused).to.deep.equal(["BatchVerifyTokens BATCH_TOO_LARGE"]);
  });

  it("a batch whose message is too large for the service is asked call by call", async () => {
    const service = await start(byToken, { message: 64 * 1024 });
    const client = open(service.address);
    const large = many(12, (n) => ({ token: `${n % 3 === 0 ? "bad" : "good"} ${"x".repeat(10_000)}` }));
    expect(await results(large.map((one) => client.verify(one)))).to.deep.equal(expected(12));
    expect(callsOf(service)).to.deep.equal({ VerifyToken: 12 });
  });

  it("a service without BatchVerifyTokens is asked call by call", async () => {
    const server = new Server();
    const answers: string[] = [];
    const { verifyToken } = TokenVerifierService;
    server.addService(
      { verifyToken },
      {
        verifyToken: (({ request }, callback) => {
          answers.push(request.token);
          callback({ code: status.UNAVAILABLE });
        }) satisfies handleUnaryCall<VerifyTokenRequest, VerifyTokenResponse>,
      },
    );
    const port = await new Promise<number>((resolve) =>
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (_error, bound) => resolve(bound)),
    );
    const client = open(`127.0.0.1:${port}`);
    expect(await results(many(2).map((one) => client.verify(one)))).to.deep.equal(
      Array(2).fill("VERIFIER_UNAVAILABLE"),
    );
    expect(new Set(answers)).to.deep.equal(new Set(["bad 0", "good 1"]));
    server.forceShutdown();
  });

  it("calls fail with the address and the cause if no service can be reached", async () => {
    const service = await start(byToken);
    await service.server.close(0);
    const client = open(service.address);
    const [one, two] = await Promise.allSettled(many(2).map((request) => client.verify(request)));
    for (const failed of [one, two]) {
      expect(failed).to.have.nested.property("reason.reason", "VERIFIER_UNAVAILABLE");
      expect(failed)
        .to.have.nested.property("reason.message")
        .that.includes(`${service.address}: nothing listens there`);
    }
  });

  it("calls that were collected but not sent fail when the client is closed", async () => {
    const service = await start(byToken);
    const client = open(service.address);
    await client.verify({ realm: "r", token: "good" });
    const calls = many(3).map((one) => client.verify(one));
    client.close();
    expect(await results(calls)).to.deep.equal(Array(3).fill("VERIFIER_UNAVAILABLE"));
    expect(service.asked).to.have.length(1);
  });
});

describe("the deadlines of coalesced calls", () => {
  /** A coalescer over a channel whose batches the test answers, with a clock and timers that the test moves. */
  function setUp() {
    let now = 1000;
    const timers = new Set<{ readonly at: number; readonly run: () => void }>();
    const sent: { readonly requests: readonly VerifyTokenRequest[]; readonly call: ChannelCall }[] = [];
    const answer = deferred<BatchVerifyTokensResponse>();
    const channel = {
      call: (_method: unknown, { requests }: { requests: VerifyTokenRequest[] }, call: ChannelCall) => {
        sent.push({ requests, call });
        return answer.promise;
      },
      close: () => {},
    } as unknown as Channel;
    const after = (millis: number, run: () => void): (() => void) => {
      const timer = { at: now + millis, run };
      timers.add(timer);
      return () => timers.delete(timer);
    };
    const coalescer = new Coalescer(channel, {}, () => now, after);
    const results: string[] = [];
    const ask = (token: string, deadline: number): void => {
      const message = { realm: "r", token, caller: undefined, explain: false, proof: undefined };
      void coalescer.verify(message, { deadline }).then(({ outcome }) => {
        results.push(`${token} ${outcome.kind === "failure" ? outcome.reason : outcome.kind}`);
      });
    };
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const passTo = async (time: number): Promise<void> => {
      now = time;
      for (const timer of timers) {
        if (timer.at > now) continue;
        timers.delete(timer);
        timer.run();
      }
      await turn();
    };
    return { ask, turn, passTo, sent, timers, answer, results };
  }

  it("a batch has the latest deadline of its calls, and each call ends at its own", async () => {
    const { ask, turn, passTo, sent, results, answer, timers } = setUp();
    ask("a", 1300);
    ask("b", 1100);
    ask("c", Number.POSITIVE_INFINITY);
    ask("d", 1100);
    await turn();
    expect(sent.map(({ requests, call }) => [requests.length, call.deadline])).to.deep.equal([[4, Infinity]]);
    await passTo(1099);
    expect(results).to.deep.equal([]);
    await passTo(1100);
    expect(results).to.deep.equal(["b TIMED_OUT", "d TIMED_OUT"]);
    await passTo(1300);
    expect(results.slice(2)).to.deep.equal(["a TIMED_OUT"]);
    expect(sent[0]?.call.signal?.aborted).to.equal(false);
    const verdict = { verdict: undefined, checks: [], dpopNonce: "" };
    answer.resolve(
      BatchVerifyTokensResponse.fromPartial({
        responses: Array.from({ length: 4 }, () => ({ outcome: { $case: "verdict", value: verdict } })),
      }),
    );
    await turn();
    // An answer without a verdict is no verdict.
    expect(results.slice(3)).to.deep.equal(["c VERIFIER_UNAVAILABLE"]);
    expect(timers.size).to.equal(0);
  });

  it("a batch is cancelled once all of its calls have timed out", async () => {
    const { ask, turn, passTo, sent, results } = setUp();
    ask("a", 1100);
    ask("b", 1200);
    await turn();
    await passTo(1200);
    expect(results).to.deep.equal(["a TIMED_OUT", "b TIMED_OUT"]);
    expect(sent[0]?.call.signal?.aborted).to.equal(true);
  });

  it("calls whose time is over before they are sent are not sent", async () => {
    const { ask, turn, sent, results } = setUp();
    ask("a", 1000);
    ask("b", 900);
    await turn();
    expect(results).to.deep.equal(["a TIMED_OUT", "b TIMED_OUT"]);
    expect(sent).to.deep.equal([]);
  });
});
