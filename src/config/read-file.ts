import { readFileSync } from "node:fs";
import { KeyError } from "../keys/key.js";
import { ConfigError } from "./errors.js";

/** Reads a file's text, or throws the system's error. Another one than the default can record which files are read. */
export type ReadFile = (file: string) => string;

/** The default: reads a file as UTF-8. */
export const readText: ReadFile = (file) => readFileSync(file, "utf8");

/** Reads a configuration or seed. @throws {ConfigError} if the file cannot be read */
export function readFileText(file: string, readFile: ReadFile): string {
  try {
    return readFile(file);
  } catch (error) {
    throw new ConfigError(file, [{ place: "", message: `the file ${unreadable(error)}` }]);
  }
}

/** How the files that a configuration names are found and read. */
export interface FileContext {
  /** Makes a file name absolute. */
  readonly resolve: (file: string) => string;
  readonly readFile: ReadFile;
}

/** Reads a file that an entry of `keys` names. @throws {KeyError} if it cannot be read, or is in UTF-16 */
export function readKeyFile(file: string, { resolve, readFile }: FileContext): string {
  let text: string;
  try {
    text = readFile(resolve(file));
  } catch (error) {
    throw new KeyError(`${redactFileName(file)} ${unreadable(error)}`);
  }
  // PowerShell writes UTF-16: read as UTF-8, each character of it has a zero byte.
  if (/^.{0,4}\0/s.test(text)) throw new KeyError(`${redactFileName(file)} is in UTF-16: save it in UTF-8`);
  return text;
}

/**
 * The name of a key file, for a message. Only a name that looks like a file's is shown (a path from `/` or `.`, or a name
 * with an extension), for any other may be the secret that belongs in the file.
 */
export function redactFileName(name: string): string {
  return /^[/.]|\.[A-Za-z]{1,8}$/.test(name) ? name : "The file that is named here";
}

/** Reasons why a file cannot be read, by the system's error codes. */
const WHY: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such folder",
  EISDIR: "it is a folder, not a file",
  EACCES: "this user may not read it",
  EPERM: "this user may not read it",
};

/** A read error for operators, without its subject: `cannot be read (ENOENT: there is no such file)`. */
export function unreadable(error: unknown): string {
  const { code = "error" } = error as NodeJS.ErrnoException;
  return `cannot be read (${[code, ...(WHY[code] === undefined ? [] : [WHY[code]])].join(": ")})`;
}
