import type { Grid } from "./grid.js";
import { grpcClient } from "./grpc-load.js";
import { frameOf, grpcLoad, once, rotation, verifyBy } from "./loads.js";
import { type Measured, start } from "./measured.js";
import { SHAPES } from "./messages.js";
import { openLoop, type Waits } from "./open-loop.js";
import type { Findings } from "./report.js";
import { makeTokens, type Signer, signerOf } from "./tokens.js";
import { startVerifying } from "./verifying-service.js";

// How long calls wait at half of what a process can do, with a batch of fresh tokens beside them each second. A bare server
// under the same calls shows what of that is the machine's.

/** The waits of the service's calls and of the bare server's. */
export interface Tail {
  /** The calls per second. */
  readonly rate: number;
  readonly ours: Waits;
  readonly bare: Waits;
  /** The longest delay of the service's event loop, in milliseconds. */
  readonly delay: number;
  /** What happened to each batch beside that did not verify. On a machine that is too busy, tokens of it time out. */
  readonly failures: readonly string[];
  /** The batches beside. */
  readonly batches: number;
}

/** The tokens of the batch beside. */
const BESIDE = 1_000;

/** Measures the tail. @param seconds of each load */
export async function tail(seconds: number): Promise<Tail> {
  const signers = (["RS256", "ES256"] as const).map((algorithm) => signerOf(algorithm));
  const [rs256, es256] = signers as [Signer, Signer];
  const hs256 = signerOf("HS256");
  const calls = await makeTokens(rs256, 1_000);
  const beside = await makeTokens(es256, BESIDE);
  const realms = 3 * seconds + 20;
  const service = await startVerifying([hs256, ...signers], realms);
  const servers: Pick<Measured, "stop">[] = [service];
  const client = grpcClient(service.grpc);
  try {
    const next = rotation(rs256, calls);
    const saturate = grpcLoad(client, SHAPES.unary, next);
    await saturate(8_000);
    const began = performance.now();
    await saturate(4_000);
    const rate = Math.floor((0.5 * 4_000 * 1_000) / (performance.now() - began));

    const fresh = once(es256, beside, realms);
    const frames = calls.map(() => frameOf(SHAPES.unary, next).toString("base64"));
    await verifyBy(client, SHAPES.batch1000, fresh);
    await service.delay();
    const failures: string[] = [];
    const batches: Promise<void>[] = [];
    const batch = async (): Promise<void> => {
      try {
        await verifyBy(client, SHAPES.batch1000, fresh);
      } catch (error) {
        failures.push((error as Error).message);
      }
    };
    const timer = setInterval(() => batches.push(batch()), 1_000);
    const ours = await openLoop(service.grpc, { rate, seconds, frames });
    clearInterval(timer);
    await Promise.all(batches);
    const delay = await service.delay();

    const answer = await verifyBy(client, SHAPES.unary, next);
    const echo = await start("bare-http2", answer.subarray(5).toString("base64"));
    servers.push(echo);
    const bare = await openLoop(echo.ready.address ?? "", { rate, seconds, frames });
    return { rate, ours, bare, delay, failures, batches: batches.length };
  } finally {
    client.close();
    for (const server of servers) server.stop();
  }
}

/** Returns a sentence about the calls and batches that failed. */
export function failedIn({ ours, bare, failures, batches }: Tail): string {
  const [first] = failures;
  const calls = `of the calls ${ours.failed} of ${ours.calls} failed (bare server ${bare.failed})`;
  const beside = `of the batches beside ${failures.length} of ${batches}`;
  return `${calls}, ${beside}${first === undefined ? "" : `, the first so: ${first}`}`;
}

/** Measures the tail by itself. @param seconds of each load */
export async function measureTail(seconds: number): Promise<Findings> {
  const found = await tail(seconds);
  const row = (name: string, { p50, p99, most }: Waits): readonly string[] => [
    name,
    ...[p50, p99, most].map((wait) => wait.toFixed(1)),
  ];
  const grid: Grid = {
    title: `What calls wait at half of saturation (${found.rate}/s), in ms; ${failedIn(found)}:`,
    header: ["", "median", "99 %", "longest"],
    rows: [
      row("the service, with 1,000 fresh ES256 tokens beside each second", found.ours),
      row("bare node:http2", found.bare),
    ],
  };
  console.log(`The longest that the service's event loop was held up: ${found.delay.toFixed(1)} ms`);
  return { grids: [grid] };
}
