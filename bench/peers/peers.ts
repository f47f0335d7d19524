import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Measured } from "../measured.js";
import { AUDIENCE, ISSUER } from "../tokens.js";

// Servers of other languages. bench/peers/install.sh installs them.

const GO_SERVER = path.join(tmpdir(), "token-verifier-peers", "server");
const HAPROXY = "/usr/sbin/haproxy";

/** A server of another language, whose CPU the system knows. */
export interface Peer extends Pick<Measured, "cpu" | "stop"> {
  readonly address: string;
}

/** Whether the servers are there. */
export const arePeersInstalled = (): boolean => existsSync(GO_SERVER) && existsSync(HAPROXY);

/** Starts the Go server. @param pem the RSA key of good tokens @param echo what its Echo answers */
export async function startGo(pem: string, echo: Buffer): Promise<Peer> {
  const folder = folderWith({ "key.pem": pem });
  const args = ["-key", path.join(folder, "key.pem"), "-issuer", ISSUER, "-audience", AUDIENCE];
  const child = spawn(GO_SERVER, [...args, "-echo", echo.toString("base64")], { stdio: ["pipe", "pipe", "inherit"] });
  const address = await new Promise<string>((resolve, reject) => {
    child.stdout?.once("data", (line: Buffer) => resolve(line.toString().trim()));
    child.once("exit", (code) => reject(new Error(`the Go server ended with code ${String(code)}`)));
  });
  return peerOf(child, address, folder);
}

/** Starts HAProxy with one thread. @param pem the RSA key of good tokens */
export async function startHaproxy(pem: string): Promise<Peer> {
  const port = await freePort();
  const folder = folderWith({ "key.pem": pem });
  const values: Readonly<Record<string, string>> = {
    PORT: String(port),
    KEY: path.join(folder, "key.pem"),
    ISSUER,
    AUDIENCE,
  };
  const template = readFileSync(new URL("haproxy.cfg", import.meta.url), "utf8");
  const config = path.join(folder, "haproxy.cfg");
  writeFileSync(
    config,
    template.replaceAll(/@([A-Z]+)@/g, (_, name: string) => values[name] ?? ""),
  );
  const child = spawn(HAPROXY, ["-db", "-f", config], { stdio: ["ignore", "inherit", "inherit"] });
  const peer = peerOf(child, `127.0.0.1:${port}`, folder);
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`HAProxy ended with code ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return peer;
}

function peerOf(child: ChildProcess, address: string, folder: string): Peer {
  const { pid = 0 } = child;
  return {
    address,
    cpu: () => Promise.resolve(cpuOf(pid)),
    stop() {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Returns the CPU time of all threads of a process in microseconds. */
function cpuOf(pid: number): number {
  const folder = `/proc/${pid}/task`;
  const nanos = readdirSync(folder).map((task) =>
    Number(/^\d+/.exec(readFileSync(`${folder}/${task}/schedstat`, "utf8"))?.[0]),
  );
  return nanos.reduce((sum, one) => sum + one, 0) / 1_000;
}

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(path.join(tmpdir(), "verifier-peer-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  return folder;
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect({ port, host: "127.0.0.1" });
    const end = (isUp: boolean): void => {
      socket.destroy();
      resolve(isUp);
    };
    socket.once("connect", () => end(true)).once("error", () => end(false));
  });
