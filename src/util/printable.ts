// Text of others, made fit to be repeated in a log or a message.

/** The beginning of a text, and `…` for the rest. Splits no surrogate pair. @param most UTF-16 code units */
export function truncate(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most).replace(/[\ud800-\udbff]$/, "")}…` : text;
}

/** A text in double quotes, escaped as in JSON and truncated. @param most characters */
export function quote(text: string, most = 64): string {
  return JSON.stringify(truncate(text, most));
}

const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** A text in one line, with control characters escaped as in JSON: a terminal would take them for commands. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, escaped);
}

/** A text in printable ASCII and the `…` of {@link truncate}, with all else escaped as in JSON. */
export function printableAscii(text: string): string {
  return text.replace(/[^ -~…]/g, escaped);
}

/** The JSON of a value, truncated after 100 characters; `absent` for undefined. */
export function printableJson(value: unknown): string {
  return value === undefined ? "absent" : truncate(JSON.stringify(value), 100);
}

/** Values as {@link printableJson}, separated by commas. @param most how many are listed; the others are counted */
export function printableList(values: readonly unknown[], most = 50): string {
  const more = values.length - most;
  return values.slice(0, most).map(printableJson).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** The length of the longest name that is repeated, in characters; the longest that exists has 17. */
const LONGEST_NAME = 24;

/**
 * An unknown name, without what may be a secret: a missing blank after a colon, or a list in the wrong place, turns a
 * secret into a name. Keeps the letters, `_` and `-` up to the first other character, and nothing if they are more than
 * a name has.
 *
 * @returns the name, or its beginning with `…` for the rest
 */
export function redactName(name: string): string {
  const [start = ""] = /^[A-Za-z_-]*/.exec(name) ?? [];
  if (start.length > LONGEST_NAME) return "…";
  return start === name ? name : `${start}…`;
}
