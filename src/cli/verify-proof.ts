import { X509Certificate } from "node:crypto";
import type { Command } from "commander";
import { redactFileName } from "../config/read-file.js";
import type { ClientCertificate, DpopProof, Proof } from "../contract/verifier.js";
import { Secret } from "../util/secret.js";
import { UsageError } from "./errors.js";
import { readNamedFile } from "./resolve.js";

// The options of `verify` for what the bearer of a bound token proved.

/** The options that {@link addProofOptions} adds. */
export interface ProofOptions {
  readonly dpop?: string;
  readonly method?: string;
  readonly url?: string;
  readonly clientCertificate?: string;
}

/** Adds the options of a proof. */
export const addProofOptions = (command: Command): Command =>
  command
    .option("--dpop <proof>", "the DPoP proof that came with the token; give --method and --url with it")
    .option("--method <method>", "the method of the HTTP request that the proof came with")
    .option("--url <url>", "the absolute URL of that request, as its sender sees it")
    .option("--client-certificate <file>", "the TLS client certificate that the token came with (PEM or DER)");

/** Reads the options of a proof; undefined if none is given. @throws {UsageError} for incomplete ones and unusable files */
export function readProof(options: ProofOptions): Proof | undefined {
  const dpop = readDpop(options);
  const { clientCertificate: file } = options;
  if (dpop === undefined && file === undefined) return undefined;
  return { dpop, clientCertificate: file === undefined ? undefined : readCertificate(file) };
}

function readDpop({ dpop, method, url }: ProofOptions): DpopProof | undefined {
  if (dpop === undefined && method === undefined && url === undefined) return undefined;
  if (dpop === undefined || method === undefined || url === undefined) {
    throw new UsageError("Give --dpop, --method and --url together.");
  }
  return { proof: new Secret(dpop), method, url, nonceRequired: false };
}

function readCertificate(file: string): ClientCertificate {
  const contents = readNamedFile(file);
  try {
    return { form: "der", bytes: new X509Certificate(contents).raw };
  } catch {
    throw new UsageError(`${redactFileName(file)} is not a certificate in PEM or DER.`);
  }
}
