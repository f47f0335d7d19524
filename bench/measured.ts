import { type ChildProcess, fork } from "node:child_process";

/** A server in a process of its own, whose CPU time can be read. */
export interface Measured {
  /** What the server said when it was ready. */
  readonly ready: { readonly address?: string; readonly addresses?: Readonly<Record<string, string>> };
  /** CPU time of the whole process so far, user and system, in microseconds. */
  cpu(): Promise<number>;
  /** How late its event loop came round at worst since this was last asked, in milliseconds. */
  delay(): Promise<number>;
  /** What it holds, in bytes: `heapUsed` after everything unreachable was collected. */
  memory(): Promise<{ readonly rss: number; readonly heapUsed: number; readonly external: number }>;
  /** Writes a heap snapshot to a file; the server stands still for a second or two. */
  snapshot(file: string): Promise<unknown>;
  stop(): void;
}

/** Starts one of bench/servers. */
export async function start(name: string, ...args: readonly string[]): Promise<Measured> {
  const file = new URL(`servers/${name}.mjs`, import.meta.url);
  const preload = new URL("servers/probe.mjs", import.meta.url);
  const child = fork(file, args, { execArgv: ["--expose-gc", "--import", preload.href] });
  const ready = await next<Measured["ready"]>(child);
  const ask = <Answer>(...question: readonly [name: string, ...args: string[]]): Promise<Answer> => {
    child.send(question);
    return next<Answer>(child);
  };
  return {
    ready,
    cpu: async () => {
      const { user, system } = await ask<NodeJS.CpuUsage>("cpu");
      return user + system;
    },
    delay: () => ask("delay"),
    memory: () => ask("memory"),
    snapshot: (file) => ask("snapshot", file),
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
