import { fetch, Headers } from "undici";
import { type After, runAfter } from "../../util/timeouts.js";
import { version } from "../../util/version.js";
import { hostOf, isPublicAddress, lookupPublic } from "./addresses.js";
import { FetchError, type Fetched, readAnswer, type Validators } from "./answer.js";
import { CredentialsOfFetch, type FetchCredentials } from "./credentials.js";
import type { Wanted } from "./found.js";
import { printableUrl } from "./location.js";
import { type Proxies, type ProxySelector, selectProxies } from "./proxies.js";

/** Most redirects followed. */
const MAX_REDIRECTS = 3;

/** Statuses that redirect (RFC 9110, section 15.4). Not 304, which may have a Location header too. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Our name. Some firewalls answer 403 to requests without a User-Agent, or with that of a library. */
const USER_AGENT = `token-verifier/${version()}`;

/** How documents are fetched. */
export interface FetchOptions {
  /** Milliseconds for a whole key set: name lookups, connections, metadata, redirects and bodies. */
  readonly timeout: number;
  /** Allows plain http and addresses that are not public. */
  readonly insecure: boolean;
  /** Allows addresses that are not public, over https. Default false. */
  readonly private?: boolean;
  /** Default: none. */
  readonly credentials?: FetchCredentials | undefined;
  /** Certificates in PEM that are trusted instead of the system's. */
  readonly ca?: string | undefined;
  /** Default: direct connections only. */
  readonly proxies?: Proxies | undefined;
  /** Default {@link runAfter}. */
  readonly after?: After;
  /** Called with each URL before it is asked, those of redirects included, as {@link printableUrl} gives it. */
  readonly onRequest?: ((url: string) => void) | undefined;
}

/**
 * Fetches a JSON document.
 *
 * @param wanted what the document must be
 * @param last the validators of the last answer; with them the answer may be `unchanged`
 * @throws {FetchError} with a message that an operator can act on
 */
export type Get = (url: string, wanted: Wanted, last?: Validators) => Promise<Fetched>;

/** Fetches the JSON documents of one issuer. */
export interface Fetcher {
  /**
   * Runs a function that fetches documents that belong together. They share one `timeout`. After one of them was requested
   * over https, none is requested over plain http; after one was requested from another origin than the configured one,
   * none is requested with credentials.
   */
  within<Result>(run: (get: Get) => Promise<Result>): Promise<Result>;
  /** Closes all connections; fetches in progress fail. */
  close(): Promise<void>;
}

/** Makes a fetcher. It opens no connection before the first request. */
export function createFetcher(options: FetchOptions): Fetcher {
  const { insecure, ca, timeout, proxies = {}, after = runAfter } = options;
  const isPrivateAllowed = insecure || options.private === true;
  const tls = ca === undefined ? {} : { ca };
  const connect = { ...tls, timeout, ...(isPrivateAllowed ? {} : { lookup: lookupPublic as never }) };
  // Connections are reused within one refresh only, since the next one is minutes away.
  const selector = selectProxies({ connect, keepAliveTimeout: 1000, maxHeaderSize: 16 * 1024 }, proxies, tls);
  const open = new Set<AbortController>();
  return {
    within: async (run) => {
      // Both are referenced from here: a signal of AbortSignal.any() over AbortSignal.timeout() may be garbage-collected
      // while it is awaited, and then never fires.
      const controller = new AbortController();
      const cancel = after(timeout, () => controller.abort(new DOMException("", "TimeoutError")));
      open.add(controller);
      const journey: Journey = {
        selector,
        signal: controller.signal,
        insecure,
        isPrivateAllowed,
        onRequest: options.onRequest,
        credentials: new CredentialsOfFetch(options.credentials),
        spokeTls: false,
        url: "",
        proxy: undefined,
      };
      try {
        return await run((url, wanted, last) =>
          get(url, wanted, last, journey).catch((error: unknown) => {
            throw inContext(error instanceof FetchError ? error : inWords(error, timeout), url, journey);
          }),
        );
      } finally {
        cancel();
        open.delete(controller);
      }
    },
    close: async () => {
      for (const controller of open) controller.abort();
      await selector.destroy();
    },
  };
}

/** The state of one run of {@link Fetcher.within}. */
interface Journey extends Pick<FetchOptions, "insecure" | "onRequest"> {
  readonly selector: ProxySelector;
  readonly signal: AbortSignal;
  readonly isPrivateAllowed: boolean;
  readonly credentials: CredentialsOfFetch;
  /** Whether any document was requested over https. */
  spokeTls: boolean;
  /** The URL of the last request. */
  url: string;
  /** The proxy of the last request; undefined for a direct one. */
  proxy: string | undefined;
}

