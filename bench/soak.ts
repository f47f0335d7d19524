import { appendFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { deploy, withDirectory } from "./deployment.js";
import { writeDirectory } from "./directory-data.js";
import { type Measured, start } from "./measured.js";
import { runImport } from "./run-import.js";
import { CLIENT, PEM, type Sender, senders, USERS } from "./soak-load.js";

// Whether memory stays flat under a load of everything. The caches are small, so that they are full after the warm-up; what
// grows from then on is a leak.

const CONFIG = `${withDirectory()}  fiserv: { preset: fiserv, keys: [{ pemFile: ./fiserv.pem }] }
cache: { facts: 1MiB }
trustedProxies: [127.0.0.1]
`;

/** Requests under way at a time, each followed by a rest of so many milliseconds: others may want the machine too. */
const WORKERS = 12;
const REST = 20;
/** Milliseconds between two samples, and between two changes of the configuration. */
const SAMPLING = 10_000;
const RELOADING = 15_000;
/** What the heap may grow by in a minute and be called flat, in KiB: what the fit makes of noise. */
const FLAT = 32;

interface Sample {
  readonly minutes: number;
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
}

const KIB = 1024;
const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

/** Soaks a service for so many seconds, of which the first third is the warm-up. */
export async function soak(seconds: number): Promise<void> {
  const deployment = deploy(CONFIG);
  const { config, folder } = deployment;
  writeFileSync(path.join(folder, "fiserv.pem"), PEM);
  const bulk = path.join(folder, "bulk.jsonl");
  writeDirectory(bulk, USERS);
  appendFileSync(bulk, `${JSON.stringify({ client: CLIENT })}\n`);
  await runImport(bulk, config);
  const service = await start("service", config);
  try {
    const { grpc = "", http = "" } = service.ready.addresses ?? {};
    const load = loadOf(senders({ grpc, http }));
    let isOther = false;
    const reloads = setInterval(() => {
      isOther = !isOther;
      writeFileSync(config, isOther ? CONFIG.replace("clowk }", "clowk, maxTokenLength: 8KiB }") : CONFIG);
    }, RELOADING);
    console.log("minutes  calls     RSS MiB  heap KiB  external KiB");
    const samples = await sampled(service, seconds, () => load.done());
    clearInterval(reloads);
    await load.stop();
    const [rss, heap] = [slope(samples, "rss"), slope(samples, "heap")];
    console.log(`${load.done()} calls; after the warm-up RSS ${rss.toFixed(0)} KiB/min`);
    console.log(`${heap < FLAT ? "flat" : "NOT FLAT"}: ${heap.toFixed(1)} KiB/min of heap`);
    if (heap >= FLAT) process.exitCode = 1;
  } finally {
    service.stop();
    deployment.remove();
  }
}

function loadOf(kinds: Readonly<Record<string, Sender>>): { done(): number; stop(): Promise<void> } {
  const all = Object.entries(kinds);
  const state = { turn: 0, done: 0, stopped: false };
  const worker = async (): Promise<void> => {
    while (!state.stopped) {
      const [name, send] = all[state.turn++ % all.length] ?? ["nothing", async () => {}];
      await send().catch((error: unknown) => {
        throw new Error(`a request failed: ${name}`, { cause: error });
      });
      state.done += 1;
      await pause(REST);
    }
  };
  const workers = Promise.all(Array.from({ length: WORKERS }, worker));
  return {
    done: () => state.done,
    stop: async () => {
      state.stopped = true;
      await workers;
    },
  };
}

async function sampled(service: Measured, seconds: number, calls: () => number): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  const began = performance.now();
  while (performance.now() - began < seconds * 1000) {
    await pause(SAMPLING);
    const { rss, heapUsed, external } = await service.memory();
    const sample = { minutes: (performance.now() - began) / 60_000, rss, heap: heapUsed, external };
    samples.push(sample);
    const figures = [calls(), (rss / KIB / KIB).toFixed(1), (heapUsed / KIB).toFixed(0), (external / KIB).toFixed(0)];
    console.log(
      `${sample.minutes.toFixed(1).padStart(7)} ${figures.map((figure) => String(figure).padStart(8)).join("  ")}`,
    );
  }
  return samples.slice(Math.floor(samples.length / 3));
}

/** The least squares' slope of a figure, in KiB a minute. */
function slope(samples: readonly Sample[], figure: "rss" | "heap"): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [time, size] = [mean(samples.map(({ minutes }) => minutes)), mean(samples.map((sample) => sample[figure]))];
  const over = mean(samples.map((sample) => (sample.minutes - time) * (sample[figure] - size)));
  return over / mean(samples.map(({ minutes }) => (minutes - time) ** 2)) / KIB;
}
