import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { deploy, withDirectory } from "./deployment.js";
import { writeDirectory } from "./directory-data.js";
import { byClass, bytesOf, type Heap, lasting, objectsOf } from "./heap.js";
import { type Issuer, startIssuer } from "./issuer.js";
import { type Measured, start } from "./measured.js";
import { runImport } from "./run-import.js";
import { CLIENT, PEM, type Sender, senders, USERS } from "./soak-load.js";

// Checks that memory stays flat under a load of all kinds. The caches are small, so that they are full after the warm-up.
// V8 goes on compiling for a long time, especially the rare reloads, so that the whole heap grows by about a MiB in ten
// minutes, all of it code and V8's own tables. Two snapshots also differ by hundreds of KiB of calls in flight. The check
// therefore counts lasting objects: those made in the first half that still exist at the end.

const configOf = (issuer: Issuer): string =>
  `${withDirectory()}  fiserv: { preset: fiserv, keys: [{ pemFile: ./fiserv.pem }] }
  issuer:
    algorithms: [ES256]
    issuer: ${issuer.iss}
    audience: null
    keys: [{ jwksUri: ${issuer.jwksUri}, insecure: true, refreshMin: 2s, refreshMax: 2s, cooldown: 1s }]
  any: { byIssuer: [issuer] }
cache: { facts: 1MiB }
metrics: 127.0.0.1:0
trustedProxies: [127.0.0.1]
`.replace("http: 127.0.0.1:0", "http: { address: 127.0.0.1:0, rpc: [any] }");

/** The number of requests of each kind in the warm-up, sent as fast as they are answered. */
const WARM_UP = 5_000;
/**
 * The number of concurrent requests, and the pause after each once warm in milliseconds, which leaves some of the machine
 * to other programs.
 */
const WORKERS = 12;
const REST = 20;
/** The intervals of samples, changes of the configuration, and rotations of the issuer's keys, in milliseconds. */
const SAMPLING = 10_000;
const RELOADING = 15_000;
const ROTATING = 6_000;
/** The factor by which reloads are faster during the warm-up, since V8 compiles their code only after dozens. */
const HURRY = 20;
/** The maximum of lasting objects per minute in KiB; V8 keeps some notes for each place that makes objects. */
const FLAT = 16;
/** The number of classes with the most lasting bytes that are printed. */
const NAMED = 5;

interface Sample {
  readonly minutes: number;
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
}

const KIB = 1024;
const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

/** Soaks a service for this many seconds after the warm-up; sets the exit code to 1 if lasting objects grow. */
export async function soak(seconds: number): Promise<void> {
  const issuer = await startIssuer();
  const deployment = deploy(configOf(issuer));
  const { config, folder } = deployment;
  let service: Measured | undefined;
  try {
    writeFileSync(path.join(folder, "fiserv.pem"), PEM);
    const bulk = path.join(folder, "bulk.jsonl");
    writeDirectory(bulk, USERS);
    appendFileSync(bulk, `${JSON.stringify({ client: CLIENT })}\n`);
    await runImport(bulk, config);
    service = await start("service", config);
    const { grpc = "", http = "", metrics = "" } = service.ready.addresses ?? {};
    const changes = changing(config, issuer);
    await measure({ service, folder, changes }, senders({ grpc, http, metrics, issuer }), seconds);
  } finally {
    issuer.close();
    service?.stop();
    deployment.remove();
  }
}

/** Changes the configuration at an interval in milliseconds, and rotates the issuer's keys. @returns a function to stop */
type Changes = (reloading: number) => () => void;

function changing(config: string, issuer: Issuer): Changes {
  const text = readFileSync(config, "utf8");
  let isOther = false;
  const reload = (): void => {
    isOther = !isOther;
    writeFileSync(config, isOther ? text.replace("clowk }", "clowk, maxTokenLength: 8KiB }") : text);
  };
  return (reloading) => {
    const timers = [setInterval(reload, reloading), setInterval(() => issuer.rotate(), ROTATING)];
    return () => {
      for (const timer of timers) clearInterval(timer);
    };
  };
}

