import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { freePort, newFolder, OWNER, postgresPrograms } from "./postgres-programs.js";

const USER = "postgres";
/** Options of a server. */
export interface PostgresOptions {
  /** A copy that {@link PostgresServer.copyFolder} made; the server takes it over. Default: a new, empty server. */
  readonly copy?: FolderCopy;
  /** Starts a copy as a standby, which `SELECT pg_promote()` makes a primary on a timeline of its own. */
  readonly standby?: boolean;
  /** Whether commits wait for the disk (default: false, since a killed process loses nothing that the system has). */
  readonly fsync?: boolean;
  /** Further settings, by name. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** The folder of a server as a disk snapshot would have it. */
export interface FolderCopy {
  readonly folder: string;
  readonly password: string;
  remove(): void;
}

/** A PostgreSQL server of its own: real processes over a folder of temporary files. It ends with this process, even a killed one. */
export interface PostgresServer {
  /** The URL of the database `postgres`, with user and password. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** The folder with `data`, `log` and the unix socket. */
  readonly folder: string;
  /** The id of the main process; the last one's while the server is down. */
  readonly pid: number;
  /**
   * Sends a signal. SIGSTOP, SIGCONT and SIGKILL go to every process of the server, as if the machine froze or died; others
   * only to the main one. Resolves once a signal that ends it has ended it.
   */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Ends the server at once (SIGQUIT, no checkpoint) and keeps its folder for {@link restart}. */
  stop(): Promise<void>;
  /** Ends the server if it runs and starts it on the same folder and port. @param copy a copy that replaces the folder */
  restart(copy?: FolderCopy): Promise<void>;
  /** Makes an empty database. @returns its URL */
  freshDatabase(): Promise<string>;
  /** Copies the folder as a disk snapshot does: all at one moment, between two writes of the running server. */
  copyFolder(): FolderCopy;
  /** Runs a statement on the database `postgres`. */
  query(sql: string): Promise<Record<string, unknown>[]>;
  /** Ends the server and removes its folder. */
  close(): Promise<void>;
}

/** Says why PostgreSQL cannot run here, or returns undefined if it can. */
export function whyNoPostgres(): string | undefined {
  try {
    postgresPrograms();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Starts a server on a free port of 127.0.0.1. It takes about a second. @throws if PostgreSQL cannot run here */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const { folder, password } = options.copy ?? initialize();
  if (options.standby === true) writeFileSync(join(folder, "data", "standby.signal"), "", { mode: 0o600 });
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const running = await run(folder, port, password, options).catch((error: unknown) => {
      if (attempt < 5 && String(error).includes("Address already in use")) return undefined;
      rmSync(folder, { recursive: true, force: true });
      throw error;
    });
    if (running !== undefined) return serverOf(running, { folder, port, password, options });
  }
}

interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Resolves once the main process has ended. */
  readonly ended: Promise<unknown>;
}

interface Place {
  readonly folder: string;
  readonly port: number;
  readonly password: string;
  readonly options: PostgresOptions;
}

