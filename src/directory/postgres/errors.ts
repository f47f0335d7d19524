import { DirectoryError, type DirectoryErrorCode } from "../errors.js";

const NO_AUTHORITY =
  "has a certificate that cannot be verified. Give the certificate of its authority as store.tls.caFile";

/** What an error of the server or of the connection means, by the beginning of its code; the longest match counts. */
const MEANINGS: readonly (readonly [code: string, kind: DirectoryErrorCode, message: string])[] = [
  [
    "ECONNREFUSED",
    "unavailable",
    "refuses connections. Check that PostgreSQL runs there, and the host and port of store.url",
  ],
  ["ENOTFOUND", "unavailable", "has a host name that does not resolve. Check store.url"],
  ["EAI_AGAIN", "unavailable", "has a host name that does not resolve at the moment. Check the resolver"],
  ["ENOENT", "unavailable", "has no socket. Check that PostgreSQL runs, and the folder in store.url"],
  ["ETIMEDOUT", "unavailable", "does not answer. Check the network between here and it"],
  ["ECONNRESET", "unavailable", "closed the connection"],
  ["EPIPE", "unavailable", "closed the connection"],
  ["08", "unavailable", "lost the connection"],
  ["25006", "unavailable", "is read-only: it is no primary. Let store.url name the primary"],
  ["28", "unusable", "refuses this user or password. Check store.user and the password, and pg_hba.conf"],
  [
    "NEEDS_TLS",
    "unusable",
    "accepts only connections with TLS. Leave store.tls out, or give the authority of its certificate as store.tls.caFile",
  ],
  ["NO_TLS", "unusable", "does no TLS. Configure it there, or set store.tls to off on purpose"],
  ["NO_PASSWORD", "unusable", "needs a password. Give it as store.passwordFile, or as store.password"],
  ["UNABLE_TO_", "unusable", NO_AUTHORITY],
  ["SELF_SIGNED_CERT", "unusable", NO_AUTHORITY],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "unusable", NO_AUTHORITY],
  ["CERT_", "unusable", "has a certificate that is not valid. Replace it there"],
  ["CERT_HAS_EXPIRED", "unusable", "has a certificate that has expired. Replace it there"],
  [
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "unusable",
    "has a certificate of another name. Correct the host in store.url, or give the certificate's name as store.tls.serverName",
  ],
  ["3D000", "unusable", "does not exist. Create it, or correct the name in store.url"],
  ["3F000", "unusable", "has no schema of this name. Run `token-verifier store migrate`"],
  ["42501", "unusable", "denies a permission. Run `token-verifier store migrate` as a user that may create and grant"],
  ["42P01", "unusable", "lacks a table. Run `token-verifier store migrate`"],
  ["40001", "unavailable", "could not serialize the change. Try again"],
  ["40P01", "unavailable", "found a deadlock. Try again"],
  ["53100", "unavailable", "has no space left on its disk. Free some; what is known keeps being answered meanwhile"],
  ["53300", "unavailable", "has too many connections. Raise max_connections, or lower store.pool"],
  ["53", "unavailable", "is out of resources"],
  ["55P03", "unavailable", "kept a lock for too long. Try again"],
  ["57014", "unavailable", "took too long. Try again"],
  ["57P", "unavailable", "is shutting down or starting"],
  ["58", "unavailable", "cannot read or write its files. Check its disk"],
  ["XX", "unavailable", "reports an internal error. See its own log"],
];

/** An error of the server or of the connection to it. */
export class PostgresError extends DirectoryError {
  override readonly name = "PostgresError";

  /** @param state the SQLSTATE, or Node's code */
  constructor(
    code: DirectoryErrorCode,
    message: string,
    readonly state: string,
  ) {
    super(code, message);
  }

  /** True if the server itself refused a statement and the connection goes on. */
  get isAnswer(): boolean {
    // Node's EPIPE has five letters too; no class of SQLSTATE begins with E.
    return /^[0-9A-DF-Z][0-9A-Z]{4}$/.test(this.state) && !/^(08|57P)/.test(this.state);
  }

  /** True if the transaction may succeed if it is repeated as a whole: a serialization failure or a deadlock. */
  get isRepeatable(): boolean {
    return this.state === "40001" || this.state === "40P01";
  }
}

/** The DirectoryError of anything that pg throws: its own messages may quote SQL or a value. */
export function directoryError(error: unknown, place: string): unknown {
  if (error instanceof DirectoryError || !(error instanceof Error)) return error;
  const state = stateOf(error);
  const [, kind, message] = MEANINGS.filter(([prefix]) => state.startsWith(prefix)).sort(
    ([a], [b]) => b.length - a.length,
  )[0] ?? ["", "unavailable" as const, "returned an unexpected error. See its own log"];
  return new PostgresError(kind, `The database ${place} ${message} (${state}).`, state);
}

/** The SQLSTATE, Node's code, or one of our choice for what pg throws without a code. */
function stateOf(error: Error): string {
  const { code } = error as Error & { code?: unknown };
  // Only the text tells that the password was not what was refused.
  if (code === "28000" && error.message.includes("no encryption")) return "NEEDS_TLS";
  if (typeof code === "string") return code;
  if (error instanceof AggregateError) return stateOf((error.errors[0] as Error | undefined) ?? new Error("unknown"));
  if (error.message.includes("does not support SSL")) return "NO_TLS";
  if (error.message.includes("password must be a non-empty string")) return "NO_PASSWORD";
  if (/timeout|timed out/i.test(error.message)) return "ETIMEDOUT";
  if (/terminated|ended|closed|not queryable|Cannot use a pool/i.test(error.message)) return "ECONNRESET";
  return "unknown";
}
