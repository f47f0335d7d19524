import { fork } from "node:child_process";
import { spread } from "./compare.js";
import { deploy, SECRET } from "./deployment.js";
import { integuruToken } from "./directory-data.js";
import { start } from "./measured.js";

// CPU of our Node client and of the service, per verification, with and without `batch: true`, beside how long a call takes.

const CONFIG = `grpc: 127.0.0.1:0
log: { level: warn }
realms:
  integuru: { preset: integuru, keys: [{ secret: ${SECRET} }] }
`;

/** Calls at the same time. */
const CONCURRENT = [1, 16, 64, 256];

/** Different tokens, each seen before. */
const TOKENS = 5_000;

/** What one round cost, per verification. */
interface Cost {
  /** Microseconds of CPU. */
  readonly client: number;
  readonly service: number;
  /** Milliseconds from a call to its verdict, the median. */
  readonly latency: number;
}

/** Compares the client with `batch: true` with the client without. */
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
  const measure = async (batch: boolean, concurrent: number): Promise<Cost> => {
    const before = await service.cpu();
    const { cpu, latency } = await ask<{ cpu: number; latency: number }>("verify", batch, concurrent, requests);
    return { client: cpu / requests, service: ((await service.cpu()) - before) / requests, latency };
  };
  try {
    await ask(
      "tokens",
      Array.from({ length: TOKENS }, (_, n) => integuruToken(`j${n}`, SECRET)),
    );
    console.log(`Our client, tokens seen before: per verification, medians of ${rounds} rounds of ${requests}`);
    for (const concurrent of CONCURRENT) {
      for (const batch of [false, true]) await measure(batch, concurrent);
      const pairs: (readonly [alone: Cost, together: Cost])[] = [];
      for (let round = 0; round < rounds; round++) {
        pairs.push([await measure(false, concurrent), await measure(true, concurrent)]);
      }
      const line = (name: keyof Cost, unit: string): string => {
        const [alone, together, ratio] = [
          pairs.map(([one]) => one[name]),
          pairs.map(([, one]) => one[name]),
          pairs.map(([one, other]) => other[name] / one[name]),
        ].map((figures) => spread(figures).median);
        return `${name} ${alone?.toFixed(2)} ${unit} alone, ${together?.toFixed(2)} with batch, ${ratio?.toFixed(2)} x`;
      };
      const lines = [line("client", "µs"), line("service", "µs"), line("latency", "ms")];
      console.log(`  ${String(concurrent).padStart(3)} at once: ${lines.join("; ")}`);
    }
  } finally {
    child.kill("SIGKILL");
    service.stop();
    deployment.remove();
  }
}
