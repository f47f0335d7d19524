import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ended, emptyFolder, linkModules, patient, ROOT, shell } from "../cli/harness.js";

// A team that has our proto/ folder, npm packages and docs/guides/use-the-proto.md, and runs only code from the guide.

/** The guide's text. */
export const GUIDE = readFileSync(join(ROOT, "docs/guides/use-the-proto.md"), "utf8");

/** The guide's code blocks by their file names. */
export const SNIPPETS: ReadonlyMap<string, string> = new Map(
  Array.from(GUIDE.matchAll(/^```\w+ file=(\S+)\n([\s\S]*?)^```$/gm), ([, file = "", code = ""]) => [file, code]),
);

/** The number of code blocks in the guide, including those without a file name. */
export const BLOCKS = (GUIDE.match(/^```/gm)?.length ?? 0) / 2;

/** Returns a snippet. @throws Error if the guide has none of that name */
export function snippet(file: string): string {
  const code = SNIPPETS.get(file);
  if (code === undefined) throw new Error(`the guide has no ${file}`);
  return code;
}

/** Whether a file of the guide is a program, which sets a deadline for each call. */
const isProgram = (file: string): boolean => /^(client\.py|verify-.*\.ts)$/.test(file);

/**
 * Makes a team's folder with proto/, node_modules and files of the guide, whose programs get longer deadlines.
 *
 * @param change changes the text of each file
 */
export function consumerFolder(files: readonly string[], change = (text: string): string => text): string {
  const folder = emptyFolder();
  linkModules(folder);
  symlinkSync(join(ROOT, "proto"), join(folder, "proto"));
  for (const file of files) {
    const text = snippet(file);
    writeFileSync(join(folder, file), change(isProgram(file) ? patient(text) : text));
  }
  return folder;
}

/** Runs a command of the guide in a team's folder. @throws Error with its output if it fails */
export async function runSnippet(
  file: string,
  folder: string,
  change = (text: string): string => text,
): Promise<Ended> {
  const ended = await shell(`set -e\n${change(snippet(file))}`, folder);
  if (ended.code !== 0) throw new Error(`${file}:\n${ended.stdout}${ended.stderr}`);
  return ended;
}
