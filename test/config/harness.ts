import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { ConfigError } from "../../src/config/errors.js";
import { type Config, type GatewayConfig, loadConfig, loadGatewayConfig } from "../../src/config/load.js";
import { afterEachFile } from "../support/after-file.js";

// Configurations, each in its own folder.

const folders: string[] = [];
afterEachFile(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** The contents of files by name, of which `verifier.yaml` is the configuration. */
export type Files = Readonly<Record<string, string>>;
export type Env = Readonly<Record<string, string | undefined>>;

/** Makes a folder with these files. */
export function folderWith(files: Files): string {
  const folder = mkdtempSync(join(tmpdir(), "token-verifier-"));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

export function load(text: string, files: Files = {}, env: Env = {}): Config {
  return loadConfig(join(folderWith({ ...files, "verifier.yaml": text }), "verifier.yaml"), { env });
}

export function loadGateway(text: string): GatewayConfig {
  return loadGatewayConfig(join(folderWith({ "verifier.yaml": text }), "verifier.yaml"), { env: {} });
}

/** All issues that a load reports, each as `place: message`. */
export function wrongs(loading: () => unknown): string[] {
  try {
    loading();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const { place, message } of error.issues)
      expect(error.message).to.include(`${place}${place && ": "}${message}`);
    return error.issues.map(({ place, message }) => `${place}: ${message}`);
  }
  throw new Error("nothing is wrong");
}
