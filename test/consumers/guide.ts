import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ended, emptyFolder, linkModules, patient, ROOT, shell } from "../cli/harness.js";

// A team that has our proto/ folder, what npm installs, and docs/guides/use-the-proto.md: what its tests run is what
// stands in the guide.

/** The guide's text. */
export const GUIDE = readFileSync(join(ROOT, "docs/guides/use-the-proto.md"), "utf8");

/** The guide's code blocks by their file names. */
export const SNIPPETS: ReadonlyMap<string, string> = new Map(
  Array.from(GUIDE.matchAll(/^```\w+ file=(\S+)\n([\s\S]*?)^```$/gm), ([, file = "", code = ""]) => [file, code]),
);

/** How many code blocks the guide has, those without a file name too. */
export const BLOCKS = (GUIDE.match(/^```/gm)?.length ?? 0) / 2;

/** One snippet. @throws Error where the guide has none of that name */
export function snippet(file: string): string {
  const code = SNIPPETS.get(file);
  if (code === undefined) throw new Error(`the guide has no ${file}`);
  return code;
}

/** A program among the guide's files has a limit for each call. */
const isProgram = (file: string): boolean => /^(client\.py|verify-.*\.ts)$/.test(file);

/**
 * A team's folder: proto/, node_modules, and files of the guide, its programs with more time for each call.
 *
 * @param change what a test must put in their place
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

/** Runs a command of the guide in a team's folder. @throws Error with what it printed, where it fails */
export async function runSnippet(
  file: string,
  folder: string,
  change = (text: string): string => text,
): Promise<Ended> {
  const ended = await shell(`set -e\n${change(snippet(file))}`, folder);
  if (ended.code !== 0) throw new Error(`${file}:\n${ended.stdout}${ended.stderr}`);
  return ended;
}
