import http from "node:http";
import net, { type AddressInfo } from "node:net";

/** A corporate proxy that supports CONNECT and maps each host to a port of this machine. */
export interface ConnectProxy {
  readonly port: number;
  /** The requested hosts and ports, in order. */
  readonly tunnels: string[];
  close(): void;
}

/**
 * Starts a proxy.
 *
 * @param portOf returns the port of this machine for a host and port
 * @param refusal the status with which it refuses every request (default: it refuses none)
 */
export async function startProxy(portOf: (target: string) => number, refusal?: number): Promise<ConnectProxy> {
  const tunnels: string[] = [];
  const server = http.createServer().on("connect", (req: http.IncomingMessage, socket: net.Socket) => {
    const target = req.url ?? "";
    tunnels.push(target);
    if (refusal !== undefined) {
      socket.on("error", () => {}).end(`HTTP/1.1 ${refusal} No\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const onward = net.connect(portOf(target), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      onward.pipe(socket).pipe(onward);
    });
    for (const one of [socket, onward]) one.on("error", () => {}).on("close", () => onward.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    tunnels,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
