import type { Server, Socket } from "node:net";
import type { TLSSocket, Server as TlsServer } from "node:tls";
import { addressReader, limitedAddress } from "../util/client-address.js";
import { certificateErrorOf, takeListeners, tcpSocketOf } from "./internals.js";
import type { TlsMaterial } from "./tls.js";

/**
 * Why a connection was closed before its first request (the port is full, its address has too many, or TLS failed), or
 * over HTTP/2 later on: too many of its calls were refused, or were reset by the client, or it does not read.
 */
export type ConnectionRefusalReason = "connections" | "address" | "handshake" | "refusals" | "resets" | "unread";

/** A connection that was refused, or cut. */
export interface ConnectionRefusal {
  readonly reason: ConnectionRefusalReason;
  /** The peer's address; empty if unknown. */
  readonly address: string;
  /** The error code of OpenSSL or the system for a failed handshake; empty for the other reasons. */
  readonly code: string;
}

/** Which connections a port accepts. */
export interface Admission {
  /** Maximum open connections at the port; further ones are closed at once. */
  readonly connections: number;
  /** Maximum open connections per client address (IPv6: per /64 network); further ones are closed at once. Default: no limit. */
  readonly perAddress?: number;
  /** Peers without a limit per address, because they forward the connections of others. */
  readonly isProxy?: (address: string) => boolean;
  /** Called for each connection that is refused or cut. Must not throw. */
  readonly refused?: (refusal: ConnectionRefusal) => void;
}

/** How a port listens, apart from its limits. */
export interface ListenerOptions extends Pick<Admission, "isProxy" | "refused"> {
  /** Enables TLS; the port is in plaintext without it. */
  readonly tls?: TlsMaterial | undefined;
}

const plainAddress = addressReader([]);

/**
 * Enforces the limits before a server's own `connection` listeners run. Call it once, after the server has all of them.
 *
 * @returns the open sockets, including those in a TLS handshake
 */
export function admit(
  server: Server,
  { connections, perAddress = Number.POSITIVE_INFINITY, isProxy = () => false, refused = () => {} }: Admission,
): ReadonlySet<Socket> {
  const open = new Set<Socket>();
  const counts = new Map<string, number>();
  const listeners = takeListeners(server, "connection");
  server.maxConnections = connections;
  server.on("drop", (data) => {
    refused({ reason: "connections", address: plainAddress(data?.remoteAddress ?? "", undefined), code: "" });
  });

  /** Counts a connection until it closes; false if its address already has the maximum. */
  const count = (socket: Socket, address: string): boolean => {
    // The peer of a socket file has no address; it is a process of this machine.
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

  server.on("connection", (socket: Socket) => {
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

/** Closes connections whose TLS handshake fails, and reports them. @param refused must not throw */
export function refuseFailedHandshakes(server: TlsServer, refused: NonNullable<Admission["refused"]>): void {
  // An HTTPS server would answer in HTTP, which the peer cannot read.
  server.removeAllListeners("tlsClientError");
  server.on("tlsClientError", (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    const code = certificateErrorOf(socket) ?? error.code ?? "unknown";
    const peer = socket.remoteAddress ?? tcpSocketOf(socket)?.remoteAddress ?? "";
    socket.destroy();
    // A load balancer's probe connects and closes without sending anything.
    if (code === "ECONNRESET" && socket.bytesRead === 0) return;
    refused({ reason: "handshake", address: plainAddress(peer, undefined), code });
  });
}
