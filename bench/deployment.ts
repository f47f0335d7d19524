import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** A folder with a configuration. */
export interface Deployment {
  readonly folder: string;
  /** The configuration's file. */
  readonly config: string;
  remove(): void;
}

/** The secret of the realm `integuru`. */
export const SECRET = "a-secret-that-is-used-for-benchmarks-only";

/** Returns a configuration with a store and the realms of the benchmarks. @param store the store's file */
export const withDirectory = (store = "./verifier.db"): string => `grpc: 127.0.0.1:0
http: 127.0.0.1:0
store: sqlite:${store}
masterKey: ${Buffer.alloc(32, "benchmark").toString("base64")}
log: { level: warn }
realms:
  integuru: { preset: integuru, keys: [{ secret: ${SECRET} }] }
  clowk: { preset: clowk }
`;

/** Writes a configuration into a new folder for temporary files. @param text the configuration */
export function deploy(text: string): Deployment {
  const folder = mkdtempSync(path.join(tmpdir(), "verifier-bench-"));
  const config = path.join(folder, "verifier.yaml");
  writeFileSync(config, text);
  return { folder, config, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
