import type { Response } from "undici";
import { type JsonObject, MAX_DEPTH, MAX_ITEMS, readObject } from "../../jws/json.js";
import { withoutByteOrderMark } from "../spelling.js";
import { foundInstead, type Wanted } from "./found.js";

/** Longest document, in bytes: far more than any issuer's keys. */
const MAX_BYTES = 1024 ** 2;

/**
 * A document could not be fetched. The message completes "The keys could not be fetched: …" and quotes nothing of the
 * document but the `issuer` of metadata, and URLs without their queries.
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
 * Reads an answer. Its media type says nothing: many issuers send keys as text or as bytes.
 *
 * @param isConditional whether the answer may be that the document did not change
 * @throws {FetchError} if it is not a document of the wanted kind
 */
export async function readAnswer(response: Response, wanted: Wanted, isConditional: boolean): Promise<Fetched> {
  const { status, headers } = response;
  const lifetime = lifetimeOf(headers);
  const fresh = lifetime === undefined ? {} : { lifetime };
  if (status === 304 && isConditional) return { kind: "unchanged", ...fresh };
  if (status !== 200) {
    await response.body?.cancel();
    throw new FetchError(`it answered ${status}`, status);
  }
  const validators = { etag: headers.get("etag"), lastModified: headers.get("last-modified") };
  return { kind: "document", value: readDocument(await bytesOf(response), wanted), validators, ...fresh };
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
 * Reads a document as strictly as a token, because a duplicate member would make it ambiguous; only a byte order mark may
 * stand before it.
 *
 * @throws {FetchError} if it is longer than 1 MiB, ambiguous, not a JSON object, or one of another kind
 */
export function readDocument(bytes: Buffer, wanted: Wanted): JsonObject {
  checkLength(bytes.length);
  const text = withoutByteOrderMark(bytes);
  const document = readObject(text);
  const instead = foundInstead(document?.value ?? text.toString("utf8"), wanted);
  if (instead !== undefined) throw new FetchError(instead);
  if (document !== undefined) return document.value;
  throw new FetchError(
    "the answer is not JSON that can be read in one way only: an object in UTF-8, no member twice, " +
      `at most ${MAX_DEPTH} levels and ${MAX_ITEMS} members and elements`,
  );
}

function checkLength(length: number): void {
  if (length > MAX_BYTES) throw new FetchError(`the answer is longer than ${MAX_BYTES} bytes`);
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
