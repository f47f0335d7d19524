// Tables that are printed, and that a page shows between two comments.

/** A table with a header. The first column is text, the others are figures. */
export interface Grid {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Returns a table as lines of equal columns. */
export function textOf({ title, header, rows }: Grid): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]): string =>
    row
      .map((text, column) => (column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd();
  return [title, ...all.map((row) => `  ${line(row)}`)].join("\n");
}

/** Returns a table as Markdown, under its title. */
export function markdownOf({ title, header, rows }: Grid): string {
  const line = (row: readonly string[]): string => `| ${row.join(" | ")} |`;
  const rule = header.map((_, column) => (column === 0 ? "---" : "---:"));
  return [title, "", line(header), line(rule), ...rows.map(line)].join("\n");
}

/**
 * Replaces the part of a page between `<!-- NAME -->` and `<!-- /NAME -->`.
 *
 * @throws {Error} if the page has no such part
 */
export function replacePart(page: string, name: string, content: string): string {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const from = page.indexOf(open);
  const until = page.indexOf(close, from);
  if (from < 0 || until < 0) throw new Error(`the page has no part ${open} … ${close}`);
  return `${page.slice(0, from + open.length)}\n\n${content}\n\n${page.slice(until)}`;
}
