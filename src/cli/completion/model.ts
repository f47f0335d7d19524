/** What may stand where a value is wanted: one of some words, a file, or what only the user knows. */
export type Values = readonly string[] | "file" | "any";

/** An option, as completion knows it. */
export interface CompletedOption {
  /** `-c`, `--config`. */
  readonly flags: readonly string[];
  readonly description: string;
  /** Undefined where it takes no value. */
  readonly values: Values | undefined;
}

/** A command, as completion knows it. */
export interface CompletedCommand {
  /** With those above it; empty for the program itself. */
  readonly path: string;
  readonly description: string;
  /** Names of the commands under it. */
  readonly commands: readonly string[];
  readonly options: readonly CompletedOption[];
  /** Of its first argument; undefined where it takes none. */
  readonly values: Values | undefined;
}
