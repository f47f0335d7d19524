import type net from "node:net";
import { addressReader, limitedAddress } from "../util/client-address.js";

/**
 * Why a connection was closed before anything was read of it: the port has as many as it admits, this peer has, or no
 * TLS connection came about.
 */
export type RefusalReason = "connections" | "address" | "handshake";

/** A connection that was refused. */
export interface Refusal {
  readonly reason: RefusalReason;
  /** The peer's address; empty where it cannot be told any more. */
  readonly address: string;
  /** What OpenSSL or the system says went wrong in a handshake; empty for the other reasons. */
  readonly code: string;
}

/** Who may connect to a port. */
export interface Admission {
  /** Connections open at the port; a further one is closed at once. */
  readonly connections: number;
  /** Those of one peer's address, an IPv6 one counting with its /64 network; a further one is closed at once. Default: no limit. */
  readonly perAddress?: number;
  /** Peers of which that is not asked: they bring the connections of others. */
  readonly isProxy?: (address: string) => boolean;
  /** Is told of each refusal. Must not throw. */
  readonly refused?: (refusal: Refusal) => void;
}

const plainAddress = addressReader([]);

/**
 * Puts the limits before whatever a server does with its connections: HTTP, TLS, or a listener of ours. Call it once, after
 * the server has all its `connection` listeners.
 *
 * @returns the sockets that are open, handshakes included
 */
export function admit(
  server: net.Server,
  { connections, perAddress = Number.POSITIVE_INFINITY, isProxy = () => false, refused = () => {} }: Admission,
): ReadonlySet<net.Socket> {
  const open = new Set<net.Socket>();
  const counts = new Map<string, number>();
  const listeners = server.listeners("connection") as ((socket: net.Socket) => void)[];
  server.removeAllListeners("connection");
  server.maxConnections = connections;
  server.on("drop", (data) => {
    refused({ reason: "connections", address: plainAddress(data?.remoteAddress ?? "", undefined), code: "" });
  });

  /** Counts a connection until it is closed; false where there is one too many. */
  const count = (socket: net.Socket, address: string): boolean => {
    // A socket file has no addresses, and whoever may open it is of this machine.
    if (address === "" || isProxy(address)) return true;
    const name = limitedAddress(address);
    const before = counts.get(name) ?? 0;
    if (before >= perAddress) return false;
    counts.set(name, before + 1);
    socket.once("close", () => {
      const left = (counts.get(name) ?? 1) - 1;
      if (left === 0) counts.delete(name);
      else counts.set(name, left);
    });
    return true;
  };

  server.on("connection", (socket: net.Socket) => {
    const address = plainAddress(socket.remoteAddress ?? "", undefined);
    if (!count(socket, address)) {
      socket.destroy();
      refused({ reason: "address", address, code: "" });
      return;
    }
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    for (const listener of listeners) listener.call(server, socket);
  });
  return open;
}
