import type { X509Certificate } from "node:crypto";

/**
 * The names of a workload in its certificate: `URI:spiffe://…` as written, `DNS:web.internal.example` in lower case.
 * Empty if the certificate has names of neither kind.
 */
export type WorkloadNames = readonly string[];

const NONE: WorkloadNames = [];

/** One name and its separator. Node writes a value with unusual characters as a JSON string. */
const ENTRY = /([A-Za-z0-9 ]+):(?:("(?:[^"\\]|\\.)*")|([^",\\]*))(, |$)/y;

/**
 * Reads Node's text of a certificate's subject alternative names. A text with any part that is not understood yields no
 * name, because one name must never be read as two (CVE-2021-44532).
 */
export function parseAltNames(text: string): WorkloadNames {
  const names: string[] = [];
  for (let at = 0; at < text.length; ) {
    ENTRY.lastIndex = at;
    const [whole, kind, quoted, bare, separator] = ENTRY.exec(text) ?? [];
    if (whole === undefined) return NONE;
    at += whole.length;
    if (separator !== "" && at === text.length) return NONE;
    const value = quoted === undefined ? bare : unquote(quoted);
    if (value === undefined) return NONE;
    if (kind === "URI") names.push(`URI:${value}`);
    else if (kind === "DNS") names.push(`DNS:${lowerCase(value)}`);
  }
  return names;
}

/** Lower case of ASCII letters only (RFC 4343): other letters must not become ASCII. */
const lowerCase = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

function unquote(text: string): string | undefined {
  try {
    return JSON.parse(text) as string;
  } catch {
    return undefined;
  }
}

/** The part of a TLS socket that identifies the peer. */
interface PeerSocket {
  /** True if the peer's certificate was verified. */
  readonly authorized?: boolean;
  getPeerX509Certificate?(): X509Certificate | undefined;
}

/** The names in the verified client certificate of a connection; undefined without one. Costs about 20 µs: call it once a connection. */
export function workloadAt(socket: PeerSocket): WorkloadNames | undefined {
  if (socket.authorized !== true) return undefined;
  const certificate = socket.getPeerX509Certificate?.();
  return certificate && parseAltNames(certificate.subjectAltName ?? "");
}

/**
 * Reads a name of the configuration: `URI:…`, `DNS:…`, or without its kind (with `://` it is a URI, otherwise a DNS
 * name). Undefined for anything else.
 */
export function readWorkloadName(text: string): string | undefined {
  const [, given, value = ""] = /^(?:(URI|DNS):)?(.+)$/s.exec(text) ?? [];
  const kind = given ?? (value.includes("://") ? "URI" : "DNS");
  if (kind === "URI") return /^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+$/.test(value) ? `URI:${value}` : undefined;
  return /^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?$/.test(value) ? `DNS:${value.toLowerCase()}` : undefined;
}
