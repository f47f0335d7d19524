import { spawn } from "node:child_process";
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { expect } from "chai";
import {
  type Command,
  type DirectoryEntry,
  entryCommand,
  type PutClient,
  type PutInstance,
  type PutUser,
} from "../../src/directory/commands.js";
import type { Directory } from "../../src/directory/directory.js";
import { DirectoryError, type DirectoryErrorCode } from "../../src/directory/errors.js";
import { deriveMasterKeys, type MasterKeys } from "../../src/directory/master-keys.js";
import type { Position } from "../../src/directory/position.js";
import { type Revocation, SELECTOR_KINDS, type Selector, type SelectorKind } from "../../src/directory/revocation.js";
import { Secret } from "../../src/util/secret.js";
import { revokeBy } from "../support/revoke.js";
import { type BenchOptions, type StoreBench, sqliteBench } from "./benches.js";

/** The time at which tests run, in milliseconds since 1970. */
export const NOW = 1_800_000_000_000;

/** Returns the text of a master key made of one repeated byte. */
export const masterKeyText = (byte: number): Secret => new Secret(Buffer.alloc(32, byte).toString("base64"));

/** Returns master keys made of one repeated byte each, the current one first. */
export const masterKeys = (...bytes: readonly number[]): MasterKeys => deriveMasterKeys(bytes.map(masterKeyText));

/** A SQLite store of one test, with its folder. */
export class Bench {
  readonly #bench: StoreBench;
  readonly path: string;
  readonly folder: string;

  constructor() {
    this.#bench = sqliteBench();
    const { address } = this.#bench;
    this.path = address.engine === "sqlite" ? address.file : "";
    this.folder = dirname(this.path);
  }

  /** Opens the store as another process does. */
  open(options: BenchOptions = {}): Promise<Directory> {
    return this.#bench.open(options);
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

  release(): Promise<void> {
    return this.#bench.release();
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

/** What tests apply: a command, or an entry to put, whatever is there. */
export type TestCommand =
  | Command
  | DirectoryEntry
  | { readonly kind: "revoke"; readonly revocations: readonly Revocation[] }
  | { readonly kind: "unrevoke"; readonly selectors: readonly Selector[] };

/** The command of what a test applies. */
export function commandOf(given: TestCommand): Command {
  if (given.kind === "revoke" || given.kind === "unrevoke") return { comment: "", ...given };
  const isEntry =
    "secretKeys" in given || "clientSecret" in given || (given.kind === "putUser" && "instanceId" in given);
  return isEntry ? entryCommand(given) : given;
}

/** Applies commands as the actor `tester`, 1,000 in a transaction. @returns the position after the last */
export async function applyTo(
  directory: Pick<Directory, "apply">,
  ...commands: readonly TestCommand[]
): Promise<Position> {
  let position = await directory.apply(commands.slice(0, 1_000).map(commandOf), "tester");
  for (let start = 1_000; start < commands.length; start += 1_000) {
    position = await directory.apply(commands.slice(start, start + 1_000).map(commandOf), "tester");
  }
  return position;
}

/** The head of the feed. */
export const headOf = async (directory: Pick<Directory, "poll">): Promise<Position> =>
  (await directory.poll(undefined, 1)).head;

/** All revocations in a store, in the order of their keys. */
export async function revocationsOf(bench: Pick<StoreBench, "sql">): Promise<Revocation[]> {
  const rows = await bench.sql<
    Record<"realm" | "signer" | "value", string> & {
      kind: number;
      scope: number;
      before: number | null;
      exp: number | null;
    }
  >(
    'SELECT n.name AS realm, r.kind, r.scope, r.signer, r.value, r.issued_before AS "before", r.exp FROM revocations r JOIN revoked_realms n ON n.number = r.realm ORDER BY r.key',
  );
  return rows.map(({ realm, kind, scope, signer, value, before, exp }) => {
    const signed = [{}, { instance: signer }, { issuer: signer }][scope] ?? {};
    return {
      selector: { realm, kind: SELECTOR_KINDS[kind] as SelectorKind, value, ...signed },
      issuedBefore: before,
      exp,
    };
  });
}

export const revoke = (realm: string, jti: string, exp: number | null = null): Command =>
  revokeBy({ realm, kind: "jti", value: jti }, exp);

export const revokeDigest = (digest: string, exp: number | null = null): Command =>
  revokeBy({ realm: "", kind: "digest", value: digest }, exp);

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
