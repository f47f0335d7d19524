import { statSync } from "node:fs";
import { type ReadFile, readText } from "../config/read-file.js";

/**
 * Detects changes of the files that were read. It polls them instead of using the system's events, which name a link or a
 * folder if a mounted volume replaces a file, and which are lost on network disks.
 */
export class FileWatch {
  #read = new Map<string, string>();
  #seen = "";

  /** Reads a file, and remembers the state that the file had before. */
  readonly readFile: ReadFile = (file) => {
    if (!this.#read.has(file)) this.#read.set(file, stateOf(file));
    return readText(file);
  };

  /** Forgets the files, and watches those that are read from now on. */
  begin(): void {
    this.#read = new Map();
    this.#seen = "";
  }

  /**
   * Whether files changed since they were read, and no longer change: two polls in a row must find the same state, so
   * that no half-written file is read, and files that belong together are read together.
   */
  isChanged(): boolean {
    const states = [...this.#read].map(([file, state]) => [state, stateOf(file)] as const);
    const now = JSON.stringify(states);
    const isAtRest = now === this.#seen;
    this.#seen = now;
    return isAtRest && states.some(([before, after]) => before !== after);
  }
}

/** The state of a file, as text; a file that cannot be read has a state too. */
function stateOf(file: string): string {
  try {
    const { mtimeNs, ctimeNs, size, dev, ino } = statSync(file, { bigint: true });
    return [mtimeNs, ctimeNs, size, dev, ino].join(" ");
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "error";
  }
}
