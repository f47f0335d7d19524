import { createPublicKey, generateKeyPairSync, hash, type KeyObject, randomUUID, sign } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { pino } from "pino";
import { loadConfig } from "../src/config/load.js";
import type { VerificationRequest } from "../src/contract/verifier.js";
import { type Algorithm, verifySignature } from "../src/jws/algorithms.js";
import { openCore } from "../src/server/core.js";
import { Secret } from "../src/util/secret.js";
import { ReplayMemory } from "../src/verifier/proofs/replay-memory.js";
import { held, spread } from "./compare.js";
import { deploy } from "./deployment.js";

// What a DPoP proof costs: CPU of a cached token with a proof beside one without, and the memory that a proof takes.

/** The most that a proof may cost, in checks of its signature with a prepared key. */
const MOST_CHECKS = 3;
/** The most memory that a remembered proof may take, in bytes. */
const MOST_BYTES = 32;
const ROUNDS = 15;
const PROOFS = 400;

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Signs a JWT. */
function signed(header: object, claims: object, key: KeyObject, digest: string | null): string {
  const input = `${encode(header)}.${encode(claims)}`;
  const signature = sign(digest, Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
  return `${input}.${signature.toString("base64url")}`;
}

const KINDS: readonly (readonly [alg: Algorithm, digest: string | null, privateKey: KeyObject])[] = [
  ["ES256", "sha256", generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey],
  ["EdDSA", null, generateKeyPairSync("ed25519").privateKey],
  ["RS256", "sha256", generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey],
];

/** CPU of one call in microseconds. */
async function cost(call: () => Promise<void> | void, times: number): Promise<number> {
  const before = process.cpuUsage();
  for (let turn = 0; turn < times; turn++) await call();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

/** Compares verifications with and without a proof in alternating rounds, and measures the memory of proofs. */
export async function proofs(): Promise<void> {
  const issuer = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = JSON.stringify(issuer.publicKey.export({ format: "jwk" }));
  const deployment = deploy(
    `grpc: 127.0.0.1:0\nrealms:\n  r: { algorithms: [ES256], issuer: null, audience: null, keys: [{ jwk: ${jwk} }] }\n`,
  );
  const core = await openCore(loadConfig(deployment.config, { env: {} }), {
    clock: Date.now,
    log: pino({ level: "silent" }),
  });
  const context = { requestId: "bench", address: "", deadline: Number.POSITIVE_INFINITY };
  const verify = async (request: VerificationRequest): Promise<void> => {
    const outcome = await core.verifier.verify(request, context);
    if (outcome.kind !== "verified") throw new Error(JSON.stringify(outcome));
  };
  const url = "https://api.example/orders";
  const exp = Date.now() / 1000 + 3600;
  const request = (claims: object): VerificationRequest => ({
    realm: "r",
    token: new Secret(signed({ alg: "ES256" }, claims, issuer.privateKey, "sha256")),
    credential: undefined,
    explain: false,
  });
  const bearer = request({ exp });
  console.log(`a cached token with a DPoP proof: CPU per verification, median of ${ROUNDS} rounds of ${PROOFS}`);
  try {
    for (const [alg, digest, privateKey] of KINDS) {
      const key = createPublicKey(privateKey);
      const { crv, e, kty, n, x, y } = key.export({ format: "jwk" });
      const jkt = hash("sha256", JSON.stringify({ crv, e, kty, n, x, y }), "base64url");
      const bound = request({ exp, cnf: { jkt } });
      const ath = hash("sha256", bound.token.reveal(), "base64url");
      const proof = (): string => {
        const claims = { jti: randomUUID(), htm: "GET", htu: url, iat: Date.now() / 1000, ath };
        return signed({ typ: "dpop+jwt", alg, jwk: { crv, e, kty, n, x, y } }, claims, privateKey, digest);
      };
      const dot = proof().lastIndexOf(".");
      const figures: { without: number; with: number; check: number }[] = [];
      for (let round = 0; round < ROUNDS + 3; round++) {
        const made = Array.from({ length: PROOFS }, proof);
        const requests = made.map((one) => ({
          ...bound,
          proof: {
            dpop: { proof: new Secret(one), method: "GET", url, nonceRequired: false },
            clientCertificate: undefined,
          },
        }));
        const inputs = made.map((one) => {
          const end = one.lastIndexOf(".", dot + 8);
          return [one.slice(0, end), Buffer.from(one.slice(end + 1), "base64url")] as const;
        });
        let at = 0;
        const withProof = await cost(() => verify(requests[at++] as VerificationRequest), PROOFS);
        const without = await cost(() => verify(bearer), PROOFS);
        at = 0;
        const check = await cost(() => {
          const [input, signature] = inputs[at++] as (typeof inputs)[number];
          if (!verifySignature(alg, key, input, signature)) throw new Error("no good signature");
        }, PROOFS);
        if (round >= 3) figures.push({ without, with: withProof, check });
      }
      const median = (of: (one: (typeof figures)[number]) => number): number => spread(figures.map(of)).median;
      const times = median((one) => (one.with - one.without) / one.check);
      console.log(
        `  ${alg}  without ${median((one) => one.without).toFixed(1)} µs, with ${median((one) => one.with).toFixed(1)} µs, ` +
          `the bare check ${median((one) => one.check).toFixed(1)} µs: ${times.toFixed(2)} checks  ${held(times, MOST_CHECKS, "checks")}`,
      );
    }
  } finally {
    await core.close();
    deployment.remove();
  }
  memory();
}

/** Collects garbage until its array buffers are freed. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  for (let turn = 0; turn < 3; turn++) (runInNewContext("gc") as () => void)();
}

/** Fills a memory, and prints what a proof takes of it. */
function memory(): void {
  const count = 1_000_000;
  const full = new ReplayMemory(count);
  collectGarbage();
  const before = process.memoryUsage();
  const started = process.cpuUsage();
  for (let index = 0; index < count; index++) {
    full.note(full.digest("k".repeat(43), String(index)), 1_800_000_060 + (index % 60), 1_800_000_000_000);
  }
  const { user, system } = process.cpuUsage(started);
  collectGarbage();
  const after = process.memoryUsage();
  const bytes = (after.arrayBuffers - before.arrayBuffers) / count;
  console.log(`a million remembered proofs: ${bytes.toFixed(1)} bytes each  ${held(bytes, MOST_BYTES, "bytes")}`);
  console.log(
    `  ${((user + system) / count).toFixed(2)} µs to remember one; ${full.size(1_800_000_000_000)} remembered`,
  );
}
