import { deploy } from "./deployment.js";
import { hs256 } from "./directory-data.js";
import { type GrpcClient, grpcClient } from "./grpc-load.js";
import { type Measured, start } from "./measured.js";
import { item, SHAPES } from "./messages.js";
import { claimsOf, signerOf } from "./tokens.js";

// How many tokens the cache of tokens seen before holds, and what that takes of the process's memory: the service with its
// usual 64 MiB beside one that keeps none, both after the same tokens.

/** What a cache of 64 MiB holds and takes. */
export interface FactsHeld {
  /** The length of the tokens in characters. */
  readonly length: number;
  /** The tokens that it holds. */
  readonly held: number;
  /** The memory that the process has more than one without a cache, in MiB. */
  readonly mib: number;
  /** The memory of the process after all tokens, beside that after half of them. */
  readonly growth: number;
}

const MIB = 1024 ** 2;
const REALMS = ["a", "b"];
/** Tokens asked about again, newest first, without one that is still held: then all that are held are counted. */
const GONE = 3_000;

/** Fills caches with distinct tokens. @param tokens a multiple of 2,000 */
export async function factsHeld(tokens: number): Promise<FactsHeld> {
  const secret = "a-secret-that-is-used-for-benchmarks-only";
  const padding = "x".repeat(160);
  const tokenOf = (n: number): string => hs256({ ...claimsOf(n), padding }, secret);
  const of = (n: number): Buffer => item(REALMS[n % 2] ?? "", tokenOf(n));
  const ask = async (from: number, ...clients: readonly GrpcClient[]): Promise<void> => {
    const frame = SHAPES.batch1000.frame(Array.from({ length: 1_000 }, (_, n) => of(from + n)));
    const answers = await Promise.all(clients.map((client) => client.call(SHAPES.batch1000.method, frame)));
    if (!answers.every((answer) => SHAPES.batch1000.isGood(answer))) throw new Error("a good token is not verified");
  };
  const cached = await subject("64MiB");
  const plain = await subject("0B");
  try {
    let half = 0;
    for (let n = 0; n < tokens; n += 1_000) {
      await ask(n, cached.client, plain.client);
      if (n + 1_000 === tokens / 2) half = (await cached.server.memory()).rss;
    }
    await Promise.all([cached, plain].map(({ server }) => server.memory()));
    const [rss, without] = [(await cached.server.memory()).rss, (await plain.server.memory()).rss];
    let gone = 0;
    for (let n = tokens - 1_000; n >= 0 && gone < GONE; n -= 1_000) {
      const before = await cached.lookups();
      await ask(n, cached.client);
      const hits = (await cached.lookups()).hit - before.hit;
      cached.held += hits;
      gone = hits === 0 ? gone + 1_000 : 0;
    }
    return { length: tokenOf(0).length, held: cached.held, mib: (rss - without) / MIB, growth: rss / half };
  } finally {
    for (const one of [cached, plain]) one.end();
  }
}

async function subject(facts: string) {
  const realm = { algorithms: ["HS256"], issuer: null, audience: null, keys: [signerOf("HS256").entry] };
  const config = {
    grpc: "127.0.0.1:0",
    metrics: "127.0.0.1:0",
    log: { level: "warn" },
    cache: { facts },
    // Two realms, since one may have half of the cache.
    realms: Object.fromEntries(REALMS.map((name) => [name, realm])),
  };
  const deployment = deploy(JSON.stringify(config));
  const server: Measured = await start("service", deployment.config);
  const { grpc = "", metrics = "" } = server.ready.addresses ?? {};
  const client = grpcClient(grpc);
  return {
    server,
    client,
    held: 0,
    async lookups() {
      const text = await (await fetch(`http://${metrics}/metrics`)).text();
      return { hit: Number(/lookups_total\{result="hit"\} (\d+)/.exec(text)?.[1]) };
    },
    end() {
      client.close();
      server.stop();
      deployment.remove();
    },
  };
}
