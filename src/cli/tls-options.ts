import path from "node:path";
import type { Command } from "commander";
import { readText } from "../config/read-file.js";
import { type ConfiguredTls, readClientTls } from "../config/tls.js";
import type { Issue } from "../util/issues.js";
import { UsageError } from "./errors.js";

/** The options of a command that asks a service over TLS. */
export interface TlsOptions {
  readonly tls?: boolean;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** Adds `--tls`, `--ca-file`, `--cert-file` and `--key-file`. */
export const addTlsOptions = (command: Command): Command =>
  command
    .option("--tls", "ask over TLS, trusting the certificate authorities that Node.js knows")
    .option("--ca-file <file>", "ask over TLS, trusting only these certificate authorities (PEM)")
    .option("--cert-file <file>", "ask over TLS, with this client certificate (PEM)")
    .option("--key-file <file>", "the client certificate's private key (PEM)");

const NAMES: Readonly<Record<string, string>> = {
  caFile: "--ca-file",
  certFile: "--cert-file",
  keyFile: "--key-file",
};

/** The TLS settings of the options, with their files read and checked; undefined for a plain connection. @throws {UsageError} */
export function readTlsOptions({ tls, caFile, certFile, keyFile }: TlsOptions): ConfiguredTls | undefined {
  if (tls !== true && (caFile ?? certFile ?? keyFile) === undefined) return undefined;
  const issues: Issue[] = [];
  const read = readClientTls({ caFile, certFile, keyFile }, [], {
    resolve: (file) => path.resolve(file),
    readFile: readText,
    issues,
  });
  if (read !== undefined) return read;
  // Names the options where the configuration's reader names its keys.
  const lines = issues.map(({ place, message }) => `${NAMES[place] ?? "TLS"} ${message}.`);
  throw new UsageError(lines.join("\n"));
}
