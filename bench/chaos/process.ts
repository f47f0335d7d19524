import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { pause } from "./clock.js";

// `token-verifier serve` as a real process.

/** A process of the service or of a gateway that is started, killed and started again. */
export interface Service {
  readonly name: string;
  /** The address of `/readyz`. */
  readonly metrics: string;
  /** The file with what it has logged. */
  readonly log: string;
  /** The ids of its processes: the main one, then its workers. Empty while it does not run. */
  pids(): readonly number[];
  /** Starts it and waits until it is ready. @param program the compiled main.js (default: that of the run) */
  start(program?: string): Promise<void>;
  /** Whether it says that it takes calls. */
  isReady(): Promise<boolean>;
  /** Sends SIGTERM and waits for its end. @returns the exit code */
  stop(): Promise<number | null>;
  /** Kills all of its processes, and waits for the end of the main one. */
  kill(): Promise<void>;
  /** Stops or continues all of its processes. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void;
}

/** How long a start may take, in milliseconds. */
const START = 60_000;

/** Describes a service; nothing runs yet. */
export function describeService(options: {
  readonly name: string;
  readonly program: string;
  readonly config: string;
  readonly metrics: string;
  readonly log: string;
  /** Further arguments of `serve`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}): Service {
  const { name, config, metrics, log, args = [], env = {} } = options;
  let child: ChildProcess | undefined;
  const isReady = (): Promise<boolean> =>
    fetch(`http://${metrics}/readyz`, { signal: AbortSignal.timeout(500) }).then(
      async (answer) => {
        await answer.arrayBuffer();
        return answer.ok;
      },
      () => false,
    );
  const pids = (): readonly number[] =>
    child?.pid === undefined || child.exitCode !== null || child.signalCode !== null
      ? []
      : [child.pid, ...childrenOf(child.pid)];
  const endWithUs = (): void => {
    for (const pid of pids()) send(pid, "SIGKILL");
  };
  process.once("exit", endWithUs);
  return {
    name,
    metrics,
    log,
    pids,
    isReady,
    async start(program = options.program) {
      const output = openSync(log, "a");
      child = spawn(process.execPath, [program, "serve", "--config", config, ...args], {
        env: { ...process.env, ...env },
        stdio: ["ignore", output, output],
      });
      closeSync(output);
      const deadline = performance.now() + START;
      while (!(await isReady())) {
        if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) {
          throw new Error(`${name} did not start:\n${readFileSync(log, "utf8").slice(-2_000)}`);
        }
        await pause(50);
      }
    },
    async stop() {
      if (child === undefined || pids().length === 0) return null;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      return ((await ended) as [number | null])[0];
    },
    async kill() {
      if (child === undefined || pids().length === 0) return;
      const ended = once(child, "exit");
      for (const pid of pids()) send(pid, "SIGKILL");
      await ended;
    },
    signal(signal) {
      for (const pid of pids()) send(pid, signal);
    },
  };
}

/** Sends a signal to a process that may have ended. */
export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return text === "" ? [] : text.split(" ").map(Number);
  } catch {
    return [];
  }
}
