import type { Load, Measured } from "./measured.js";

/** Returns the least, the median and the greatest of some figures. */
export function spread(figures: readonly number[]): {
  readonly min: number;
  readonly median: number;
  readonly max: number;
} {
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
  readonly server: Measured;
  readonly send: Load;
  /** Runs before each round, unmeasured. */
  readonly prepare?: () => Promise<void>;
}

/** The size of a measurement. */
export interface Plan {
  readonly rounds: number;
  /** The number of requests in each round. */
  readonly requests: number;
}

/**
 * Compares the CPU per request of two servers in alternating rounds, so that a drift of the machine's speed affects
 * both; the result is the ratio.
 *
 * @returns the ratio's median
 */
export async function compare(title: string, ours: Contender, other: Contender, plan: Plan): Promise<number> {
  const { rounds, requests } = plan;
  const cost = async ({ server, send, prepare }: Contender): Promise<number> => {
    await prepare?.();
    const before = await server.cpu();
    await send(requests);
    return ((await server.cpu()) - before) / requests;
  };
  for (const one of [ours, other]) await cost(one);
  const figures: { ours: number; other: number }[] = [];
  for (let round = 0; round < rounds; round++) figures.push({ ours: await cost(ours), other: await cost(other) });
  const line = (name: string, values: readonly number[], digits: number, unit: string): void => {
    const { min, median, max } = spread(values);
    const ends = `(${min.toFixed(digits)} to ${max.toFixed(digits)})`;
    console.log(`  ${name.padEnd(22)} ${median.toFixed(digits)}${unit}  ${ends}`);
  };
  console.log(`${title}: CPU of the server per request, median of ${rounds} rounds of ${requests}`);
  const oursAlone = figures.map((one) => one.ours);
  const others = figures.map((one) => one.other);
  line(ours.name, oursAlone, 1, " µs");
  line(other.name, others, 1, " µs");
  const ratios = figures.map((one) => one.ours / one.other);
  line("ratio", ratios, 2, " x");
  return spread(ratios).median;
}
