import { randomFillSync } from "node:crypto";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { noDirectory } from "../src/directory/directory.js";
import { revocationKey, SELECTOR_KINDS, type SelectorKind } from "../src/directory/revocation.js";
import { RevocationMemory } from "../src/directory/revocation-memory.js";
import { type PackedRevocations, ROW_BYTES } from "../src/directory/revocation-page.js";
import { staticSource } from "../src/keys/key-set.js";
import { loadSecret } from "../src/keys/secret.js";
import { Secret } from "../src/util/secret.js";
import { decide } from "../src/verifier/decide.js";
import type { View } from "../src/verifier/decision-state.js";
import { FactCache } from "../src/verifier/facts.js";
import { createRealm } from "../src/verifier/realm.js";
import { plainPolicy } from "../test/support/plain-policy.js";
import { held, spread } from "./compare.js";
import { SECRET } from "./deployment.js";
import { hs256 } from "./directory-data.js";

// What revocations cost: memory and time to load them, and CPU of a token that was seen before, as they grow.

/** Most bytes that a revocation may take, and most microseconds that ten million may add to a call. */
const [MOST_BYTES, MOST_ADDED] = [30, 1];
const COUNTS = [0, 1_000, 1_000_000, 10_000_000];
/** Rows of a page, as the store gives them. */
const PAGE = 20_000;
const TOKENS = 5_000;
const ROUNDS = 9;
const NOW = Date.now();
const REALMS = new Map([[0, "r"]]);

const claimsOf = (n: number): Record<string, unknown> => ({
  sub: `user-${n}`,
  jti: `token-${n}`,
  sid: `session-${n}`,
  azp: `client-${n}`,
  iat: Math.floor(NOW / 1000),
  exp: Math.floor(NOW / 1000) + 3600,
});

const OTHERS: readonly SelectorKind[] = ["jti", "subject", "client", "key", "all"];

/** Kinds in turn, by their number. */
type Mix = readonly SelectorKind[];

/** Packed revocations of random keys; the last one revokes the `jti` of the first token. */
async function* pagesOf(count: number, mix: Mix): AsyncGenerator<PackedRevocations> {
  for (let left = count; left > 0; left -= PAGE) {
    const rows = Buffer.alloc(Math.min(left, PAGE) * ROW_BYTES);
    for (let row = 0; row * ROW_BYTES < rows.length; row++) {
      const at = row * ROW_BYTES;
      const kind = mix[row % mix.length] as SelectorKind;
      randomFillSync(rows, at, 12);
      rows.writeUInt8(SELECTOR_KINDS.indexOf(kind), at + 14);
      rows.writeUInt32BE(Math.floor(NOW / 1000), at + 16);
      rows.writeUInt32BE(Math.floor(NOW / 1000) + 3600, at + 20);
      if (left <= PAGE && row * ROW_BYTES === rows.length - ROW_BYTES) {
        revocationKey({ realm: "r", kind: "jti", value: "token-0" }).copy(rows, at);
        rows.writeUInt8(SELECTOR_KINDS.indexOf("jti"), at + 14);
      }
    }
    yield { rows, realms: REALMS };
  }
}

