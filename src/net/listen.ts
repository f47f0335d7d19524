import { rm } from "node:fs/promises";
import net from "node:net";

type ListenOptions = { readonly host: string; readonly port: number } | { readonly path: string };

/** Reads `host:port`, `[v6]:port` or `unix:/path`; undefined for anything else. */
export function readAddress(text: string): ListenOptions | undefined {
  if (text.startsWith("unix:")) return text.length > 5 ? { path: text.slice(5) } : undefined;
  const [, v6, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? name;
  return host !== undefined && Number(port) <= 65535 ? { host, port: Number(port) } : undefined;
}

/**
 * Opens a port or a socket file; a socket file that nobody listens at any more is replaced.
 *
 * @param address `host:port` (port 0: any free one), `[v6]:port` or `unix:/path`
 * @returns the address that the server is bound to, in the same form
 * @throws RangeError for what is no address; the system's error (EADDRINUSE, EACCES …)
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
