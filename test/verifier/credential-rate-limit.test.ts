import { expect } from "chai";
import fc from "fast-check";
import { type Credential, failure, type Outcome, type Verifier } from "../../src/contract/verifier.js";
import { Secret } from "../../src/util/secret.js";
import { type FailureLimits, limitCredentials } from "../../src/verifier/credential-rate-limit.js";
import { createClock, NOW } from "../support/clock.js";

const LIMITS: FailureLimits = { perClient: { count: 3, window: 60_000 }, perAddress: { count: 5, window: 60_000 } };
const GOOD = "the right secret";
const REJECTED: Outcome = { kind: "rejected", reason: "TOKEN_EXPIRED", claim: "exp", checks: [] };

const client = (clientId: string, secret = "wrong"): Credential => ({
  kind: "client",
  clientId,
  clientSecret: new Secret(secret),
});
const instance = (secretKey = "wrong"): Credential => ({ kind: "instance", secretKey: new Secret(secretKey) });

/** A verifier that knows one secret, and counts how often it was asked. */
function setUp({ late = false, limits = LIMITS } = {}) {
  const clock = createClock();
  let asked = 0;
  const core: Verifier = {
    verify: ({ credential }) => {
      asked++;
      const secret = credential?.kind === "client" ? credential.clientSecret : credential?.secretKey;
      const outcome =
        secret === undefined || secret.isEmpty
          ? failure("CALLER_MISSING")
          : secret.reveal() === GOOD
            ? REJECTED
            : failure("CALLER_UNKNOWN");
      return late ? Promise.resolve(outcome) : outcome;
    },
  };
  const limited = limitCredentials(core, limits, clock.now);
  const ask = async (address: string, credential?: Credential): Promise<string> => {
    const request = { realm: "r", token: new Secret("t"), credential, explain: false };
    const outcome = await limited.verify(request, { requestId: "a", address, deadline: Infinity });
    return outcome.kind === "failure" ? outcome.reason : outcome.kind;
  };
  return { clock, limited, ask, asked: () => asked };
}

async function times<T>(count: number, action: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let turn = 0; turn < count; turn++) results.push(await action());
  return results;
}

