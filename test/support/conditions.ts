import type { FailureReason } from "../../src/contract/failures.js";
import { failure, type Verifier } from "../../src/contract/verifier.js";
import { NOW } from "./clock.js";
import { configurationWith, type Deployment, type DeploymentOptions, deploy } from "./deployment.js";
import { exchange, type HttpRequest } from "./http.js";
import { secretOf } from "./keys.js";
import { exampleRequest, TEST_VENDORS } from "./vendors.js";

/** A way in which a service can be in trouble. */
interface Condition {
  readonly options?: DeploymentOptions;
  /** Changes the configuration's text. */
  readonly configuration?: (text: string) => string;
  /** Brings the trouble about once the service runs. */
  readonly begin?: (deployment: Deployment) => Promise<unknown>;
  /** Only what goes over a channel is concerned. */
  readonly channelOnly?: true;
  /** Only calls are concerned, each of which has a deadline: not the verifier asked by itself. */
  readonly callsOnly?: true;
  /** Only callers who have an address are concerned: not those in process. */
  readonly addressed?: true;
}

const saying = (reason: FailureReason): Condition => ({
  options: { script: (): Verifier => ({ verify: () => failure(reason) }) },
});

const staleFor = 60_000;

/** A request by this instance to a face that instances ask. */
function calling(secretKey: string): HttpRequest {
  const vendor = TEST_VENDORS.find(({ callers }) => callers === "instances");
  if (vendor === undefined) throw new Error("there is no face that instances ask");
  return exampleRequest(vendor, "x", { secretKey });
}
const UNKNOWN_CALLER = calling("sk_live_test_only_nobody");
const GOOD_CALLER = calling(secretOf("clowk-next"));

/** What a case's `condition` may be. */
export const CONDITIONS: Readonly<Record<string, Condition>> = {
  /** The store is closed, and what nobody asked for before cannot be loaded. */
  "store closed": { begin: ({ core }) => core.close() },
  /** The same, for longer than `store.staleFor`: nothing that is known may be used any more. */
  "store stale": {
    begin: async ({ core, clock }) => {
      await core.close();
      clock.set(NOW + staleFor + 1);
    },
  },
  /** At the end of `staleFor`, and no later. */
  "store nearly stale": {
    begin: async ({ core, clock }) => {
      await core.close();
      clock.set(NOW + staleFor);
    },
  },
  /** A fault in the core. */
  fault: {
    options: {
      script: () => ({
        verify: () => {
          throw new Error("a fault of the test's own");
        },
      }),
    },
  },
  /** The same, where the answer was awaited. */
  "late fault": {
    options: { script: () => ({ verify: () => Promise.reject(new Error("a fault of the test's own")) }) },
  },
  /** The faces ask for a realm that the core does not have. */
  "no realm": { options: { faceRealms: Object.fromEntries(TEST_VENDORS.map(({ name }) => [name, "gone"])) } },
  /** As many failed credentials came from the address of all callers here as are borne. */
  "rate limited": {
    configuration: (text) => text.replace(/^failures: .*$/m, "failures: { perClient: 2/1m, perAddress: 3/1m }"),
    begin: async ({ inProcess, overChannel }) => {
      for (const port of [inProcess, overChannel, inProcess]) {
        const { status } = await exchange(port, UNKNOWN_CALLER);
        if (status !== 401) throw new Error(`a wrong credential was answered ${status}`);
        // Who is good while others fail at its address is not shut out with them.
        await exchange(port, GOOD_CALLER);
      }
    },
    addressed: true,
  },
  /** A face whose realm takes no credential has nothing to count: what it would answer is said in the core's place. */
  "said to be rate limited": saying("RATE_LIMITED"),
  /** These configurations fetch no keys: test/e2e/issuer-keys.slow.test.ts has those that do. */
  "keys unavailable": saying("KEYS_UNAVAILABLE"),
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
