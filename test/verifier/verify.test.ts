import { expect } from "chai";
import { type CallContext, failure, type Outcome, type VerificationRequest } from "../../src/contract/verifier.js";
import type { KnownDirectory } from "../../src/directory/directory.js";
import type { Instance } from "../../src/directory/model.js";
import { Secret } from "../../src/util/secret.js";
import type { Need, View } from "../../src/verifier/decision-state.js";
import { FactCache } from "../../src/verifier/facts.js";
import { createVerifier, type Load } from "../../src/verifier/verify.js";
import { createClock, NOW } from "../support/clock.js";
import { makeToken } from "../support/token.js";
import { makeBench } from "../support/view.js";

const bench = makeBench("verifier.yaml");
const token = makeToken({ key: "p256", header: { alg: "ES256" }, claims: { exp: 1_800_003_600 } });
const secretKey = new Secret("sk_live_whoever");
const ASKED: VerificationRequest = {
  realm: "instances",
  token: new Secret(token),
  credential: { kind: "instance", secretKey },
  explain: false,
};
const CONTEXT: CallContext = { requestId: "a-test", address: "", deadline: Number.POSITIVE_INFINITY };

/** Sets up a verifier whose directory knows the caller after `knowsAfter` loads. */
function verifierThat({
  knowsAfter,
  load,
}: {
  knowsAfter: number;
  load?: (round: number, need: Need) => ReturnType<Load>;
}) {
  const instance: Instance = { id: "i", appId: "a", keys: [] };
  const clock = createClock();
  const needs: Need[] = [];
  const deadlines: number[] = [];
  const directory: KnownDirectory = {
    ...bench.directory,
    instance: () => (needs.length >= knowsAfter ? instance : undefined),
  };
  const view: View = { realms: bench.realms, directory, facts: new FactCache(0) };
  const verifier = createVerifier({ view }, clock.now, (need, deadline) => {
    needs.push(need);
    deadlines.push(deadline);
    return load?.(needs.length, need) ?? Promise.resolve(undefined);
  });
  return { verifier, clock, needs, deadlines };
}

const kindOf = (outcome: Outcome): string => (outcome.kind === "failure" ? outcome.reason : outcome.kind);

describe("verify", () => {
  it("verify answers without a promise if nothing must be loaded", () => {
    const { verifier, needs } = verifierThat({ knowsAfter: 0 });
    const outcome = verifier.verify(ASKED, CONTEXT);
    expect(outcome).not.to.be.an.instanceOf(Promise);
    expect(outcome).to.have.property("kind", "verified");
    expect(needs).to.deep.equal([]);
  });

  for (const rounds of [1, 2, 3, 4]) {
    it(`verify loads missing entries and decides again, up to ${rounds} times`, async () => {
      const { verifier, needs, deadlines } = verifierThat({ knowsAfter: rounds });
      expect(kindOf(await verifier.verify(ASKED, { ...CONTEXT, deadline: NOW + 1000 }))).to.equal("verified");
      expect(needs).to.deep.equal(Array.from({ length: rounds }, () => ({ kind: "instance", secretKey })));
      expect(new Set(deadlines)).to.deep.equal(new Set([NOW + 1000]));
    });
  }

  it("verify gives up after four rounds", async () => {
    const { verifier, needs } = verifierThat({ knowsAfter: 5 });
    expect(await verifier.verify(ASKED, CONTEXT)).to.deep.equal(failure("NO_VERDICT"));
    expect(needs).to.have.length(4);
  });

  it("verify returns the failure of a load, and loads nothing more", async () => {
    const load = (round: number) => Promise.resolve(round === 2 ? failure("DIRECTORY_UNAVAILABLE", 5000) : undefined);
    const { verifier, needs } = verifierThat({ knowsAfter: 4, load });
    expect(await verifier.verify(ASKED, CONTEXT)).to.deep.equal(failure("DIRECTORY_UNAVAILABLE", 5000));
    expect(needs).to.have.length(2);
  });

  it("verify times out at the deadline, even if everything is loaded by then", async () => {
    const { verifier, clock } = verifierThat({
      knowsAfter: 1,
      load: async () => {
        clock.set(NOW + 1000);
        return undefined;
      },
    });
    expect(await verifier.verify(ASKED, { ...CONTEXT, deadline: NOW + 1000 })).to.deep.equal(failure("TIMED_OUT"));
  });

  it("verify reads the clock in each round", async () => {
    const { verifier, clock } = verifierThat({
      knowsAfter: 1,
      load: async () => {
        clock.set(1_800_003_600_000);
        return undefined;
      },
    });
    const outcome = await verifier.verify(ASKED, CONTEXT);
    expect(outcome).to.include({ kind: "rejected", reason: "TOKEN_EXPIRED" });
  });

  it("verify uses the current view after a load, even if it was replaced during the wait", async () => {
    const first = bench.view();
    const current: { view: View } = {
      view: { ...first, directory: { ...first.directory, instance: () => undefined } },
    };
    const verifier = createVerifier(
      current,
      () => NOW,
      async () => {
        current.view = { ...first, realms: new Map() };
        return undefined;
      },
    );
    expect(await verifier.verify(ASKED, CONTEXT)).to.deep.equal(failure("REALM_UNKNOWN"));
  });
});
