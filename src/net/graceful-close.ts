import type net from "node:net";

/** Milliseconds between two looks at what is under way. */
const LOOK = 50;

/** Looks in a row that find nothing under way, after which nobody is waited for: a second, for peers to hear that it ends. */
const FAREWELL = 20;

/**
 * Sees to it that a closing port is not kept open by whom it owes no answer: peers that never said a word, that are amid a TLS
 * handshake, or that do not close their side. And after the time-out by nobody.
 *
 * @param timeout milliseconds
 * @param underWay how many calls have no answer yet
 * @param open the connections that are open
 * @returns to be called once the port is closed; says how many calls were cut
 */
export function gracefulClose(timeout: number, underWay: () => number, open: () => Iterable<net.Socket>): () => number {
  let lost = 0;
  let looks = 0;
  // Looks are counted, and not the time: where this process stands still, peers have heard nothing meanwhile.
  const look = setInterval(() => {
    looks = underWay() === 0 ? looks + 1 : 0;
    // What is written and not yet sent, for a peer that reads slowly, goes out before.
    if (looks === FAREWELL) for (const socket of open()) socket.destroySoon();
  }, LOOK);
  const end = setTimeout(() => {
    lost = underWay();
    for (const socket of open()) socket.destroy();
  }, timeout);
  return () => {
    clearInterval(look);
    clearTimeout(end);
    return lost;
  };
}