describe("limitCredentials", () => {
  for (const late of [false, true]) {
    describe(late ? "answers that are awaited" : "answers at once", () => {
      it("bears as many failures of a client from an address as it says, and asks no more then", async () => {
        const { ask, asked } = setUp({ late });
        expect(await times(5, () => ask("a", client("x")))).to.deep.equal([
          ...Array.from({ length: 3 }, () => "CALLER_UNKNOWN"),
          "RATE_LIMITED",
          "RATE_LIMITED",
        ]);
        expect(asked()).to.equal(3);
      });

      it("refuses the right secret, too, from where it was guessed at: who guesses learns nothing", async () => {
        const { ask } = setUp({ late });
        await times(3, () => ask("a", client("x")));
        expect(await ask("a", client("x", GOOD))).to.equal("RATE_LIMITED");
      });

      it("does not lock a client out elsewhere, nor another client from there", async () => {
        const { ask } = setUp({ late });
        await times(4, () => ask("a", client("x")));
        expect(await ask("b", client("x", GOOD))).to.equal("rejected");
        expect(await ask("b", client("x"))).to.equal("CALLER_UNKNOWN");
        expect(await ask("a", client("y", GOOD))).to.equal("rejected");
      });

      it("bears as many failures from an address, whoever is named", async () => {
        const { ask } = setUp({ late });
        for (const id of ["a", "b", "c"]) expect(await ask("a", client(id))).to.equal("CALLER_UNKNOWN");
        for (let turn = 0; turn < 2; turn++) expect(await ask("a", instance())).to.equal("CALLER_UNKNOWN");
        expect(await ask("a", instance())).to.equal("RATE_LIMITED");
        expect(await ask("a", client("z"))).to.equal("RATE_LIMITED");
        expect(await ask("a", instance(GOOD))).to.equal("RATE_LIMITED");
        expect(await ask("b", instance(GOOD))).to.equal("rejected");
      });

      it("says how long to wait: to the window's end, which the first failure began", async () => {
        const { ask, clock, limited } = setUp({ late });
        await ask("a", client("x"));
        clock.set(NOW + 20_000);
        await times(2, () => ask("a", client("x")));
        const request = { realm: "r", token: new Secret("t"), credential: client("x"), explain: false };
        const outcome = await limited.verify(request, { requestId: "a", address: "a", deadline: Infinity });
        expect(outcome).to.deep.equal({ kind: "failure", reason: "RATE_LIMITED", retryAfter: 40_000 });
      });

      it("begins anew once the window is over, and not a millisecond before; refused tries do not prolong it", async () => {
        const { ask, clock } = setUp({ late });
        await times(3, () => ask("a", client("x")));
        clock.set(NOW + 59_999);
        expect(await ask("a", client("x", GOOD))).to.equal("RATE_LIMITED");
        clock.set(NOW + 60_000);
        expect(await ask("a", client("x", GOOD))).to.equal("rejected");
        expect(await times(4, () => ask("a", client("x")))).to.deep.equal([
          ...Array.from({ length: 3 }, () => "CALLER_UNKNOWN"),
          "RATE_LIMITED",
        ]);
      });
    });
  }

  it("does not count what is missing, nor what is good", async () => {
    const { ask } = setUp();
    await times(50, () => ask("a", instance("")));
    await times(50, () => ask("a", client("x", "")));
    await times(50, () => ask("a"));
    await times(50, () => ask("a", client("x", GOOD)));
    expect(await ask("a", client("x"))).to.equal("CALLER_UNKNOWN");
  });

  it("lets calls without a credential pass, also from an address that is shut out", async () => {
    const { ask } = setUp();
    await times(6, () => ask("a", instance()));
    expect(await ask("a", instance(GOOD))).to.equal("RATE_LIMITED");
    expect(await ask("a")).to.equal("CALLER_MISSING");
    // An empty one says nothing either.
    for (const empty of [instance(""), client("x", ""), client("")])
      expect(await ask("a", empty)).not.to.equal("RATE_LIMITED");
  });

  it("does not lock out a caller that was good there before, only with the very secret that was", async () => {
    const { ask } = setUp();
    expect(await ask("a", instance(GOOD))).to.equal("rejected");
    await times(6, () => ask("a", instance("another guess")));
    expect(await ask("a", instance("another guess"))).to.equal("RATE_LIMITED");
    expect(await ask("a", instance(GOOD))).to.equal("rejected");
    expect(await ask("a", client("x", GOOD))).to.equal("RATE_LIMITED");
  });

  it("counts an IPv6 network as one address", async () => {
    const { ask } = setUp();
    for (let host = 1; host <= 5; host++) expect(await ask(`2001:db8::${host}`, instance())).to.equal("CALLER_UNKNOWN");
    expect(await ask("2001:db8::6", instance())).to.equal("RATE_LIMITED");
    expect(await ask("2001:db8:0:1::6", instance())).to.equal("CALLER_UNKNOWN");
  });

  it("limits nobody who has no address", async () => {
    const { ask } = setUp();
    expect(new Set(await times(50, () => ask("", client("x"))))).to.deep.equal(new Set(["CALLER_UNKNOWN"]));
  });

  it("takes no two pairs of address and client for one", async () => {
    const { ask } = setUp();
    await times(3, () => ask("10.0.0.1", client("1 x")));
    expect(await ask("10.0.0.11", client(" x"))).to.equal("CALLER_UNKNOWN");
    expect(await ask("10.0.0.1", client("1  x"))).to.equal("CALLER_UNKNOWN");
  });

  it("tells client ids apart that are a megabyte long", async () => {
    const { ask } = setUp({
      limits: { perClient: { count: 3, window: 60_000 }, perAddress: { count: 1e6, window: 60_000 } },
    });
    const long = client(`long${"x".repeat(1024 ** 2)}`);
    expect(await times(4, () => ask("a", long))).to.deep.equal([
      ...Array.from({ length: 3 }, () => "CALLER_UNKNOWN"),
      "RATE_LIMITED",
    ]);
    expect(await ask("a", client(`other${"x".repeat(1024 ** 2)}`))).to.equal("CALLER_UNKNOWN");
  });

  for (const [longer, perClient, perAddress] of [
    ["the client's", { count: 20, window: 86_400_000 }, { count: 100, window: 60_000 }],
    ["the address's", { count: 20, window: 60_000 }, { count: 100, window: 86_400_000 }],
  ] as const) {
    it(`bears no more in a day than both windows do, where ${longer} is the longer`, async () => {
      const { ask, asked, clock } = setUp({ limits: { perClient, perAddress } });
      for (let second = 0; second < 86_400; second += 10) {
        clock.set(NOW + second * 1000);
        await ask("a", client("x"));
      }
      expect(asked()).to.equal(longer === "the client's" ? 20 : 100);
    });
  }

  it("never shuts out a client from an address where nobody failed", async () => {
    const step = fc.record({ address: fc.constantFrom("a", "b"), id: fc.constantFrom("x", "y"), wait: fc.nat(30_000) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { ask, clock } = setUp();
        let now = NOW;
        for (const { address, id, wait } of steps) {
          now += wait;
          clock.set(now);
          await ask(address, client(id));
          for (const one of ["x", "y"]) expect(await ask("c", client(one, GOOD))).to.equal("rejected");
        }
      }),
      { numRuns: 50 },
    );
  });

  it("never asks the core more often, within a window, than an address may fail", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(5), { minLength: 20, maxLength: 60 }), async (ids) => {
        const { ask, asked } = setUp();
        for (const id of ids) await ask("a", client(String(id)));
        expect(asked()).to.equal(LIMITS.perAddress.count);
      }),
      { numRuns: 30 },
    );
  });
});

