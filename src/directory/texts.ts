/** The longest id, realm name, digest or actor, in UTF-16 code units. */
export const ID_LENGTH = 255;

/** The longest `jti` that a revocation may name, in UTF-16 code units. */
export const JTI_LENGTH = 1024;

/** The shortest secret, in UTF-16 code units, that is taken without `weak: true`. */
export const MIN_SECRET_LENGTH = 16;

/** The longest secret key or client secret, in UTF-16 code units. */
export const SECRET_LENGTH = 1024;

/** The longest email, name, URL or provider of a user, in UTF-16 code units. */
export const TEXT_LENGTH = 2048;

// A lone surrogate has no UTF-8 form: every engine would store U+FFFD for it and take two different ids for one.
const UNSTORABLE = /[\p{Surrogate}\0]/u;
const UNSTORABLE_OR_CONTROL = /[\p{Surrogate}\p{Control}]/u;

/**
 * True for what an id or a secret may look like. Whatever fails this is in no store, so a look-up may say so without
 * reading one.
 */
export function isId(text: string, maxLength: number): boolean {
  return text.length > 0 && text.length <= maxLength && !UNSTORABLE_OR_CONTROL.test(text);
}

/** True for what a describing text may look like; it may be empty and span lines. */
export function isText(text: string, maxLength: number): boolean {
  return text.length <= maxLength && !UNSTORABLE.test(text);
}
