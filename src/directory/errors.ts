/** The codes of {@link DirectoryError}: what is wrong, and whether trying again may help. */
export const DIRECTORY_TROUBLES = {
  unavailable: "The store cannot be reached, is locked by another process or out of space; trying again may help.",
  unusable: "The store and this configuration or program do not fit together; an operator must act.",
  invalid: "A command is malformed.",
  conflict: "A command contradicts what the store holds.",
  "unknown-outcome": "The store was lost while a change was committed: it may or may not have been carried out.",
  "not-found": "A command is about something that the store does not hold.",
} as const;

/** A code of {@link DIRECTORY_TROUBLES}. */
export type DirectoryErrorCode = keyof typeof DIRECTORY_TROUBLES;

/**
 * The one error that a directory throws. The message is for operators: what is wrong and what to do next. It may name ids
 * and the store's file, and never contains a secret, a key or SQL.
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

/** A sealed value or digest cannot be used with the configured master keys. */
export class SealError extends DirectoryError {
  override readonly name: string = "SealError";

  /** @param keyId the id of the master key concerned; undefined if the value names none */
  constructor(
    readonly keyId: string | undefined,
    message: string,
  ) {
    super("unusable", message);
  }
}
