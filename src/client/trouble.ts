/** What kept a connection from coming about. */
export type Trouble =
  | "nobody there"
  | "no such name"
  | "no such socket"
  | "no way there"
  | "not grpc"
  | "closed"
  | "closed over tls"
  | "no tls there"
  | "authority unknown"
  | "certificate expired"
  | "certificate too new"
  | "certificate of another name"
  | "own certificate refused"
  | "tls differs"
  | "unknown";

/** What is found, for people: an end of the sentence `No service can be reached at ADDRESS: …`. */
const FOUND: Readonly<Record<Trouble, string>> = {
  "nobody there": "nothing listens there",
  "no such name": "its name cannot be found",
  "no such socket": "there is no such socket file",
  "no way there": "the network knows no way there",
  "not grpc": "what listens there speaks no gRPC",
  closed: "the connection is closed at once, as it is by a port that speaks TLS",
  "closed over tls": "the connection is closed at once, as it is by a port that knows no such client certificate",
  "no tls there": "the port speaks no TLS",
  "authority unknown": "its certificate is not signed by an authority that is trusted here",
  "certificate expired": "its certificate has expired",
  "certificate too new": "its certificate is not valid yet",
  "certificate of another name": "its certificate is for another name",
  "own certificate refused": "it asks for a client certificate that it knows",
  "tls differs": "the two have no version or cipher of TLS in common",
  unknown: "no connection comes about",
};

/** What would help a program. */
const CURE: Readonly<Record<Trouble, string>> = {
  "nobody there": "See that it runs, and that the address is right",
  "no such name": "See that the address is right, and that DNS knows it",
  "no such socket": "See that it runs, and that the path is right",
  "no way there": "See that the address is right, and that no firewall stands between",
  "not grpc": "Give the address of its gRPC port",
  closed: "Where it does, give `tls`",
  "closed over tls": "Give a `tls.cert` and `tls.key` that it knows",
  "no tls there": "Leave out `tls`, or give the address of a port that does",
  "authority unknown": "Give the right one as `tls.ca` or `tls.caFile`",
  "certificate expired": "The service needs a new one",
  "certificate too new": "See that the clocks of both are right",
  "certificate of another name": "Give the address by a name that it has, or that name as `tls.servername`",
  "own certificate refused": "Give a `tls.cert` and `tls.key` that it knows",
  "tls differs": "It must be 1.2 or later",
  unknown: "See that it runs, that it listens there, and that this client and it agree about TLS",
};

/** By what the transport's texts (Node's, OpenSSL's, grpc-js's) are known, in this order. */
const SIGNS: readonly (readonly [RegExp, Trouble])[] = [
  // An alert is what the other side says of us.
  [/alert (no application protocol)/i, "not grpc"],
  [/alert (protocol version|handshake failure|insufficient security)/i, "tls differs"],
  [/\balert\b/i, "own certificate refused"],
  [/ECONNREFUSED/, "nobody there"],
  [/Name resolution failed|ENOTFOUND|EAI_AGAIN/, "no such name"],
  [/ENOENT/, "no such socket"],
  [/EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/, "no way there"],
  [/wrong version number|packet length too long/i, "no tls there"],
  [/unsupported protocol|no protocols available/i, "tls differs"],
  [/ERR_TLS_CERT_ALTNAME/, "certificate of another name"],
  [/certificate has expired|CERT_HAS_EXPIRED/, "certificate expired"],
  [/certificate is not yet valid|CERT_NOT_YET_VALID/, "certificate too new"],
  [/self-signed certificate|unable to (verify|get)|certificate signature failure|invalid CA/i, "authority unknown"],
  [/Protocol error/i, "not grpc"],
];

/** Of these texts it depends on what was spoken what they mean: that the other side hung up. */
const HUNG_UP = /Failed to connect|ECONNRESET|EPIPE|Socket closed|socket hang up|disconnected before secure/;

/**
 * What the transport's text means.
 *
 * @param overTls whether the connection was to be over TLS
 */
export function troubleIn(text: string, overTls: boolean): Trouble {
  const [, known] = SIGNS.find(([sign]) => sign.test(text)) ?? [];
  if (known !== undefined) return known;
  if (HUNG_UP.test(text)) return overTls ? "closed over tls" : "closed";
  return "unknown";
}

/** The sentences that tell of it. @param cure what would help, where it is said by other names than a program's */
export function tellTrouble(address: string, trouble: Trouble, cure = CURE[trouble]): string {
  return `No service can be reached at ${address}: ${FOUND[trouble]}. ${cure}.`;
}
