import { expect } from "chai";
import { ask, type Call, type CallObserver, harmless } from "../../src/contract/call.js";
import { failure, type Outcome, type Verifier } from "../../src/contract/verifier.js";
import { Secret } from "../../src/util/secret.js";
import { NOW } from "../support/clock.js";

const REQUEST = { realm: "r", token: new Secret("t"), credential: undefined, explain: false };
const REJECTED: Outcome = {
  kind: "rejected",
  reason: "TOKEN_EXPIRED",
  claim: "exp",
  signatureVerified: false,
  checks: [],
};
const FAULT = new Error("a fault of the test's own");

const callUntil = (deadline: number): Call => ({
  via: "VerifyToken",
  requestId: "id",
  address: "",
  started: NOW,
  deadline,
  workload: undefined,
  cancelled: false,
});

/** Asks a verifier with this function, and returns the answer and the faults reported to the observer. */
function asking(verify: Verifier["verify"], deadline = NOW + 10_000) {
  const faults: unknown[] = [];
  const observer: CallObserver = {
    ended: () => undefined,
    fault: (call, error) => faults.push([call.requestId, error]),
  };
  const answer = ask({ verifier: { verify }, clock: () => NOW, observer }, REQUEST, callUntil(deadline));
  return { answer, faults };
}

describe("asking the verifier", () => {
  it("a call is answered without a promise if the verifier answers so", () => {
    expect(asking(() => REJECTED).answer).to.equal(REJECTED);
  });

  it("a call waits for a verifier that must load something", async () => {
    const { answer } = asking(async () => REJECTED);
    expect(answer).to.be.instanceOf(Promise);
    expect(await answer).to.equal(REJECTED);
  });

  it("a call is answered TIMED_OUT at its deadline, and a later answer is dropped", async () => {
    let settle!: (outcome: Outcome) => void;
    const late = new Promise<Outcome>((resolve) => {
      settle = resolve;
    });
    const { answer, faults } = asking(() => late, NOW + 20);
    expect(await answer).to.deep.equal(failure("TIMED_OUT"));
    settle(REJECTED);
    expect(await answer).to.deep.equal(failure("TIMED_OUT"));
    expect(faults).to.deep.equal([]);
  });

  it("an answer that is ready counts even if the call's deadline has passed", async () => {
    expect(await asking(async () => REJECTED, NOW - 1).answer).to.equal(REJECTED);
  });

  for (const [how, verify] of Object.entries({
    "throws at once": () => {
      throw FAULT;
    },
    "rejects later": () => Promise.reject(FAULT),
  })) {
    it(`a call is answered INTERNAL if the verifier ${how}, and the error is reported to the observer`, async () => {
      const { answer, faults } = asking(verify);
      expect(await answer).to.deep.equal(failure("INTERNAL"));
      expect(faults).to.deep.equal([["id", FAULT]]);
    });
  }
});

describe("a harmless observer", () => {
  it("an error thrown by a harmless observer is dropped", () => {
    const thrower = (): never => {
      throw FAULT;
    };
    const observer = harmless({ ended: thrower, fault: thrower });
    const call = callUntil(NOW);
    observer.fault(call, FAULT);
    observer.ended({ call, realm: "", outcome: undefined, caller: undefined, items: 1, millis: 0 });
  });
});
