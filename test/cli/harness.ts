import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { pino } from "pino";
import { run as runCommand } from "../../src/cli/run.js";
import type { Environment } from "../../src/config/environment.js";
import { loadConfig } from "../../src/config/load.js";
import { openCore } from "../../src/server/core.js";
import { afterEachFile } from "../support/after-file.js";
import { keyOf, secretOf } from "../support/keys.js";

// The command line as a user runs it: child processes, each in its own folder.

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Whether child processes run compiled code, as it is shipped (scripts/mocha-setup.mjs). */
const COMPILED = process.env["NODE_V8_COVERAGE"] === undefined;

/** The folder of the compiled code, `dist` for a benchmark. */
const BUILD = process.env["BUILD"] ?? ".test-build";

/** The arguments with which Node starts the command: the compiled code, or the sources for coverage. */
export const MAIN: readonly string[] = COMPILED
  ? [join(ROOT, BUILD, "src/cli/main.js")]
  : ["--import", import.meta.resolve("tsx"), join(ROOT, "src/cli/main.ts")];

/** The module that replaces the package for a program that imports it, and the Node flags that this needs. */
export const PACKAGE = {
  entry: join(ROOT, COMPILED ? `${BUILD}/src/client/index.js` : "src/client/index.ts"),
  flags: COMPILED ? [] : ["--import", import.meta.resolve("tsx")],
};

/**
 * Gives each call of a program a deadline of a minute instead of two seconds, because the first call can take that long on a
 * busy machine.
 */
