import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { type Algorithm, listAlgorithms } from "../jws/algorithms.js";
import { KeyError } from "../keys/key.js";
import { hostOf, isPublicAddress } from "../keys/remote/addresses.js";
import type { FetchCredentials } from "../keys/remote/credentials.js";
import type { RemoteEntry } from "../keys/remote/keyring.js";
import { issuersAt, type Location, locationName, type WrittenLocation } from "../keys/remote/location.js";
import { Secret } from "../util/secret.js";
import type { keyForms } from "./key-forms.js";
import { type FileContext, readKeyFile, redactFileName } from "./read-file.js";

/** What reading an entry of fetched keys needs, and where the result is collected. */
export interface FetchContext extends FileContext {
  readonly algorithms: readonly Algorithm[];
  /** Issuers of the realm; null if the realm lists none, undefined if they are not known because of another issue. */
  readonly issuers: readonly string[] | null | undefined;
  readonly remotes: RemoteEntry[];
}

/** The settings that all entries of fetched keys have. */
type Fetching = Omit<ReturnType<(typeof keyForms)["x509Uri"]["parse"]>, "x509Uri"> & {
  readonly use?: readonly string[] | undefined;
};

/**
 * Adds an entry of keys that the server fetches; there is no key yet.
 *
 * @throws {KeyError} that names the fault and what is right
 */
export function fetchedKeys(location: WrittenLocation, entry: Fetching, context: FetchContext): readonly [] {
  const { refreshMin, refreshMax, staleIfError, cooldown, timeout, insecure, private: isPrivate, caFile } = entry;
  if (context.algorithms.every((name) => name.startsWith("HS"))) {
    throw new KeyError(
      `an issuer publishes no secrets, and this realm takes ${listAlgorithms(context.algorithms)} alone`,
    );
  }
  if (refreshMin > refreshMax) throw new KeyError("refreshMin must not be longer than refreshMax");
  const url = readUrl(locationName(location), entry);
  const credentials = readCredentials(url, entry, context);
  const ca = caFile === undefined ? undefined : readKeyFile(caFile, context);
  if (ca !== undefined && !isCertificates(ca)) throw new KeyError(`${caFile} holds no certificate in PEM`);
  context.remotes.push({
    location: withIssuers(location, entry.issuer ?? context.issuers),
    refreshMin,
    refreshMax,
    staleIfError,
    cooldown,
    timeout,
    insecure,
    ...(entry.use !== undefined && { uses: entry.use }),
    ...(entry.issuer !== undefined && { issuers: entry.issuer }),
    ...(isPrivate && { private: true }),
    ...(ca !== undefined && { ca }),
    ...(credentials !== undefined && { credentials }),
  });
  return [];
}

/** Ties metadata to these issuers or, if the realm checks none, to the discovery URL itself. */
function withIssuers(location: WrittenLocation, issuers: FetchContext["issuers"]): Location {
  if (!("discovery" in location)) return location;
  return { ...location, issuers: issuers ?? issuersAt(location.discovery) };
}

function isCertificates(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    return false;
  }
}

/** Reads a URL that keys may be fetched from. */
function readUrl(text: string, { insecure, private: isPrivate }: Fetching): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !["https:", "http:"].includes(url.protocol)) {
    throw new KeyError("must be a URL such as https://issuer.example/jwks.json");
  }
  if (url.username !== "" || url.password !== "" || url.hash !== "") {
    throw new KeyError(
      "must be a URL without credentials and without #, because logs and messages show the URL: give credentials as headers",
    );
  }
  if (insecure) return url;
  if (url.protocol === "http:") {
    throw new KeyError(
      "must be https, because anyone on the network could replace keys sent over http; insecure: true allows it",
    );
  }
  const host = hostOf(url);
  if (!isPrivate && ((isIP(host) !== 0 && !isPublicAddress(host)) || isLocalName(host))) {
    throw new KeyError("leads to an address that is not public; private: true allows it");
  }
  return url;
}

const isLocalName = (host: string): boolean => /(^|\.)localhost$/.test(host);

const isLoopback = (host: string): boolean =>
  isLocalName(host) || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));

function readCredentials(
  url: URL,
  { bearerTokenFile, headers }: Fetching,
  { resolve }: FetchContext,
): FetchCredentials | undefined {
  if (bearerTokenFile === undefined && headers === undefined) return undefined;
  if (url.protocol === "http:" && !isLoopback(hostOf(url))) {
    throw new KeyError("must be https: bearerTokenFile and headers are sent over plain http to this machine only");
  }
  const names = Object.keys(headers ?? {});
  if (bearerTokenFile !== undefined && names.some((name) => name.toLowerCase() === "authorization")) {
    throw new KeyError(
      "bearerTokenFile sets the header Authorization: leave it out of headers, or give one of the two",
    );
  }
  return {
    origin: url.origin,
    ...(bearerTokenFile !== undefined && {
      bearerTokenFile: { file: resolve(bearerTokenFile), name: redactFileName(bearerTokenFile) },
    }),
    ...(headers !== undefined && {
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, new Secret(String(value))])),
    }),
  };
}
