import { z } from "zod";
import { duration, rate, size } from "./values.js";

// What callers are borne with, and for how long.

/** Node's timers hold no more than 2^31 - 1 ms, and fire at once where they are given more. */
const LONGEST_TIMER = 24 * 86_400_000;

/** What one caller may ask for. */
export const limits = z
  .strictObject({
    body: size(1024, 64 * 1024 ** 2)
      .default(64 * 1024)
      .describe("The body of a REST request."),
    headers: size(1024, 1024 ** 2)
      .default(16 * 1024)
      .describe("All headers of a request or call together."),
    message: size(1024, 64 * 1024 ** 2)
      .default(4 * 1024 ** 2)
      .describe(
        "A gRPC message. Calls whose messages have not come whole may hold 16 times as much together, and 256 MiB at the least; one address a quarter of that.",
      ),
    batch: z
      .int()
      .min(1)
      .max(100_000)
      .default(1000)
      .describe("The requests in a batch, or in one message of a stream."),
    streams: z
      .int()
      .min(1)
      .max(100_000)
      .default(100)
      .describe(
        "The streams open at this server; of 16 or more, one address may have three quarters; `trustedProxies` all.",
      ),
    connections: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(10_000)
      .describe("The connections open at each port; a further one is closed at once."),
    perAddress: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(1000)
      .describe(
        "Those of one address at each port; an IPv6 address counts with its /64 network, and `trustedProxies` not at all.",
      ),
    idle: duration(1000, LONGEST_TIMER)
      .default(300_000)
      .describe("How long a connection may be without a call, and a stream without a message."),
    request: duration(100, LONGEST_TIMER)
      .default(10_000)
      .describe("How long a request may take to arrive, and again to be answered."),
  })
  .prefault({})
  .describe("What one caller may ask for.");

/** How many failed credentials are borne. */
export const failures = z
  .strictObject({
    perClient: rate().default({ count: 20, window: 60_000 }).describe("Of one client id from one address."),
    perAddress: rate()
      .default({ count: 100, window: 60_000 })
      .describe("From one address; an IPv6 address counts with its /64 network."),
  })
  .prefault({})
  .describe(
    "Failed credentials that are borne. Above, calls with a credential from there are answered RATE_LIMITED (429) until the window is over, but for credentials that were good from there before. Missing ones do not count.",
  );

/** How the service ends. */
export const drain = z
  .strictObject({
    delay: duration(0, LONGEST_TIMER)
      .default(1000)
      .describe("How long the ports go on accepting while health says NOT_SERVING."),
    timeout: duration(0, LONGEST_TIMER).default(5000).describe("How long calls in flight have to finish after that."),
  })
  .prefault({})
  .describe("How the service ends on SIGTERM or SIGINT; a second signal ends it at once.");
