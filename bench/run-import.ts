import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

/** The program as shipped. */
export const MAIN = fileURLToPath(new URL("../dist/src/cli/main.js", import.meta.url));
const PEAK = new URL("servers/peak.mjs", import.meta.url).href;

/** The result of an import. */
export interface Imported {
  readonly seconds: number;
  /** The peak memory of its process, in MiB. */
  readonly peak: number;
}

/** Runs `token-verifier import` to its end. */
export async function runImport(file: string, config: string): Promise<Imported> {
  const began = performance.now();
  const args = ["--import", PEAK, MAIN, "import", file, "--config", config];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit", "pipe"] });
  let said = "";
  (child.stdio[3] as Readable).setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`the import ended with code ${String(code)}`);
  return { seconds: (performance.now() - began) / 1000, peak: Number(said) / 1024 };
}
