import { formatIssue, type Issue } from "../../util/issues.js";
import { printable, truncate } from "../../util/printable.js";
import type { DirectoryEntry, PutInstance, PutUser } from "../commands.js";
import { DirectoryError } from "../errors.js";

/** Puts a client whose secret is known only by its digest, as in an export. */
export interface PutClientDigest {
  readonly kind: "putClientDigest";
  readonly clientId: string;
  /** The id of the master key whose look-up key made the digest. */
  readonly keyId: string;
  /** 32 bytes. */
  readonly secretDigest: Uint8Array;
}

/** An entry that an import may have. */
export type ImportEntry = DirectoryEntry | PutClientDigest;

/** An entry of an export. */
export type StoredEntry = PutInstance | PutUser | PutClientDigest;

/** A line of an import, counted from 1: an entry, or everything that is wrong with it. */
export type ImportLine =
  | { readonly line: number; readonly entry: ImportEntry; readonly issues?: undefined }
  | { readonly line: number; readonly issues: readonly Issue[]; readonly entry?: undefined };

/** How an import is done. */
export interface ImportOptions {
  /** Removes every entry that the import does not have; default false. Revocations always stay. */
  readonly prune?: boolean;
  /** Reports what the import would do, and does nothing; default false. */
  readonly dryRun?: boolean;
}

/** The numbers of entries of one kind. Users that are removed with their instance count as removed. */
export interface ImportCounts {
  readonly added: number;
  readonly replaced: number;
  readonly unchanged: number;
  readonly removed: number;
}

/** What an import did, or would do. */
export interface ImportReport {
  readonly instances: ImportCounts;
  readonly users: ImportCounts;
  readonly clients: ImportCounts;
}

/** The most issues of an import that are reported one by one. */
const MAX_ISSUES = 100;
/** The longest place or message of an issue, in characters: both may contain names from the line. */
const MAX_TEXT = 500;

/** Something wrong with a line of an import, counted from 1. `place` is empty for the line as a whole. */
export interface LineIssue {
  readonly line: number;
  readonly place: string;
  readonly message: string;
}

/** An import was refused, and nothing of it was done. */
export class ImportError extends DirectoryError {
  override readonly name = "ImportError";

  /** @param issues the first 100 in the order in which they were found @param more the number of further issues */
  constructor(
    code: "invalid" | "conflict",
    readonly issues: readonly LineIssue[],
    readonly more: number,
  ) {
    const lines = issues.map(({ line, place, message }) =>
      formatIssue({ place: `line ${line}${place && `, ${place}`}`, message }),
    );
    super(code, ["Nothing was imported:", ...lines, ...(more === 0 ? [] : [`and ${more} more`])].join("\n"));
  }
}

/** Collects the issues of an import: the first 100 as they are, the others by number, so that memory is bounded. */
export class ImportIssues {
  readonly #first: LineIssue[] = [];
  #count = 0;

  /** Adds an issue of a line. */
  add(line: number, { place, message }: Issue): void {
    this.#count += 1;
    if (this.#first.length < MAX_ISSUES) this.#first.push({ line, place: shorten(place), message: shorten(message) });
  }

  /** @throws ImportError if there are any issues */
  check(code: "invalid" | "conflict"): void {
    if (this.#count > 0) throw new ImportError(code, this.#first, this.#count - this.#first.length);
  }
}

/** Keeps control characters of a file from the terminal, and long lines of a file out of the message. */
const shorten = (text: string): string => truncate(printable(text), MAX_TEXT);
