import { once } from "node:events";
import net, { type AddressInfo } from "node:net";

/** A port of this machine at which no process listens. */
export interface ClosedPort {
  readonly port: number;
  /** Lets processes listen at the port again. */
  release(): void;
}

/**
 * Reserves a closed port. The system could give a port that was merely closed to another process of the tests, about once in ten
 * thousand listens; an accepted connection to this one keeps the system from giving it away.
 */
export async function closedPort(): Promise<ClosedPort> {
  const server = net.createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const made = net.connect(port, "127.0.0.1");
  const [accepted] = (await once(server, "connection")) as [net.Socket];
  server.close();
  return {
    port,
    release: () => {
      for (const end of [made, accepted]) end.on("error", () => {}).destroy();
    },
  };
}

/**
 * Reserves the port of a server that is about to close: the system remembers this connection for a minute after the server has
 * ended it. Resolves once the server has accepted the connection and sent its first bytes, as HTTP/2 servers do.
 */
export async function holdPort(port: number): Promise<() => void> {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "data");
  return () => void socket.on("error", () => {}).destroy();
}
