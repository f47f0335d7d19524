import type { Clock } from "../../util/clock.js";
import type { Secret } from "../../util/secret.js";
import { renewClientDigest } from "./reseal.js";
import type { SqlStore } from "./store.js";

/** Called with a secret that was found to be a client's, and the id of the look-up key under which it was. */
export type DigestRenewal = (clientId: string, keyId: string, secret: Secret) => void;

/** Writes in a second at most: each is one statement, and callers must not wait behind them. */
const WRITES_A_SECOND = 10;

/** What a {@link DigestRenewal} reports to. */
export interface DigestRenewalOptions {
  readonly clock: Clock;
  /** Called when a client's digest was made again, here or elsewhere: what is known of the client is to be read again. */
  readonly onDone: (clientId: string) => void;
  readonly onFailure: (error: unknown) => void;
}

/**
 * Digests clients' secrets again as they are shown, for a store whose look-up key was replaced. A call returns at once. What
 * exceeds the rate, or fails, is done when the client shows its secret another time.
 */
export function digestRenewal(store: SqlStore, { clock, onDone, onFailure }: DigestRenewalOptions): DigestRenewal {
  let [second, writes] = [0, 0];
  const underWay = new Set<string>();
  return (clientId, keyId, secret) => {
    if (keyId === store.keys.lookup.current.id || underWay.has(clientId)) return;
    const now = Math.floor(clock() / 1000);
    if (now !== second) [second, writes] = [now, 0];
    if (writes >= WRITES_A_SECOND) return;
    writes += 1;
    underWay.add(clientId);
    renewClientDigest(store, clientId, keyId, secret)
      .then(() => onDone(clientId), onFailure)
      .finally(() => underWay.delete(clientId));
  };
}
