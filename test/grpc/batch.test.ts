import { expect } from "chai";
import { VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { FAILURES } from "../../src/contract/failures.js";
import { failure, type Outcome } from "../../src/contract/verifier.js";
import { verifyBatch } from "../../src/grpc/batch.js";
import { foldBatch } from "../../src/grpc/fold.js";
import { requestFromWire } from "../../src/wire/messages.js";
import { failureFromStatus } from "../../src/wire/status.js";
import {
  deferred,
  eventually,
  failing,
  LIMITS,
  NOW,
  REJECTED,
  type Running,
  start,
  tickingClock,
  VERIFIED,
} from "./harness.js";

const BATCH = "BatchVerifyTokens";
const byToken: Parameters<typeof start>[0] = ({ token }) => {
  const text = token.reveal();
  if (text === "throws") throw new Error("no");
  if (text === "unavailable") return failure("KEYS_UNAVAILABLE", 2500);
  if (text === "later") return Promise.resolve({ ...VERIFIED, token: { ...VERIFIED.token, subject: text } });
  return text.startsWith("bad") ? REJECTED : { ...VERIFIED, token: { ...VERIFIED.token, subject: text } };
};
const items = (tokens: string[]) => ({ requests: tokens.map((token) => ({ realm: "r", token })) });

describe("BatchVerifyTokens", () => {
  it("a batch is answered in the order of its requests, even if a later one finishes first", async () => {
    const { client } = await start(byToken);
    const { value } = await client.call(BATCH, items(["a", "later", "bad", "b", "unavailable", "throws", "c"]));
    const told = value.responses.map((item: any) =>
      item.outcome === "error"
        ? item.error.reason
        : (item.verdict.verified?.token.subject ?? item.verdict.rejected.reason),
    );
    expect(told).to.deep.equal([
      "a",
      "later",
      "REASON_TOKEN_EXPIRED",
      "b",
      "ERROR_REASON_KEYS_UNAVAILABLE",
      "ERROR_REASON_INTERNAL",
      "c",
    ]);
  });

  it("an item's error has the status, message and retry delay that its own call would have", async () => {
    const { client } = await start(byToken);
    const { value } = await client.call(BATCH, items(["unavailable"]));
    const { code, message, retryAfter } = value.responses[0].error;
    expect({ code, message }).to.deep.equal({ code: 14, message: FAILURES.KEYS_UNAVAILABLE.message });
    expect(retryAfter).to.deep.equal({ seconds: 2, nanos: 500_000_000 });
  });

  it("an empty batch gets an empty answer", async () => {
    const { client } = await start(byToken);
    expect((await client.call(BATCH, {})).value.responses).to.deep.equal([]);
  });

  it("identical requests in a batch are verified once, and each is answered", async () => {
    const { client, asked, verified } = await start(byToken);
    const one = { realm: "r", token: "a", instanceSecretKey: "k" };
    const requests = [
      one,
      one,
      { ...one, realm: "s" },
      { ...one, explain: true },
      { ...one, instanceSecretKey: "l" },
      one,
    ];
    const { value } = await client.call(BATCH, { requests });
    expect(value.responses).to.have.length(6);
    expect(asked).to.have.length(4);
    expect(verified.map(({ items }) => items)).to.deep.equal([3, 1, 1, 1]);
  });

  it("requests with the same token but other fields are each verified", async () => {
    const { client, asked } = await start(byToken, { batch: 2_000 });
    const requests = Array.from({ length: 2_000 }, (_, index) => ({ realm: `r${index}`, token: "t".repeat(150) }));
    await client.call(BATCH, { requests });
    expect(new Set(asked.map(({ request }) => request.realm)).size).to.equal(2_000);
  });

  it("the end of a realm's name is not mistaken for a credential", async () => {
    const { client, asked } = await start(byToken);
    const requests = [
      { realm: "r", token: "t", instanceSecretKey: "k" },
      { realm: "rik", token: "t" },
      { realm: "r1:ik", token: "t" },
      { realm: "er", token: "t" },
      { realm: "r", token: "t", explain: true },
    ];
    await client.call(BATCH, { requests });
    expect(asked).to.have.length(5);
  });

  it("a secret key is not mistaken for client credentials with the same letters", async () => {
    const { client, asked } = await start(byToken);
    const credentials = (clientId: string, clientSecret: string) => ({ clientCredentials: { clientId, clientSecret } });
    const requests = [{ instanceSecretKey: "ab" }, credentials("a", "b"), credentials("", "ab"), credentials("ab", "")];
    await client.call(BATCH, { requests: requests.map((caller) => ({ realm: "r", token: "t", ...caller })) });
    expect(asked).to.have.length(4);
  });

  describe("limits of a batch", () => {
    const callers = (count: number) => ({
      requests: Array.from({ length: count }, (_, index) => ({ token: "t", instanceSecretKey: `k${index}` })),
    });

    it("a batch may have as many requests as limits.batch, and not one more", async () => {
      const { client, refused, asked } = await start(byToken, { batch: 3 });
      expect((await client.call(BATCH, items(["a", "b", "c"]))).value.responses).to.have.length(3);
      const error = await failing(client.call(BATCH, items(["a", "b", "c", "d"])));
      expect(failureFromStatus(error)).to.deep.equal(failure("BATCH_TOO_LARGE"));
      expect(refused).to.deep.equal([`${BATCH} BATCH_TOO_LARGE`]);
      expect(asked).to.have.length(3);
    });

    it("a batch may have 8 distinct callers, and not one more", async () => {
      const { client } = await start(byToken);
      expect((await client.call(BATCH, callers(8))).value.responses).to.have.length(8);
      const error = await failing(client.call(BATCH, callers(9)));
      expect(failureFromStatus(error)).to.deep.equal(failure("TOO_MANY_CALLERS"));
    });
  });

  it("other calls are answered while a large batch is being verified", async () => {
    const order: string[] = [];
    const first = deferred<void>();
    const { client } = await start(
      ({ realm }) => {
        order.push(realm);
        if (order.length === 1) first.resolve();
        return VERIFIED;
      },
      { batch: 20_000, request: 60_000 },
      undefined,
      tickingClock(0.1),
    );
    // A batch this large takes many turns of the event loop, and the other call arrives during one of them.
    const size = 20_000;
    const requests = Array.from({ length: size }, (_, index) => ({ realm: "batch", token: `t${index}` }));
    const batch = client.call(BATCH, { requests });
    await first.promise;
    await client.call("VerifyToken", { realm: "single", token: "t" });
    await batch;
    expect(order).to.have.length(size + 1);
    expect(order.indexOf("single")).to.be.lessThan(size);
  });

  describe("giving way to other calls", () => {
    /** Verifies a batch whose requests take so many milliseconds each; returns how many were asked after each turn. */
    async function askedByTurn(millis: readonly number[]): Promise<readonly number[]> {
      let now = NOW;
      let asked = 0;
      const batch = foldBatch(
        millis.map((_, index) => requestFromWire(VerifyTokenRequest.fromPartial({ token: `t${index}` }))),
        LIMITS,
        undefined,
      );
      if (typeof batch === "string") throw new Error(batch);
      const verify = (): Outcome => {
        now += millis[asked++] ?? 0;
        return VERIFIED;
      };
      const observer = { ended: () => undefined, fault: () => undefined };
      const call = {
        via: "BatchVerifyTokens",
        requestId: "id",
        address: "",
        started: NOW,
        deadline: Infinity,
        workload: undefined,
        cancelled: false,
      };
      const outcomes = verifyBatch({ verifier: { verify }, clock: () => now, observer }, batch, call);
      const turns = [asked];
      while (asked < millis.length) {
        await new Promise((resolve) => setImmediate(resolve));
        turns.push(asked);
      }
      if (turns.length === 1) expect(outcomes).not.to.be.instanceOf(Promise);
      expect(await outcomes).to.have.length(millis.length);
      return turns;
    }

    const CASES: Readonly<Record<string, readonly [readonly number[], readonly number[]]>> = {
      "work of less than 2 ms is one turn": [[0.5, 0.5, 0.5, 0.4], [4]],
      "work of any number of requests that take no time is one turn": [Array<number>(1000).fill(0), [1000]],
      "each turn takes about 2 ms": [Array<number>(10).fill(0.5), [4, 8, 10]],
      "a request of more than 2 ms has a turn of its own": [
        [2.6, 2.6, 2.6],
        [1, 2, 3],
      ],
      "a long request ends its turn": [
        [0.1, 0.1, 5, 0.1, 0.1],
        [3, 5],
      ],
      "a clock that is set back ends the turn": [
        [0.1, -5000, 0.1, 0.1],
        [2, 4],
      ],
    };
    for (const [what, [millis, turns]] of Object.entries(CASES)) {
      it(what, async () => {
        expect(await askedByTurn(millis)).to.deep.equal(turns);
      });
    }

    it("a call is answered beside a batch of tokens that take long each", async () => {
      let now = NOW;
      const order: string[] = [];
      const first = deferred<void>();
      const { client } = await start(
        ({ realm }) => {
          order.push(realm);
          first.resolve();
          if (realm === "batch") now += 2.6;
          return VERIFIED;
        },
        { request: 60_000 },
        undefined,
        () => now,
      );
      const requests = Array.from({ length: 1000 }, (_, index) => ({ realm: "batch", token: `t${index}` }));
      const batch = client.call(BATCH, { requests });
      await first.promise;
      await client.call("VerifyToken", { realm: "single", token: "t" });
      expect(order).to.include("single").and.to.have.length.below(1001);
      await batch;
    });
  });

  for (const [what, tokens, asks] of [
    ["one token", 1, 1],
    ["as many tokens", 1000, 1000],
  ] as const) {
    it(`a thousand requests of ${what} are answered in order, each with its own outcome`, async () => {
      const { client, asked, verified } = await start(byToken);
      const names = Array.from({ length: 1000 }, (_, index) => `t${index % tokens}`);
      const { value } = await client.call(BATCH, items(names));
      expect(value.responses.map((item: any) => item.verdict.verified.token.subject)).to.deep.equal(names);
      expect(asked).to.have.length(asks);
      expect(verified.map(({ items }) => items)).to.deep.equal(Array(asks).fill(1000 / asks));
    });
  }

  it("items without an outcome are TIMED_OUT, and the others keep their outcomes", async () => {
    const never = new Promise<Outcome>(() => undefined);
    const { client, verified } = await start(({ token }) => (token.reveal() === "slow" ? never : VERIFIED), {
      request: 100,
    });
    const { value } = await client.call(BATCH, items(["a", "slow", "b"]));
    expect(value.responses.map((item: any) => item.outcome)).to.deep.equal(["verdict", "error", "verdict"]);
    expect(value.responses[1].error.reason).to.equal("ERROR_REASON_TIMED_OUT");
    expect(verified).to.have.length(3);
  });

  it("items that were not started by the deadline are TIMED_OUT, and reported to the observer", async () => {
    let now = NOW;
    const slow = (): Outcome => {
      now += 10;
      return VERIFIED;
    };
    const { client, verified } = await start(slow, { request: 100 }, undefined, () => now);
    const { value } = await client.call(BATCH, items(Array.from({ length: 120 }, (_, index) => `t${index}`)));
    expect(value.responses.slice(10).map((item: any) => item.error?.reason)).to.deep.equal(
      Array(110).fill("ERROR_REASON_TIMED_OUT"),
    );
    expect(reasonsOf(verified)).to.deep.equal({ verified: 10, TIMED_OUT: 110 });
  });

  describe("a cancelled call", () => {
    // A batch this large takes many turns of the event loop, and the call is cancelled during one of them.
    const SIZE = 20_000;
    const requests = Array.from({ length: SIZE }, (_, index) => ({ realm: "r", token: `t${index}` }));

    for (const [rpc, open] of [
      [BATCH, ({ client }: Running) => client.raw[BATCH]?.({ requests }, () => undefined)],
      [
        "StreamVerifyTokens",
        ({ client }: Running) => {
          const stream = client.stream();
          stream.write({ id: "1", requests });
          return stream;
        },
      ],
    ] as const) {
      it(`a cancelled call of ${rpc} reports the items it started and none of the rest`, async () => {
        const first = deferred<void>();
        const late = deferred<Outcome>();
        const running = await start(
          ({ token }) => {
            first.resolve();
            return token.reveal() === "t0" ? late.promise : REJECTED;
          },
          { batch: SIZE, request: 60_000 },
          undefined,
          tickingClock(0.1),
        );
        const { asked, verified, faults } = running;
        const call = open(running);
        await first.promise;
        call.cancel();
        await standstill(() => asked.length);
        expect(asked.length).to.be.within(1, SIZE - 1);
        expect(reasonsOf(verified)).to.deep.equal({ TOKEN_EXPIRED: asked.length - 1 });
        // An item that was started is reported when it ends.
        late.resolve(VERIFIED);
        await standstill(() => verified.length);
        expect(reasonsOf(verified)).to.deep.equal({ TOKEN_EXPIRED: asked.length - 1, verified: 1 });
        expect(faults).to.deep.equal([]);
      });
    }
  });
});

/** Counts the items by outcome. */
function reasonsOf(verified: Running["verified"]): Record<string, number> {
  const count: Record<string, number> = {};
  for (const { outcome, items } of verified) {
    const name = outcome.kind === "verified" ? outcome.kind : (outcome.reason ?? "");
    count[name] = (count[name] ?? 0) + items;
  }
  return count;
}

/** Waits until a number has stayed the same for some turns of the event loop. */
async function standstill(read: () => number): Promise<void> {
  let before = read();
  let turns = 0;
  await eventually(() => {
    const now = read();
    turns = now === before ? turns + 1 : 0;
    before = now;
    return turns === 10;
  });
}
