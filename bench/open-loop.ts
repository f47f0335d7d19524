import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { METHODS } from "./calls.js";
import { spread } from "./compare.js";
import { grpcClient } from "./grpc-load.js";

// Calls at a constant rate, whether or not earlier ones were answered, from a process of its own. A call's wait begins when
// it was due, so that a server which stops answering cannot hide the calls that it kept from being sent.

/** How long calls waited, in milliseconds. */
export interface Waits {
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
  readonly calls: number;
  /** Those that failed, each of which counts as a wait without end. */
  readonly failed: number;
}

/** The calls to make. */
export interface OpenLoop {
  /** Calls per second. */
  readonly rate: number;
  readonly seconds: number;
  /** The messages with gRPC's prefix, in base64, sent in turn. */
  readonly frames: readonly string[];
}

/** Makes the calls from another process. */
export function openLoop(address: string, calls: OpenLoop): Promise<Waits> {
  const child = fork(fileURLToPath(import.meta.url), [address], {
    execArgv: process.execArgv,
    serialization: "advanced",
  });
  child.send(calls);
  return new Promise((resolve, reject) => {
    child.once("message", (waits) => resolve(waits as Waits));
    child.once("exit", (code) => reject(new Error(`the calls ended with code ${String(code)}`)));
  });
}

/** Returns a share of some values, as 0.99 for the one that 99 % do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

async function run(address: string, { rate, seconds, frames }: OpenLoop): Promise<Waits> {
  const client = grpcClient(address);
  const messages = frames.map((frame) => Buffer.from(frame, "base64"));
  const waits: number[] = [];
  const open: Promise<void>[] = [];
  const call = async (due: number, message: Buffer): Promise<void> => {
    // A call that fails waits for ever.
    const isAnswered = await client.call(METHODS.verify, message).then(
      () => true,
      () => false,
    );
    waits.push(isAnswered ? performance.now() - due : Number.POSITIVE_INFINITY);
  };
  const first = performance.now();
  const all = rate * seconds;
  while (open.length < all) {
    const due = Math.min(all, Math.floor(((performance.now() - first) * rate) / 1_000));
    while (open.length < due) {
      open.push(call(first + (open.length * 1_000) / rate, messages[open.length % messages.length] ?? Buffer.alloc(0)));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(open);
  client.close();
  // The first second is for compiling.
  const counted = waits.slice(rate);
  return {
    p50: quantile(counted, 0.5),
    p99: quantile(counted, 0.99),
    most: spread(counted).max,
    calls: counted.length,
    failed: counted.filter((wait) => wait === Number.POSITIVE_INFINITY).length,
  };
}

// In the process that makes the calls.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.once("message", (calls) => {
    void run(process.argv[2] ?? "", calls as OpenLoop).then((waits) => {
      process.send?.(waits);
      process.disconnect();
    });
  });
}
