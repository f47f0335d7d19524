import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "../cli/harness.js";

/** A page of docs/guides. */
export interface Guide {
  readonly file: string;
  readonly text: string;
  /** Returns the code blocks of a language, in order. */
  blocks(language: string): string[];
  /** Returns the first block of a language that contains this text, and fails if there is none. */
  block(language: string, part: string): string;
}

/** Reads a guide. @param name without `.md` */
export function readGuide(name: string): Guide {
  const file = join(ROOT, "docs/guides", `${name}.md`);
  const text = readFileSync(file, "utf8");
  const blocks = (language: string): string[] =>
    Array.from(
      text.matchAll(new RegExp(`^ *\`\`\`${language}\\n([\\s\\S]*?)^ *\`\`\``, "gm")),
      ([, code = ""]) => code,
    );
  return {
    file,
    text,
    blocks,
    block(language, part) {
      const found = blocks(language).find((code) => code.includes(part));
      if (found === undefined) throw new Error(`${name}.md has no block of ${language} with ${part}`);
      return found;
    },
  };
}

/** The headings of a page, spelled as in links. */
const anchors = (text: string): string[] =>
  Array.from(text.matchAll(/^#+ (.*)$/gm), ([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^a-z0-9 _-]/g, "")
      .replaceAll(" ", "-"),
  );

/** The links of a page whose file or heading does not exist. */
export function brokenLinks({ file, text }: Pick<Guide, "file" | "text">): string[] {
  return Array.from(text.matchAll(/\]\(([^)]+)\)/g), ([, target = ""]) => target).filter((target) => {
    if (/^https?:/.test(target)) return false;
    const [path = "", anchor] = target.split("#");
    const there = join(dirname(file), path);
    if (path !== "" && !existsSync(there)) return true;
    return anchor !== undefined && !anchors(path === "" ? text : readFileSync(there, "utf8")).includes(anchor);
  });
}
