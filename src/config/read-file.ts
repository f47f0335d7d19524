import { readFileSync } from "node:fs";

/** Reads a file's text, or throws the system's error. Whoever gives another one learns which files a configuration rests on. */
export type ReadFile = (file: string) => string;

/** Reads, and tells nobody. */
export const readText: ReadFile = (file) => readFileSync(file, "utf8");

/**
 * The name of a file of keys, for a message: where it does not look like one (a path from `/` or `.`, or a name with an ending),
 * it may be the secret itself, which belongs in the file.
 */
export function toldFile(name: string): string {
  return /^[/.]|\.[A-Za-z]{1,8}$/.test(name) ? name : "The file that is named here";
}

/** Why files cannot be read, by the system's codes. */
const WHY: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such folder",
  EISDIR: "it is a folder, not a file",
  EACCES: "this user may not read it",
  EPERM: "this user may not read it",
};

/** That a file cannot be read, and why, for an operator: `cannot be read (ENOENT: there is no such file)`. */
export function unreadable(error: unknown): string {
  const { code = "error" } = error as NodeJS.ErrnoException;
  return `cannot be read (${[code, ...(WHY[code] === undefined ? [] : [WHY[code]])].join(": ")})`;
}
