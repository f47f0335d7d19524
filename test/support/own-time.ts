import { performance } from "node:perf_hooks";

/** How often it is looked, in milliseconds. */
const STEP = 10;

/**
 * The time that this process had, in milliseconds: what it worked, by the system's count of it, and what it had nothing to
 * do. A machine that has no time for it does not make it longer; a call that is left waiting does, and so does a loop that
 * is kept busy. What is to be over within a time can be judged by it under any load.
 */
export class OwnTime {
  #spent = 0;
  #looked = performance.now();
  #worked = worked();
  #idle = idle();
  readonly #timer = setInterval(() => this.now(), STEP);

  /** Milliseconds since it was made. */
  now(): number {
    const [wall, work, rest] = [performance.now(), worked(), idle()];
    // Something is due every STEP at least: who waited for longer was not let in. And threads work beside each other, of the
    // pool and of V8: together for longer than it took.
    this.#spent += Math.min(wall - this.#looked, work - this.#worked + Math.min(rest - this.#idle, STEP));
    this.#looked = wall;
    this.#worked = work;
    this.#idle = rest;
    return this.#spent;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

const idle = (): number => performance.eventLoopUtilization().idle;

function worked(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