export function patient(program: string): string {
  const text = program
    .replace(/\bconnect\(("[^"]+")\)/, "connect($1, { deadlineMs: 60_000 })")
    .replace(/\bDate\.now\(\) \+ 2000\b/, "Date.now() + 60_000")
    .replace(/\btimeout=2\b/, "timeout=60");
  if (text === program) throw new Error(`no deadline is in\n${program}`);
  return text;
}

/**
 * A Node flag that keeps an import from lowering its priority (src/cli/run.ts), since tests that use the whole processor would
 * starve it. It has no characters that are special to a shell.
 */
const IN_LINE = `--import=data:text/javascript,${encodeURIComponent(
  'import os from "node:os"; os.setPriority = () => undefined',
).replace(/[()]/g, (sign) => (sign === "(" ? "%28" : "%29"))}`;

/** The command as quoted words of a shell line. */
export const COMMAND = [process.execPath, IN_LINE, ...MAIN].map((word) => `'${word}'`).join(" ");

export const MASTER_KEY = Buffer.alloc(32, "cli tests").toString("base64");

export const SEED = `instances:
  - id: inst_abc123
    appId: app_xyz789
    secretKeys: [${secretOf("clowk")}]
    users:
      - { id: a1b2c3d4-e5f6-7890-abcd-ef1234567890, email: jane@example.com, name: Jane Doe, provider: google }
clients:
  - { clientId: vision-api-user, clientSecret: 8sQ0vYlc2mW6hTn4rKxE7dJb }
`;

export const CLIENT_SECRET = "8sQ0vYlc2mW6hTn4rKxE7dJb";

/** A configuration of all realms on any free ports. It drains without a delay. @param extra more top-level keys */
export const configuration = (
  extra = "",
): string => `${extra.includes("drain:") ? "" : "drain: { delay: 0s }\n"}grpc: 127.0.0.1:0
http: 127.0.0.1:0
store: sqlite:./verifier.db
masterKeyFile: ./master.key
directory: ./directory.yaml
${extra}
realms:
  integuru: { preset: integuru, keys: [{ secretFile: ./integuru.key }], explain: anyone }
  clowk: { preset: clowk, explain: instances }
  fiserv: { preset: fiserv, keys: [{ pemFile: ./fiserv.pem }], explain: clients }
  partner:
    algorithms: [ES256]
    issuer: https://issuer.example
    audience: https://api.example
    claims: { token_use: access, scope: { includes: read } }
    explain: anyone
    keys: [{ pemFile: ./partner.pem, kid: p1 }]
`;

const folders: string[] = [];
const children = new Set<ChildProcess>();
afterEachFile(() => {
  for (const child of children) child.kill("SIGKILL");
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Makes an empty folder. */
export function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "token-verifier-cli-"));
  folders.push(folder);
  return folder;
}

/** Makes a folder with a configuration (`verifier.yaml`) and every file that it names. */
export function folderOf(text = configuration(), files: Readonly<Record<string, string>> = {}): string {
  const folder = emptyFolder();
  const privatePem = (name: string): string => keyOf(name).signer.export({ type: "pkcs8", format: "pem" }).toString();
  const all = {
    "verifier.yaml": text,
    "master.key": `${MASTER_KEY}\n`,
    "directory.yaml": SEED,
    "integuru.key": `${secretOf("integuru")}\n`,
    "fiserv.pem": keyOf("fiserv").publicPem ?? "",
    "fiserv.private.pem": privatePem("fiserv"),
    "partner.pem": keyOf("p256").publicPem ?? "",
    "partner.private.pem": privatePem("p256"),
    "instance.key": `${secretOf("clowk")}\n`,
    "client.secret": `${CLIENT_SECRET}\n`,
    ...files,
  };
  for (const [name, content] of Object.entries(all)) writeFileSync(join(folder, name), content, { mode: 0o600 });
  return folder;
}

/** The contents of the store in a folder, with a digest of the bytes of its file. */
export function contentOf(folder: string): object {
  const file = join(folder, "verifier.db");
  const bytes = createHash("sha256").update(readFileSync(file)).digest("hex");
  const db = new Database(file, { readonly: true });
  const tables = db.prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck();
  const rows = tables.all().map((name) => [name, db.prepare(`SELECT * FROM "${name}"`).all()]);
  const version = db.pragma("user_version", { simple: true });
  db.close();
  return { bytes, version, rows: Object.fromEntries(rows) };
}

/** Links node_modules into a folder, so that npx finds the installed packages. */
export function linkModules(folder: string): void {
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
}

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A child process and its output. */
export class Process {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  readonly ended: Promise<Ended>;
  #over = false;
  #wake: (() => void)[] = [];

  constructor(command: string, args: readonly string[], cwd: string, stdin: string | undefined) {
    this.child = spawn(command, args, { cwd, stdio: ["pipe", "pipe", "pipe"] });
    children.add(this.child);
    const wake = (): void => {
      for (const resolve of this.#wake.splice(0)) resolve();
    };
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
      wake();
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
      wake();
    });
    this.child.stdin?.on("error", () => {});
    this.child.stdin?.end(stdin ?? "");
    this.ended = new Promise((resolve) => {
      this.child.once("close", (code, signal) => {
        this.#over = true;
        children.delete(this.child);
        wake();
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  /** Waits until standard output has the text `times` times; rejects if the process ends before. */
  async until(text: string | RegExp, times = 1): Promise<void> {
    const found = (): boolean =>
      typeof text === "string" ? this.stdout.split(text).length > times : text.test(this.stdout);
    while (!found()) {
      if (this.#over) throw new Error(`ended before ${String(text)}:\n${this.stdout}${this.stderr}`);
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** The JSON log lines so far. */
  lines(): Record<string, unknown>[] {
    return this.stdout
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Waits for the ready line of the log and returns it, with the addresses in it. */
  async ready(): Promise<Record<string, string>> {
    await this.until(/"msg":"ready"\}\n/);
    return this.lines().find(({ msg }) => msg === "ready") as Record<string, string>;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** Starts the command. @param flags more flags of Node */
export function start(args: readonly string[], cwd: string, stdin?: string, flags: readonly string[] = []): Process {
  return new Process(process.execPath, [...flags, ...MAIN, ...args], cwd, stdin);
}

let before: Promise<unknown> = Promise.resolve();

/** Runs the command to its end in this process, one run at a time since they share its working folder and output. */
export function run(args: readonly string[], cwd: string, stdin = "", env: Environment = {}): Promise<Ended> {
  const ending = before.then(() => runHere(args, cwd, stdin, env));
  before = ending.catch(() => {});
  return ending;
}

async function runHere(args: readonly string[], cwd: string, stdin: string, env: Environment): Promise<Ended> {
  const said = { stdout: "", stderr: "" };
  const outputs = ["stdout", "stderr"] as const;
  const writes = outputs.map((name) => process[name].write);
  const [folder, exitCode] = [process.cwd(), process.exitCode];
  process.chdir(cwd);
  process.exitCode = undefined;
  for (const name of outputs) {
    process[name].write = (text: string | Uint8Array) => {
      said[name] += String(text);
      return true;
    };
  }
  try {
    const world = { env, stdin: Readable.from([stdin]), clock: Date.now };
    await runCommand(["node", "token-verifier", ...args], world);
    return { code: (process.exitCode as number | undefined) ?? 0, signal: null, ...said };
  } finally {
    for (const [at, name] of outputs.entries()) process[name].write = writes[at] as typeof process.stdout.write;
    process.chdir(folder);
    process.exitCode = exitCode;
  }
}

/** Runs a shell line to its end, as a user would paste it. */
export function shell(line: string, cwd: string): Promise<Ended> {
  return new Process("bash", ["-c", line], cwd, undefined).ended;
}

/** Makes the store of a folder from its seed, as a first start does. */
export async function seeded(folder: string): Promise<void> {
  const config = loadConfig(join(folder, "verifier.yaml"), { env: {} });
  const core = await openCore(config, { clock: Date.now, log: pino({ level: "silent" }) });
  await core.close();
}

/** Starts the service of a folder and returns its addresses. */
export async function serving(
  folder: string,
  ...args: readonly string[]
): Promise<{ service: Process; grpc: string; http: string; port: number }> {
  const service = start(["serve", "--config", "verifier.yaml", ...args], folder);
  const { grpc = "", http = "" } = await service.ready();
  return { service, grpc, http, port: Number(http.split(":").at(-1)) };
}

/** Ends a service with SIGTERM, as an operator would. */
export async function end(service: Process): Promise<Ended> {
  service.kill("SIGTERM");
  return service.ended;
}

/** Whether a process listens at a port of this machine. */
export function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect({ port, host: "127.0.0.1" });
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}
