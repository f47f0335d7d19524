import type { Socket } from "node:net";

/** Milliseconds between two checks for unanswered calls. */
const CHECK_INTERVAL = 50;

/** Consecutive checks without an unanswered call after which connections are closed: one second, for peers to close first. */
const QUIET_CHECKS = 20;

/**
 * Closes the connections of a port that is shutting down: once no call is unanswered for a second, those that peers leave open
 * (idle, amid a TLS handshake, or not closed by the other side); at the timeout, all of them.
 *
 * @param timeout milliseconds
 * @param unanswered returns the number of calls without a complete answer
 * @param open returns the open connections
 * @returns a function to call once the port is closed, which returns how many calls the timeout cut
 */
export function gracefulClose(timeout: number, unanswered: () => number, open: () => Iterable<Socket>): () => number {
  let cut = 0;
  let quiet = 0;
  // Counts checks instead of time: a paused process sends its peers nothing.
  const check = setInterval(() => {
    quiet = unanswered() === 0 ? quiet + 1 : 0;
    // destroySoon sends what a slow reader has not read yet.
    if (quiet === QUIET_CHECKS) for (const socket of open()) socket.destroySoon();
  }, CHECK_INTERVAL);
  const end = setTimeout(() => {
    cut = unanswered();
    for (const socket of open()) socket.destroy();
  }, timeout);
  return () => {
    clearInterval(check);
    clearTimeout(end);
    return cut;
  };
}
