import type { Http2Limits } from "../net/http2/http2-port.js";

/** The limits of the gRPC service; the configuration's `limits`. */
export interface ServiceLimits extends Http2Limits {
  /** Requests in a batch or in a message of a stream; above: BATCH_TOO_LARGE. */
  readonly batch: number;
  /** Open StreamVerifyTokens calls, of which one address may have {@link streamShare}; above: TOO_MANY_STREAMS. */
  readonly streams: number;
  /** Open WatchChanges calls; above: TOO_MANY_WATCHES. */
  readonly watches: number;
}

/** Distinct credentials in a batch or in a message of a stream; above: TOO_MANY_CALLERS. */
export const MAX_CALLERS = 8;

/** Bytes of the id of a stream's message; above: ID_TOO_LONG. */
export const MAX_ID_BYTES = 128;

/** Messages of one stream that are answered at the same time; the next ones wait unread. */
export const MAX_UNDER_WAY = 16;

/** The number of streams that one address may have: three quarters of all, so that others get some; all if fewer than 16. */
export const streamShare = (streams: number): number => (streams < 16 ? streams : Math.floor((streams * 3) / 4));
