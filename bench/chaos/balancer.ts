import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { pause } from "./clock.js";

/** A TCP balancer: it gives new connections to the ready ones of several targets in turn. */
export interface Balancer {
  readonly address: string;
  close(): void;
}

/** A target of a balancer. */
export interface BalancedTarget {
  readonly port: number;
  isReady(): Promise<boolean>;
}

/** The pause between two checks of a target, in milliseconds. */
const CHECKING = 200;

/** Starts a balancer on a free port of 127.0.0.1. It ends no connection by itself: a target that drains does. */
export async function startBalancer(targets: readonly BalancedTarget[]): Promise<Balancer> {
  const ready = new Set<BalancedTarget>(targets);
  const state = { isOpen: true, turn: 0 };
  for (const target of targets) {
    void (async () => {
      while (state.isOpen) {
        if (await target.isReady()) ready.add(target);
        else ready.delete(target);
        await pause(CHECKING);
      }
    })();
  }
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    const list = [...(ready.size > 0 ? ready : targets)];
    const target = list[state.turn++ % list.length];
    const onward = net.connect({ port: target?.port ?? 0, host: "127.0.0.1", allowHalfOpen: true });
    for (const [one, other] of [
      [client, onward],
      [onward, client],
    ] as const) {
      sockets.add(one);
      one.setNoDelay(true);
      one.on("error", () => other.resetAndDestroy()).on("close", () => sockets.delete(one));
      one.pipe(other);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      state.isOpen = false;
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
