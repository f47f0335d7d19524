import { generateKeyPairSync, type JsonWebKey } from "node:crypto";
import { readSeed, SeedError } from "../src/directory/transfer/seed.js";
import type { Algorithm } from "../src/jws/algorithms.js";
import { readObject } from "../src/jws/json.js";
import { loadJwks } from "../src/keys/jwks.js";
import { rsaFault } from "../src/keys/weak-keys.js";
import { jsonBody } from "../src/vendors/vendor.js";
import { start, VERIFIED } from "../test/grpc/harness.js";
import { endFile } from "../test/support/after-file.js";
import { held } from "./compare.js";

// The CPU cost of input made to be expensive, which must grow no faster than the input's length.

/** A modulus of 8192 bits in which the checks find no fault. */
const MODULUS = largeModulus();

/** JSON nested as deep as the longest body can be. */
const LEVELS = Buffer.from("[".repeat(65_000));

interface Costly {
  readonly name: string;
  /** The maximum of CPU time, in milliseconds. */
  readonly most: number;
  readonly run: () => unknown;
  /** The number of runs in one measurement (default 1); the figure is that of one run. */
  readonly times?: number;
}

const COSTLY: readonly Costly[] = [
  {
    name: "a seed with 80,000 unknown keys",
    most: 15_000,
    run: () => {
      const text = Array.from({ length: 80_000 }, (_, n) => `k${n}:`).join("\n");
      try {
        readSeed(text);
      } catch (error) {
        if (error instanceof SeedError) return;
        throw error;
      }
      throw new Error("the seed was read");
    },
  },
  { name: "JSON of 20,000 levels that never end", most: 2, times: 100, run: neverEnding() },
  { name: "a body of 65,000 levels for a vendor", most: 2, times: 100, run: () => jsonBody(LEVELS) },
  { name: "the weaknesses of an RSA key of 8192 bits", most: 5, times: 10, run: () => rsaFault(MODULUS, 65537n) },
  { name: "100 keys: RSA of 8192 bits", most: 400, run: hundredOf(rsaKey(), "RS256") },
  { name: "100 keys: P-384", most: 400, run: hundredOf(ecKey("P-384"), "ES384") },
  { name: "100 keys: P-521", most: 400, run: hundredOf(ecKey("P-521"), "ES512") },
  { name: "100 keys: Ed25519", most: 400, run: hundredOf(edKey(), "EdDSA") },
];

/** The number of measurements, of which the least counts, since compilation and garbage collection disturb only some. */
const ROUNDS = 3;
/** The number of requests in a batch. */
const BATCH = 20_000;

export async function costlyInput(): Promise<void> {
  console.log(`input made to cost much: CPU, least of ${ROUNDS}`);
  for (const { name, most, run, times = 1 } of COSTLY) {
    const figures: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      figures.push(
        (await millisOf(() => {
          for (let time = 0; time < times; time++) run();
        })) / times,
      );
    }
    tell(name, Math.min(...figures), most);
  }
  await batch();
  await endFile();
}

/** Compares a batch whose requests share one token and differ otherwise with a batch of different tokens. */
async function batch(): Promise<void> {
  const { client } = await start(() => VERIFIED, { batch: BATCH });
  const millis = (tokenOf: (index: number) => string): Promise<number> => {
    const requests = Array.from({ length: BATCH }, (_, index) => ({ realm: `r${index}`, token: tokenOf(index) }));
    return millisOf(() => client.call("BatchVerifyTokens", { requests }));
  };
  const usual = await millis((index) => `${index}`.padStart(150, "t"));
  tell(`a batch of ${BATCH} requests of one token`, await millis(() => "t".repeat(150)), Math.round(2 * usual + 500));
}

/** Returns the CPU time that the whole process takes for the work, in milliseconds. */
async function millisOf(run: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

function tell(name: string, figure: number, most: number): void {
  console.log(`  ${name.padEnd(44)} ${`${figure.toFixed(2)} ms`.padEnd(14)} ${held(figure, most, "ms")}`);
}

function neverEnding(): () => unknown {
  const levels = Buffer.from('{"a":'.repeat(20_000));
  return () => readObject(levels);
}

function hundredOf(jwk: JsonWebKey, algorithm: Algorithm): () => unknown {
  const keys = Array.from({ length: 100 }, (_, n) => ({ ...jwk, kid: `k${n}` }));
  return () => {
    const loaded = loadJwks({ keys }, { algorithms: [algorithm] });
    if (loaded.keys.length !== 100) throw new Error(`${loaded.keys.length} of 100 keys were loaded`);
  };
}

function rsaKey(): JsonWebKey {
  return { kty: "RSA", e: "_____w", n: Buffer.from(MODULUS.toString(16), "hex").toString("base64url") };
}
function ecKey(namedCurve: string): JsonWebKey {
  return generateKeyPairSync("ec", { namedCurve }).publicKey.export({ format: "jwk" });
}
function edKey(): JsonWebKey {
  return generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });
}

function largeModulus(): bigint {
  let n = 2n ** 8192n - 3n;
  while (rsaFault(n, 65537n) !== undefined) n -= 2n;
  return n;
}
