import type { Clock } from "../util/clock.js";
import type { DirectoryReads } from "./directory.js";

/** The reads that are timed. */
type TimedRead = "instance" | "client" | "user" | "poll";

/** Called after each read of the store. @param seconds the time that it took @param failed true if it was rejected */
export type OnRead = (read: TimedRead, seconds: number, failed: boolean) => void;

/** The same reads, each timed and reported. */
export function observeReads(directory: DirectoryReads, clock: Clock, onRead: OnRead): DirectoryReads {
  async function timed<T>(read: TimedRead, answer: () => Promise<T>): Promise<T> {
    const started = clock();
    let failed = true;
    try {
      const value = await answer();
      failed = false;
      return value;
    } finally {
      onRead(read, Math.max(0, clock() - started) / 1000, failed);
    }
  }
  return {
    instance: (secretKey) => timed("instance", () => directory.instance(secretKey)),
    client: (clientId) => timed("client", () => directory.client(clientId)),
    user: (instanceId, userId) => timed("user", () => directory.user(instanceId, userId)),
    poll: (after, limit) => timed("poll", () => directory.poll(after, limit)),
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
