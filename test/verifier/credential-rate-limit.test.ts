import { expect } from "chai";
import fc from "fast-check";
import { type Credential, failure, type Outcome, type Verifier } from "../../src/contract/verifier.js";
import { Secret } from "../../src/util/secret.js";
import { type FailureLimits, limitCredentials } from "../../src/verifier/credential-rate-limit.js";
import { createClock, NOW } from "../support/clock.js";

const LIMITS: FailureLimits = { perClient: { count: 3, window: 60_000 }, perAddress: { count: 5, window: 60_000 } };
const GOOD = "the right secret";
const REJECTED: Outcome = {
  kind: "rejected",
  reason: "TOKEN_EXPIRED",
  claim: "exp",
  signatureVerified: false,
  checks: [],
};

const client = (clientId: string, secret = "wrong"): Credential => ({
  kind: "client",
  clientId,
  clientSecret: new Secret(secret),
});
const instance = (secretKey = "wrong"): Credential => ({ kind: "instance", secretKey: new Secret(secretKey) });

/** Sets up a limited verifier that knows one secret and counts how often it is asked. */
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
    describe(late ? "a core that answers later" : "a core that answers at once", () => {
      it("a client may fail perClient times from an address before it is refused without asking the core", async () => {
        const { ask, asked } = setUp({ late });
        expect(await times(5, () => ask("a", client("x")))).to.deep.equal([
          ...Array.from({ length: 3 }, () => "CALLER_UNKNOWN"),
          "RATE_LIMITED",
          "RATE_LIMITED",
        ]);
        expect(asked()).to.equal(3);
      });

      it("the right secret is refused too after too many guesses, so that guessing reveals nothing", async () => {
        const { ask } = setUp({ late });
        await times(3, () => ask("a", client("x")));
        expect(await ask("a", client("x", GOOD))).to.equal("RATE_LIMITED");
      });

      it("a limited client may still call from another address, and another client from the same address", async () => {
        const { ask } = setUp({ late });
        await times(4, () => ask("a", client("x")));
        expect(await ask("b", client("x", GOOD))).to.equal("rejected");
        expect(await ask("b", client("x"))).to.equal("CALLER_UNKNOWN");
        expect(await ask("a", client("y", GOOD))).to.equal("rejected");
      });

      it("an address may fail perAddress times, whatever credentials it presents", async () => {
        const { ask } = setUp({ late });
        for (const id of ["a", "b", "c"]) expect(await ask("a", client(id))).to.equal("CALLER_UNKNOWN");
        for (let turn = 0; turn < 2; turn++) expect(await ask("a", instance())).to.equal("CALLER_UNKNOWN");
        expect(await ask("a", instance())).to.equal("RATE_LIMITED");
        expect(await ask("a", client("z"))).to.equal("RATE_LIMITED");
        expect(await ask("a", instance(GOOD))).to.equal("RATE_LIMITED");
        expect(await ask("b", instance(GOOD))).to.equal("rejected");
      });

      it("a refused call gets the time until the end of the window that the first failure started", async () => {
        const { ask, clock, limited } = setUp({ late });
        await ask("a", client("x"));
        clock.set(NOW + 20_000);
        await times(2, () => ask("a", client("x")));
        const request = { realm: "r", token: new Secret("t"), credential: client("x"), explain: false };
        const outcome = await limited.verify(request, { requestId: "a", address: "a", deadline: Infinity });
        expect(outcome).to.deep.equal({ kind: "failure", reason: "RATE_LIMITED", retryAfter: 40_000 });
      });

      it("counting starts again exactly at the end of the window, which refused calls do not prolong", async () => {
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

  it("missing and good credentials do not count as failures", async () => {
    const { ask } = setUp();
    await times(50, () => ask("a", instance("")));
    await times(50, () => ask("a", client("x", "")));
    await times(50, () => ask("a"));
    await times(50, () => ask("a", client("x", GOOD)));
    expect(await ask("a", client("x"))).to.equal("CALLER_UNKNOWN");
  });

  it("a call without a credential passes, even from a limited address", async () => {
    const { ask } = setUp();
    await times(6, () => ask("a", instance()));
    expect(await ask("a", instance(GOOD))).to.equal("RATE_LIMITED");
    expect(await ask("a")).to.equal("CALLER_MISSING");
    // An empty credential counts as none.
    for (const empty of [instance(""), client("x", ""), client("")])
      expect(await ask("a", empty)).not.to.equal("RATE_LIMITED");
  });

  it("a caller that succeeded from a limited address may go on with the same secret only", async () => {
    const { ask } = setUp();
    expect(await ask("a", instance(GOOD))).to.equal("rejected");
    await times(6, () => ask("a", instance("another guess")));
    expect(await ask("a", instance("another guess"))).to.equal("RATE_LIMITED");
    expect(await ask("a", instance(GOOD))).to.equal("rejected");
    expect(await ask("a", client("x", GOOD))).to.equal("RATE_LIMITED");
  });

  it("a credential is good from each address that it succeeded from, in whatever order, and from no other", async () => {
    const { ask } = setUp();
    const addresses = ["a", "b", "2001:db8::1", "c"];
    for (const address of [...addresses, ...addresses.toReversed()]) await ask(address, instance(GOOD));
    for (const address of [...addresses, "d", "2001:db8::2"]) await times(5, () => ask(address, instance("a guess")));
    for (const address of [...addresses, "2001:db8::2"])
      expect(await ask(address, instance(GOOD))).to.equal("rejected");
    expect(await ask("d", instance(GOOD))).to.equal("RATE_LIMITED");
  });

  it("a credential that fails from one address stays good from the others", async () => {
    const answers: Outcome[] = [];
    const core: Verifier = { verify: () => answers.shift() ?? failure("CALLER_UNKNOWN") };
    const limited = limitCredentials(core, LIMITS, createClock().now);
    const request = { realm: "r", token: new Secret("t"), credential: instance(), explain: false };
    const ask = (address: string, ...outcome: Outcome[]): Outcome | Promise<Outcome> => {
      answers.push(...outcome);
      return limited.verify(request, { requestId: "a", address, deadline: Infinity });
    };
    for (const address of ["a", "b", "a"]) expect(ask(address, REJECTED)).to.equal(REJECTED);
    // The fifth failure locks the address out: only a credential that is good from there gets past it.
    for (let turn = 0; turn < 5; turn++) expect(ask("a")).to.include({ reason: "CALLER_UNKNOWN" });
    expect(ask("a")).to.include({ reason: "RATE_LIMITED" });
    expect(ask("b", REJECTED)).to.equal(REJECTED);
    const other = { ...request, credential: instance("another") };
    for (let turn = 0; turn < 5; turn++)
      void limited.verify(other, { requestId: "a", address: "b", deadline: Infinity });
    expect(ask("b", REJECTED)).to.equal(REJECTED);
  });

  it("of the addresses that a credential was good from, the latest thousand are remembered", async () => {
    const { ask } = setUp();
    for (let host = 0; host <= 1000; host++) await ask(`host ${host}`, instance(GOOD));
    for (const host of [0, 1, 1000]) await times(5, () => ask(`host ${host}`, instance("a guess")));
    expect(await ask("host 0", instance(GOOD))).to.equal("RATE_LIMITED");
    expect(await ask("host 1", instance(GOOD))).to.equal("rejected");
    expect(await ask("host 1000", instance(GOOD))).to.equal("rejected");
  });

  it("an IPv6 /64 network counts as one address", async () => {
    const { ask } = setUp();
    for (let host = 1; host <= 5; host++) expect(await ask(`2001:db8::${host}`, instance())).to.equal("CALLER_UNKNOWN");
    expect(await ask("2001:db8::6", instance())).to.equal("RATE_LIMITED");
    expect(await ask("2001:db8:0:1::6", instance())).to.equal("CALLER_UNKNOWN");
  });

  it("a caller without an address is not limited", async () => {
    const { ask } = setUp();
    expect(new Set(await times(50, () => ask("", client("x"))))).to.deep.equal(new Set(["CALLER_UNKNOWN"]));
  });

  it("pairs of address and client that concatenate to the same text are counted apart", async () => {
    const { ask } = setUp();
    await times(3, () => ask("10.0.0.1", client("1 x")));
    expect(await ask("10.0.0.11", client(" x"))).to.equal("CALLER_UNKNOWN");
    expect(await ask("10.0.0.1", client("1  x"))).to.equal("CALLER_UNKNOWN");
  });

  it("client ids of a megabyte are told apart", async () => {
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
    it(`both windows limit the failures of a day if ${longer} window is the longer one`, async () => {
      const { ask, asked, clock } = setUp({ limits: { perClient, perAddress } });
      for (let second = 0; second < 86_400; second += 10) {
        clock.set(NOW + second * 1000);
        await ask("a", client("x"));
      }
      expect(asked()).to.equal(longer === "the client's" ? 20 : 100);
    });
  }

  it("a client is never refused from an address without failures", async () => {
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

  it("the core is asked about at most perAddress failures of an address in a window", async () => {
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

describe("limitCredentials with concurrent calls", () => {
  const MANY = 5000;
  const LIKE_DEFAULTS: FailureLimits = {
    perClient: { count: 20, window: 60_000 },
    perAddress: { count: 100, window: 60_000 },
  };

  /** Counts the answers to concurrent calls. */
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
    it(`concurrent wrong guesses ${what} are limited like sequential ones`, async () => {
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
    ["many clients", (turn) => client(`client ${turn}`, GOOD)],
  ];
  for (const limits of [LIKE_DEFAULTS, { perClient: { count: 1, window: 1 }, perAddress: { count: 1, window: 1 } }]) {
    for (const [what, right] of RIGHT) {
      it(`concurrent first calls of ${what} with a good credential all pass with a limit of ${limits.perAddress.count}`, async () => {
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
    it(`a credential ${isGood ? "counts" : "does not count"} as good after ${reason}`, async () => {
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

  /** Sets up a limited verifier whose core the test answers call by call. */
  function byHand(limits = LIMITS) {
    const clock = createClock();
    const open: ((outcome: Outcome) => void)[] = [];
    const limited = limitCredentials({ verify: () => new Promise((resolve) => open.push(resolve)) }, limits, clock.now);
    const ask = async (credential: Credential | undefined, deadline = Infinity): Promise<string> => {
      const request = { realm: "r", token: new Secret("t"), credential, explain: false };
      const outcome = await limited.verify(request, { requestId: "a", address: "a", deadline });
      return outcome.kind === "failure" ? outcome.reason : outcome.kind;
    };
    /** Answers the oldest open call, and waits for the effects. */
    const answer = async (outcome: Outcome): Promise<void> => {
      open.shift()?.(outcome);
      await new Promise((resolve) => setImmediate(resolve));
    };
    return { ask, answer, clock, open };
  }

  it("the core is asked about as many calls at once as may still fail, and about the next one when a call does not fail", async () => {
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

  it("a credential that was good before and a call without one do not wait for other calls", async () => {
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

  it("the requests of one message with one credential take one place together, and their failures count once", async () => {
    const waiting: ((outcome: Outcome) => void)[] = [];
    const core: Verifier = { verify: () => new Promise((resolve) => waiting.push(resolve)) };
    const limits = { perClient: { count: 2, window: 60_000 }, perAddress: { count: 2, window: 60_000 } };
    const limited = limitCredentials(core, limits, createClock().now);
    const message = (secret: string) => {
      const context = { requestId: "a", address: "a", deadline: Infinity };
      return () => {
        const request = { realm: "r", token: new Secret("t"), credential: instance(secret), explain: false };
        return Promise.resolve(limited.verify(request, context));
      };
    };
    const [first, second, third] = [message("x"), message("y"), message("z")] as const;
    const asked = [first(), first(), first(), second(), second()];
    const late = third();
    expect(waiting).to.have.length(5);
    // One of its requests without a count frees no place, since the others may still fail.
    waiting[0]?.(failure("DIRECTORY_UNAVAILABLE"));
    await asked[0];
    expect(waiting).to.have.length(5);
    for (const settle of waiting) settle(failure("CALLER_UNKNOWN"));
    expect(await Promise.all(asked.slice(1))).to.deep.equal(Array(4).fill(failure("CALLER_UNKNOWN")));
    // Two credentials have failed, which is the limit: the third is refused, and the first goes on within its own message.
    expect(await late).to.include({ reason: "RATE_LIMITED" });
    const again = first();
    waiting.at(-1)?.(failure("CALLER_UNKNOWN"));
    expect(await again).to.deep.equal(failure("CALLER_UNKNOWN"));
    expect(await message("x")()).to.include({ reason: "RATE_LIMITED" });
  });

  it("a call that the core throws on frees its place", async () => {
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

  it("a call waits for a place until its deadline at most, and then takes none", async () => {
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

  it("every call is answered, in any order of events, and refused only once a limit is reached", async () => {
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
