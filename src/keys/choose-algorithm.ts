import type { KeyObject } from "node:crypto";
import { type Algorithm, fitsAlgorithm, isAlgorithm } from "../jws/algorithms.js";
import { KeyError, quoted } from "./key-error.js";

/** What the configuration says of a key. */
export interface LoadOptions {
  /** The realm's algorithms; at least one. */
  readonly algorithms: readonly Algorithm[];
  /** The one algorithm that the key is for; undefined: what the key says, or else the only one that fits. */
  readonly alg?: Algorithm | undefined;
  /** The `kid` of the key; undefined: what the key says, or else none. */
  readonly kid?: string | undefined;
  /**
   * What to do with a key without `alg` that several of the realm's algorithms fit: refuse it ("error", the default,
   * for keys of the configuration), or take the first of them ("first", for keys of the network).
   */
  readonly several?: "error" | "first" | undefined;
}

/**
 * The algorithm that is asked of a key, by the configuration or by the key's own `alg`; undefined where neither says.
 *
 * @param stated the `alg` of the key itself
 * @throws KeyError where the two contradict each other, or where it is none of the realm's (a foreign key)
 */
export function askedAlgorithm(options: LoadOptions, stated: string | undefined): Algorithm | undefined {
  const { alg, algorithms } = options;
  if (stated !== undefined && alg !== undefined && stated !== alg) {
    throw new KeyError(`the key's "alg" is ${quoted(stated)}, but ${alg} is configured for it: make the two agree`);
  }
  const asked = alg ?? stated;
  if (asked === undefined) return undefined;
  if (isAlgorithm(asked) && algorithms.includes(asked)) return asked;
  throw new KeyError(
    `the key is for ${quoted(asked)}, which is not among the realm's algorithms: ${list(algorithms)}`,
    {
      foreign: true,
    },
  );
}

/**
 * The one algorithm that a key shall verify.
 *
 * @param asked what {@link askedAlgorithm} said
 * @param what names the kind of key in messages, as "an EC key on P-256"
 * @throws KeyError where the key fits none, not the one that is asked, or several
 */
export function chooseAlgorithm(
  key: KeyObject,
  asked: Algorithm | undefined,
  { algorithms, several = "error" }: LoadOptions,
  what: string,
): Algorithm {
  if (asked !== undefined) {
    if (fitsAlgorithm(asked, key)) return asked;
    throw new KeyError(`${asked} does not take ${what}: correct "alg", or give a key of its kind`);
  }
  const fitting = algorithms.filter((algorithm) => fitsAlgorithm(algorithm, key));
  const [first, second] = fitting;
  if (first === undefined) {
    throw new KeyError(`${what} fits none of the realm's algorithms: ${list(algorithms)}`, { foreign: true });
  }
  if (second !== undefined && several === "error") {
    throw new KeyError(`${what} fits several of the realm's algorithms: set "alg" to one of ${list(fitting)}`);
  }
  return first;
}

function list(algorithms: readonly Algorithm[]): string {
  return algorithms.join(", ");
}