describe("limitCredentials, where many ask at once", () => {
  const MANY = 5000;
  const LIKE_DEFAULTS: FailureLimits = {
    perClient: { count: 20, window: 60_000 },
    perAddress: { count: 100, window: 60_000 },
  };

  /** Asks all at once, and says how often each answer came. */
  async function atOnce(asking: readonly Promise<string>[]): Promise<Record<string, number>> {
    const tally: Record<string, number> = {};
    for (const answer of await Promise.all(asking)) tally[answer] = (tally[answer] ?? 0) + 1;
    return tally;
  }

  const WRONG: readonly (readonly [string, number, (turn: number) => Credential])[] = [
    ["at one client's secret", 20, (turn) => client("x", `guess ${turn}`)],
    ["of one secret of one client", 20, () => client("x")],
    ["at many clients' secrets", 100, (turn) => client(`client ${turn}`)],
    ["at instances' keys", 100, (turn) => instance(`guess ${turn}`)],
  ];
  for (const [what, limit, guess] of WRONG) {
    it(`bears no more wrong guesses than one after another: ${what}`, async () => {
      const { ask, asked } = setUp({ late: true, limits: LIKE_DEFAULTS });
      expect(await atOnce(Array.from({ length: MANY }, (_, turn) => ask("a", guess(turn))))).to.deep.equal({
        CALLER_UNKNOWN: limit,
        RATE_LIMITED: MANY - limit,
      });
      expect(asked()).to.equal(limit);
    });
  }

  const RIGHT: readonly (readonly [string, (turn: number) => Credential])[] = [
    ["one client", () => client("x", GOOD)],
    ["one instance", () => instance(GOOD)],
    ["as many clients", (turn) => client(`client ${turn}`, GOOD)],
  ];
  for (const limits of [LIKE_DEFAULTS, { perClient: { count: 1, window: 1 }, perAddress: { count: 1, window: 1 } }]) {
    for (const [what, right] of RIGHT) {
      it(`lets all first calls of ${what} pass that is not known to be good yet: ${limits.perAddress.count}`, async () => {
        const { ask } = setUp({ late: true, limits });
        expect(await atOnce(Array.from({ length: MANY }, (_, turn) => ask("a", right(turn))))).to.deep.equal({
          rejected: MANY,
        });
      });
    }
  }

  for (const reason of [
    "KEYS_UNAVAILABLE",
    "EXPLAIN_DENIED",
    "TOKEN_EMPTY",
    "DIRECTORY_UNAVAILABLE",
    "NO_VERDICT",
  ] as const) {
    const isGood = !["DIRECTORY_UNAVAILABLE", "NO_VERDICT"].includes(reason);
    it(`takes a credential for ${isGood ? "good" : "no better"} after ${reason}`, async () => {
      const { ask, answer } = byHand();
      const first = ask(instance(GOOD));
      await answer(failure(reason));
      expect(await first).to.equal(reason);
      const guesses = Array.from({ length: 5 }, () => ask(instance()));
      for (let turn = 0; turn < 5; turn++) await answer(failure("CALLER_UNKNOWN"));
      await Promise.all(guesses);
      const second = ask(instance(GOOD));
      await answer(REJECTED);
      expect(await second).to.equal(isGood ? "rejected" : "RATE_LIMITED");
    });
  }

  /** A verifier whose answers are given by the test, one by one. */
  function byHand(limits = LIMITS) {
    const clock = createClock();
    const open: ((outcome: Outcome) => void)[] = [];
    const limited = limitCredentials({ verify: () => new Promise((resolve) => open.push(resolve)) }, limits, clock.now);
    const ask = async (credential: Credential | undefined, deadline = Infinity): Promise<string> => {
      const request = { realm: "r", token: new Secret("t"), credential, explain: false };
      const outcome = await limited.verify(request, { requestId: "a", address: "a", deadline });
      return outcome.kind === "failure" ? outcome.reason : outcome.kind;
    };
    /** Gives the oldest open answer, and lets all happen that comes of it. */
    const answer = async (outcome: Outcome): Promise<void> => {
      open.shift()?.(outcome);
      await new Promise((resolve) => setImmediate(resolve));
    };
    return { ask, answer, clock, open };
  }

  it("asks no more at once than may still fail, and the next as soon as one turns out to be no failure", async () => {
    const { ask, answer, open } = byHand();
    const answers = Array.from({ length: 8 }, (_, turn) => ask(client(`client ${turn}`, GOOD)));
    expect(open).to.have.length(5);
    await answer(REJECTED);
    expect(open).to.have.length(5);
    await answer(failure("DIRECTORY_UNAVAILABLE"));
    expect(open).to.have.length(5);
    await answer(failure("CALLER_UNKNOWN"));
    expect(open).to.have.length(4);
    for (let left = 5; left > 0; left--) await answer(REJECTED);
    expect(await Promise.all(answers)).to.deep.equal([
      "rejected",
      "DIRECTORY_UNAVAILABLE",
      "CALLER_UNKNOWN",
      ...Array.from({ length: 5 }, () => "rejected"),
    ]);
  });

  it("keeps neither a credential that was good before nor a call without one waiting for others", async () => {
    const { ask, answer, open } = byHand();
    const first = ask(instance(GOOD));
    await answer(REJECTED);
    expect(await first).to.equal("rejected");
    const guesses = Array.from({ length: 7 }, (_, turn) => ask(instance(`guess ${turn}`)));
    expect(open).to.have.length(5);
    const others = [ask(instance(GOOD)), ask(instance(GOOD)), ask(undefined)];
    expect(open).to.have.length(8);
    for (let turn = 0; turn < 5; turn++) await answer(failure("CALLER_UNKNOWN"));
    for (let turn = 0; turn < 3; turn++) await answer(REJECTED);
    expect(await atOnce(guesses)).to.deep.equal({ CALLER_UNKNOWN: 5, RATE_LIMITED: 2 });
    expect(await atOnce(others)).to.deep.equal({ rejected: 3 });
  });

  it("loses no place by a fault of the core", async () => {
    const { now } = createClock();
    let isBroken = true;
    const core: Verifier = {
      verify: () => (isBroken ? Promise.reject(new Error("a fault of the test's own")) : Promise.resolve(REJECTED)),
    };
    const limited = limitCredentials(core, LIMITS, now);
    const ask = async () =>
      limited.verify(
        { realm: "r", token: new Secret("t"), credential: client("x"), workload: undefined, explain: false },
        { requestId: "a", address: "a", deadline: now() + 1000 },
      );
    const faults = await Promise.allSettled(Array.from({ length: 20 }, ask));
    expect(faults.filter(({ status }) => status === "rejected")).to.have.length(20);
    isBroken = false;
    expect(await ask()).to.equal(REJECTED);
  });

  it("waits no longer than until the call's deadline, and loses no place by it", async () => {
    const { ask, answer, clock, open } = byHand();
    const held = Array.from({ length: 3 }, () => ask(client("x")));
    const late = ask(client("x"), NOW + 5);
    const patient = ask(client("x"));
    expect(await late).to.equal("TIMED_OUT");
    clock.set(NOW + 5);
    expect(open).to.have.length(3);
    await answer(failure("DIRECTORY_UNAVAILABLE"));
    expect(open).to.have.length(3);
    for (let turn = 0; turn < 3; turn++) await answer(REJECTED);
    expect(await Promise.all(held)).to.deep.equal(["DIRECTORY_UNAVAILABLE", "rejected", "rejected"]);
    expect(await patient).to.equal("rejected");
  });

  it("answers every call, whatever comes when; and never bears more than the limits, nor refuses while they are not reached", async () => {
    const step = fc.oneof(
      fc.record({ id: fc.nat(3), secret: fc.constantFrom(GOOD, "a guess", "another") }),
      fc.constantFrom("answer", "answer", "trouble"),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const clock = createClock();
        const open: (() => void)[] = [];
        let trouble = 0;
        const failed: number[] = [0, 0, 0, 0];
        const limited = limitCredentials(
          {
            verify: ({ credential }) =>
              new Promise((resolve) => {
                open.push(() => {
                  if (credential?.kind !== "client") throw new Error("not asked for");
                  const isGood = credential.clientSecret.reveal() === GOOD;
                  const id = Number(credential.clientId);
                  if (trouble-- > 0) return resolve(failure("DIRECTORY_UNAVAILABLE"));
                  if (!isGood) failed[id] = (failed[id] ?? 0) + 1;
                  resolve(isGood ? REJECTED : failure("CALLER_UNKNOWN"));
                });
              }),
          },
          LIMITS,
          clock.now,
        );
        const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
        const all = (): number => failed.reduce((sum, one) => sum + one, 0);
        const asking: Promise<void>[] = [];
        for (const one of steps) {
          if (one === "trouble") trouble = 1;
          if (typeof one === "string") {
            trouble = Math.max(0, trouble);
            open.shift()?.();
            await turn();
            continue;
          }
          const request = {
            realm: "r",
            token: new Secret("t"),
            credential: client(String(one.id), one.secret),
            explain: false,
          };
          const settled = Promise.resolve(
            limited.verify(request, { requestId: "a", address: "a", deadline: Infinity }),
          ).then((outcome) => {
            if (outcome.kind === "failure" && outcome.reason === "RATE_LIMITED") {
              expect(failed[one.id] === 3 || all() === 5).to.equal(true);
            }
          });
          asking.push(settled);
        }
        trouble = 0;
        for (; open.length > 0; await turn()) open.shift()?.();
        await Promise.all(asking);
        expect(Math.max(...failed)).to.be.at.most(3);
        expect(all()).to.be.at.most(5);
      }),
      { numRuns: 50 },
    );
  });
});
