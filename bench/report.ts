import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { type Figures, type Plan, spread } from "./compare.js";
import type { Grid } from "./grid.js";

// What a run measured, where, and of which commit: kept as a file by --json, and put beside a later run by --compare.

/** The machine and the program of a run. */
export interface Machine {
  /** The processor's name. */
  readonly cpu: string;
  /** The number of cores that the run could use. */
  readonly cores: number;
  readonly node: string;
  readonly platform: string;
  /** The commit, with a `+` if files had changed since; empty outside a repository. */
  readonly commit: string;
  /** The date of the run, in UTC (ISO 8601). */
  readonly date: string;
}

/** The figures of a run. */
export interface Report {
  readonly benchmark: string;
  readonly machine: Machine;
  readonly rounds: number;
  readonly requests: number;
  /** The CPU of the server per verification in microseconds, of each round, by contender. */
  readonly figures: Readonly<Record<string, readonly number[]>>;
  /** The contender that each is best compared with: ratios to it are steadier than the figures. */
  readonly floors: Readonly<Record<string, string>>;
}

/** What a benchmark found. */
export interface Findings {
  /** The tables that show it. */
  readonly grids: readonly Grid[];
  /** The figures, if they can be kept and compared. */
  readonly report?: Report;
}

/** Describes the machine and the commit. */
export function thisMachine(): Machine {
  const git = (...args: string[]): string => {
    try {
      return execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    } catch {
      return "";
    }
  };
  const isChanged = git("status", "--porcelain", "--untracked-files=no") !== "";
  return {
    cpu: cpus()[0]?.model ?? "",
    cores: availableParallelism(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    commit: git("rev-parse", "--short", "HEAD") + (isChanged ? "+" : ""),
    date: new Date().toISOString(),
  };
}

/** Returns a sentence about a machine. */
export const describeMachine = ({ cpu, cores, node, platform, commit, date }: Machine): string =>
  `${cpu}, ${cores} cores, ${platform}, Node.js ${node.replace("v", "")}, ${date.slice(0, 10)}, commit ${commit}`;

/** Makes a report of figures. @param floors the contender to compare each with, by name */
export function reportOf(
  benchmark: string,
  figures: Figures,
  floors: Readonly<Record<string, string>>,
  { rounds, requests }: Plan,
): Report {
  return { benchmark, machine: thisMachine(), rounds, requests, figures: Object.fromEntries(figures), floors };
}

/** Returns the figures of a report. */
const figuresOf = ({ figures }: Report): Figures => new Map(Object.entries(figures));

/** Writes the reports of a run as JSON. */
export function writeReports(file: string, reports: readonly Report[]): void {
  writeFileSync(file, `${JSON.stringify(reports, undefined, 1)}\n`);
}

/** Reads what {@link writeReports} wrote. */
export const readReports = (file: string): readonly Report[] =>
  JSON.parse(readFileSync(file, "utf8")) as readonly Report[];

/** Returns the median of a contender's ratios to another, of the same rounds. */
export function ratioOf(figures: Figures, name: string, other: string): number {
  const others = figures.get(other) ?? [];
  return spread((figures.get(name) ?? []).map((figure, round) => figure / (others[round] ?? Number.NaN))).median;
}

/** Returns the median of a contender's figures, in microseconds. */
export const medianOf = (figures: Figures, name: string): number => spread(figures.get(name) ?? []).median;

/**
 * Compares two runs by the ratios of each contender to its floor in the same run. Figures of two runs say nothing, because
 * the machine may have been busier in one, or another.
 *
 * @returns a line for each contender that both runs have, with the ratio then, the ratio now, and the one by the other
 */
export function compareReports(then: Report, now: Report): readonly string[] {
  const [before, after] = [figuresOf(then), figuresOf(now)];
  const lines = Object.entries(now.floors).flatMap(([name, floor]) => {
    if (![name, floor].every((one) => before.has(one) && after.has(one))) return [];
    const was = ratioOf(before, name, floor);
    const is = ratioOf(after, name, floor);
    return [`  ${name.padEnd(40)} ${cell(was)} ${cell(is)} ${cell(is / was)}   ${floor}`];
  });
  return [
    `beside ${describeMachine(then.machine)}`,
    `  ${"CPU per verification as a ratio to:".padEnd(40)} ${"then".padStart(7)} ${"now".padStart(7)} ${"now/then".padStart(7)}`,
    ...lines,
  ];
}

const cell = (ratio: number): string => ratio.toFixed(2).padStart(7);
