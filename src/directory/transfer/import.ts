import { formatIssue, type Issue } from "../../util/issues.js";
import { printable, truncate } from "../../util/printable.js";
import type { DirectoryEntry, PutUser } from "../commands.js";
import { DirectoryError } from "../errors.js";
import type { StoredClientSecret, StoredSecretKey } from "../model.js";
import type { Revocation } from "../revocation.js";
import type { NamedKey } from "../sealing.js";

/** A secret of a client that is known only by its digest, as in an export. */
export interface ClientDigest extends Pick<StoredClientSecret, "digest" | "retiresAt"> {
  /** The look-up key that made the digest. */
  readonly key: NamedKey;
}

/** Puts a client whose secrets are known only by their digests. */
export interface PutClientDigest {
  readonly kind: "putClientDigest";
  readonly clientId: string;
  /** One, or two during a rotation's grace: the new one first. */
  readonly secrets: readonly ClientDigest[];
}

/** Puts an instance of an export, some of whose secret keys may be going. */
export interface PutStoredInstance {
  readonly kind: "putStoredInstance";
  readonly id: string;
  readonly appId: string;
  readonly secretKeys: readonly StoredSecretKey[];
}

/** The head of an export: the store that it was made of, and the look-up keys of the digests that follow. */
export interface ExportHead {
  readonly kind: "store";
  readonly id: string;
  readonly lookupKeys: readonly NamedKey[];
}

/** Tokens to be revoked, or a revocation of an export. */
export interface PutRevocation {
  readonly kind: "putRevocation";
  readonly revocation: Revocation;
  readonly comment: string;
}

/** An entry of an export. */
export type StoredEntry = ExportHead | PutStoredInstance | PutUser | PutClientDigest | PutRevocation;

/** An entry that an import may have. */
export type ImportEntry = DirectoryEntry | StoredEntry;

/** How an export is made. */
export interface ExportOptions {
  /** Adds the revocations after the entries; default false. */
  readonly revocations?: boolean | undefined;
  /**
   * Reads everything as it is at one moment, for at most 10 min, during which the database cannot clean up. Default false:
   * pages of at most 10,000 rows, each as it is when it is read.
   */
  readonly snapshot?: boolean | undefined;
}

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
  /** Takes an export of another store, with the look-up keys of its clients' digests; default false. */
  readonly fromOtherStore?: boolean | undefined;
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
  /** Absent for an import without any. Those that were extended count as replaced; none is ever removed. */
  readonly revocations?: ImportCounts;
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

  /** Counts issues that are not among those added. */
  addMore(count: number): void {
    this.#count += count;
  }

  /** @throws ImportError if there are any issues */
  check(code: "invalid" | "conflict"): void {
    if (this.#count > 0) throw new ImportError(code, this.#first, this.#count - this.#first.length);
  }
}

/** Keeps control characters of a file from the terminal, and long lines of a file out of the message. */
const shorten = (text: string): string => truncate(printable(text), MAX_TEXT);
