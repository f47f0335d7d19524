import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { query } from "./postgres.js";
import { freePort, newFolder, OWNER } from "./postgres-programs.js";

/** Debian's PgBouncer in transaction mode: one server connection serves a transaction, and the next one another client's. */
export interface PgBouncer {
  readonly port: number;
  /** Changes the URL of a database of the server so that it leads through PgBouncer. */
  through(url: string): string;
  close(): Promise<void>;
}

const PROGRAM = "pgbouncer";

/** Says why PgBouncer cannot run here, or returns undefined if it can. */
export function whyNoPgBouncer(): string | undefined {
  const { status, error } = spawnSync(PROGRAM, ["--version"], { env: withSbin() });
  return status === 0 ? undefined : `PgBouncer is not installed (apt-get install pgbouncer): ${error?.message}`;
}

/** Debian installs it where only root's PATH leads. */
const withSbin = (): NodeJS.ProcessEnv => ({ ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin` });

/**
 * Starts PgBouncer on a free port of 127.0.0.1.
 *
 * @param url of any database of the server, with the user and password that clients use too
 * @param pool the most server connections of a database (default: 20)
 */
export async function startPgBouncer(url: string, pool = 20): Promise<PgBouncer> {
  const { hostname, port: serverPort, username, password } = new URL(url);
  const folder = newFolder();
  const port = await freePort();
  const users = join(folder, "users");
  writeFileSync(users, `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n`);
  const settings = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    pool_mode: "transaction",
    default_pool_size: pool,
    auth_type: "scram-sha-256",
    auth_file: users,
  };
  const file = join(folder, "pgbouncer.ini");
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  writeFileSync(file, `[databases]\n* = host=${hostname} port=${serverPort}\n[pgbouncer]\n${lines.join("\n")}\n`);
  const child = spawn(PROGRAM, [file], { ...OWNER, cwd: "/", env: withSbin(), stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk) => {
    log += String(chunk);
  });
  const end = (): void => void child.kill("SIGKILL");
  process.once("exit", end);
  const through = (to: string): string => {
    const changed = new URL(to);
    changed.hostname = "127.0.0.1";
    changed.port = String(port);
    return changed.href;
  };
  for (;;) {
    if (child.exitCode !== null) throw new Error(`pgbouncer ended at its start:\n${log}`);
    try {
      await query(through(url), "SELECT 1");
      break;
    } catch (error) {
      if ((error as { code?: string }).code !== "ECONNREFUSED") throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  return {
    port,
    through,
    async close() {
      process.off("exit", end);
      const ended = once(child, "exit");
      end();
      await ended;
    },
  };
}
