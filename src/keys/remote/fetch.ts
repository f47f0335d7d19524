import { fetch, type Response } from "undici";
import { type JsonObject, MAX_DEPTH, MAX_ITEMS, readObject } from "../../jws/json.js";
import { type After, runAfter } from "../../util/timeouts.js";
import { withoutByteOrderMark } from "../spelling.js";
import { isPublicAddress, lookupPublic } from "./addresses.js";
import { type Proxies, type ProxySelector, selectProxies } from "./proxies.js";

/** Longest document, in bytes: far more than any issuer's keys. */
const MAX_BYTES = 1024 ** 2;

/** Most redirects followed. */
const MAX_REDIRECTS = 3;

/** Statuses that redirect (RFC 9110, section 15.4). Not 304, which may have a Location header too. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * A document could not be fetched. The message completes "The keys could not be fetched: …" and quotes nothing of the
 * document but the `issuer` of metadata.
 */
export class FetchError extends Error {
  override readonly name = "FetchError";

  /** @param status the HTTP status, if the server answered with an unexpected one */
  constructor(
    message: string,
    readonly status?: number,
  ) {
    super(message);
  }
}

/** How documents are fetched. */
export interface FetchOptions {
  /** Milliseconds for a whole key set: name lookups, connections, metadata, redirects and bodies. */
  readonly timeout: number;
  /** Allows plain http and addresses that are not public. */
  readonly insecure: boolean;
  /** Certificates in PEM that are trusted instead of the system's. */
  readonly ca?: string | undefined;
  /** Default: direct connections only. */
  readonly proxies?: Proxies | undefined;
  /** Default {@link runAfter}. */
  readonly after?: After;
}

/** The validators of a fetched document, for a conditional request (RFC 9110, section 8.8). */
export interface Validators {
  readonly etag: string | null;
  readonly lastModified: string | null;
}

/** A document, or the answer that it did not change. `lifetime` as {@link lifetimeOf} gives it. */
export type Fetched =
  | { readonly kind: "document"; readonly value: unknown; readonly validators: Validators; readonly lifetime?: number }
  | { readonly kind: "unchanged"; readonly lifetime?: number };

/**
 * Fetches a JSON document.
 *
 * @param last the validators of the last answer; with them the answer may be `unchanged`
 * @throws {FetchError} with a message that an operator can act on
 */
export type Get = (url: string, last: Validators | undefined) => Promise<Fetched>;

/** Fetches the JSON documents of one issuer. */
export interface Fetcher {
  /**
   * Runs a function that fetches documents that belong together. They share one `timeout`, and after one of them was
   * requested over https, none is requested over plain http.
   */
  within<Result>(run: (get: Get) => Promise<Result>): Promise<Result>;
  /** Closes all connections; fetches in progress fail. */
  close(): Promise<void>;
}

