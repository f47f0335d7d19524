import { statSync } from "node:fs";
import { type ReadFile, readText } from "../config/read-file.js";

/**
 * Notices that files which were read are no longer what they were. It goes by looking at them, not by the system's
 * events: those name a link or a folder where a mounted volume puts a new file in place, and are lost on network disks.
 */
export class FileWatch {
  #read = new Map<string, string>();
  #seen = "";

  /** Reads a file, whose state it remembers from before. */
  readonly readFile: ReadFile = (file) => {
    if (!this.#read.has(file)) this.#read.set(file, stateOf(file));
    return readText(file);
  };

  /** Forgets the files: those that are read from now on count. */
  begin(): void {
    this.#read = new Map();
    this.#seen = "";
  }

  /**
   * Whether files changed since they were read and are at rest now: a change counts when two looks on end find it, so
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

/** What tells one state of a file from another; a file that cannot be seen has a state too. */
function stateOf(file: string): string {
  try {
    const { mtimeNs, ctimeNs, size, dev, ino } = statSync(file, { bigint: true });
    return [mtimeNs, ctimeNs, size, dev, ino].join(" ");
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "error";
  }
}
