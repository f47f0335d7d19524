import { readFileSync } from "node:fs";

/** Reads a file's text, or throws the system's error. Whoever gives another one learns which files a configuration rests on. */
export type ReadFile = (file: string) => string;

/** Reads, and tells nobody. */
export const readText: ReadFile = (file) => readFileSync(file, "utf8");
