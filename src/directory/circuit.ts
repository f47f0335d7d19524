import { type Clock, steadyClock } from "../util/clock.js";
import type { DirectoryReads } from "./directory.js";
import { DirectoryError } from "./errors.js";

/** Milliseconds without any success after which look-ups fail at once. */
const PATIENCE = 2_000;
/** Milliseconds from one look-up that is tried all the same to the next. */
const PROBE_INTERVAL = 500;

/** A look-up was not tried, because the store has answered nothing for a while. */
export class StoreSilent extends DirectoryError {
  override readonly name = "StoreSilent";

  constructor() {
    super("unavailable", "The store has answered nothing for two seconds, so look-ups fail at once. Try again.");
  }
}

/** Called when look-ups begin to fail at once, and when they are tried again. */
export type OnSilence = (isSilent: boolean) => void;

/**
 * The same reads, but look-ups of entries fail at once while the store is silent: after 2 s without any successful read, of
 * which the last failed. One look-up each 500 ms is tried all the same. Without this, every call that needs an entry waits
 * for its deadline during an outage, and all of them take memory. Reading the feed is always tried.
 *
 * @param steady milliseconds, of a clock that is never set
 */
export function withCircuit(
  directory: DirectoryReads,
  onSilence: OnSilence = () => {},
  steady: Clock = steadyClock,
): DirectoryReads {
  let succeededAt = steady();
  let probedAt = Number.NEGATIVE_INFINITY;
  let hasFailed = false;
  let isSilent = false;

  async function watched<Result>(read: () => Promise<Result>): Promise<Result> {
    try {
      const result = await read();
      [succeededAt, hasFailed] = [steady(), false];
      if (isSilent) onSilence(false);
      isSilent = false;
      return result;
    } catch (error) {
      hasFailed = true;
      throw error;
    }
  }

  async function lookUp<Result>(read: () => Promise<Result>): Promise<Result> {
    const now = steady();
    if (hasFailed && now - succeededAt >= PATIENCE) {
      if (!isSilent) onSilence(true);
      isSilent = true;
      if (now - probedAt < PROBE_INTERVAL) throw new StoreSilent();
      probedAt = now;
    }
    return watched(read);
  }

  return {
    instance: (secretKey) => lookUp(() => directory.instance(secretKey)),
    client: (clientId) => lookUp(() => directory.client(clientId)),
    user: (instanceId, userId) => lookUp(() => directory.user(instanceId, userId)),
    poll: (after, limit) => watched(() => directory.poll(after, limit)),
    revocationPages: () => directory.revocationPages(),
    countRevocations: () => directory.countRevocations(),
    get lookupKeys() {
      return directory.lookupKeys;
    },
    get clockOffset() {
      return directory.clockOffset;
    },
  };
}
