/** What the service admits; the configuration's `limits`. */
export interface ServiceLimits {
  /** Bytes of one message from a client; above: RESOURCE_EXHAUSTED. */
  readonly message: number;
  /** Bytes of a call's headers together, 32 more counted for each; above: the call is cut. */
  readonly headers: number;
  /** Requests in a batch or in a message of a stream; above: BATCH_TOO_LARGE. */
  readonly batch: number;
  /** StreamVerifyTokens calls open at this server, of which one address may have {@link streamShare}; above: TOO_MANY_STREAMS. */
  readonly streams: number;
  /** Connections open at a port; a further one is closed at once. */
  readonly connections: number;
  /** Connections of one peer's address open at a port, (default: no limit). */
  readonly perAddress?: number;
  /** Milliseconds after which a connection without a call is closed, and a stream without a message ended. */
  readonly idle: number;
  /** Milliseconds for a request to arrive whole, and again for its answer; above: cut, and TIMED_OUT. */
  readonly request: number;
}

/** Distinct credentials in a batch or in a message of a stream; above: TOO_MANY_CALLERS. */
export const MAX_CALLERS = 8;

/** Bytes of the id of a stream's message; above: ID_TOO_LONG. */
export const MAX_ID_BYTES = 128;

/** Messages of one stream that are being answered at once; the next ones wait unread. */
export const MAX_UNDER_WAY = 16;

/** Fields that each request of a batch may have besides those of one request, on average; it has some 7. */
export const ITEM_FIELDS = 16;

const MB = 1024 ** 2;

/** Mebibytes that HTTP/2 itself may take for one connection; above it new calls are refused. */
export const SESSION_MEGABYTES = 64;

/** Calls of one connection that may be refused for want of room; above: it is cut. */
export const MAX_REFUSED = 100;

/** What an open call counts for besides its headers, in bytes: the objects that stand for it. */
export const OPEN_CALL = 16 * 1024;

/**
 * Bytes that calls may hold which have not arrived whole, or stay open; above: the call is cut with ENHANCE_YOUR_CALM. One
 * address may have a quarter of them.
 *
 * @param message `limits.message`
 */
export const heldBytes = (message: number): number => Math.max(256 * MB, 16 * message);

/** How many of so many streams one address may have: three quarters, so that others come in; of fewer than 16, all. */
export const streamShare = (streams: number): number => (streams < 16 ? streams : Math.floor((streams * 3) / 4));
