import type { Logger } from "pino";
import type { Config } from "../config/load.js";
import type { Port } from "../net/port.js";
import { tell } from "../observability/lines.js";

/**
 * Ends a service. Health reports NOT_SERVING at once, and open connections get a GOAWAY or `Connection: close`, while the ports
 * accept connections and calls for another `delay`, so that load balancers can turn away. Then the ports close, and calls in
 * flight have `timeout` to finish.
 */
export async function drain(
  ports: readonly Port[],
  { delay, timeout }: Config["drain"],
  release: () => Promise<void>,
  log: Logger,
): Promise<void> {
  tell(log, "draining", { delay, timeout });
  for (const port of ports) port.retire(delay);
  await new Promise((resolve) => setTimeout(resolve, delay));
  const cut = await closeAll(ports, timeout, release);
  tell(log, "stopped", { cut }, cut === 0 ? "info" : "warn");
}

/**
 * Closes all ports at the same time, and then what they use.
 *
 * @param timeout milliseconds that calls in flight may take
 * @returns how many calls were cut
 */
export async function closeAll(ports: readonly Port[], timeout: number, release: () => Promise<void>): Promise<number> {
  const cut = await Promise.all(ports.map((port) => port.close(timeout)));
  await release();
  return cut.reduce((sum, one) => sum + one, 0);
}