async function get(first: string, wanted: Wanted, last: Validators | undefined, journey: Journey): Promise<Fetched> {
  let url = new URL(first);
  for (let redirects = 0; ; redirects++) {
    journey.url = url.href;
    journey.proxy = undefined;
    checkUrl(url, journey);
    journey.spokeTls ||= url.protocol === "https:";
    const { dispatcher, proxy } = journey.selector.hopTo(url);
    const headers = await fieldsOf(url, last, journey, proxy);
    journey.proxy = proxy;
    journey.onRequest?.(printableUrl(url.href));
    const response = await fetch(url, { dispatcher, signal: journey.signal, headers, redirect: "manual" });
    const location = REDIRECTS.has(response.status) ? response.headers.get("location") : null;
    if (location === null) return readAnswer(response, wanted, Boolean(last?.etag || last?.lastModified));
    await response.body?.cancel();
    if (redirects === MAX_REDIRECTS) throw new FetchError(`it redirects more than ${MAX_REDIRECTS} times`);
    if (!URL.canParse(location, url.href)) throw new FetchError("it redirects to something that is not a URL");
    url = new URL(location, url.href);
  }
}

/** The header fields of a request. Those of the configuration replace ours. */
async function fieldsOf(
  url: URL,
  last: Validators | undefined,
  { credentials }: Journey,
  proxy: string | undefined,
): Promise<Headers> {
  const fields = new Headers({
    accept: "application/jwk-set+json, application/json",
    "user-agent": USER_AGENT,
    ...(last?.etag && { "if-none-match": last.etag }),
    ...(last?.lastModified && { "if-modified-since": last.lastModified }),
  });
  const given = Object.entries(await credentials.fieldsFor(url));
  if (given.length > 0 && url.protocol === "http:" && proxy !== undefined) {
    throw new FetchError(
      `credentials are not sent over plain http through the proxy ${proxy}: add the host to NO_PROXY`,
    );
  }
  for (const [name, value] of given) fields.set(name, value);
  return fields;
}

function checkUrl(url: URL, journey: Journey): void {
  const { protocol, username, password } = url;
  const { insecure, isPrivateAllowed, spokeTls } = journey;
  if (protocol !== "https:" && !(insecure && !spokeTls && protocol === "http:")) {
    throw new FetchError("the URL is not https");
  }
  if (username !== "" || password !== "") throw new FetchError("the URL has credentials in it");
  const address = hostOf(url);
  // Host names are checked when they are resolved.
  if (!isPrivateAllowed && /^[\d.]+$|:/.test(address) && !isPublicAddress(address)) {
    throw new FetchError("the address is not public, which private: true would allow");
  }
}

/** Describes an error below HTTP, by its code. */
function inWords(error: unknown, timeout: number): FetchError {
  const { name } = error as Error;
  if (name === "TimeoutError") return new FetchError(`no answer within ${timeout} ms`);
  if (name === "AbortError") return new FetchError("the service is stopping");
  const { code, message } = rootOf(error);
  const refusal = PROXY_REFUSAL.exec(message)?.[1];
  if (refusal !== undefined) return new FetchError(`the proxy refused the connection with ${refusal}`);
  if (code === "EPRIVATE") return new FetchError("its host has no public address, which private: true would allow");
  if (code === "UND_ERR_CONNECT_TIMEOUT") return new FetchError(`no connection within ${timeout} ms`);
  return new FetchError(typeof code === "string" ? `the connection failed (${code})` : "the connection failed");
}

/** undici's message when a proxy answers CONNECT with another status than 200 (RFC 9110, section 9.3.6). */
const PROXY_REFUSAL = /^Proxy response \((\d{3})\)/;

/** The innermost cause of an error: undici wraps it in errors without a code, or with one that says nothing. */
function rootOf(error: unknown): { readonly code?: unknown; readonly message: string } {
  const { cause } = error as Error;
  return cause instanceof Error ? rootOf(cause) : (error as Error);
}

/**
 * Adds to a failure's message what else may be its cause: where a redirect led, credentials that were not accepted or not
 * sent, and the proxy.
 */
function inContext({ message, status }: FetchError, first: string, { url, credentials, proxy }: Journey): FetchError {
  const redirected = url === new URL(first).href ? "" : `redirected to ${printableUrl(url)}: `;
  const through = proxy === undefined ? "" : `, through the proxy ${proxy}`;
  return new FetchError(`${redirected}${message}${credentials.explain(status)}${through}`, status);
}
