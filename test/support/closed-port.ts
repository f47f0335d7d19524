import { once } from "node:events";
import net, { type AddressInfo } from "node:net";

/** A port of this machine at which nobody listens. */
export interface ClosedPort {
  readonly port: number;
  /** From then on somebody may. */
  release(): void;
}

/**
 * Gives one. A port that was merely let go may be the next that another process of the tests is given: about once in ten
 * thousand times that one of them listens. This one has a connection that was made to it, and the system gives it to nobody.
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
 * Holds the port of a server that is about to close in the same way: for a minute after the server has ended this
 * connection, the system remembers it. Resolves once the server has it and has said something over it, as HTTP/2 does.
 */
export async function holdPort(port: number): Promise<() => void> {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "data");
  return () => void socket.on("error", () => {}).destroy();
}
