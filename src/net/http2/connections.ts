import { randomInt } from "node:crypto";
import http2 from "node:http2";
import { addressReader, limitedAddress } from "../../util/client-address.js";

/** Milliseconds. */
export const MINUTE = 60_000;

const plainAddress = addressReader([]);

/**
 * Whose share a connection counts in: the peer's address, an IPv6 one with its /64 network. Undefined for a socket file and
 * for proxies, which bring the calls of others.
 *
 * @param peer empty for a socket file
 */
export function sharerOf(peer: string, isProxy: (address: string) => boolean): string | undefined {
  const address = plainAddress(peer, undefined);
  return address === "" || isProxy(address) ? undefined : limitedAddress(address);
}

/**
 * How old a connection gets, in milliseconds: 27 to 33 minutes, of few different lengths.
 *
 * grpc-js's own option draws any length, and Node keeps a list for each length of an unreferenced timer until it would
 * have run out, also where the timer was cleared: each connection, however short, would cost memory for half an hour.
 */
export function connectionAge(): number {
  return (27 + randomInt(7)) * MINUTE;
}

/** Ends a connection after so many milliseconds: no new calls, and those under way finish. */
export function retireAfter(session: http2.ServerHttp2Session, millis: number): void {
  const timer = setTimeout(() => {
    if (session.destroyed) return;
    // First without refusing the calls that are on their way here.
    session.goaway(http2.constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1);
    session.close();
  }, millis);
  timer.unref();
  session.once("close", () => clearTimeout(timer));
}

/**
 * Cuts a connection without a call. grpc-js ends one that is idle politely, and then waits for as long as a peer leaves a frame
 * unfinished, or says nothing of what it was told.
 */
export function cutWhereIdle(session: http2.ServerHttp2Session, millis: number): void {
  let calls = 0;
  const timer = setTimeout(() => {
    if (calls === 0) session.destroy();
  }, millis);
  timer.unref();
  session.on("stream", (stream) => {
    calls++;
    stream.once("close", () => {
      calls--;
      // A timer that was cleared would run again, and hold the session meanwhile.
      if (!session.closed && !session.destroyed) timer.refresh();
    });
  });
  session.once("close", () => clearTimeout(timer));
}
