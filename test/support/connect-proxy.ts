import http from "node:http";
import net, { type AddressInfo } from "node:net";

/** A proxy as companies have them: it knows CONNECT, and where each name leads. */
export interface ConnectProxy {
  readonly port: number;
  /** The hosts and ports that were asked for, in order. */
  readonly tunnels: string[];
  close(): void;
}

/**
 * Starts one.
 *
 * @param portOf the port of this machine that a host and port lead to
 * @param refusal the status that it refuses everybody with; it refuses nobody where it is left out
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
