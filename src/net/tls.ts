import { constants } from "node:crypto";
import tls from "node:tls";
import type { Secret } from "../util/secret.js";

/** The certificate that one side of a TLS connection shows, and the authorities that it trusts. */
export interface TlsMaterial {
  /** Certificate chain in PEM, its own certificate first; undefined for a client that shows none. */
  readonly certificate: string | undefined;
  /** Private key of the first certificate, in PEM. */
  readonly key: Secret | undefined;
  /** Authorities for the peer's certificate, in PEM. Without it a server asks for no certificate, and a client uses Node's list. */
  readonly ca: string | undefined;
}

/** The protocol of a TLS port, chosen by ALPN (RFC 7301). gRPC requires ALPN; HTTP/1.1 also serves clients that send none. */
export type Protocol = "h2" | "http/1.1";

function contextOptions({ certificate, key, ca }: TlsMaterial): tls.SecureContextOptions {
  return {
    minVersion: "TLSv1.2",
    ...(certificate !== undefined && { cert: certificate }),
    ...(key !== undefined && { key: key.reveal() }),
    ...(ca !== undefined && { ca }),
  };
}

/**
 * A server that asks for client certificates resumes no session: a resumed one would trust the certificate of the first
 * handshake long after it expired. (With SSL_OP_NO_TICKET a TLS 1.3 ticket only names a session, and the server keeps none.)
 */
function serverContextOptions(material: TlsMaterial): tls.SecureContextOptions {
  const options = contextOptions(material);
  return material.ca === undefined ? options : { ...options, secureOptions: constants.SSL_OP_NO_TICKET };
}

/** Makes the TLS context of a client. @throws OpenSSL's error if the texts are malformed or do not belong together */
export function clientContext(material: TlsMaterial): tls.SecureContext {
  return tls.createSecureContext(contextOptions(material));
}

/**
 * Node's options for a TLS server: TLS 1.2 or later with Node's default ciphers. With a `ca`, clients must show a certificate
 * that it signed.
 *
 * @param handshakeTimeout milliseconds
 */
export function serverOptions(material: TlsMaterial, protocol: Protocol, handshakeTimeout: number): tls.TlsOptions {
  return {
    ...serverContextOptions(material),
    ALPNProtocols: [protocol],
    requestCert: material.ca !== undefined,
    rejectUnauthorized: true,
    handshakeTimeout,
  };
}

/**
 * Sets the certificate and authorities of new connections; open ones are not affected. Whether clients must show a certificate
 * does not change.
 *
 * @throws OpenSSL's error if the texts are malformed or do not belong together
 */
export function renewTls(server: tls.Server, material: TlsMaterial): void {
  server.setSecureContext(serverContextOptions(material));
}

/** Compares certificates, keys and authorities. */
export function isSameTls(a: TlsMaterial | undefined, b: TlsMaterial | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.certificate === b.certificate && a.ca === b.ca && a.key?.reveal() === b.key?.reveal();
}

/** The part of a port's TLS that only a restart can change: `mutual` asks clients for certificates. */
export function tlsKind(material: TlsMaterial | undefined): "plain" | "tls" | "mutual" {
  if (material === undefined) return "plain";
  return material.ca === undefined ? "tls" : "mutual";
}
