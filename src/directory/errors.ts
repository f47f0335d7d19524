/**
 * What kind of trouble a directory is in:
 *
 * - `unavailable`: the store cannot be reached, is locked by another process or out of space; trying again may help.
 * - `unusable`: the store and this configuration or program do not fit together; an operator must act.
 * - `invalid`: a command is malformed.
 * - `conflict`: a command contradicts what the store holds.
 * - `not-found`: a command is about something that the store does not hold.
 */
export type DirectoryErrorCode = "unavailable" | "unusable" | "invalid" | "conflict" | "not-found";

/**
 * All that a directory ever throws. The message is for operators: what is wrong and what to do next. It may name ids
 * and the store's file, and never holds a secret, a key or SQL.
 */
export class DirectoryError extends Error {
  override readonly name: string = "DirectoryError";

  /** @param message what is wrong and what to do next */
  constructor(
    readonly code: DirectoryErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/** A sealed value or digest cannot be used with the master keys at hand. */
export class SealError extends DirectoryError {
  override readonly name: string = "SealError";

  /** @param keyId the master key concerned; undefined where the value does not even name one */
  constructor(
    readonly keyId: string | undefined,
    message: string,
  ) {
    super("unusable", message);
  }
}
