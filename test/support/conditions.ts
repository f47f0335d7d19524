import type { FailureReason } from "../../src/contract/failures.js";
import { failure, type Verifier } from "../../src/contract/verifier.js";
import { Secret } from "../../src/util/secret.js";
import { NOW } from "./clock.js";
import { configurationWith, type Deployment, type DeploymentOptions, deploy } from "./deployment.js";
import { exchange, type HttpRequest } from "./http.js";
import { secretOf } from "./keys.js";
import { makeProof, PROVEN, thumbprintOf } from "./proofs.js";
import { publishedVerifier } from "./published.js";
import { makeToken } from "./token.js";
import { exampleRequest, TEST_VENDORS } from "./vendors.js";

/** A kind of trouble that a service can be in. */
interface Condition {
  readonly options?: DeploymentOptions;
  /** Changes the configuration's text. */
  readonly configuration?: (text: string) => string;
  /** Causes the trouble once the service runs. */
  readonly begin?: (deployment: Deployment) => Promise<unknown>;
  /** The trouble affects only calls over a channel. */
  readonly channelOnly?: true;
  /** The trouble affects only calls, which have a deadline, and not the verifier used directly. */
  readonly callsOnly?: true;
  /** The trouble affects only callers with an address, and not those in process. */
  readonly addressed?: true;
}

const saying = (reason: FailureReason): Condition => ({
  options: { script: (): Verifier => ({ verify: () => failure(reason) }) },
});

const staleFor = 60_000;

/** A request by an instance to a face that instances call. */
function calling(secretKey: string): HttpRequest {
  const vendor = TEST_VENDORS.find(({ callers }) => callers === "instances");
  if (vendor === undefined) throw new Error("there is no face that instances ask");
  return exampleRequest(vendor, "x", { secretKey });
}
const UNKNOWN_CALLER = calling("sk_live_test_only_nobody");
const GOOD_CALLER = calling(secretOf("clowk-next"));

/** Uses the DPoP proof of the key `p256-other` with the `jti` "used" up. */
async function useProof({ verifier }: Deployment): Promise<void> {
  const claims = { exp: 1_900_000_000, cnf: { jkt: thumbprintOf("p256-other") } };
  const token = makeToken({ key: "p256", header: { alg: "ES256" }, claims });
  const proof = new Secret(makeProof(token, { claims: { jti: "used" } }));
  const outcome = await verifier.verify(
    {
      realm: "bound-refused",
      token: new Secret(token),
      credential: undefined,
      explain: false,
      proof: { dpop: { ...PROVEN, proof, nonceRequired: false }, clientCertificate: undefined },
    },
    { requestId: "a-test", address: "", deadline: Number.POSITIVE_INFINITY },
  );
  if (outcome.kind !== "verified") throw new Error(`a good proof was answered ${JSON.stringify(outcome)}`);
}

/** The troubles that a case's `condition` may name. */
export const CONDITIONS: Readonly<Record<string, Condition>> = {
  /** The store is closed, so entries that are not in memory cannot be loaded. */
  "store closed": { begin: ({ core }) => core.close() },
  /** The store has been closed for longer than `store.staleFor`, so entries in memory may not be used either. */
  "store stale": {
    begin: async ({ core, clock }) => {
      await core.close();
      clock.set(NOW + staleFor + 1);
    },
  },
  /** The store has been closed for exactly `store.staleFor`. */
  "store nearly stale": {
    begin: async ({ core, clock }) => {
      await core.close();
      clock.set(NOW + staleFor);
    },
  },
  /** The core throws. */
  fault: {
    options: {
      script: () => ({
        verify: () => {
          throw new Error("a fault of the test's own");
        },
      }),
    },
  },
  /** The core rejects its promise. */
  "late fault": {
    options: { script: () => ({ verify: () => Promise.reject(new Error("a fault of the test's own")) }) },
  },
  /** The faces ask for a realm that the core does not have. */
  "no realm": { options: { faceRealms: Object.fromEntries(TEST_VENDORS.map(({ name }) => [name, "gone"])) } },
  /** The address of all callers here has reached the limit of failed credentials. */
  "rate limited": {
    configuration: (text) => text.replace(/^failures: .*$/m, "failures: { perClient: 2/1m, perAddress: 3/1m }"),
    begin: async ({ inProcess, overChannel }) => {
      for (const port of [inProcess, overChannel, inProcess]) {
        const { status } = await exchange(port, UNKNOWN_CALLER);
        if (status !== 401) throw new Error(`a wrong credential was answered ${status}`);
        // A good caller at the same address must not be shut out by the failures of others.
        await exchange(port, GOOD_CALLER);
      }
    },
    addressed: true,
  },
  /** A DPoP proof of the realm bound-refused was used. */
  "a proof used": { begin: useProof },
  /** The realm bound-refused remembers as many DPoP proofs as it may. */
  "proofs full": { configuration: (text) => `${text}\nproofs: { max: 1 }\n`, begin: useProof },
  /** The core is replaced by one that says RATE_LIMITED, for faces whose realm takes no credential to count. */
  "said to be rate limited": saying("RATE_LIMITED"),
  /** The core is replaced, since these configurations fetch no keys (test/e2e/issuer-keys.slow.test.ts has some that do). */
  "keys unavailable": saying("KEYS_UNAVAILABLE"),
  /** The core is replaced by one whose issuer publishes odd keys beside good ones. */
  "odd keys published": {
    // Only the realm's name counts here: http.rpc answers for the realms of the configuration.
    configuration: (text) => `${text}\n  published: { preset: fiserv, keys: [{ pemFile: ./fiserv.pem }] }\n`,
    options: { script: publishedVerifier },
  },
  "no verdict": saying("NO_VERDICT"),
  "timed out": saying("TIMED_OUT"),
  /** The core never answers. */
  silent: {
    options: { script: () => ({ verify: () => new Promise(() => {}) }), request: 100 },
    callsOnly: true,
  },
  /** The gRPC service is gone. */
  "service gone": { begin: (deployment) => deployment.closeService(), channelOnly: true },
};

/** Brings up a service in trouble. */
export async function deployIn(condition: string, configuration: string): Promise<Deployment> {
  const found = CONDITIONS[condition];
  if (found === undefined) throw new Error(`there is no condition ${condition}`);
  const text = configurationWith(configuration, "");
  const deployment = await deploy(found.configuration?.(text) ?? text, found.options);
  await found.begin?.(deployment);
  return deployment;
}