interface Soaked {
  readonly service: Measured;
  /** The folder for snapshots. */
  readonly folder: string;
  readonly changes: Changes;
}

async function measure({ service, folder, changes }: Soaked, kinds: Kinds, seconds: number): Promise<void> {
  const count = Object.keys(kinds).length;
  console.log(`asserts that once ${count} kinds of requests were sent ${WARM_UP} times each, with the caches full,`);
  console.log(`less than ${FLAT} KiB a minute lasts of what ${seconds} s of the same make in their first half`);
  let end = changes(RELOADING / HURRY);
  try {
    await loadOf(kinds, 0, WARM_UP * count).ended;
    end();
    end = changes(RELOADING);
    const load = loadOf(kinds, REST, Number.POSITIVE_INFINITY);
    console.log("minutes  calls     RSS MiB  heap KiB  external KiB");
    const first = await objects(service, folder);
    const began = performance.now();
    const until = (end: number): Promise<readonly Sample[]> =>
      Promise.race([sampled(service, began, end, load.done), load.ended.then(() => [])]);
    const samples = [...(await until(seconds / 2))];
    const second = await objects(service, folder);
    samples.push(...(await until(seconds)));
    const third = await objects(service, folder);
    load.stop();
    await load.ended;
    const [rss, heap] = [slope(samples, "rss"), slope(samples, "heap")];
    const objectsGrew = (bytesOf(third.values()) - bytesOf(first.values())) / KIB;
    console.log(
      `${load.done()} calls; RSS ${rss.toFixed(0)} KiB/min, heap with compiled code ${heap.toFixed(1)} KiB/min; ` +
        `${objectsGrew.toFixed(0)} KiB more objects, those of calls under way among them`,
    );
    const left = lasting(first, second, third);
    for (const [name, bytes] of byClass(left).slice(0, NAMED)) console.log(`  ${bytes} bytes of ${name} last`);
    const rate = (bytesOf(left) / KIB / (seconds / 2)) * 60;
    console.log(`${rate < FLAT ? "flat" : "NOT FLAT"}: ${rate.toFixed(1)} KiB last of each minute`);
    if (!(rate < FLAT)) process.exitCode = 1;
  } finally {
    end();
  }
}

async function objects(service: Measured, folder: string): Promise<Heap> {
  const file = path.join(folder, "heap.heapsnapshot");
  await service.snapshot(file);
  return objectsOf(file);
}

type Kinds = Readonly<Record<string, Sender>>;

/** A load that sends the kinds of requests in turn. */
interface Load {
  /** The number of answered requests. */
  readonly done: () => number;
  stop(): void;
  /** Resolves when all requests are answered, or rejects with the first unexpected answer. */
  readonly ended: Promise<unknown>;
}

function loadOf(kinds: Kinds, rest: number, count: number): Load {
  const all = Object.entries(kinds);
  let [turn, done, left] = [0, 0, count];
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const [name, send] = all[turn++ % all.length] ?? ["nothing", async () => {}];
      await send().catch((error: unknown) => {
        left = 0;
        throw new Error(`a request failed: ${name}`, { cause: error });
      });
      done += 1;
      if (rest > 0) await pause(rest);
    }
  };
  return {
    done: () => done,
    stop: () => {
      left = 0;
    },
    ended: Promise.all(Array.from({ length: WORKERS }, worker)),
  };
}

/** Takes samples until this many seconds have passed since the start. */
async function sampled(
  service: Measured,
  began: number,
  seconds: number,
  calls: () => number,
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
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
  return samples;
}

/** Returns the least-squares slope of a figure, in KiB per minute. */
function slope(samples: readonly Sample[], figure: "rss" | "heap"): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [time, size] = [mean(samples.map(({ minutes }) => minutes)), mean(samples.map((sample) => sample[figure]))];
  const over = mean(samples.map((sample) => (sample.minutes - time) * (sample[figure] - size)));
  return over / mean(samples.map(({ minutes }) => (minutes - time) ** 2)) / KIB;
}
