import { rm } from "node:fs/promises";
import net from "node:net";

type ListenOptions = { readonly host: string; readonly port: number } | { readonly path: string };

/** Reads `127.0.0.1:50051`, `[::1]:50051`, `localhost:0` or `unix:/path`. @throws RangeError for anything else */
function readAddress(address: string): ListenOptions {
  if (address.startsWith("unix:") && address.length > 5) return { path: address.slice(5) };
  const [, v6, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = v6 ?? name;
  if (host === undefined || Number(port) > 65535) {
    throw new RangeError(`"${address}" is no address to listen at: use host:port, [v6]:port or unix:/path`);
  }
  return { host, port: Number(port) };
}

function boundAddress(server: net.Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === "string") return `unix:${bound ?? ""}`;
  return `${bound.family === "IPv6" ? `[${bound.address}]` : bound.address}:${bound.port}`;
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

/** True where a socket file is left of a process that is gone. */
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

/**
 * Opens a port or a socket file; a socket file that nobody listens at any more is replaced.
 *
 * grpc-js is handed the connections and listens at nothing itself: it hides the system's error and prints it.
 *
 * @param address `host:port` (port 0: any free one), `[v6]:port` or `unix:/path`
 * @returns the server and the address it is bound to, in the same form
 * @throws RangeError for what is no address; the system's error (EADDRINUSE, EACCES …)
 */
export async function listen(
  address: string,
  accept: (socket: net.Socket) => void,
): Promise<{ readonly server: net.Server; readonly address: string }> {
  const options = readAddress(address);
  const server = net.createServer({ noDelay: true }, accept);
  try {
    return { server, address: await open(server, options) };
  } catch (error) {
    const taken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
    if (!taken || !("path" in options) || !(await isAbandoned(options.path))) throw error;
    await rm(options.path);
    return { server, address: await open(server, options) };
  }
}
