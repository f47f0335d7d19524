import { createChanges } from "./changes.js";
import { type Findings, judge } from "./checker.js";
import { now, pause } from "./clock.js";
import type { Fault, Need, Scope } from "./fault.js";
import { FAULTS } from "./faults.js";
import type { FaultWindow } from "./history.js";
import { startLoad } from "./load.js";
import { openOperator } from "./operator.js";
import { createRandom } from "./random.js";
import { type Replica, type Rig, type RigOptions, startRig } from "./rig.js";
import { createPool } from "./tokens.js";

/** What a run is to do. */
export interface RunOptions extends RigOptions {
  /** Milliseconds for faults; a fault that has begun is finished. Every fault comes once before any comes again. */
  readonly millis: number;
  readonly seed: number;
  /** Calls and changes a second. */
  readonly rate: number;
  readonly changes: number;
  /** Only faults whose name contains one of these; all if empty. */
  readonly only: readonly string[];
  /** Called with a line about each fault. */
  readonly tell: (line: string) => void;
}

/** What a run has shown, and what was in it. */
export interface RunResult {
  readonly findings: Findings;
  readonly failures: number;
  /** When it began, on the clock of the history. */
  readonly began: number;
  readonly seconds: number;
  readonly changes: number;
  /** The faults that were left out, and what they need. */
  readonly leftOut: readonly Fault[];
}

/** Quiet time before the first fault and after each, in milliseconds. */
const QUIET = 2_000;

/** "Connected" replicas know a change a second after its acknowledgement. */
const CONNECTED = 1_000;

/** Runs the load, the changes and the faults, and judges the answers. */
export async function runChaos(options: RunOptions): Promise<RunResult> {
  const { seed, tell } = options;
  // What the faults are and when, what changes, and what calls ask is repeated by the seed, each on its own.
  const [faultRandom, changeRandom, callRandom] = [seed, seed + 1, seed + 2].map(createRandom) as [
    Random,
    Random,
    Random,
  ];
  const rig = await startRig(options);
  const closing: (() => unknown)[] = [() => rig.close()];
  try {
    const operator = await openOperator(rig);
    closing.push(() => operator.close());
    const pool = createPool(rig.issuer);
    const nextChange = createChanges(pool, changeRandom);
    const load = startLoad({ targets: rig.targets, pool, random: callRandom, rate: options.rate });
    closing.push(() => load.close());
    const began = now();
    const state = { isOn: true };
    const changing = (async () => {
      while (state.isOn) {
        await operator.make(nextChange());
        await pause(1_000 / options.changes);
      }
    })();
    // A failure of the operator itself ends the run when it is awaited.
    changing.catch(() => {});

    const has: Readonly<Record<Need, boolean>> = {
      postgres: rig.postgres !== undefined,
      direct: options.bouncer !== true,
      workers: options.workers > 0,
      clock: rig.replicas.some(({ clockFile }) => clockFile !== undefined),
      old: options.oldProgram !== undefined,
    };
    const [possible, leftOut] = partition(FAULTS, ({ needs = [] }) => needs.every((need) => has[need]));
    const wanted = possible.filter(
      ({ name }) => options.only.length === 0 || options.only.some((part) => name.includes(part)),
    );
    if (wanted.length === 0) throw new Error("no fault is left: none has such a name, or what it needs is missing");
    const windows: FaultWindow[] = [];
    await pause(QUIET);
    for (const fault of rounds(wanted, faultRandom)) {
      if (now() - began > options.millis && windows.length > 0) break;
      const hasClock = ({ clockFile }: Replica): boolean => clockFile !== undefined;
      const victim = faultRandom.pick(fault.needs?.includes("clock") ? rig.replicas.filter(hasClock) : rig.replicas);
      const window: FaultWindow = {
        fault: fault.name,
        from: now(),
        until: Number.POSITIVE_INFINITY,
        recovery: fault.recovery * 1_000,
        failing: targetsOf(fault.failing, victim, rig),
        deaf: targetsOf(fault.deaf, victim, rig),
      };
      windows.push(window);
      tell(`${((window.from - began) / 1_000).toFixed(1).padStart(7)} s  ${fault.name} (${victim.service.name})`);
      const end = await fault.begin({ rig, operator, random: faultRandom, victim });
      await pause(fault.lasts * 1_000);
      await end();
      window.until = now();
      await pause(window.recovery + QUIET);
    }
    state.isOn = false;
    await changing;
    await load.stop();
    await pause(CONNECTED);
    const changed = [...pool.tokens.values()].filter(({ changes }) => changes.length > 0);
    await load.audit(changed);
    const history = { items: pool.tokens, verdicts: load.verdicts, failures: load.failures, windows };
    return {
      findings: judge(history, { connected: CONNECTED, stale: options.staleFor * 1_000 }),
      failures: load.failures.length,
      began,
      seconds: (now() - began) / 1_000,
      changes: operator.made,
      leftOut,
    };
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

type Random = ReturnType<typeof createRandom>;

/** Yields the faults in random order, again and again. */
function* rounds(faults: readonly Fault[], random: Random): Generator<Fault> {
  for (;;) yield* random.shuffled(faults);
}

function targetsOf(scope: Scope, victim: Replica, { targets, replicas }: Rig): ReadonlySet<string> {
  const victims = [victim.service.name];
  const all = targets.map(({ name }) => name);
  const names = replicas.map(({ service }) => service.name);
  const gateways = all.filter((name) => !names.includes(name));
  const scopes: Readonly<Record<Scope, readonly string[]>> = {
    none: [],
    victim: victims,
    replicas: names,
    "victim and gateways": [...victims, ...gateways],
    all,
  };
  return new Set(scopes[scope]);
}

function partition<One>(list: readonly One[], isWanted: (one: One) => boolean): readonly [One[], One[]] {
  return [list.filter(isWanted), list.filter((one) => !isWanted(one))];
}
