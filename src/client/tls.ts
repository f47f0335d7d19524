import { readFileSync } from "node:fs";
import { Secret } from "../util/secret.js";
import type { ChannelTls } from "./channel.js";

/** TLS as a client speaks it. Texts are PEM. */
export interface ClientTls {
  /** Who signs the service's certificate. Default: the authorities that Node knows. */
  readonly ca?: string | Buffer;
  /** A file with the same, read when the client is made. */
  readonly caFile?: string;
  /** The certificate that this client shows, with those that lead to one that the service knows. */
  readonly cert?: string | Buffer;
  /** The private key of its first one, not encrypted. */
  readonly key?: string | Buffer;
  /** The name that the service's certificate must have (default: the address's). */
  readonly servername?: string;
}

/** The file that `tls.caFile` names is of no use: it cannot be read, or holds no certificate. */
export class CaFileError extends Error {
  override readonly name = "CaFileError";

  constructor(
    /** The file, as it was given. */
    readonly file: string,
    /** The system's code, such as ENOENT; undefined where the file was read. */
    readonly code: string | undefined,
  ) {
    super(
      `tls.caFile: ${file} ${code === undefined ? "holds no certificate in PEM" : `cannot be read (${code})`}: give the file of whoever signs the service's certificate`,
    );
  }
}

/** Reads what a program gave. @throws TypeError where half of something is missing; {@link CaFileError} */
export function readClientTls({ ca, caFile, cert, key, servername }: ClientTls): ChannelTls {
  if (ca !== undefined && caFile !== undefined) throw new TypeError("tls: give ca or caFile, not both");
  if ((cert === undefined) !== (key === undefined)) throw new TypeError("tls: cert and key go together");
  return {
    ca: caFile === undefined ? ca?.toString() : readCaFile(caFile),
    certificate: cert?.toString(),
    key: key === undefined ? undefined : new Secret(key.toString()),
    servername,
  };
}

function readCaFile(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new CaFileError(file, (error as NodeJS.ErrnoException).code ?? "unknown");
  }
  // OpenSSL would take it, and then trust nobody.
  if (!text.includes("-----BEGIN CERTIFICATE-----")) throw new CaFileError(file, undefined);
  return text;
}
