import { createHmac, createSecretKey, hash, type KeyObject, randomBytes } from "node:crypto";
import type { Algorithm } from "../jws/algorithms.js";
import { truncate } from "../util/printable.js";
import { areForSameIssuers, type ForIssuers, listIssuers } from "./key-issuers.js";

/**
 * A checked key, bound to one algorithm and to one realm or instance. The fact cache compares keys by object identity, so
 * an unchanged key must stay the same object (see {@link keptKey}).
 */
export interface VerificationKey extends ForIssuers {
  /** The one algorithm it verifies. */
  readonly algorithm: Algorithm;
  /** The `kid` that tokens name it by; undefined: it fits tokens of any `kid`. */
  readonly kid: string | undefined;
  /** The prepared key. */
  readonly key: KeyObject;
  /**
   * Its name in logs and in `check`: the RFC 7638 thumbprint of a public key. Of a secret only the length, because a
   * digest would let a guessable secret be found.
   */
  readonly label: string;
  /**
   * When the certificate that the key came in expires, in milliseconds since 1970; absent for a key from elsewhere. An
   * expired certificate is warned of, and its key verifies.
   */
  readonly expires?: number;
  /** Counts the tokens it verified; counted for the keys of realms, not for those of instances. */
  readonly uses: KeyUses;
}

/**
 * Why a key cannot be used. `malformed`: it cannot be read. `contradictory`: its members, or the configuration, contradict
 * each other. `unsupported`: no algorithm here can use it safely. `set aside`: by its own words it is for something else.
 * `weak`: anyone can sign with it.
 */
export type KeyErrorCause = "malformed" | "contradictory" | "unsupported" | "set aside" | "weak";

/**
 * What a token signed by an unusable key is worth. `set aside`: the key is for something else; a set skips it without a warning.
 * `worthless`: anyone can sign with the key, so no token of it is good. `refused`: nothing is known about its tokens.
 */
export type KeyErrorKind = "set aside" | "worthless" | "refused";

/** A key's name in messages and logs: the first 64 characters of its `kid`, or its label if it has none. */
export const keyName = ({ kid, label }: Pick<VerificationKey, "kid" | "label">): string => truncate(kid ?? label, 64);

/** Whether the certificate that a key came in has expired. Its key verifies all the same. @param now milliseconds since 1970 */
export const isExpired = ({ expires = Number.POSITIVE_INFINITY }: VerificationKey, now: number): boolean =>
  expires < now;

/** A key that cannot be used. The message says what is wrong and how to put it right, and contains no key material. */
export class KeyError extends Error {
  override readonly name = "KeyError";
  override readonly cause: KeyErrorCause;

  /** @param cause default `malformed` */
  constructor(message: string, cause: KeyErrorCause = "malformed") {
    super(message);
    this.cause = cause;
  }

  /** What a token signed by the key is worth. */
  get kind(): KeyErrorKind {
    if (this.cause === "weak") return "worthless";
    return this.cause === "set aside" ? "set aside" : "refused";
  }
}

/**
 * Whether two key objects hold the same key.
 *
 * Compares the kinds first: `KeyObject.equals` on two kinds leaves an error in OpenSSL's queue, and the next private key
 * that Node reads is refused because of it (Node 22, 24 and 26).
 */
export function isSameKey(one: KeyObject, other: KeyObject): boolean {
  return (
    one.type === other.type &&
    one.asymmetricKeyType === other.asymmetricKeyType &&
    one.asymmetricKeyDetails?.namedCurve === other.asymmetricKeyDetails?.namedCurve &&
    one.equals(other)
  );
}

/**
 * Returns the object of an earlier list that holds the same key for the same issuers, or else the given one. Cached facts
 * refer to the object, so a key that did not change has to remain the same object.
 *
 * @param index the key's position in its list; the earlier key at this position is preferred, since one key may be listed twice
 */
export function keptKey(before: readonly VerificationKey[], index: number, key: VerificationKey): VerificationKey {
  const isSame = (one: VerificationKey | undefined): boolean =>
    one?.algorithm === key.algorithm &&
    one.kid === key.kid &&
    // Comparing labels is cheaper than comparing keys.
    one.label === key.label &&
    one.expires === key.expires &&
    areForSameIssuers(one, key) &&
    isSameKey(one.key, key.key);
  const samePlace = before[index];
  return (isSame(samePlace) ? samePlace : before.find(isSame)) ?? key;
}

const MINUTE = 60_000;
const MINUTES = 60;

/** Counts the tokens that a key verified in the last hour, in one slot a minute. */
export class KeyUses {
  /** Allocated by the first use: a directory holds many keys. */
  #counts: Uint32Array | undefined;
  #minute = 0;

  /** Counts one verification. @param now milliseconds since 1970 */
  note(now: number): void {
    this.#advance(now);
    this.#counts ??= new Uint32Array(MINUTES);
    const slot = this.#minute % MINUTES;
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
  }

  /** Verifications in the current minute and the 59 before it. @param now milliseconds since 1970 */
  lastHour(now: number): number {
    this.#advance(now);
    return this.#counts?.reduce((sum, count) => sum + count, 0) ?? 0;
  }

  /** Clears the slots of minutes that are more than an hour old. */
  #advance(now: number): void {
    const minute = Math.floor(now / MINUTE);
    if (minute === this.#minute) return;
    const first = Math.max(this.#minute + 1, minute - MINUTES + 1);
    // After the clock was set back the slots may hold minutes that are still to come.
    if (minute < this.#minute) this.#counts?.fill(0);
    for (let past = first; past <= minute; past++) this.#counts?.fill(0, past % MINUTES, (past % MINUTES) + 1);
    this.#minute = minute;
  }
}

/** Bytes of a key's mark. */
const MARK_BYTES = 16;

/** Names keys, with their algorithms, `kid`s and issuers, so that others can tell whether two verdicts rest on the same one. */
export class KeyMarks {
  readonly #root: KeyObject;
  readonly #marks = new WeakMap<VerificationKey, string>();

  /** @param root makes the marks of secrets; processes with the same root have the same marks. Default: random */
  constructor(root: KeyObject = createSecretKey(randomBytes(32))) {
    this.#root = root;
  }

  /**
   * A key's mark: 16 bytes in base64url. For a public key a digest of its thumbprint, for a secret an HMAC, since a digest would
   * let a guessable secret be found.
   */
  of(key: VerificationKey): string {
    let mark = this.#marks.get(key);
    if (mark === undefined) {
      mark = this.#make(key).subarray(0, MARK_BYTES).toString("base64url");
      this.#marks.set(key, mark);
    }
    return mark;
  }

  #make({ key, label, algorithm, kid, issuers }: VerificationKey): Buffer {
    const use = JSON.stringify([label, algorithm, kid ?? null, issuers === undefined ? null : listIssuers(issuers)]);
    if (key.type !== "secret") return hash("sha256", `trusted key\n${use}`, "buffer");
    return createHmac("sha256", this.#root).update(`trusted secret\n${use}\n`).update(key.export()).digest();
  }
}
