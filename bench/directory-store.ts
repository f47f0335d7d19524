import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import Database from "better-sqlite3";
import { deploy, withDirectory } from "./deployment.js";
import { INSTANCES, writeDirectory } from "./directory-data.js";
import { runImport } from "./run-import.js";

// Stores of many users, kept from run to run.

const FOLDER = path.join(tmpdir(), "token-verifier-bench");

// The users of directory-data.ts, in the order of the table, inserted directly: an import of a million takes a minute or
// more (`npm run bench -- import` measures it).
const USERS = `
  INSERT OR IGNORE INTO users (instance_id, id, email, name, provider)
  WITH RECURSIVE
    instance (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM instance WHERE i + 1 < :instances),
    turn (t) AS (SELECT 0 UNION ALL SELECT t + 1 FROM turn WHERE (t + 1) * :instances < :users),
    user (i, n) AS (SELECT i, t * :instances + i FROM instance CROSS JOIN turn)
  SELECT 'inst_' || i, printf('00000000-0000-4000-8000-%012d', n), 'user' || n || '@example.com', 'User ' || n, 'google'
  FROM user WHERE n < :users`;

/** Returns the file of a store with this many users, and makes the store if it does not exist. */
export async function storeOf(users: number): Promise<string> {
  const store = path.join(FOLDER, `${users}-users.db`);
  if (existsSync(store)) return store;
  mkdirSync(FOLDER, { recursive: true });
  const unfinished = `${store}.new`;
  for (const end of ["", "-wal", "-shm"]) rmSync(`${unfinished}${end}`, { force: true });
  const began = performance.now();
  await importInstances(unfinished);
  const db = new Database(unfinished);
  db.prepare(USERS).run({ users, instances: INSTANCES });
  const count = db.prepare<[], number>("SELECT count(*) FROM users").pluck().get();
  db.close();
  if (count !== users) throw new Error(`a store of ${count} users instead of ${users}`);
  renameSync(unfinished, store);
  console.log(`made a directory of ${users} users in ${((performance.now() - began) / 1000).toFixed(0)} s: ${store}`);
  return store;
}

/** Removes the stores kept from earlier runs. */
export function removeStores(): void {
  rmSync(FOLDER, { recursive: true, force: true });
}

/** Imports the instances, each with one user, since only the program can seal their keys. */
async function importInstances(store: string): Promise<void> {
  const deployment = deploy(withDirectory(store));
  try {
    const bulk = path.join(deployment.folder, "bulk.jsonl");
    writeDirectory(bulk, INSTANCES);
    await runImport(bulk, deployment.config);
  } finally {
    deployment.remove();
  }
}
