import { expect } from "chai";
import { FAILURES } from "../../src/contract/failures.js";
import { failure, type Outcome } from "../../src/contract/verifier.js";
import { failureFromStatus } from "../../src/wire/status.js";
import {
  deferred,
  eventually,
  failing,
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
