import { DirectoryError } from "./errors.js";
import {
  type KeyWords,
  REVOCATION_KEY_BYTES,
  type Revocation,
  revocationKey,
  SELECTOR_KINDS,
  SELECTOR_SCOPES,
  type SelectorKind,
  scopeOf,
} from "./revocation.js";
import { NO_TIME } from "./revocation-table.js";

/** Revocations as a store packs them, {@link ROW_BYTES} bytes each. */
export interface PackedRevocations {
  readonly rows: Uint8Array;
  /** The names of realms by their numbers in the rows. */
  readonly realms: ReadonlyMap<number, string>;
}

/** Where each part of a row begins; numbers are in network byte order. */
const [REALM, KIND, SCOPE, ISSUED_BEFORE, EXP] = [REVOCATION_KEY_BYTES, 14, 15, 16, 20];

/**
 * Bytes of a packed revocation: its key (12), the number of its realm (2), its kind and its scope by their positions in
 * `SELECTOR_KINDS` and `SELECTOR_SCOPES` (1 each), `issuedBefore` and `exp` (4 each, all bits set for null and for what does
 * not fit).
 */
export const ROW_BYTES = 24;

/** Number of rows of a page. @throws DirectoryError `unusable` if its length is not that of whole rows */
export function rowsOf({ rows }: PackedRevocations): number {
  if (rows.byteLength % ROW_BYTES !== 0) throw unknown();
  return rows.byteLength / ROW_BYTES;
}

/** Reads the rows of a page. */
export class PackedRows {
  readonly #bytes: DataView;
  readonly #realms: ReadonlyMap<number, string>;

  constructor({ rows, realms }: PackedRevocations) {
    this.#bytes = new DataView(rows.buffer, rows.byteOffset, rows.byteLength);
    this.#realms = realms;
  }

  key(row: number): KeyWords {
    const at = row * ROW_BYTES;
    return {
      first: this.#bytes.getInt32(at),
      second: this.#bytes.getInt32(at + 4),
      third: this.#bytes.getInt32(at + 8),
    };
  }

  /** A number that is the same for rows of the same realm, kind and scope. */
  name(row: number): number {
    return this.#bytes.getUint32(row * ROW_BYTES + REALM);
  }

  /** @throws DirectoryError `unusable` for a row of a later version */
  selector(row: number): { readonly realm: string; readonly kind: SelectorKind; readonly scope: number } {
    const at = row * ROW_BYTES;
    const realm = this.#realms.get(this.#bytes.getUint16(at + REALM));
    const kind = SELECTOR_KINDS[this.#bytes.getUint8(at + KIND)];
    const scope = this.#bytes.getUint8(at + SCOPE);
    if (realm === undefined || kind === undefined || scope >= SELECTOR_SCOPES.length) throw unknown();
    return { realm, kind, scope };
  }

  /** Seconds since 1970; `NO_TIME` for none. */
  issuedBefore(row: number): number {
    return this.#bytes.getUint32(row * ROW_BYTES + ISSUED_BEFORE);
  }

  /** Seconds since 1970; `NO_TIME` for none. */
  exp(row: number): number {
    return this.#bytes.getUint32(row * ROW_BYTES + EXP);
  }
}

/** Packs revocations. @param realmNumbers the numbers of all their realms */
export function packRevocations(
  revocations: readonly Revocation[],
  realmNumbers: ReadonlyMap<string, number>,
): Uint8Array {
  const rows = Buffer.alloc(revocations.length * ROW_BYTES);
  for (const [row, { selector, issuedBefore, exp }] of revocations.entries()) {
    const at = row * ROW_BYTES;
    revocationKey(selector).copy(rows, at);
    rows.writeUInt16BE(realmNumbers.get(selector.realm) as number, at + REALM);
    rows.writeUInt8(SELECTOR_KINDS.indexOf(selector.kind), at + KIND);
    rows.writeUInt8(scopeOf(selector), at + SCOPE);
    rows.writeUInt32BE(timeWord(issuedBefore), at + ISSUED_BEFORE);
    rows.writeUInt32BE(timeWord(exp), at + EXP);
  }
  return rows;
}

/** A time as 32 bits. One that does not fit counts as none, so that nothing is forgotten early or accepted too soon. */
export const timeWord = (time: number | null): number =>
  time === null ? NO_TIME : Math.min(Math.max(0, Math.ceil(time)), NO_TIME);

const unknown = (): DirectoryError =>
  new DirectoryError(
    "unusable",
    "The store holds revocations that this version does not know. Run the version that wrote them, or a later one.",
  );
