import { expect } from "chai";
import fc from "fast-check";
import { type Candidate, type Change, WatchState } from "../../src/client/watch-state.js";
import type { Position } from "../../src/contract/verifier.js";

const MAX_STALENESS = 2_000;
const at = (number: number, mark = `m${number}`): Position => ({ number, mark });
const OPENING = { resumed: false, realmVersion: "v1", trustedKeys: ["k1"] };
const ended = (...selectors: string[]): Change => ({ kind: "ended", selectors, issuedBefore: undefined });

function candidate(changes: Partial<Candidate<string>> = {}): Candidate<string> {
  return {
    value: "good",
    position: at(10),
    trustedKey: "k1",
    realmVersion: "v1",
    selectors: ["jti a"],
    issuedAt: 100,
    until: 1e9,
    readAt: 1e6,
    ...changes,
  };
}

/** A state whose watch is open at position 10, and was heard at time 0. */
function openState(max = 10): WatchState<string> {
  const state = new WatchState<string>(MAX_STALENESS, { max, used: 0 });
  state.opened(OPENING, at(10), 0);
  state.answered(0, at(10), 0);
  return state;
}

describe("verdicts kept under a watch", () => {
  it("a verdict is used until no service has been heard for maxStaleness, and again once one is", () => {
    const state = openState();
    expect(state.offer("t", candidate(), 0)).to.equal(true);
    expect(state.get("t", 2_000)).to.equal("good");
    expect(state.get("t", 2_001)).to.equal("suspended");
    // The answer counts from when its ping was sent, however late it comes.
    state.answered(100, at(10), 9_000);
    expect(state.get("t", 9_000)).to.equal("suspended");
    state.answered(8_000, at(10), 9_001);
    expect(state.get("t", 9_001)).to.equal("good");
  });

  it("a verdict is used until its token expires", () => {
    const state = openState();
    state.offer("t", candidate({ until: 500 }), 0);
    expect(state.get("t", 499)).to.equal("good");
    expect(state.get("t", 500)).to.equal(undefined);
    expect(state.size).to.equal(0);
  });

  const ENDINGS: Readonly<Record<string, readonly [change: Change, keeps: boolean]>> = {
    "a change that selects it": [ended("jti a"), false],
    "a change that selects another": [ended("jti b"), true],
    "a change that selects all": [{ kind: "ended", selectors: undefined, issuedBefore: undefined }, false],
    "all tokens issued up to its iat": [{ kind: "ended", selectors: undefined, issuedBefore: 100 }, false],
    "all tokens issued before its iat": [{ kind: "ended", selectors: undefined, issuedBefore: 99 }, true],
    "a reset": [{ kind: "reset" }, false],
    "keys without its own": [{ kind: "keys", trustedKeys: ["k2"] }, false],
    "keys with its own": [{ kind: "keys", trustedKeys: ["k2", "k1"] }, true],
    "other settings of the realm": [{ kind: "realm", realmVersion: "v2" }, false],
  };
  for (const [what, [change, keeps]] of Object.entries(ENDINGS)) {
    it(`a kept verdict ${keeps ? "outlasts" : "ends with"} ${what}`, () => {
      const state = openState();
      state.offer("t", candidate(), 0);
      state.changed(change, at(11), 10);
      expect(state.get("t", 20)).to.equal(keeps ? "good" : undefined);
    });
  }

  const OFFERS: Readonly<Record<string, readonly [changes: Partial<Candidate<string>>, keeps: boolean]>> = {
    "at the watch's position": [{ position: at(12) }, true],
    "ahead of the watch": [{ position: at(15) }, true],
    "behind a change that selects it": [{ position: at(10) }, false],
    "behind a change that selects another": [{ position: at(10), selectors: ["jti b"] }, true],
    "between the positions that the watch passed": [{ position: at(11), selectors: ["jti b"] }, true],
    "from before the watch began": [{ position: at(9) }, false],
    "at the watch's number in another history": [{ position: at(12, "other") }, false],
    "at an unknown position, read before this history began": [{ position: at(11), readAt: -1 }, false],
    "without a position": [{ position: undefined }, false],
    "of a key that the watch does not list": [{ position: at(12), trustedKey: "k2" }, false],
    "of an instance's own key": [{ position: at(12), trustedKey: "" }, true],
    "of other settings": [{ position: at(12), realmVersion: "v2" }, false],
    "that has expired": [{ position: at(12), until: 5 }, false],
  };
  for (const [what, [changes, keeps]] of Object.entries(OFFERS)) {
    it(`a verdict ${what} is ${keeps ? "kept" : "used once"}`, () => {
      const state = openState();
      state.changed(ended("jti a"), at(12), 10);
      expect(state.offer("t", candidate(changes), 10)).to.equal(keeps);
    });
  }

  it("a verdict from before the last 30 seconds of changes is used once", () => {
    const state = openState();
    state.changed(ended("jti b"), at(11), 1_000);
    state.answered(31_001, at(12), 31_001);
    expect(state.offer("t", candidate({ position: at(10) }), 31_001)).to.equal(false);
    expect(state.offer("t", candidate({ position: at(11) }), 31_001)).to.equal(true);
  });

  it("a watch that goes on keeps the verdicts; one that begins anew, or is denied, drops them", () => {
    const state = openState();
    state.offer("t", candidate(), 0);
    state.opened({ ...OPENING, resumed: true }, at(10), 100);
    expect(state.get("t", 100)).to.equal("good");
    state.opened({ ...OPENING, resumed: true, trustedKeys: ["k2"] }, at(10), 100);
    expect(state.size).to.equal(0);
    state.opened(OPENING, at(10), 100);
    state.offer("t", candidate(), 100);
    state.opened(OPENING, at(10), 200);
    expect(state.size).to.equal(0);
    state.offer("t", candidate(), 200);
    state.denied();
    expect(state.size).to.equal(0);
    expect(state.offer("t", candidate(), 200)).to.equal(false);
  });

  it("a full cache drops the least recently used verdict", () => {
    const state = openState(2);
    state.offer("a", candidate(), 0);
    state.offer("b", candidate(), 0);
    state.get("a", 1);
    state.offer("c", candidate(), 2);
    expect(["a", "b", "c"].map((key) => state.get(key, 3))).to.deep.equal(["good", undefined, "good"]);
  });

  // A model of services that read the feed at different times, and of a watch that may hang.
  const TOKENS = ["a", "b", "c"];
  const step = fc.oneof(
    fc.record({ do: fc.constant("revoke" as const), token: fc.constantFrom(...TOKENS) }),
    fc.record({ do: fc.constant("read" as const), service: fc.nat(2) }),
    fc.record({ do: fc.constant("ask" as const), service: fc.nat(2), token: fc.constantFrom(...TOKENS) }),
    fc.record({ do: fc.constant("answer" as const) }),
    fc.record({ do: fc.constant("deliver" as const) }),
    fc.record({ do: fc.constant("ping" as const) }),
    fc.record({ do: fc.constant("reconnect" as const), service: fc.nat(2), resumes: fc.boolean() }),
    fc.record({
      do: fc.constant("wait" as const),
      millis: fc.oneof({ weight: 9, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.constant(31_000) }),
    }),
  );

  it("no verdict is used on a token that was revoked before the last answered ping, less the service's own delay", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 30, maxLength: 150, size: "max" }), (steps) => {
        let now = 0;
        const commits: { readonly token: string; readonly at: number }[] = [];
        const services = [0, 1, 2].map(() => ({ number: 0, readAt: 0 }));
        const state = new WatchState<string>(MAX_STALENESS, { max: 10, used: 0 });
        let watched = 0;
        let taken = 0;
        let messages: (() => void)[] = [];
        const verdicts: (() => void)[] = [];
        // What the bound is counted from: everything committed before this is known.
        let knownUntil = Number.NEGATIVE_INFINITY;
        let heardAt = Number.NEGATIVE_INFINITY;
        /** Queues the changes that the watched service has read. */
        const push = (): void => {
          const { number } = services[watched]!;
          for (; taken < number; taken++) {
            const [revoked, position] = [commits[taken]!.token, at(taken + 1)];
            messages.push(() => state.changed(ended(revoked), position, now));
          }
        };
        const open = (service: number, resumes: boolean): void => {
          watched = service;
          messages = [];
          const { number } = services[service]!;
          const last = state.position?.number;
          const resumed = resumes && last !== undefined && last <= number;
          taken = resumed ? last : number;
          const position = at(taken);
          messages.push(() => state.opened({ ...OPENING, resumed }, position, now));
          push();
        };
        open(0, false);
        for (const one of steps) {
          now++;
          switch (one.do) {
            case "revoke":
              commits.push({ token: one.token, at: now });
              break;
            case "read":
              services[one.service] = { number: commits.length, readAt: now };
              push();
              break;
            case "ask": {
              const { number, readAt } = services[one.service]!;
              if (commits.slice(0, number).some(({ token }) => token === one.token)) break;
              const asked = candidate({
                position: at(number),
                selectors: [one.token],
                readAt: readAt,
              });
              verdicts.push(() => state.offer(one.token, asked, now));
              break;
            }
            case "answer":
              verdicts.shift()?.();
              break;
            case "deliver":
              messages.shift()?.();
              break;
            case "ping": {
              const [sentAt, { readAt, number }] = [now, services[watched]!];
              messages.push(() => {
                state.answered(sentAt, at(number), now);
                knownUntil = readAt;
                heardAt = sentAt;
              });
              break;
            }
            case "reconnect":
              open(one.service, one.resumes);
              break;
            case "wait":
              now += one.millis;
              break;
          }
          for (const token of TOKENS) {
            const answer = state.get(token, now);
            if (answer !== "good") continue;
            expect(now - heardAt).to.be.at.most(MAX_STALENESS);
            expect(commits.filter((commit) => commit.token === token && commit.at < knownUntil)).to.deep.equal([]);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
