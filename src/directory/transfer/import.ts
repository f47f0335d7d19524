import type { DirectoryEntry, PutInstance, PutUser } from "../commands.js";
import { DirectoryError } from "../errors.js";

/** Puts a client whose secret is known by its digest alone, as an export has it. */
export interface PutClientDigest {
  readonly kind: "putClientDigest";
  readonly clientId: string;
  /** The master key whose look-up key made the digest. */
  readonly keyId: string;
  /** 32 bytes. */
  readonly secretDigest: Uint8Array;
}

/** What an import brings. */
export type ImportEntry = DirectoryEntry | PutClientDigest;

/** What an export gives. */
export type StoredEntry = PutInstance | PutUser | PutClientDigest;

/** A line of an import, counted from 1: an entry, or what is wrong with it. */
export type ImportLine =
  | { readonly line: number; readonly entry: ImportEntry; readonly problem?: undefined }
  | { readonly line: number; readonly problem: string; readonly entry?: undefined };

/** How an import is done. */
export interface ImportOptions {
  /** Remove what the import does not bring. Revocations stay in any case. */
  readonly prune?: boolean;
  /** Find out what it would do, and do nothing. */
  readonly dryRun?: boolean;
}

/** What became of the entries of one kind. Users that go with an instance are counted among the removed. */
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

/** How many problems of an import are told one by one. */
const TOLD = 100;
/** The longest text of one problem, in characters: it may name members of the line. */
const PROBLEM_LENGTH = 500;

/** A line of an import, counted from 1, and what is wrong with it. */
export interface LineProblem {
  readonly line: number;
  readonly message: string;
}

/** An import was refused; nothing of it was done. */
export class ImportError extends DirectoryError {
  override readonly name = "ImportError";

  /**
   * @param problems the first of them, in the order in which they were found
   * @param more how many there are besides
   */
  constructor(
    code: "invalid" | "conflict",
    readonly problems: readonly LineProblem[],
    readonly more: number,
  ) {
    const rest = more === 0 ? [] : [`and ${more} more`];
    const told = problems.map(({ line, message }) => `line ${line} ${message}`);
    super(code, ["Nothing was imported:", ...told, ...rest].join("\n"));
  }
}

/** What is wrong with an import: the first problems word for word, the others counted, for memory is bounded. */
export class Problems {
  readonly #told: LineProblem[] = [];
  #count = 0;

  add(line: number, message: string): void {
    this.#count += 1;
    if (this.#told.length < TOLD) this.#told.push({ line, message: printable(message) });
  }

  /** @throws ImportError where there are any */
  check(code: "invalid" | "conflict"): void {
    if (this.#count > 0) throw new ImportError(code, this.#told, this.#count - this.#told.length);
  }
}

/** A terminal shall get no commands from a file, nor a line as long as the file's. */
function printable(message: string): string {
  const text = message.replace(/\p{Cc}/gu, "\ufffd");
  return text.length > PROBLEM_LENGTH ? `${text.slice(0, PROBLEM_LENGTH)}…` : text;
}
