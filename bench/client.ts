import { fork } from "node:child_process";
import { spread } from "./compare.js";
import { deploy, SECRET } from "./deployment.js";
import { integuruToken } from "./directory-data.js";
import { start } from "./measured.js";

// CPU of our Node client and of the service, per verification, alone, with `batch: true` and with `cache: true`, beside how long a call takes.

const CONFIG = `grpc: 127.0.0.1:0
log: { level: warn }
realms:
  integuru: { preset: integuru, keys: [{ secret: ${SECRET} }], watch: callers }
`;

/** Calls at the same time. */
const CONCURRENT = [1, 16, 64, 256];

const WAYS: readonly Way[] = ["alone", "batch", "cache"];

/** Different tokens, each seen before. */
const TOKENS = 5_000;

/** What one round cost, per verification. */
interface Cost {
  /** Microseconds of CPU. */
  readonly client: number;
  readonly service: number;
  /** Milliseconds from a call to its verdict, the median. */
  readonly latency: number;
  /** Share of the calls that did not reach the service. */
  readonly saved: number;
}

/** How the client calls. */
type Way = "alone" | "batch" | "cache";

/** Compares the client with `batch: true`, and with `cache: true`, with the client without. */
export async function client({
  rounds,
  requests,
}: {
  readonly rounds: number;
  readonly requests: number;
}): Promise<void> {
  const deployment = deploy(CONFIG);
  const service = await start("service", deployment.config);
  const child = fork(new URL("servers/client.mjs", import.meta.url), [service.ready.addresses?.["grpc"] ?? ""]);
  const ask = <Answer>(...question: readonly unknown[]): Promise<Answer> =>
    new Promise((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`the client ended with code ${code}`)));
      child.once("message", (answer) => {
        child.removeAllListeners("exit");
        resolve(answer as Answer);
      });
      child.send(question);
    });
  const measure = async (way: Way, concurrent: number): Promise<Cost> => {
    const before = await service.cpu();
    const answer = await ask<{ cpu: number; latency: number; saved: number }>("verify", way, concurrent, requests);
    const { cpu, latency, saved } = answer;
    return {
      client: cpu / requests,
      service: ((await service.cpu()) - before) / requests,
      latency,
      saved: saved / requests,
    };
  };
  try {
    await ask(
      "tokens",
      Array.from({ length: TOKENS }, (_, n) => integuruToken(`j${n}`, SECRET)),
    );
    console.log(`Our client, tokens seen before: per verification, medians of ${rounds} rounds of ${requests}`);
    for (const concurrent of CONCURRENT) {
      for (const way of WAYS) await measure(way, concurrent);
      const all: Record<Way, Cost>[] = [];
      for (let round = 0; round < rounds; round++) {
        const [alone, batch, cache] = [
          await measure("alone", concurrent),
          await measure("batch", concurrent),
          await measure("cache", concurrent),
        ];
        all.push({ alone, batch, cache });
      }
      const median = (read: (costs: Record<Way, Cost>) => number): string => spread(all.map(read)).median.toFixed(2);
      const line = (name: keyof Cost, unit: string): string => {
        const ratio = (way: Way): string =>
          `${median((costs) => costs[way][name])} (${median((costs) => costs[way][name] / costs.alone[name])} x) with ${way}`;
        return `${name} ${median(({ alone }) => alone[name])} ${unit} alone, ${ratio("batch")}, ${ratio("cache")}`;
      };
      const lines = [line("client", "µs"), line("service", "µs"), line("latency", "ms")];
      lines.push(`calls saved by the cache ${median(({ cache }) => cache.saved)}`);
      console.log(`  ${String(concurrent).padStart(3)} at once: ${lines.join("; ")}`);
    }
  } finally {
    child.kill("SIGKILL");
    service.stop();
    deployment.remove();
  }
}
