import { type ChildProcess, fork } from "node:child_process";
import type { Profiler } from "node:inspector";

/** A server in its own process, whose CPU time can be read. */
export interface Measured {
  /** The addresses that the server reported when it was ready. */
  readonly ready: { readonly address?: string; readonly addresses?: Readonly<Record<string, string>> };
  /** Returns the CPU time of the whole process so far, user and system, in microseconds. */
  cpu(): Promise<number>;
  /** Returns the longest delay of its event loop since the last call, in milliseconds. */
  delay(): Promise<number>;
  /** Returns its memory in bytes, with `heapUsed` after a garbage collection. */
  memory(): Promise<{ readonly rss: number; readonly heapUsed: number; readonly external: number }>;
  /** Writes a heap snapshot to a file, which stops the server for a second or two. */
  snapshot(file: string): Promise<unknown>;
  /** Profiles its CPU until the returned function is called. */
  profile(): Promise<() => Promise<Profiler.Profile>>;
  stop(): void;
}

/** Starts a server of bench/servers. */
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
    profile: async () => {
      await ask("profile");
      return () => ask("profiled");
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

/** Sends this many requests, and resolves when all have good answers. */
export type Load = (count: number) => Promise<void>;

/** Returns a load of `inFlight` concurrent requests. */
export function load(inFlight: number, send: () => Promise<void>): Load {
  return async (count) => {
    let left = count;
    const worker = async (): Promise<void> => {
      while (left-- > 0) await send();
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
  };
}
