import type { Config } from "../../src/config/load.js";
import type { Verifier } from "../../src/contract/verifier.js";

// The state of the fact cache in which a suite runs, by the environment variable FACTS. No outcome may depend on it.

/** What a suite can be run with. `warm`: each question is asked twice, and the second answer counts. */
export const FACT_CACHES = ["cold", "warm", "one"] as const;

/** Bytes of the cache: none, or room for one ordinary fact in a realm's half. */
const BYTES: Readonly<Record<string, number>> = { cold: 0, one: 3000 };

const MODE = process.env["FACTS"] ?? "";

/** A configuration with the cache that the suite runs with, unless it names a size of its own. */
export function withFactCache(config: Config): Config {
  const facts = BYTES[MODE];
  if (facts === undefined || config.cache.facts !== 64 * 1024 ** 2) return config;
  return { ...config, cache: { ...config.cache, facts } };
}

/** The verifier that the suite asks. A proof counts once, and a bad credential is counted, so these are asked once. */
export function askedTwice(verifier: Verifier): Verifier {
  if (MODE !== "warm") return verifier;
  return {
    verify: async (request, context) => {
      const isOnce = request.proof !== undefined || request.credential !== undefined;
      if (!isOnce) await verifier.verify({ ...request, explain: false }, context);
      const outcome = await verifier.verify(request, context);
      return isOnce && request.proof === undefined && outcome.kind === "verified"
        ? verifier.verify(request, context)
        : outcome;
    },
  };
}