/** Microseconds of CPU that this process has taken. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  for (let turn = 0; turn < 3; turn++) (runInNewContext("gc") as () => void)();
}

/** Loads revocations, and prints what that took. Making the pages, which a store does elsewhere, is not counted. */
async function loaded(count: number, mix: Mix): Promise<RevocationMemory> {
  const memory = new RevocationMemory();
  if (count === 0) return memory;
  collectGarbage();
  const before = process.memoryUsage();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let making = 0;
  const began = cpu();
  async function* timed(): AsyncGenerator<PackedRevocations> {
    const pages = pagesOf(count, mix);
    for (;;) {
      delay.disable();
      const start = cpu();
      const next = await pages.next();
      making += cpu() - start;
      delay.enable();
      if (next.done) return;
      yield next.value;
    }
  }
  const expected: Record<string, number> = {};
  for (const kind of mix) expected[kind] = (expected[kind] ?? 0) + count / mix.length;
  await memory.load({ expected, pages: timed() });
  const took = cpu() - began - making;
  delay.disable();
  collectGarbage();
  const after = process.memoryUsage();
  const mega = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
  const each = (after.arrayBuffers - before.arrayBuffers) / count;
  const p99 = (delay.percentile(99) / 1e6).toFixed(1);
  console.log(
    `  ${count} loaded in ${(took / 1e6).toFixed(2)} s of CPU, event loop p99 ${p99} ms: ${mega(after.arrayBuffers - before.arrayBuffers)} of ` +
      `tables, RSS ${mega(after.rss - before.rss)} more, ${each.toFixed(1)} bytes each${count < 1e6 ? "" : `  ${held(each, MOST_BYTES, "bytes")}`}`,
  );
  return memory;
}

/** Prints what revocations of each number cost, by `jti` alone and of every kind that tokens show. */
export async function revocations(): Promise<void> {
  const key = loadSecret(SECRET, { algorithm: "HS256" });
  const realm = createRealm("r", plainPolicy(), staticSource([key]));
  const requests = Array.from({ length: TOKENS }, (_, n) => ({
    realm: "r",
    token: new Secret(hs256(claimsOf(n), SECRET)),
    credential: undefined,
    explain: false,
  }));
  for (const [name, mix] of [
    ["by jti", ["jti"]],
    // As logouts are: nearly all of sessions, and 1 in 1,000 of each other kind.
    [
      "by session, and some of each other kind",
      [...OTHERS, ...Array.from({ length: 995 }, (): SelectorKind => "session")],
    ],
  ] as const satisfies readonly (readonly [string, Mix])[]) {
    console.log(`revocations ${name}`);
    const views: View[] = [];
    for (const count of COUNTS) {
      const memory = await loaded(count, mix);
      const facts = new FactCache(256 * 1024 ** 2);
      views.push({ realms: new Map([["r", realm]]), directory: { ...noDirectory, revocations: memory }, facts });
    }
    const figures = views.map((): { miss: number[]; hit: number[] } => ({ miss: [], hit: [] }));
    const good = requests.slice(1);
    const [revoked] = requests;
    if (revoked === undefined) throw new Error("there are no tokens");
    for (let round = -3; round < ROUNDS; round++) {
      for (const [index, view] of views.entries()) {
        const miss = costOf(view, good, "verified");
        const hit = costOf(
          view,
          Array.from({ length: 500 }, () => revoked),
          index === 0 ? "verified" : "rejected",
        );
        if (round < 0) continue;
        figures[index]?.miss.push(miss);
        figures[index]?.hit.push(hit);
      }
    }
    const none = spread(figures[0]?.miss ?? []).median;
    console.log(`  CPU of a token seen before, us: ${good.length} tokens, median of ${ROUNDS} rounds`);
    for (const [index, { miss, hit }] of figures.entries()) {
      const [cost, rejected] = [spread(miss).median, spread(hit).median];
      const added = cost - none;
      const bound = index < COUNTS.length - 1 ? "" : `  ${held(added, MOST_ADDED, "us more")}`;
      console.log(
        `  ${String(COUNTS[index]).padStart(9)}  not revoked ${cost.toFixed(2)} (+${added.toFixed(2)})  ` +
          `revoked ${index === 0 ? "-" : rejected.toFixed(2)}${bound}`,
      );
    }
  }
}

function costOf(view: View, requests: readonly Parameters<typeof decide>[0][], kind: string): number {
  const before = cpu();
  for (const request of requests) {
    const decision = decide(request, view, NOW);
    if (decision.kind !== kind) throw new Error(JSON.stringify(decision));
  }
  return (cpu() - before) / requests.length;
}