/** Makes a fetcher. It opens no connection before the first request. */
export function createFetcher({ insecure, ca, timeout, proxies = {}, after = runAfter }: FetchOptions): Fetcher {
  const tls = ca === undefined ? {} : { ca };
  const connect = { ...tls, timeout, ...(insecure ? {} : { lookup: lookupPublic as never }) };
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
      const journey: Journey = { selector, signal: controller.signal, insecure, spokeTls: false, proxy: undefined };
      try {
        return await run((url, last) =>
          get(url, last, journey).catch((error: unknown) => {
            throw throughProxy(error instanceof FetchError ? error : inWords(error, timeout), journey.proxy);
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
interface Journey {
  readonly selector: ProxySelector;
  readonly signal: AbortSignal;
  readonly insecure: boolean;
  /** Whether any document was requested over https. */
  spokeTls: boolean;
  /** The proxy of the last request; undefined for a direct one. */
  proxy: string | undefined;
}

async function get(first: string, last: Validators | undefined, journey: Journey): Promise<Fetched> {
  const isConditional = Boolean(last?.etag || last?.lastModified);
  const headers: Record<string, string> = {
    accept: "application/jwk-set+json, application/json",
    ...(last?.etag && { "if-none-match": last.etag }),
    ...(last?.lastModified && { "if-modified-since": last.lastModified }),
  };
  let url = new URL(first);
  for (let redirects = 0; ; redirects++) {
    checkUrl(url, journey);
    journey.spokeTls ||= url.protocol === "https:";
    const { dispatcher, proxy } = journey.selector.hopTo(url);
    journey.proxy = proxy;
    const response = await fetch(url, { dispatcher, signal: journey.signal, headers, redirect: "manual" });
    const location = REDIRECTS.has(response.status) ? response.headers.get("location") : null;
    if (location === null) return read(response, isConditional);
    await response.body?.cancel();
    if (redirects === MAX_REDIRECTS) throw new FetchError(`it redirects more than ${MAX_REDIRECTS} times`);
    if (!URL.canParse(location, url.href)) throw new FetchError("it redirects to something that is not a URL");
    url = new URL(location, url.href);
  }
}

function checkUrl({ protocol, hostname, username, password }: URL, { insecure, spokeTls }: Journey): void {
  if (protocol !== "https:" && !(insecure && !spokeTls && protocol === "http:")) {
    throw new FetchError("it leads to a URL that is not https");
  }
  if (username !== "" || password !== "") throw new FetchError("it leads to a URL with credentials in it");
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  // Host names are checked when they are resolved.
  if (!insecure && /^[\d.]+$|:/.test(address) && !isPublicAddress(address)) {
    throw new FetchError("it leads to an address that is not public");
  }
}

/** Media types accepted for JSON; an answer without a type is accepted too. */
const JSON_TYPE = /^(?:application\/(?:[\w.+-]+\+)?json|text\/plain|application\/octet-stream)\s*(?:;|$)/i;

async function read(response: Response, isConditional: boolean): Promise<Fetched> {
  const { status, headers } = response;
  const lifetime = lifetimeOf(headers);
  const fresh = lifetime === undefined ? {} : { lifetime };
  if (status === 304 && isConditional) return { kind: "unchanged", ...fresh };
  const type = headers.get("content-type");
  if (status !== 200 || (type !== null && !JSON_TYPE.test(type))) {
    await response.body?.cancel();
    throw status === 200
      ? new FetchError("the answer is not of a JSON type")
      : new FetchError(`it answered ${status}`, status);
  }
  const validators = { etag: headers.get("etag"), lastModified: headers.get("last-modified") };
  return { kind: "document", value: readDocument(await bytesOf(response)), validators, ...fresh };
}

async function bytesOf(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    // A throw leaves the loop, which cancels the body.
    checkLength(length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * Reads a document as strictly as a token, because a duplicate member would make it ambiguous. It may begin with a byte
 * order mark.
 *
 * @throws {FetchError} if it is longer than 1 MiB, ambiguous, or not a JSON object
 */
export function readDocument(bytes: Buffer): JsonObject {
  checkLength(bytes.length);
  const document = readObject(withoutByteOrderMark(bytes));
  if (document !== undefined) return document.value;
  throw new FetchError(
    "the answer is not JSON that can be read in one way only: an object in UTF-8, no member twice, " +
      `at most ${MAX_DEPTH} levels and ${MAX_ITEMS} members and elements`,
  );
}

function checkLength(length: number): void {
  if (length > MAX_BYTES) throw new FetchError(`the answer is longer than ${MAX_BYTES} bytes`);
}

/** Describes an error below HTTP, by its code. */
function inWords(error: unknown, timeout: number): FetchError {
  const { name } = error as Error;
  if (name === "TimeoutError") return new FetchError(`no answer within ${timeout} ms`);
  if (name === "AbortError") return new FetchError("the service is stopping");
  const { code, message } = rootOf(error);
  const refusal = PROXY_REFUSAL.exec(message)?.[1];
  if (refusal !== undefined) return new FetchError(`the proxy refused the connection with ${refusal}`);
  if (code === "EPRIVATE") return new FetchError("its host has no public address");
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

/** Adds the proxy to a failure's message: the proxy may be the cause, not the issuer. */
function throughProxy(error: FetchError, proxy: string | undefined): FetchError {
  return proxy === undefined ? error : new FetchError(`${error.message}, through the proxy ${proxy}`, error.status);
}

/**
 * How long, in seconds, an answer may be used without asking again (RFC 9111, section 4.2): the `max-age` of Cache-Control
 * less its Age, or the time from its Date to its Expires; 0 if it must not be cached. Undefined if it does not say.
 */
export function lifetimeOf(headers: Pick<Headers, "get">): number | undefined {
  const directives = new Map(
    (headers.get("cache-control") ?? "")
      .split(",")
      .map((directive) => {
        const [name = "", value = ""] = directive.split("=");
        return [name.trim().toLowerCase(), value.trim().replace(/^"(.*)"$/, "$1")] as const;
      })
      // The first of a repeated directive counts.
      .reverse(),
  );
  if (directives.has("no-store") || directives.has("no-cache")) return 0;
  const maxAge = directives.get("max-age");
  if (maxAge !== undefined) {
    if (!/^\d+$/.test(maxAge)) return 0;
    const age = /^\d+$/.exec(headers.get("age") ?? "")?.[0] ?? "0";
    return Math.max(0, deltaSeconds(maxAge) - deltaSeconds(age));
  }
  const expires = headers.get("expires");
  if (expires === null) return undefined;
  // A value that is not a date has expired already (RFC 9111, section 5.3).
  const lifetime = (Date.parse(expires) - Date.parse(headers.get("date") ?? "")) / 1000;
  return Number.isNaN(lifetime) ? 0 : Math.max(0, lifetime);
}

/** Reads seconds; a larger number counts as 2^31 (RFC 9111, section 1.2.2). */
const deltaSeconds = (digits: string): number => Math.min(Number(digits), 2 ** 31);
