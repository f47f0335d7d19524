import type { X509Certificate } from "node:crypto";

/**
 * The names of a workload, as its certificate gives them: `URI:spiffe://…` exactly, `DNS:web.internal.example` in lower
 * case. Empty where the certificate has none of the two kinds.
 */
export type WorkloadNames = readonly string[];

const NONE: WorkloadNames = [];

/** One name and what ends it. A value with anything odd in it is written as a JSON text. */
const ENTRY = /([A-Za-z0-9 ]+):(?:("(?:[^"\\]|\\.)*")|([^",\\]*))(, |$)/y;

/**
 * Reads the text in which Node tells a certificate's subject alternative names. It is read whole or not at all: a text
 * that is not understood gives no name, for one name must never be taken for two (CVE-2021-44532).
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

/** ASCII alone has cases (RFC 4343); other letters must not become it. */
const lowerCase = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

function unquote(text: string): string | undefined {
  try {
    return JSON.parse(text) as string;
  } catch {
    return undefined;
  }
}

/** A connection, as far as it tells who is at its other end. */
interface PeerSocket {
  /** True once a certificate of the peer was checked and found good. */
  readonly authorized?: boolean;
  getPeerX509Certificate?(): X509Certificate | undefined;
}

/** The names in the certificate that a peer showed; undefined where it showed none, or none that counts. Costs some 20 µs: ask once for each connection. */
export function workloadAt(socket: PeerSocket): WorkloadNames | undefined {
  if (socket.authorized !== true) return undefined;
  const certificate = socket.getPeerX509Certificate?.();
  return certificate && parseAltNames(certificate.subjectAltName ?? "");
}

/**
 * A name as the configuration writes it: `URI:…`, `DNS:…`, or without its kind (a text with `://` is a URI, any other a
 * DNS name). Undefined for what is none.
 */
export function readWorkloadName(text: string): string | undefined {
  const [, given, value = ""] = /^(?:(URI|DNS):)?(.+)$/s.exec(text) ?? [];
  const kind = given ?? (value.includes("://") ? "URI" : "DNS");
  if (kind === "URI") return /^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+$/.test(value) ? `URI:${value}` : undefined;
  return /^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?$/.test(value) ? `DNS:${value.toLowerCase()}` : undefined;
}
