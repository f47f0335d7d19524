import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { expect } from "chai";
import type { Command, PutClient, PutInstance, PutUser } from "../../src/directory/commands.js";
import type { Directory } from "../../src/directory/directory.js";
import { DirectoryError, type DirectoryErrorCode } from "../../src/directory/errors.js";
import { deriveMasterKeys, type MasterKeys } from "../../src/directory/master-keys.js";
import { openSqliteDirectory, type SqliteOptions } from "../../src/directory/sqlite/directory.js";
import { Secret } from "../../src/util/secret.js";

/** The time at which tests run, in milliseconds since 1970. */
export const NOW = 1_800_000_000_000;

/** Returns the text of a master key made of one repeated byte. */
export const masterKeyText = (byte: number): Secret => new Secret(Buffer.alloc(32, byte).toString("base64"));

/** Returns master keys made of one repeated byte each, the current one first. */
export const masterKeys = (...bytes: readonly number[]): MasterKeys => deriveMasterKeys(bytes.map(masterKeyText));

/** The folders and directories of one test, released by {@link release}. */
export class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), "directory-test-"));
  readonly path = join(this.folder, "verifier.db");
  readonly #opened: Directory[] = [];

  /** Opens a new connection to the store of this bench. */
  open(options: Partial<SqliteOptions> = {}): Directory {
    const directory = openSqliteDirectory({ path: this.path, masterKeys: masterKeys(1), clock: () => NOW, ...options });
    this.#opened.push(directory);
    return directory;
  }

  /** Runs SQL on the store's file directly. */
  sql<Row = Record<string, unknown>>(text: string, ...parameters: unknown[]): Row[] {
    const db = new Database(this.path);
    try {
      const statement = db.prepare<unknown[], Row>(text);
      if (statement.reader) return statement.all(...parameters);
      statement.run(...parameters);
      return [];
    } finally {
      db.close();
    }
  }

  async release(): Promise<void> {
    for (const directory of this.#opened) await directory.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const putInstance = (id: string, ...secretKeys: readonly string[]): PutInstance => ({
  kind: "putInstance",
  id,
  appId: `app of ${id}`,
  secretKeys: secretKeys.map((text) => new Secret(text)),
});

export const putUser = (instanceId: string, id: string, more: Partial<PutUser> = {}): PutUser => ({
  kind: "putUser",
  instanceId,
  id,
  email: null,
  name: null,
  avatarUrl: null,
  provider: null,
  ...more,
});

export const putClient = (clientId: string, secret: string): PutClient => ({
  kind: "putClient",
  clientId,
  clientSecret: new Secret(secret),
});

export const revoke = (realm: string, jti: string, until?: number): Command => ({
  kind: "revoke",
  token: { realm, jti },
  ...(until === undefined ? {} : { until }),
});

export const revokeDigest = (digest: string, until?: number): Command => ({
  kind: "revoke",
  token: { digest },
  ...(until === undefined ? {} : { until }),
});

/** Expects a DirectoryError with this code and a matching message. */
export async function refusal(
  work: (() => unknown) | Promise<unknown>,
  code: DirectoryErrorCode,
  message: RegExp,
): Promise<DirectoryError> {
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    expect(error).to.be.instanceOf(DirectoryError);
    const refused = error as DirectoryError;
    expect(refused.message).to.match(message);
    expect(refused.code).to.equal(code);
    return refused;
  }
  throw new Error(`expected a DirectoryError (${code}), and nothing was thrown`);
}

/** Starts child.ts in its own process, on the store at a path; its lines resolve when it has ended. */
export function child(task: string, ...more: readonly string[]): Child {
  const script = fileURLToPath(new URL("child.ts", import.meta.url));
  const started = spawn(process.execPath, ["--import", "tsx", script, task, ...more], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  let output = "";
  started.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const lines = new Promise<string[]>((resolve, reject) => {
    started.on("error", reject);
    started.on("close", () => resolve(output.split("\n").filter((line) => line !== "")));
  });
  return { stdout: started.stdout, lines, kill: () => void started.kill("SIGKILL") };
}

/** A process that runs child.ts. */
export interface Child {
  readonly stdout: Readable;
  /** The lines that it printed. */
  readonly lines: Promise<string[]>;
  /** Kills the process without a chance to clean up. */
  kill(): void;
}
