import type { Load, Measured } from "./measured.js";

/** The least, the median and the greatest of some figures. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Returns the least, the median and the greatest of some figures. */
export function spread(figures: readonly number[]): Spread {
  const sorted = figures.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return { min: at(0), median: at(Math.floor(sorted.length / 2)), max: at(sorted.length - 1) };
}

/** Returns a text on whether a figure is within its bound, and sets the exit code to 1 if it is not. */
export function held(figure: number, most: number, unit: string): string {
  if (figure <= most) return `(at most ${most} ${unit}: held)`;
  process.exitCode = 1;
  return `(at most ${most} ${unit}: NOT HELD)`;
}

/** A server to compare, and its load. */
export interface Contender {
  readonly name: string;
  readonly server: Pick<Measured, "cpu"> & Partial<Pick<Measured, "profile">>;
  readonly send: Load;
  /** The verifications in a request (default 1). */
  readonly each?: number;
  /** The number of requests in each round (default: that of the plan). */
  readonly requests?: number;
  /** The number of requests before the first round, in which code is compiled (default: as in a round). */
  readonly warm?: number;
  /** Runs before each round, unmeasured. */
  readonly prepare?: () => Promise<void>;
}

/** The size of a measurement. */
export interface Plan {
  readonly rounds: number;
  /** The number of requests in each round. */
  readonly requests: number;
}

/** The CPU of a server per verification in microseconds, of each round, by contender. */
export type Figures = ReadonlyMap<string, readonly number[]>;

/**
 * Measures servers in alternating rounds, so that a drift of the machine's speed affects all of them: compare the ratios of
 * a round. Every second round has the opposite order.
 *
 * @param tell is called before each round with its number, from 0 for what comes before the first
 */
export async function race(
  contenders: readonly Contender[],
  plan: Plan,
  tell: (round: number) => void = () => {},
): Promise<Figures> {
  const figures = new Map<string, number[]>();
  tell(0);
  for (const { name, send, prepare, requests = plan.requests, warm = requests } of contenders) {
    figures.set(name, []);
    await prepare?.();
    await send(warm);
  }
  for (let round = 1; round <= plan.rounds; round++) {
    tell(round);
    for (const contender of round % 2 === 1 ? contenders : contenders.toReversed()) {
      const { name, server, send, prepare, requests = plan.requests, each = 1 } = contender;
      await prepare?.();
      const before = await server.cpu();
      await send(requests);
      figures.get(name)?.push(((await server.cpu()) - before) / (requests * each));
    }
  }
  return figures;
}

/** Returns the ratios of two contenders, of each round. */
export function ratios(figures: Figures, name: string, other: string): readonly number[] {
  const others = figures.get(other) ?? [];
  return (figures.get(name) ?? []).map((figure, round) => figure / (others[round] ?? Number.NaN));
}

/**
 * Compares the CPU per request of two servers; the result is the ratio.
 *
 * @returns the ratio's median
 */
export async function compare(title: string, ours: Contender, other: Contender, plan: Plan): Promise<number> {
  const figures = await race([ours, other], plan);
  const line = (name: string, values: readonly number[], digits: number, unit: string): void => {
    const { min, median, max } = spread(values);
    const ends = `(${min.toFixed(digits)} to ${max.toFixed(digits)})`;
    console.log(`  ${name.padEnd(22)} ${median.toFixed(digits)}${unit}  ${ends}`);
  };
  console.log(`${title}: CPU of the server per request, median of ${plan.rounds} rounds of ${plan.requests}`);
  for (const { name } of [ours, other]) line(name, figures.get(name) ?? [], 1, " µs");
  const both = ratios(figures, ours.name, other.name);
  line("ratio", both, 2, " x");
  return spread(both).median;
}
