import path from "node:path";
import { call, channel, clowkRequest, requestOf } from "./calls.js";
import { deploy, SECRET, withDirectory } from "./deployment.js";
import { integuruToken, writeDirectory } from "./directory-data.js";
import { type Measured, start } from "./measured.js";
import { type Imported, runImport } from "./run-import.js";

// The cost of an import beside a running service: its time and memory, and the latency of calls during it. A bare gRPC
// server without a store gets the same load at the same time; a delay of that server too comes from the machine.

/** The numbers of users in the files that are imported one after the other. */
const SIZES = [10_000, 100_000, 500_000] as const;
/** The number of users that calls are about. */
const USERS = 10_000;
/** The time from one call to the next, in milliseconds. */
const PACE = 2;
/** The time measured before and after an import, in milliseconds. */
const AROUND = 3_000;

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

/** A steady load on a server. */
interface Steady {
  readonly server: Measured;
  /** Returns the latencies of the calls since the last take, in milliseconds. */
  take(): readonly number[];
  stop(): void;
}

function steadily(server: Measured, address: string, next: () => Buffer): Steady {
  const client = channel(address);
  let took: number[] = [];
  let failed: Error | undefined;
  let stopped = false;
  const send = (): void => {
    const sent = performance.now();
    call(client, next()).then(
      () => took.push(performance.now() - sent),
      (error: unknown) => {
        if (!stopped) failed = error as Error;
      },
    );
  };
  let due = performance.now();
  const timer = setInterval(() => {
    for (; due <= performance.now(); due += PACE) send();
  }, PACE);
  return {
    server,
    take() {
      if (failed !== undefined) throw failed;
      const taken = took;
      took = [];
      return taken;
    },
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}

/** Alternates between a known user, any of many users, and a token that needs no directory. */
function requests(): () => Buffer {
  const known = clowkRequest(0);
  const other = requestOf("integuru", integuruToken("j", SECRET));
  const makers = [() => known, () => clowkRequest(Math.floor(Math.random() * USERS)), () => other];
  let turn = 0;
  return () => makers[turn++ % makers.length]?.() ?? known;
}

async function measure(phase: string, loads: readonly Steady[], work: () => Promise<unknown>): Promise<void> {
  for (const load of loads) {
    await load.server.delay();
    load.take();
  }
  await work();
  const columns: string[] = [];
  for (const load of loads) {
    const took = load.take().toSorted((a, b) => a - b);
    const at = (share: number): number => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? 0;
    const figures = [at(0.5), at(0.999), at(1), await load.server.delay()];
    columns.push(figures.map((figure) => figure.toFixed(1).padStart(7)).join(" "));
  }
  console.log(`  ${phase.padEnd(8)} ${columns.join("  |")}`);
}

/** Measures imports beside a running service. */
export async function importBeside(): Promise<void> {
  const deployment = deploy(withDirectory());
  const { config, folder } = deployment;
  const loads: Steady[] = [];
  try {
    const first = path.join(folder, "start.jsonl");
    writeDirectory(first, USERS);
    await runImport(first, config);
    // The files are written before the load begins, which writing would delay.
    const files = SIZES.map((users, at) => {
      const file = path.join(folder, `${at}.jsonl`);
      writeDirectory(file, users, `example${at}.com`);
      return { users, file };
    });
    const service = await start("service", config);
    loads.push(steadily(service, service.ready.addresses?.["grpc"] ?? "", requests()));
    const bare = await start("bare-grpc", "");
    loads.push(steadily(bare, bare.ready.address ?? "", requests()));
    await pause(AROUND);
    console.log(
      "an import beside a service, in ms: calls' median, p99.9 and maximum, and the event loop's worst delay",
    );
    console.log(`  ${"".padEnd(8)} ${"Token Verifier".padEnd(31)}  |bare, at the same time`);
    for (const { users, file } of files) {
      let done: Imported | undefined;
      await measure("before", loads, () => pause(AROUND));
      await measure("during", loads, async () => {
        done = await runImport(file, config);
      });
      await measure("after", loads, () => pause(AROUND));
      console.log(`${users} users: ${done?.seconds.toFixed(1)} s, at most ${done?.peak.toFixed(0)} MiB of memory`);
    }
  } finally {
    for (const load of loads) {
      load.stop();
      load.server.stop();
    }
    deployment.remove();
  }
}
