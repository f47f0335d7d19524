import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { newTally, type Tally, tryMutants } from "../test/jws/oracle.js";

// npm run fuzz -- --seconds 60 --seed 7 --workers 2: checks mutants of tokens with our own check and with jose, in one
// process per core. Prints their number and the cases in which jose is more lenient; exits with code 1 if the two disagree
// in a way without a name. The same seed and worker make the same mutants, except for salts and nonces of signatures.

/** The number of mutants between two readings of the clock. */
const ROUND = 2_000;

/** jose is asked about one in this many of the mutants that we refuse. */
const SAMPLE = 300;

const option = (name: string, usual: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? usual : Number(process.argv[at + 1]);
};

/** Runs one worker, which tries mutants until its time is up and reports each round to its parent. */
async function work(seed: number, seconds: number): Promise<void> {
  const end = Date.now() + seconds * 1000;
  for (let round = 0; Date.now() < end; round++) {
    const tally = newTally();
    await tryMutants(seed + round * 0x9e37_79b1, ROUND, SAMPLE, tally);
    process.send?.(tally);
  }
  process.disconnect?.();
}

function add(sum: Tally, { mutants, verified, asked, misread, stricter, refused, faults }: Tally): void {
  sum.mutants += mutants;
  sum.verified += verified;
  sum.asked += asked;
  sum.misread += misread;
  for (const [name, count] of Object.entries(stricter)) sum.stricter[name] = (sum.stricter[name] ?? 0) + count;
  for (const [name, count] of Object.entries(refused)) sum.refused[name] = (sum.refused[name] ?? 0) + count;
  sum.faults.push(...faults);
}

async function main(): Promise<void> {
  const seconds = option("seconds", 60);
  const seed = option("seed", Date.now() % 1_000_000_000);
  const workers = option("workers", availableParallelism());
  console.log(`seed ${seed}, ${workers} workers, ${seconds} s`);
  const sum = newTally();
  let failed = false;
  const ends = Array.from({ length: workers }, (_, index) => {
    const args = ["--work", "--seed", String(seed + index * 1_000_003), "--seconds", String(seconds)];
    const child = fork(new URL(import.meta.url), args);
    child.on("message", (tally: Tally) => {
      for (const fault of tally.faults) console.log(fault);
      add(sum, tally);
    });
    return new Promise<void>((resolve) => {
      child.once("close", (code) => {
        failed ||= code !== 0;
        resolve();
      });
    });
  });
  const report = setInterval(() => console.log(`${sum.mutants} so far`), 60_000);
  await Promise.all(ends);
  clearInterval(report);
  const { faults, ...counts } = sum;
  console.log(JSON.stringify(counts, null, 2));
  console.log(`${counts.mutants} mutants, ${faults.length} disagreements without a name`);
  process.exitCode = failed || faults.length > 0 ? 1 : 0;
}

await (process.argv.includes("--work") ? work(option("seed", 0), option("seconds", 60)) : main());
