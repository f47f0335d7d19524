import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { pino } from "pino";
import { loadConfig } from "../src/config/load.js";
import type { Credential, Verifier } from "../src/contract/verifier.js";
import { openCore } from "../src/server/core.js";
import { Secret } from "../src/util/secret.js";

// npm run timing -- --samples 20000: checks that the time of an answer does not tell an unknown client from one with a
// wrong secret. Both questions of a pair are asked in random order, of the core with a store in a file.

/** The result for two kinds of question, in nanoseconds. */
export interface Difference {
  readonly name: string;
  /** The mean of the first minus that of the second, over the pairs. */
  readonly mean: number;
  /** Half the width of the difference's 99 % confidence interval. */
  readonly margin: number;
  /** The means of the two. */
  readonly means: readonly [number, number];
  readonly samples: number;
}

/** The share of the slowest pairs that is left out, as garbage collection or other work of the machine slowed them. */
const OUTLIERS = 0.1;

/** The normal distribution's quantile for 99 %, which equals Student's for thousands of pairs. */
const Z99 = 2.576;

type Ask = (n: number) => Credential;

const config = (folder: string): string => {
  mkdirSync(path.join(folder, "data"));
  writeFileSync(
    path.join(folder, "directory.yaml"),
    `clients: [{ clientId: somebody-real, clientSecret: a-secret-of-somebody-real }]
instances: [{ id: inst_a, appId: app_a, secretKeys: [sk_live_of_the_benchmark_0123456789] }]
`,
  );
  const file = path.join(folder, "verifier.yaml");
  const realm =
    "algorithms: [HS256], issuer: null, audience: null, keys: [{ secret: a-secret-that-is-used-for-benchmarks-only }]";
  writeFileSync(
    file,
    `grpc: 127.0.0.1:0
store: sqlite:./data/verifier.db
masterKey: ${Buffer.alloc(32, 7).toString("base64")}
directory: ./directory.yaml
realms:
  clients: { callers: clients, ${realm} }
  instances: { callers: instances, ${realm} }
`,
  );
  return file;
};

/** Returns a new string as a request brings it, which V8 has neither hashed nor flattened before. */
const fresh = (text: string): string => Buffer.from(text).toString();
const client = (clientId: string, secret: string): Credential => ({
  kind: "client",
  clientId: fresh(clientId),
  clientSecret: new Secret(fresh(secret)),
});
const instance = (key: string): Credential => ({ kind: "instance", secretKey: new Secret(fresh(key)) });
const digits = (n: number): string => String(n).padStart(11, "0");

/** The pairs of questions, with ids and secrets of equal lengths. */
const PAIRS: readonly (readonly [name: string, first: Ask, second: Ask])[] = [
  [
    "unknown client, wrong secret; each new",
    (n) => client(`so${digits(n)}`, `a-wrong-secret${digits(n)}`),
    (n) => client("somebody-real", `a-wrong-secret${digits(n)}`),
  ],
  [
    "unknown client, wrong secret; the same ones again",
    () => client("somebody-else", "a-secret-of-somebody-else"),
    () => client("somebody-real", "a-secret-of-somebody-else"),
  ],
  [
    "one unknown client, wrong secret; secrets new",
    (n) => client("somebody-else", `a-wrong-secret${digits(n)}`),
    (n) => client("somebody-real", `a-wrong-secret${digits(n)}`),
  ],
  [
    "unknown instance key: far from a real one, near to it; each new",
    (n) => instance(`${digits(n)}_xxxx_xx_xxx_xxxxxxxxx_xxxx`),
    (n) => instance(`sk_live_of_the_benchmark_01${digits(n)}`.slice(0, 39)),
  ],
  ["twice the same question", () => client("nobody", "a-secret"), () => client("nobody", "a-secret")],
];

async function timed(verifier: Verifier, credential: Credential): Promise<number> {
  const realm = credential.kind === "client" ? "clients" : "instances";
  const request = { realm, token: new Secret("x"), credential, explain: false };
  const context = { requestId: "", address: "", deadline: Number.POSITIVE_INFINITY };
  const start = process.hrtime.bigint();
  const outcome = await verifier.verify(request, context);
  const time = Number(process.hrtime.bigint() - start);
  if (outcome.kind !== "failure" || outcome.reason !== "CALLER_UNKNOWN") throw new Error("the caller was not refused");
  return time;
}

/** Returns the differences of the pairs without outliers, which are those with the slowest answers. */
function compare(name: string, pairs: readonly (readonly [number, number])[]): Difference {
  const kept = pairs
    .toSorted((a, b) => Math.max(...a) - Math.max(...b))
    .slice(0, Math.floor(pairs.length * (1 - OUTLIERS)));
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const differences = kept.map(([a, b]) => a - b);
  const middle = mean(differences);
  const variance = mean(differences.map((value) => (value - middle) ** 2));
  return {
    name,
    mean: middle,
    margin: Z99 * Math.sqrt(variance / kept.length),
    means: [mean(kept.map(([a]) => a)), mean(kept.map(([, b]) => b))],
    samples: kept.length,
  };
}

/**
 * Measures the pairs of questions that must not be distinguishable by time.
 *
 * @param samples the number of measurements of each pair
 */
export async function timing(samples: number): Promise<readonly Difference[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "verifier-timing-"));
  const core = await openCore(loadConfig(config(folder), { env: {} }), {
    clock: Date.now,
    log: pino({ level: "silent" }),
  });
  try {
    const real = client("somebody-real", "a-secret-of-somebody-real");
    const found: Difference[] = [];
    let n = 0;
    for (const [name, first, second] of PAIRS) {
      const pairs: (readonly [number, number])[] = [];
      for (let round = -samples / 10; round < samples; round++) {
        n++;
        // The real client calls during the measurement, so that it stays cached.
        if (n % 50 === 0) {
          const request = { realm: "clients", token: new Secret("x"), credential: real, explain: false };
          await core.verifier.verify(request, { requestId: "", address: "", deadline: Number.POSITIVE_INFINITY });
        }
        const swapped = Math.random() < 0.5;
        const one = await timed(core.verifier, swapped ? second(n) : first(n));
        const other = await timed(core.verifier, swapped ? first(n) : second(n));
        if (round >= 0) pairs.push(swapped ? [other, one] : [one, other]);
      }
      found.push(compare(name, pairs));
    }
    return found;
  } finally {
    await core.close();
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const at = process.argv.indexOf("--samples");
  const found = await timing(at < 0 ? 20_000 : Number(process.argv[at + 1]));
  const same = found.at(-1);
  // Asking the same question twice shows the machine's own noise.
  const noise = same === undefined ? 0 : Math.abs(same.mean) + same.margin;
  for (const { name, mean, margin, means, samples } of found) {
    const shows = Math.abs(mean) > margin + noise ? "DIFFERS" : "no difference above noise";
    console.log(`${name}: ${mean.toFixed(0)} ns ± ${margin.toFixed(0)} (99 %, ${samples} pairs): ${shows}`);
    console.log(`  means ${means.map((value) => value.toFixed(0)).join(" and ")} ns`);
  }
}
