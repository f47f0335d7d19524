import { constants } from "node:crypto";
import type net from "node:net";
import tls from "node:tls";
import type { Secret } from "../util/secret.js";
import type { Admission, Refusal } from "./admission.js";

/** What one side of a TLS connection shows of itself, and whom it trusts. */
export interface TlsMaterial {
  /** Its certificate, and those that lead to one that peers know, in PEM; undefined where a client shows none. */
  readonly certificate: string | undefined;
  /** The key of the first certificate, in PEM. */
  readonly key: Secret | undefined;
  /** Who signs peers' certificates, in PEM. A server without it asks for none; a client goes by Node's own list. */
  readonly ca: string | undefined;
}

/** What stands at a port before its protocol, besides its limits. */
export interface ListenerOptions extends Pick<Admission, "isProxy" | "refused"> {
  /** Without it the port is in the clear. */
  readonly tls?: TlsMaterial | undefined;
}

/** What a port with TLS speaks, chosen by ALPN (RFC 7301). gRPC needs it; HTTP/1.1 is spoken to clients that choose nothing, too. */
export type Protocol = "h2" | "http/1.1";

const MINIMUM = { minVersion: "TLSv1.2" } as const;

/** The files' part of Node's options. */
function contextOptions({ certificate, key, ca }: TlsMaterial): tls.SecureContextOptions {
  return {
    ...MINIMUM,
    ...(certificate !== undefined && { cert: certificate }),
    ...(key !== undefined && { key: key.reveal() }),
    ...(ca !== undefined && { ca }),
  };
}

/**
 * The same of a server. Where clients show certificates, none resumes a session: a resumed one would ask for no certificate,
 * and trust that of the first handshake long after it expired. (A ticket of TLS 1.3 then names a session that nobody kept.)
 */
function serverContextOptions(material: TlsMaterial): tls.SecureContextOptions {
  const options = contextOptions(material);
  return material.ca === undefined ? options : { ...options, secureOptions: constants.SSL_OP_NO_TICKET };
}

/** A context for a client's connections. @throws what OpenSSL says of files that do not fit together */
export function clientContext(material: TlsMaterial): tls.SecureContext {
  return tls.createSecureContext(contextOptions(material));
}

/**
 * Node's options for a server: TLS 1.2 or later with Node's own list of ciphers; with a `ca`, a client must show a
 * certificate that it signed.
 *
 * @param patience milliseconds for a handshake
 */
export function serverOptions(material: TlsMaterial, protocol: Protocol, patience: number): tls.TlsOptions {
  return {
    ...serverContextOptions(material),
    ALPNProtocols: [protocol],
    requestCert: material.ca !== undefined,
    rejectUnauthorized: true,
    handshakeTimeout: patience,
  };
}

/** New connections get these from now on, and those that are open live on. Whether clients must show certificates stays as it was. */
export function renewTls(server: tls.Server, material: TlsMaterial): void {
  server.setSecureContext(serverContextOptions(material));
}

/** Tells of handshakes that fail, and closes their connections. @param failed must not throw */
export function watchHandshakes(server: tls.Server, failed: (refusal: Refusal) => void): void {
  // An HTTPS server would answer in HTTP where nothing can be answered.
  server.removeAllListeners("tlsClientError");
  server.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
    const { remoteAddress, authorizationError } = socket;
    socket.destroy();
    const address = remoteAddress ?? rawSocketOf(socket)?.remoteAddress ?? "";
    // A certificate that is refused looks like a connection that the client closed, but for this.
    const code = (authorizationError as unknown as string | null) ?? error.code ?? "unknown";
    // Who connects and goes away without a word looks whether somebody is there: a balancer's probe.
    if (code === "ECONNRESET" && socket.bytesRead === 0) return;
    failed({ reason: "handshake", address: address.replace(/^::ffff:(?=\d+\.)/, ""), code });
  });
}

/** A connection whose handshake failed has forgotten its peer; that below it remembers. */
function rawSocketOf(socket: tls.TLSSocket): net.Socket | undefined {
  return (socket as unknown as { readonly _parent?: net.Socket })._parent;
}

/** Whether two are the same, keys included. */
export function isSameTls(a: TlsMaterial | undefined, b: TlsMaterial | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.certificate === b.certificate && a.ca === b.ca && a.key?.reveal() === b.key?.reveal();
}

/** What of TLS takes effect at a start only: whether it is spoken, and whether clients show certificates. */
export function tlsKind(material: TlsMaterial | undefined): "plain" | "tls" | "mutual" {
  if (material === undefined) return "plain";
  return material.ca === undefined ? "tls" : "mutual";
}
