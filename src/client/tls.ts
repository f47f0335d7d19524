import { readFileSync } from "node:fs";
import { Secret } from "../contract/secret.js";
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

/** Reads what a program gave. @throws TypeError where half of something is missing; the system's error for the file */
export function readClientTls({ ca, caFile, cert, key, servername }: ClientTls): ChannelTls {
  if (ca !== undefined && caFile !== undefined) throw new TypeError("tls: give ca or caFile, not both");
  if ((cert === undefined) !== (key === undefined)) throw new TypeError("tls: cert and key go together");
  return {
    ca: caFile === undefined ? ca?.toString() : readFileSync(caFile, "utf8"),
    certificate: cert?.toString(),
    key: key === undefined ? undefined : new Secret(key.toString()),
    servername,
  };
}
