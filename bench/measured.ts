import { type ChildProcess, fork } from "node:child_process";

/** A server in a process of its own, whose CPU time can be read. */
export interface Measured {
  /** What the server said when it was ready. */
  readonly ready: { readonly address?: string; readonly addresses?: Readonly<Record<string, string>> };
  /** CPU time of the whole process so far, user and system, in microseconds. */
  cpu(): Promise<number>;
  stop(): void;
}

/** Starts one of bench/servers. */
export async function start(name: string, ...args: readonly string[]): Promise<Measured> {
  const file = new URL(`servers/${name}.mjs`, import.meta.url);
  const preload = new URL("servers/cpu.mjs", import.meta.url);
  const child = fork(file, args, { execArgv: ["--import", preload.href] });
  const ready = await next<Measured["ready"]>(child);
  return {
    ready,
    cpu: async () => {
      child.send("cpu");
      const { user, system } = await next<NodeJS.CpuUsage>(child);
      return user + system;
    },
    stop: () => void child.kill("SIGKILL"),
  };
}

function next<Message>(child: ChildProcess): Promise<Message> {
  return new Promise((resolve, reject) => {
    const failed = (code: number | null): void => reject(new Error(`a server ended with code ${code}`));
    child.once("exit", failed);
    child.once("message", (message) => {
      child.off("exit", failed);
      resolve(message as Message);
    });
  });
}

/** Sends so many requests, and resolves when all are answered well. */
export type Load = (count: number) => Promise<void>;

/** A load of `inFlight` requests at a time. */
export function load(inFlight: number, send: () => Promise<void>): Load {
  return async (count) => {
    let left = count;
    const worker = async (): Promise<void> => {
      while (left-- > 0) await send();
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
  };
}

/** The middle of some figures, and their ends. */
function spread(figures: readonly number[]): {
  readonly min: number;
  readonly median: number;
  readonly max: number;
} {
  const sorted = figures.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return { min: at(0), median: at(Math.floor(sorted.length / 2)), max: at(sorted.length - 1) };
}

/** What is compared. */
export interface Contender {
  readonly server: Measured;
  readonly send: Load;
}

/**
 * CPU per request of a server beside that of a bare one: in turn, round by round, so that a drift of the machine's speed
 * meets both. What counts is the ratio.
 */
export async function compare(
  title: string,
  ours: Contender,
  bare: Contender,
  { rounds, requests }: { readonly rounds: number; readonly requests: number },
): Promise<void> {
  const cost = async ({ server, send }: Contender): Promise<number> => {
    const before = await server.cpu();
    await send(requests);
    return ((await server.cpu()) - before) / requests;
  };
  await ours.send(requests);
  await bare.send(requests);
  const figures: { ours: number; bare: number }[] = [];
  for (let round = 0; round < rounds; round++) figures.push({ ours: await cost(ours), bare: await cost(bare) });
  const line = (name: string, values: readonly number[], digits: number, unit: string): string => {
    const { min, median, max } = spread(values);
    return `  ${name.padEnd(22)} ${median.toFixed(digits)}${unit}  (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
  };
  console.log(`${title}: CPU of the server per request, median of ${rounds} rounds of ${requests}`);
  console.log(
    line(
      "Token Verifier",
      figures.map((one) => one.ours),
      1,
      " µs",
    ),
  );
  console.log(
    line(
      "bare",
      figures.map((one) => one.bare),
      1,
      " µs",
    ),
  );
  console.log(
    line(
      "ratio",
      figures.map((one) => one.ours / one.bare),
      2,
      " x",
    ),
  );
}