function serverOf(first: Running, { folder, port, password, options }: Place): PostgresServer {
  let running = first;
  let databases = 0;
  const urlOf = (database: string): string => `postgres://${USER}:${password}@127.0.0.1:${port}/${database}`;
  const server: PostgresServer = {
    url: urlOf("postgres"),
    host: "127.0.0.1",
    port,
    user: USER,
    password,
    folder,
    get pid() {
      return running.pid;
    },
    async kill(signal) {
      const all = ["SIGSTOP", "SIGCONT", "SIGKILL"].includes(signal);
      if (signal === "SIGSTOP") freeze(running.pid);
      else for (const pid of all ? family(running.pid) : [running.pid]) send(pid, signal);
      if (["SIGSTOP", "SIGCONT", "SIGHUP"].includes(signal)) return;
      running.child.ref();
      await running.ended;
    },
    async stop() {
      // A stopped process handles no signal but SIGKILL.
      await server.kill("SIGCONT");
      await server.kill("SIGQUIT");
    },
    async restart(copy) {
      await server.stop();
      if (copy !== undefined) {
        rmSync(join(folder, "data"), { recursive: true, force: true });
        copyOwned(join(copy.folder, "data"), join(folder, "data"));
      }
      running = await run(folder, port, copy?.password ?? password, options);
    },
    async freshDatabase() {
      const name = `test_${++databases}`;
      await query(server.url, `CREATE DATABASE ${name} TEMPLATE template0 STRATEGY file_copy`);
      return urlOf(name);
    },
    copyFolder() {
      const to = newFolder();
      const pids = freeze(running.pid);
      try {
        copyOwned(join(folder, "data"), join(to, "data"));
      } finally {
        for (const pid of pids) send(pid, "SIGCONT");
      }
      rmSync(join(to, "data", "postmaster.pid"), { force: true });
      return { folder: to, password, remove: () => rmSync(to, { recursive: true, force: true }) };
    },
    query: (sql) => query(server.url, sql),
    async close() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return server;
}

/** Runs one statement on a connection of its own. @param url of the database */
export async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  // A server that ends also breaks idle connections; the statement's own error says what happened.
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Starts the main process and waits until it answers. */
async function run(folder: string, port: number, password: string, options: PostgresOptions): Promise<Running> {
  const settings: Record<string, string> = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: folder,
    shared_buffers: "32MB",
    ...(options.fsync !== true && { fsync: "off", full_page_writes: "off" }),
    ...options.settings,
  };
  const args = ["-D", join(folder, "data"), "-p", String(port)];
  for (const [name, value] of Object.entries(settings)) args.push("-c", `${name}=${value}`);
  const logFile = join(folder, "log");
  const log = openSync(logFile, "a");
  const child = spawn(postgresPrograms().postgres, args, {
    ...OWNER,
    cwd: "/",
    stdio: ["ignore", log, log],
    detached: true,
  });
  closeSync(log);
  const state = { hasEnded: false };
  const ended = new Promise<void>((resolve) => {
    child.once("exit", resolve).once("error", resolve);
  }).then(() => {
    state.hasEnded = true;
  });
  const pid = child.pid ?? 0;
  child.unref();
  const url = `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`;
  while (!state.hasEnded) {
    try {
      await query(url, "SELECT 1");
      return { child, pid, ended };
    } catch (error) {
      const { code } = error as { code?: string };
      // It does not listen yet, closed a connection while it starts, or says that it is starting.
      if (!["ECONNREFUSED", "ECONNRESET", "57P03"].includes(code ?? "")) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`postgres ended at its start:\n${readFileSync(logFile, "utf8").split("\n").slice(-15).join("\n")}`);
}

/** Makes a folder with an empty server. */
function initialize(): { readonly folder: string; readonly password: string } {
  const folder = newFolder();
  const password = randomBytes(16).toString("hex");
  const file = join(folder, "password");
  writeFileSync(file, password);
  const rest = ["--no-sync", "--auth=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "-U", USER];
  const args = ["-D", join(folder, "data"), `--pwfile=${file}`, ...rest];
  execFileSync(postgresPrograms().initdb, args, { ...OWNER, cwd: "/", stdio: ["ignore", "ignore", "pipe"] });
  return { folder, password };
}

/** Copies a folder and gives the copy to the user that runs PostgreSQL. */
function copyOwned(from: string, to: string): void {
  execFileSync("cp", ["-a", from, to]);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Stops a main process and its children, and waits until they have stopped: the signal alone takes a while. @returns all */
function freeze(main: number): readonly number[] {
  const stopped = new Set<number>();
  for (;;) {
    // The main process may start a child until it has stopped itself.
    const running = family(main).filter((pid) => !stopped.has(pid));
    if (running.length === 0) return [...stopped];
    for (const pid of running) {
      send(pid, "SIGSTOP");
      while (!isStopped(pid)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      stopped.add(pid);
    }
  }
}

/** Whether a process has stopped or ended; outside Linux that cannot be seen. */
function isStopped(pid: number): boolean {
  try {
    return /^[TZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1] ?? "");
  } catch {
    return true;
  }
}

/** Returns a main process and its children, each of which is a process group of its own. Outside Linux only the main one. */
function family(pid: number): readonly number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return [pid, ...(children === "" ? [] : children.split(" ").map(Number))];
  } catch {
    return [pid];
  }
}
