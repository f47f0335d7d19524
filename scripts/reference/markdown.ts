/** A table in Markdown. Bars in cells are escaped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

const cell = (text: string): string => text.replace(/\s*\n\s*/g, " ").replaceAll("|", "\\|");

/** A text as code. */
export const code = (text: string): string => `\`${text}\``;

/** A page, whose first line names its source as a warning against editing it. */
export const page = (source: string, ...parts: readonly string[]): string =>
  `${[`<!-- Made by npm run generate of ${source}. DO NOT EDIT. -->`, ...parts].join("\n\n")}\n`;
