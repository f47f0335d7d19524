import { hash } from "node:crypto";
import { OperatorError } from "../../contract/operator-failures.js";
import { readJson } from "../../jws/json.js";
import { invalid } from "./context.js";

/** Entries of a page that does not say how many. */
const DEFAULT_PAGE = 100;

/** The most entries of a page. */
const LARGEST_PAGE = 1_000;

/** The part of a list's request that pages have in common. */
interface PageRequest {
  readonly pageSize: number;
  readonly pageToken: string;
}

/** A list, as one page of it is asked for. */
interface PagedList<Entry> {
  /** The id of the store: a token is of no use in another. */
  readonly storeId: string;
  /** The method and its filter: a token is of no use for another. */
  readonly of: readonly unknown[];
  /** Reads entries. @param after the place of the entry before the first; undefined begins with the first @param limit 2 to 1,001 */
  readonly read: (after: readonly string[] | undefined, limit: number) => Promise<readonly Entry[]>;
  /** The place of an entry in the list. */
  readonly placeOf: (entry: Entry) => readonly string[];
}

/** A page of a list. */
interface Page<Entry> {
  readonly entries: readonly Entry[];
  /** Empty after the last page. */
  readonly nextPageToken: string;
}

/**
 * Reads a page of a list. A token has the place of the last entry before the page, so that entries made or removed between
 * two pages move no other.
 *
 * @throws OperatorError for a size or a token that is none
 */
export async function readPage<Entry>(
  { pageSize, pageToken }: PageRequest,
  { storeId, of, read, placeOf }: PagedList<Entry>,
): Promise<Page<Entry>> {
  if (pageSize < 0 || pageSize > LARGEST_PAGE) {
    throw invalid(`\`page_size\` is not 1 to ${LARGEST_PAGE}, or 0 for ${DEFAULT_PAGE}.`);
  }
  const size = pageSize === 0 ? DEFAULT_PAGE : pageSize;
  const list = hash("sha256", JSON.stringify([storeId, ...of]), "base64url").slice(0, 16);
  const found = await read(pageToken === "" ? undefined : placeIn(pageToken, list), size + 1);
  const entries = found.slice(0, size);
  const last = entries.at(-1);
  const isLast = found.length <= size || last === undefined;
  return { entries, nextPageToken: isLast ? "" : encode([list, ...placeOf(last)]) };
}

const encode = (parts: readonly string[]): string => Buffer.from(JSON.stringify(parts)).toString("base64url");

/** The place in a token. @throws OperatorError if it was not made for this list */
function placeIn(token: string, list: string): readonly string[] {
  const parts = readJson(Buffer.from(token, "base64url"), 1);
  const isPlace = Array.isArray(parts) && parts.length > 1 && parts.every((part) => typeof part === "string");
  if (!isPlace || parts[0] !== list) throw new OperatorError("PAGE_TOKEN_INVALID");
  return parts.slice(1);
}
