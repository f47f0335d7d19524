/** Why no connection could be opened, as far as the transport's error text tells. */
export type ConnectionProblem =
  | "refused"
  | "unknown host"
  | "no socket file"
  | "unreachable"
  | "not gRPC"
  | "closed"
  | "closed over TLS"
  | "no TLS"
  | "untrusted authority"
  | "certificate expired"
  | "certificate not yet valid"
  | "certificate name mismatch"
  | "client certificate refused"
  | "TLS mismatch"
  | "unknown";

/** The end of the sentence `No service can be reached at ADDRESS: …`. */
const CAUSES: Readonly<Record<ConnectionProblem, string>> = {
  refused: "nothing listens there",
  "unknown host": "its name cannot be resolved",
  "no socket file": "there is no such socket file",
  unreachable: "the network has no route to it",
  "not gRPC": "the port does not speak gRPC",
  closed: "the connection is closed at once, as by a port that speaks TLS",
  "closed over TLS": "the connection is closed at once, as by a port that does not accept this client certificate",
  "no TLS": "the port speaks no TLS",
  "untrusted authority": "its certificate is not signed by a trusted authority",
  "certificate expired": "its certificate has expired",
  "certificate not yet valid": "its certificate is not valid yet",
  "certificate name mismatch": "its certificate is for another name",
  "client certificate refused": "it requires a client certificate that it accepts",
  "TLS mismatch": "the two sides have no TLS version or cipher in common",
  unknown: "no connection can be opened",
};

/** What to change, in terms of the client's options. */
const FIXES: Readonly<Record<ConnectionProblem, string>> = {
  refused: "Check that the service is running, and that the address is right",
  "unknown host": "Check the address, and that DNS knows the name",
  "no socket file": "Check that the service is running, and that the path is right",
  unreachable: "Check the address, and the firewalls between",
  "not gRPC": "Give the address of the service's gRPC port",
  closed: "If it does, give `tls`",
  "closed over TLS": "Give a `tls.cert` and `tls.key` that it accepts",
  "no TLS": "Leave out `tls`, or give the address of a port that speaks it",
  "untrusted authority": "Give the authority's certificate as `tls.ca` or `tls.caFile`",
  "certificate expired": "The service needs a new one",
  "certificate not yet valid": "Check the clocks of both sides",
  "certificate name mismatch": "Give the address by a name in the certificate, or that name as `tls.servername`",
  "client certificate refused": "Give a `tls.cert` and `tls.key` that it accepts",
  "TLS mismatch": "Both sides must speak TLS 1.2 or later",
  unknown: "Check that the service is running, that it listens there, and that both sides agree about TLS",
};

/** Error texts of Node, OpenSSL and grpc-js; the first match counts. */
const PATTERNS: readonly (readonly [RegExp, ConnectionProblem])[] = [
  // An alert is sent by the other side.
  [/alert (no application protocol)/i, "not gRPC"],
  [/alert (protocol version|handshake failure|insufficient security)/i, "TLS mismatch"],
  [/\balert\b/i, "client certificate refused"],
  [/ECONNREFUSED/, "refused"],
  [/Name resolution failed|ENOTFOUND|EAI_AGAIN/, "unknown host"],
  [/ENOENT/, "no socket file"],
  [/EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/, "unreachable"],
  [/wrong version number|packet length too long/i, "no TLS"],
  [/unsupported protocol|no protocols available/i, "TLS mismatch"],
  [/ERR_TLS_CERT_ALTNAME/, "certificate name mismatch"],
  [/certificate has expired|CERT_HAS_EXPIRED/, "certificate expired"],
  [/certificate is not yet valid|CERT_NOT_YET_VALID/, "certificate not yet valid"],
  [/self-signed certificate|unable to (verify|get)|certificate signature failure|invalid CA/i, "untrusted authority"],
  [/Protocol error/i, "not gRPC"],
];

/** Texts for a connection that the other side closed; what that means depends on whether TLS was spoken. */
const CLOSED = /Failed to connect|ECONNRESET|EPIPE|Socket closed|socket hang up|disconnected before secure/;

/**
 * Classifies the transport's error text.
 *
 * @param overTls whether the client speaks TLS
 */
export function connectionProblem(text: string, overTls: boolean): ConnectionProblem {
  const [, known] = PATTERNS.find(([pattern]) => pattern.test(text)) ?? [];
  if (known !== undefined) return known;
  if (CLOSED.test(text)) return overTls ? "closed over TLS" : "closed";
  return "unknown";
}

/** The cause of a problem, without the address and the fix. */
export const connectionCause = (problem: ConnectionProblem): string => CAUSES[problem];

/** Describes a problem in two sentences. @param fix replaces the second, for a caller whose options have other names */
export function describeConnectionProblem(address: string, problem: ConnectionProblem, fix = FIXES[problem]): string {
  return `No service can be reached at ${address}: ${CAUSES[problem]}. ${fix}.`;
}
