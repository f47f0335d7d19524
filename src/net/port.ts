import { rm } from "node:fs/promises";
import net, { isIPv4 } from "node:net";
import type { TlsMaterial } from "./tls.js";

/** A port, whatever its protocol. */
export interface TransportPort {
  /**
   * Opens the port.
   *
   * @param address `host:port` (port 0: any free one), `[v6]:port` or `unix:/path`
   * @returns the bound address, in the same form
   * @throws RangeError for a malformed address; the system's error (EADDRINUSE, EACCES …)
   */
  listen(address: string): Promise<string>;
  /** Sets the certificate of new connections. Only for a port that has TLS. @throws OpenSSL's error */
  renewTls(material: TlsMaterial): void;
  /** The number of open connections. */
  connections(): number;
  /**
   * Accepts no new connections, waits for the answers to the calls or requests that have begun, and closes. Connections close
   * a second after the last answer at the latest, and at the timeout with or without one.
   *
   * @param timeout milliseconds
   * @returns how many calls or requests the timeout cut
   */
  close(timeout: number): Promise<number>;
}

/** What the watches of a port have done since the start. */
export interface WatchStats {
  /** Open now. */
  readonly open: number;
  /** Changes sent. */
  readonly sent: number;
  /** Watchers that were too slow to take the changes. */
  readonly resets: number;
  /** Refused watches, by reason. */
  readonly refused: Readonly<Partial<Record<string, number>>>;
}

/** A configured port with its address. */
export interface Port extends Omit<TransportPort, "listen"> {
  /** Name in the configuration, such as `grpc`. */
  readonly name: string;
  /** Opens the port at its address. @returns the bound address @throws the system's error if it cannot listen */
  open(): Promise<string>;
  /** What the watches of the port have done since the start; undefined without watches. */
  watches?(): WatchStats | undefined;
  /** Open streams: calls that last until the client or the server ends them. */
  streams(): number;
  /**
   * Begins to shut down, and goes on answering: reports NOT_SERVING, sends clients to other connections, ends what lasts.
   *
   * @param delay milliseconds until `close` is called
   */
  retire(delay: number): void;
}

type ListenOptions = { readonly host: string; readonly port: number } | { readonly path: string };

/** Reads `host:port`, `[v6]:port` or `unix:/path`; undefined for anything else. */
export function readAddress(text: string): ListenOptions | undefined {
  if (text.startsWith("unix:")) return text.length > 5 ? { path: text.slice(5) } : undefined;
  const [, v6, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? name;
  return host !== undefined && Number(port) <= 65535 ? { host, port: Number(port) } : undefined;
}

/** Whether only this machine can connect to an address: a loopback address or a socket file; true for a malformed one. */
export function isLocalAddress(address: string): boolean {
  const at = readAddress(address);
  if (at === undefined || "path" in at) return true;
  return at.host === "localhost" || at.host === "::1" || (isIPv4(at.host) && at.host.startsWith("127."));
}

/**
 * Binds a server to a port or a socket file. A socket file left behind by a process that has ended is replaced.
 *
 * @param address `host:port` (port 0: any free one), `[v6]:port` or `unix:/path`
 * @returns the bound address, in the same form
 * @throws RangeError for a malformed address; the system's error (EADDRINUSE, EACCES …)
 */
export async function listen(server: net.Server, address: string): Promise<string> {
  const options = readAddress(address);
  if (options === undefined) {
    throw new RangeError(`"${address}" is no address to listen at: use host:port, [v6]:port or unix:/path`);
  }
  try {
    return await open(server, options);
  } catch (error) {
    const taken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
    if (!taken || !("path" in options) || !(await isAbandoned(options.path))) throw error;
    await rm(options.path);
    return open(server, options);
  }
}

function open(server: net.Server, options: ListenOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      resolve(boundAddress(server));
    });
  });
}

function boundAddress(server: net.Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === "string") return `unix:${bound ?? ""}`;
  return `${bound.family === "IPv6" ? `[${bound.address}]` : bound.address}:${bound.port}`;
}

/** True if no process accepts connections at a socket file. */
function isAbandoned(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve(false);
    });
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
}
