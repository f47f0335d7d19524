import type { FailureReason } from "../../src/contract/failures.js";
import { failure, type Verifier } from "../../src/contract/verifier.js";
import { NOW } from "./clock.js";
import { deploy, type Deployment, type DeploymentOptions } from "./deployment.js";

/** A way in which a service can be in trouble. */
interface Condition {
  readonly options?: DeploymentOptions;
  /** Brings the trouble about once the service runs. */
  readonly begin?: (deployment: Deployment) => Promise<void>;
  /** Only what goes over a channel is concerned. */
  readonly channelOnly?: true;
}

const saying = (reason: FailureReason): Condition => ({
  options: { script: (): Verifier => ({ verify: () => failure(reason) }) },
});

const staleFor = 60_000;

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
  "late fault": { options: { script: () => ({ verify: () => Promise.reject(new Error("a fault of the test's own")) }) } },
  /** The faces ask for a realm that the core does not have. */
  "no realm": { options: { faceRealms: { integuru: "gone", clowk: "gone", fiserv: "gone" } } },
  /** Too many failed credentials. The limiter's stage is not built yet: until then it is said in its place, here alone. */
  "rate limited": saying("RATE_LIMITED"),
  /** Key sets that are fetched are not built yet. */
  "keys unavailable": saying("KEYS_UNAVAILABLE"),
  "no verdict": saying("NO_VERDICT"),
  "timed out": saying("TIMED_OUT"),
  /** The core never answers. */
  silent: {
    options: { script: () => ({ verify: () => new Promise(() => {}) }), request: 100 },
    channelOnly: true,
  },
  /** The gRPC service is gone. */
  "service gone": { begin: (deployment) => deployment.closeService(), channelOnly: true },
};

/** Brings up a service in trouble. */
export async function deployIn(condition: string, configuration: string): Promise<Deployment> {
  const found = CONDITIONS[condition];
  if (found === undefined) throw new Error(`there is no condition ${condition}`);
  const deployment = await deploy(configuration, found.options);
  await found.begin?.(deployment);
  return deployment;
}
