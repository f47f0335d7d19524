import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { pino } from "pino";
import { loadConfig } from "../src/config/load.js";
import type { Credential, Verifier } from "../src/contract/verifier.js";
import { openCore } from "../src/server/core.js";
import { Secret } from "../src/util/secret.js";

// npm run timing -- --samples 20000: whether the time of an answer tells a client that does not exist from one whose
// secret is wrong. The two are asked in turn, in an order drawn anew for each pair, over the core with a store in a file.

/** What was found of two kinds of question. Nanoseconds. */
export interface Difference {
  readonly name: string;
  /** Mean of the first less that of the second, over the pairs. */
  readonly mean: number;
  /** Half the width of its 99 % confidence interval. */
  readonly margin: number;
  /** Means of the two. */
  readonly means: readonly [number, number];
  readonly samples: number;
}

/** Share of the slowest pairs that is left out: the collector of garbage and the machine's other work. */
const OUTLIERS = 0.1;

/** The normal distribution's quantile for 99 %. With thousands of pairs, Student's is no other. */
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

/** A text as a request brings it: one that nobody has seen, hashed or put together before. */
const fresh = (text: string): string => Buffer.from(text).toString();
const client = (clientId: string, secret: string): Credential => ({
  kind: "client",
  clientId: fresh(clientId),
  clientSecret: new Secret(fresh(secret)),
});
const instance = (key: string): Credential => ({ kind: "instance", secretKey: new Secret(fresh(key)) });
const digits = (n: number): string => String(n).padStart(11, "0");

/** The questions, two by two. Ids and secrets are of the same lengths. */
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

/** The differences of pairs, without the outliers, which are told by the slower of the two. */
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
 * Measures the pairs of questions that must not be told apart by time.
 *
 * @param samples of each pair
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
        // The real client is in use meanwhile, so that it is known in memory.
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
  // What asking the same thing twice shows is what this machine shows of nothing.
  const noise = same === undefined ? 0 : Math.abs(same.mean) + same.margin;
  for (const { name, mean, margin, means, samples } of found) {
    const shows = Math.abs(mean) > margin + noise ? "DIFFERS" : "no difference above noise";
    console.log(`${name}: ${mean.toFixed(0)} ns ± ${margin.toFixed(0)} (99 %, ${samples} pairs): ${shows}`);
    console.log(`  means ${means.map((value) => value.toFixed(0)).join(" and ")} ns`);
  }
}
