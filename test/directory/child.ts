// Runs as another process on the same store: its first argument names the task, and it prints a line for each step done.
import { writeSync } from "node:fs";
import Database from "better-sqlite3";
import { DirectoryError } from "../../src/directory/errors.js";
import { sqlDirectory } from "../../src/directory/sql/directory.js";
import { openSqliteStore } from "../../src/directory/sqlite/store.js";
import type { ImportLine } from "../../src/directory/transfer/import.js";
import { applyTo, masterKeys, NOW, putClient, putInstance, putUser } from "./support.js";

const [task = "", path = "", count = "0"] = process.argv.slice(2);
const say = (line: string | number): void => void writeSync(1, `${line}\n`);
const open = async (clock: () => number) =>
  sqlDirectory(await openSqliteStore({ path, masterKeys: masterKeys(1), clock, busyTimeout: 20_000 }));
const entries = Array.from({ length: Number(count) }, (_, n) => [
  putInstance(`i${n}`, `secret ${n}`),
  putUser(`i${n}`, "u"),
]).flat();
const die = (): number => {
  process.kill(process.pid, "SIGKILL");
  return 0;
};

/** Dies as soon as the audit row is to be written: all entries are in by then, and nothing is committed. */
function dieAtAudit(): void {
  const { prepare } = Database.prototype;
  Database.prototype.prepare = function (this: Database.Database, text: string) {
    if (text.includes("INSERT INTO audit")) die();
    return prepare.call(this, text);
  } as typeof prepare;
}

async function* bulk(atEnd: () => void = () => {}): AsyncGenerator<ImportLine> {
  say("importing");
  yield* entries.map((entry, at) => ({ line: at + 1, entry }));
  atEnd();
}

const TASKS: Record<string, () => Promise<void>> = {
  /** Writes clients one by one and prints the position of each. */
  async write() {
    const directory = await open(() => NOW);
    for (let n = 0; n < Number(count); n++) {
      say((await applyTo(directory, putClient(`${process.pid}-${n}`, "a secret of a client"))).number);
    }
  },
  /** Writes clients in the same way, without end. */
  async writeOn() {
    const directory = await open(() => NOW);
    for (let n = 0; ; n++) say((await applyTo(directory, putClient(`client ${n}`, "a secret of a client"))).number);
  },
  /** Seeds, and dies inside the transaction, after all entries are in. */
  async dieInSeed() {
    dieAtAudit();
    await (await open(() => NOW)).apply([{ kind: "seed", entries }], "child");
    say("survived");
  },
  /** Seeds, and dies once the seed is committed. */
  async dieAfterSeed() {
    await (await open(() => NOW)).apply([{ kind: "seed", entries }], "child");
    say("seeded");
    die();
  },
  /** Imports, and dies once all lines but the last are staged. */
  async dieInStaging() {
    await (await open(() => NOW)).import(bulk(die), {}, "child");
    say("survived");
  },
  /** Imports, and dies inside the merge, after all entries are in. */
  async dieInMerge() {
    dieAtAudit();
    await (await open(() => NOW)).import(bulk(), {}, "child");
    say("survived");
  },
  /** Opens the store, tries to seed it, and prints the outcome. */
  async race() {
    const directory = await open(() => NOW);
    try {
      await directory.apply([{ kind: "seed", entries }], "child");
      say("seeded");
    } catch (error) {
      say(error instanceof DirectoryError ? error.code : String(error));
    }
  },
};

await TASKS[task]?.();
