import { once } from "node:events";
import net, { type AddressInfo } from "node:net";

/** What a proxy does to connections; everything is off by default. */
export interface ProxyFaults {
  /** How much later bytes arrive, in milliseconds: those to the target, and those of its answers. */
  readonly delayThere: number;
  readonly delayBack: number;
  /** The most bytes a second, each way. */
  readonly bytesPerSecond: number;
  /** Resets new connections. */
  readonly refuse: boolean;
  /**
   * Swallows all bytes and ends without a reset. A connection that was open meanwhile stays silent for ever, as behind a
   * firewall that has forgotten it.
   */
  readonly halfOpen: boolean;
}

const NONE: ProxyFaults = {
  delayThere: 0,
  delayBack: 0,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  refuse: false,
  halfOpen: false,
};

/** When a connection is cut: before what its client sent, or after that was answered. */
export type CutMoment = "before" | "after";

interface Trap {
  readonly text: string;
  readonly moment: CutMoment;
  readonly spring: () => void;
}

/** A TCP proxy in front of one target, whose faults are switched while it runs. */
export interface FaultProxy {
  readonly port: number;
  /** Sets all faults: those that are not named are off. Delays hold for bytes that arrive from now on. */
  set(faults: Partial<ProxyFaults>): void;
  /** Resets all connections. */
  cut(): void;
  /**
   * Resets the connection of the next client that sends a text: before the target gets it, or once the target has answered it
   * and before the client gets the answer. Resolves then.
   */
  cutAt(text: string, moment: CutMoment): Promise<void>;
  /** Leads new connections to another port. */
  retarget(port: number): void;
  /** The number of open connections of clients. */
  readonly connections: number;
  close(): Promise<void>;
}

/** Starts a proxy on a free port of 127.0.0.1. @param port the target's, on the same address */
export async function startFaultProxy(port: number): Promise<FaultProxy> {
  let faults = NONE;
  let target = port;
  let trap: Trap | undefined;
  const pairs = new Set<Pair>();
  const sprung = (chunk: Buffer): Trap | undefined => {
    if (trap === undefined || !chunk.includes(trap.text)) return undefined;
    const found = trap;
    trap = undefined;
    return found;
  };
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    if (faults.refuse) {
      client.on("error", () => {}).resetAndDestroy();
      return;
    }
    const pair = join(
      client,
      net.connect({ port: target, host: "127.0.0.1", allowHalfOpen: true }),
      () => faults,
      sprung,
    );
    pairs.add(pair);
    client.on("close", () => pairs.delete(pair));
    if (faults.halfOpen) pair.silence();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const pair of pairs) pair.reset();
  };
  return {
    port: (server.address() as AddressInfo).port,
    set(next) {
      faults = { ...NONE, ...next };
      if (faults.halfOpen) for (const pair of pairs) pair.silence();
    },
    cut,
    cutAt: (text, moment) =>
      new Promise((resolve) => {
        trap = { text, moment, spring: resolve };
      }),
    retarget(next) {
      target = next;
    },
    get connections() {
      return pairs.size;
    },
    async close() {
      server.close();
      cut();
      await once(server, "close");
    },
  };
}

interface Pair {
  silence(): void;
  reset(): void;
}

/** Joins a client's connection and the target's. */
function join(
  client: net.Socket,
  target: net.Socket,
  faults: () => ProxyFaults,
  sprung: (chunk: Buffer) => Trap | undefined,
): Pair {
  const state = { isSilent: false };
  let waiting: Trap | undefined;
  const cutWith = ({ spring }: Trap): true => {
    reset();
    spring();
    return true;
  };
  const reset = (): void => {
    for (const one of [client, target]) one.resetAndDestroy();
  };
  for (const one of [client, target]) {
    one.setNoDelay(true);
    // One side's reset reaches the other, unless the connection is half-open.
    one
      .on("error", () => {})
      .on("close", (hadError) => {
        if (hadError && !state.isSilent) reset();
      });
  }
  const there = (chunk: Buffer): boolean => {
    const found = sprung(chunk);
    if (found?.moment === "before") return cutWith(found);
    waiting ??= found;
    return false;
  };
  const back = (): boolean => waiting !== undefined && cutWith(waiting);
  carry(client, target, state, () => ({ delay: faults().delayThere, rate: faults().bytesPerSecond }), there);
  carry(target, client, state, () => ({ delay: faults().delayBack, rate: faults().bytesPerSecond }), back);
  return {
    silence() {
      state.isSilent = true;
    },
    reset,
  };
}

/** The most bytes that wait in a direction before the proxy stops to read. */
const WAITING = 1024 * 1024;

/** Carries one direction: its chunks, and its end, arrive late but in order. @param cuts looks at each, and may have reset both */
function carry(
  from: net.Socket,
  to: net.Socket,
  state: { readonly isSilent: boolean },
  line: () => { readonly delay: number; readonly rate: number },
  cuts: (chunk: Buffer) => boolean,
): void {
  let [waiting, last] = [0, 0];
  const queue: { readonly due: number; readonly work: () => void }[] = [];
  const run = (): void => {
    // Half a millisecond is as exact as timers are.
    while (queue[0] !== undefined && queue[0].due - performance.now() < 0.5) queue.shift()?.work();
    if (queue[0] !== undefined) setTimeout(run, queue[0].due - performance.now());
  };
  const later = (bytes: number, work: () => void): void => {
    const { delay, rate } = line();
    last = Math.max(last, performance.now() + delay) + (bytes / rate) * 1000;
    queue.push({ due: last, work });
    if (queue.length === 1) run();
  };
  from.on("data", (chunk: Buffer) => {
    if (state.isSilent || cuts(chunk)) return;
    waiting += chunk.length;
    if (waiting > WAITING) from.pause();
    later(chunk.length, () => {
      waiting -= chunk.length;
      if (waiting <= WAITING) from.resume();
      if (!state.isSilent && !to.destroyed) to.write(chunk);
    });
  });
  from.on("end", () => {
    if (!state.isSilent) later(0, () => !state.isSilent && to.end());
  });
}
