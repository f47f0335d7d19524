import { readFileSync } from "node:fs";
import { Secret } from "../util/secret.js";
import type { ChannelTls } from "./channel.js";

/** The TLS settings of a client. Certificates and keys are PEM. */
export interface ClientTls {
  /** Authorities that sign the service's certificate. Default: Node's own list. */
  readonly ca?: string | Buffer;
  /** A file of authorities instead, read when the client is made. */
  readonly caFile?: string;
  /** Certificate chain that this client shows, its own certificate first. */
  readonly cert?: string | Buffer;
  /** Private key of the first certificate, not encrypted. */
  readonly key?: string | Buffer;
  /** Name that the service's certificate must have (default: that of the address). */
  readonly servername?: string;
}

/** Thrown when `tls.caFile` cannot be read or contains no certificate. */
export class CaFileError extends Error {
  override readonly name = "CaFileError";

  constructor(
    /** The path, as given. */
    readonly file: string,
    /** The system's error code, such as ENOENT; undefined if the file was read. */
    readonly code: string | undefined,
  ) {
    super(
      `tls.caFile: ${file} ${code === undefined ? "holds no certificate in PEM" : `cannot be read (${code})`}: give a file of authorities that sign the service's certificate`,
    );
  }
}

/** Reads and checks the settings. @throws TypeError for settings that exclude or lack each other; {@link CaFileError} */
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
  // OpenSSL would accept it, and then trust no certificate.
  if (!text.includes("-----BEGIN CERTIFICATE-----")) throw new CaFileError(file, undefined);
  return text;
}
