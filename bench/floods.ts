import { FLOODS, floodOnce, RESETS, startFlood } from "../test/attacks/http2-floods.js";
import { type Besieged, besiege } from "../test/attacks/siege.js";
import { endFile } from "../test/support/after-file.js";
import { createClient } from "../test/support/grpc.js";
import { held } from "./compare.js";

// The memory that a service takes under floods, and the memory that it still holds afterwards.

const MIB = 1024 ** 2;
/** The maximum growth of the process under a flood in MiB, including uncollected garbage. */
const TAKEN = 512;
/** The maximum growth of the heap after a flood and a garbage collection in MiB, for code compiled during the flood. */
const HELD = 8;
/** The number of calls that another caller makes under a flood. */
const ROUNDS = 8;
/** The number of measurements until cut connections are gone, which the event loop handles later on a busy machine. */
const SETTLING = 50;

export async function floods(): Promise<void> {
  console.log("floods: MiB that the process takes more meanwhile, and MiB that its heap holds more afterwards");
  try {
    await http2();
    await tokens();
  } finally {
    await endFile();
  }
}

async function http2(): Promise<void> {
  const service = await besiege("limits: { request: 3s, idle: 3s, perAddress: 300, streams: 20 }");
  try {
    // These calls let Node.js compile everything.
    for (let turn = 0; turn < SETTLING; turn++) await service.expectRight();
    await Promise.all([floodOnce(service, RESETS, true), floodOnce(service, RESETS, false)]);
    for (const [name, frames] of Object.entries(FLOODS)) {
      const heldBefore = await service.held();
      const before = await resident(service);
      let most = before;
      const flood = startFlood(service, frames);
      for (let turn = 0; turn < ROUNDS; turn++) {
        await service.expectRight();
        most = Math.max(most, await resident(service));
      }
      await flood.end();
      let left = Number.POSITIVE_INFINITY;
      for (let turn = 0; turn < SETTLING && left >= HELD * MIB; turn++) {
        await service.expectRight();
        left = (await service.held()) - heldBefore;
      }
      tell(name, left, most - before);
    }
  } finally {
    await service.end();
  }
}

/** Fills the fact cache several times over. */
async function tokens(): Promise<void> {
  const service = await besiege("cache: { facts: 1MiB }");
  const client = createClient(`127.0.0.1:${service.port("grpc")}`);
  try {
    for (let turn = 0; turn < SETTLING; turn++) await service.expectRight();
    const before = await service.held();
    for (let turn = 0; turn < 10; turn++) {
      const tokens = await Promise.all(
        Array.from({ length: 500 }, (_, n) => service.mint("integuru", `jti=${turn}-${n}`, `x=${"x".repeat(500)}`)),
      );
      await client.batch(tokens.map((token) => ({ realm: "integuru", token })));
    }
    tell("distinct tokens", (await service.held()) - before);
  } finally {
    client.close();
    await service.end();
  }
}

const resident = (service: Besieged): Promise<number> => service.metric("process_resident_memory_bytes");

function tell(name: string, left: number, taken?: number): void {
  const of = (bytes: number, most: number): string =>
    `${(bytes / MIB).toFixed(1).padStart(6)} ${held(bytes / MIB, most, "MiB")}`;
  const figures = [...(taken === undefined ? [] : [`taken ${of(taken, TAKEN)}`]), `left ${of(left, HELD)}`];
  console.log(`  ${name.padEnd(46)} ${figures.join("  ")}`);
}
