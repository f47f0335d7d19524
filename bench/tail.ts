import { grpcClient } from "./grpc-load.js";
import { frameOf, grpcLoad, once, rotation, verifyBy } from "./loads.js";
import { type Measured, start } from "./measured.js";
import { SHAPES } from "./messages.js";
import { openLoop, type Waits } from "./open-loop.js";
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
  /** The batches beside that did not verify, as on a machine that is too busy for this. */
  readonly failed: number;
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
    let failed = 0;
    const batch = (): void => {
      verifyBy(client, SHAPES.batch1000, fresh).catch(() => failed++);
    };
    const timer = setInterval(batch, 1_000);
    const ours = await openLoop(service.grpc, { rate, seconds, frames });
    clearInterval(timer);
    const delay = await service.delay();

    const answer = await verifyBy(client, SHAPES.unary, next);
    const echo = await start("bare-http2", answer.subarray(5).toString("base64"));
    servers.push(echo);
    const bare = await openLoop(echo.ready.address ?? "", { rate, seconds, frames });
    return { rate, ours, bare, delay, failed };
  } finally {
    client.close();
    for (const server of servers) server.stop();
  }
}
