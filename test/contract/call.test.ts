import { expect } from "chai";
import { ask, type Call, type CallObserver, harmless } from "../../src/contract/call.js";
import { failure, type Outcome, type Verifier } from "../../src/contract/verifier.js";
import { Secret } from "../../src/util/secret.js";
import { NOW } from "../support/clock.js";

const REQUEST = { realm: "r", token: new Secret("t"), credential: undefined, explain: false };
const REJECTED: Outcome = { kind: "rejected", reason: "TOKEN_EXPIRED", claim: "exp", checks: [] };
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

/** Asks a verifier that is this function; the answer, and the faults that the observer heard of. */
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
  it("answers at once where the verifier does", () => {
    expect(asking(() => REJECTED).answer).to.equal(REJECTED);
  });

  it("waits for a verifier that has to load something", async () => {
    const { answer } = asking(async () => REJECTED);
    expect(answer).to.be.instanceOf(Promise);
    expect(await answer).to.equal(REJECTED);
  });

  it("answers TIMED_OUT at the call's deadline, and drops what comes later", async () => {
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

  it("takes an answer that is there in time, also of a call whose deadline has passed meanwhile", async () => {
    expect(await asking(async () => REJECTED, NOW - 1).answer).to.equal(REJECTED);
  });

  for (const [how, verify] of Object.entries({
    "throws at once": () => {
      throw FAULT;
    },
    "rejects later": () => Promise.reject(FAULT),
  })) {
    it(`answers INTERNAL for a verifier that ${how}, and the observer hears of the error`, async () => {
      const { answer, faults } = asking(verify);
      expect(await answer).to.deep.equal(failure("INTERNAL"));
      expect(faults).to.deep.equal([["id", FAULT]]);
    });
  }
});

describe("a harmless observer", () => {
  it("drops what the observer throws", () => {
    const thrower = (): never => {
      throw FAULT;
    };
    const observer = harmless({ ended: thrower, fault: thrower });
    const call = callUntil(NOW);
    observer.fault(call, FAULT);
    observer.ended({ call, realm: "", outcome: undefined, caller: undefined, items: 1, millis: 0 });
  });
});
