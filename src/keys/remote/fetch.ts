import { fetch, type Response } from "undici";
import { type JsonObject, MAX_DEPTH, MAX_ITEMS, readObject } from "../../jws/json.js";
import { type After, runAfter } from "../../util/timeouts.js";
import { isPublicAddress, lookupPublic } from "./addresses.js";
import { FetchError } from "./fetch-error.js";
import { lifetimeOf } from "./freshness.js";
import { openWays, type Proxies, type Ways } from "./ways.js";

/** The most that a document may hold, in bytes: far more than any issuer's keys. */
const MAX_BYTES = 1024 ** 2;

/** How many redirections are followed. */
const MAX_REDIRECTS = 3;

/** Statuses that lead elsewhere (RFC 9110, section 15.4); 304 may have a Location too, and does not. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** How documents are fetched. */
export interface FetchOptions {
  /** Milliseconds for a whole key set: names, connections, metadata, redirections and bodies. */
  readonly timeout: number;
  /** Admits plain http, and addresses that are not public. */
  readonly insecure: boolean;
  /** Certificates, in PEM, that are trusted in the place of the system's. */
  readonly ca?: string | undefined;
  /** The proxies of the environment. */
  readonly proxies?: Proxies | undefined;
  /** Ends what takes longer than the timeout. Default: the process's timers, which keep no process alive. */
  readonly after?: After;
}

/** What a document was when it was fetched last, for a question of whether it is still the same. */
export interface Validators {
  readonly etag: string | null;
  readonly lastModified: string | null;
}

/** A document, or the word that it did not change. */
export type Fetched =
  | { readonly kind: "document"; readonly value: unknown; readonly validators: Validators; readonly lifetime?: number }
  | { readonly kind: "unchanged"; readonly lifetime?: number };

/**
 * Fetches a JSON document.
 *
 * @param last what it was last time; with it the answer may be `unchanged`
 * @throws {FetchError} where it cannot be had, in words that an operator can act on
 */
export type Get = (url: string, last: Validators | undefined) => Promise<Fetched>;

/** Fetches JSON documents of one issuer. */
export interface Fetcher {
  /**
   * Runs what fetches documents that belong together: all of them have one `timeout`, and once https was spoken, none of
   * them is asked for over plain http.
   */
  within<Result>(run: (get: Get) => Promise<Result>): Promise<Result>;
  /** Closes what is open; a question under way fails. */
  close(): Promise<void>;
}

/** Makes a fetcher. It opens nothing before it is asked. */
export function createFetcher({ insecure, ca, timeout, proxies = {}, after = runAfter }: FetchOptions): Fetcher {
  const tls = ca === undefined ? {} : { ca };
  const connect = { ...tls, timeout, ...(insecure ? {} : { lookup: lookupPublic as never }) };
  // A connection is used again only within one refresh: keys are asked for every few minutes.
  const ways = openWays({ connect, keepAliveTimeout: 1000, maxHeaderSize: 16 * 1024 }, proxies, tls);
  const open = new Set<AbortController>();
  return {
    within: async (run) => {
      // A controller and a timer that are held here: what AbortSignal.any() makes of AbortSignal.timeout() may be
      // collected as garbage while it is waited for, and then never fires.
      const controller = new AbortController();
      const cancel = after(timeout, () => controller.abort(new DOMException("", "TimeoutError")));
      open.add(controller);
      const journey: Journey = { ways, signal: controller.signal, insecure, spokeTls: false, proxy: undefined };
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
      await ways.destroy();
    },
  };
}

/** Documents that are fetched together. */
interface Journey {
  readonly ways: Ways;
  readonly signal: AbortSignal;
  readonly insecure: boolean;
  /** Whether any of them was asked for over https. */
  spokeTls: boolean;
  /** The proxy that the last of them was asked for through; undefined for none. */
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
    const { ways, signal } = journey;
    const { dispatcher, proxy } = ways.to(url);
    journey.proxy = proxy;
    const response = await fetch(url, { dispatcher, signal, headers, redirect: "manual" });
    const location = REDIRECTS.has(response.status) ? response.headers.get("location") : null;
    if (location === null) return read(response, isConditional);
    await response.body?.cancel();
    if (redirects === MAX_REDIRECTS) throw new FetchError(`it redirects more than ${MAX_REDIRECTS} times`);
    if (!URL.canParse(location, url.href)) throw new FetchError("it redirects to what is no URL");
    url = new URL(location, url.href);
  }
}

function checkUrl({ protocol, hostname, username, password }: URL, { insecure, spokeTls }: Journey): void {
  if (protocol !== "https:" && !(insecure && !spokeTls && protocol === "http:")) {
    throw new FetchError("it leads to a URL that is not https");
  }
  if (username !== "" || password !== "") throw new FetchError("it leads to a URL with credentials in it");
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  // Names are checked when they are looked up.
  if (!insecure && /^[\d.]+$|:/.test(address) && !isPublicAddress(address)) {
    throw new FetchError("it leads to an address that is not public");
  }
}

/** Types that JSON comes as; an answer may also not say its type. */
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
    // Leaving the loop cancels the body.
    checkLength(length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * Reads a document as strictly as a token: of a member that stands twice, nobody could say which counts.
 *
 * @throws {FetchError} where it is longer than 1 MiB, or cannot be read in one way only
 */
export function readDocument(bytes: Buffer): JsonObject {
  checkLength(bytes.length);
  const document = readObject(bytes);
  if (document !== undefined) return document.value;
  throw new FetchError(
    "the answer is not JSON that can be read in one way only: an object in UTF-8, no member twice, " +
      `at most ${MAX_DEPTH} levels and ${MAX_ITEMS} members and elements`,
  );
}

function checkLength(length: number): void {
  if (length > MAX_BYTES) throw new FetchError(`the answer is longer than ${MAX_BYTES} bytes`);
}

/** What went wrong below HTTP, by the code that it has. */
function inWords(error: unknown, timeout: number): FetchError {
  const { name } = error as Error;
  if (name === "TimeoutError") return new FetchError(`no answer within ${timeout} ms`);
  if (name === "AbortError") return new FetchError("the service is stopping");
  const { code, message } = rootOf(error);
  const refusal = PROXY_REFUSAL.exec(message)?.[1];
  if (refusal !== undefined) return new FetchError(`the way was refused with ${refusal}`);
  if (code === "EPRIVATE") return new FetchError("its host has no public address");
  if (code === "UND_ERR_CONNECT_TIMEOUT") return new FetchError(`no connection within ${timeout} ms`);
  return new FetchError(typeof code === "string" ? `the connection failed (${code})` : "the connection failed");
}

/** How undici says that a proxy answered a CONNECT with another status than 200 (RFC 9110, section 9.3.6). */
const PROXY_REFUSAL = /^Proxy response \((\d{3})\)/;

/** The error that all others around it come from: what undici wraps errors in has no code, or one that says nothing. */
function rootOf(error: unknown): { readonly code?: unknown; readonly message: string } {
  const { cause } = error as Error;
  return cause instanceof Error ? rootOf(cause) : (error as Error);
}

/** Says of a failure which proxy lay on the way: it may be at fault, and not the issuer. */
function throughProxy(error: FetchError, proxy: string | undefined): FetchError {
  return proxy === undefined ? error : new FetchError(`${error.message}, through the proxy ${proxy}`, error.status);
}
