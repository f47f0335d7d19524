import { Secret } from "../util/secret.js";
import type { CoreSettings } from "./schema.js";
import { type ConfiguredTls, readClientTls, type TlsContext } from "./tls.js";

/** Where the store is. */
export type ConfiguredAddress =
  | { readonly engine: "sqlite"; readonly file: string }
  | {
      readonly engine: "postgres";
      /** A host name, an IP address, or the folder of a unix socket. */
      readonly host: string;
      readonly port: number;
      readonly database: string;
      readonly user: string;
      /** Undefined without one, or where a file holds it. */
      readonly password: Secret | undefined;
      /** File that holds the password, read for every new connection. */
      readonly passwordFile: string | undefined;
      readonly schema: string;
      readonly pool: number;
      /** Undefined for none. */
      readonly tls: StoreTls | undefined;
    };

/** How the database proves itself. */
export interface StoreTls {
  /** Authorities other than Node's list, and a certificate of this client. */
  readonly material: ConfiguredTls;
  /** The name that its certificate must have. */
  readonly serverName: string;
}

const EXAMPLE = "sqlite:./data/verifier.db or postgres://token_verifier@db.example:5432/verifier";

/** Reads where the store is; undefined if an issue was found. */
export function readStoreAddress(store: CoreSettings["store"], context: TlsContext): ConfiguredAddress | undefined {
  const { url } = store;
  const complain = (message: string, key?: string): undefined => {
    context.issues.push({ place: key === undefined ? "store" : `store.${key}`, message });
    return undefined;
  };
  const [, file] = /^sqlite:(.+)$/.exec(url) ?? [];
  if (file !== undefined) {
    const given = ["user", "password", "passwordFile", "schema", "tls", "pool", "maxClockOffset"] as const;
    const foreign = given.find((key) => store[key] !== undefined);
    if (foreign !== undefined) return complain("belongs to a postgres: store; a file needs none", foreign);
    return { engine: "sqlite", file: context.resolve(file) };
  }
  if (!/^postgres(ql)?:\/\//.test(url)) return complain(`must be ${EXAMPLE}`);
  if (/^[^/]*\/\/[^/]*,/.test(url)) {
    return complain("names several hosts: give one name that follows the primary");
  }
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    return complain(`is no URL: write it as ${EXAMPLE}, and special characters of the password in percent encoding`);
  }
  const decoded = decode(parsed);
  if (decoded === undefined) return complain("has a `%` that begins no escape: write it as %25");
  const { host, user: urlUser, password: urlPassword, database } = decoded;
  if (host === "") return complain(`names no host: write it as ${EXAMPLE}`);
  if (database === "") return complain(`names no database: write it as ${EXAMPLE}`);
  for (const [name, value] of parsed.searchParams) {
    if (name === "sslmode" && value === "verify-full") continue;
    return complain(
      name.startsWith("ssl")
        ? `has the parameter ${name}, whose weaker values check no certificate: leave it out, and use store.tls`
        : "has a parameter after `?`: leave it out; the long form of store has keys for what is needed",
    );
  }
  const passwords = [urlPassword === "" ? undefined : urlPassword, store.password, store.passwordFile];
  if (passwords.filter((given) => given !== undefined).length > 1) {
    return complain("has more than one of a password in the URL, store.password and store.passwordFile: give one");
  }
  const user = store.user ?? urlUser;
  if (user === "") return complain("is missing: name the database's user here or in the URL", "user");
  const isLocal = host.startsWith("/") || /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(host);
  const tls = readTls(store.tls ?? (isLocal ? "off" : {}), host, context);
  if (tls === null) return undefined;
  const password = store.password ?? (urlPassword === "" ? undefined : urlPassword);
  return {
    engine: "postgres",
    host,
    port: parsed.port === "" ? 5432 : Number(parsed.port),
    database,
    user,
    password: password === undefined ? undefined : new Secret(password),
    passwordFile: store.passwordFile === undefined ? undefined : context.resolve(store.passwordFile),
    schema: store.schema ?? "token_verifier",
    pool: store.pool ?? 4,
    tls,
  };
}

/** @returns null if an issue was found */
function readTls(
  tls: NonNullable<CoreSettings["store"]["tls"]>,
  host: string,
  context: TlsContext,
): StoreTls | undefined | null {
  if (tls === "off") return undefined;
  const { serverName = host, ...files } = tls;
  const material = readClientTls(files, ["store", "tls"], context);
  return material === undefined ? null : { material, serverName };
}

function decode(url: URL): Record<"host" | "user" | "password" | "database", string> | undefined {
  try {
    return {
      host: decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, "$1"),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: decodeURIComponent(url.pathname.slice(1)),
    };
  } catch {
    return undefined;
  }
}
