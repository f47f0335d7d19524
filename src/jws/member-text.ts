/**
 * The compact JSON text of a top-level member's value as it stands in the text: numbers keep their spelling
 * (12345678901234567890 is not rounded, 1.0 stays 1.0), members their order, strings are written as JSON.stringify
 * writes them, white space between tokens is dropped. At any nesting.
 *
 * @param json the text of an object that `readObject` took; anything else may throw or give a wrong piece
 * @param name the member's name as parsed, without escapes
 * @returns undefined where there is no such member
 */
export function memberText(json: string, name: string): string | undefined {
  let at = skipSpace(json, json.indexOf("{") + 1);
  while (json[at] === '"') {
    const nameEnd = stringEnd(json, at);
    const valueStart = skipSpace(json, nameEnd) + 1;
    const valueEnd = endOfValue(json, valueStart);
    if (JSON.parse(json.slice(at, nameEnd)) === name) return compact(json.slice(valueStart, valueEnd));
    at = skipSpace(json, valueEnd + 1);
  }
  return undefined;
}

/** Where the comma or the brace behind a value stands. */
function endOfValue(json: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < json.length) {
    const char = json[at];
    if (char === '"') {
      at = stringEnd(json, at);
      continue;
    }
    if (depth === 0 && (char === "," || char === "}")) return at;
    if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]") depth--;
    at++;
  }
  return at;
}

function compact(json: string): string {
  let text = "";
  let at = 0;
  while (at < json.length) {
    if (json[at] === '"') {
      const end = stringEnd(json, at);
      text += JSON.stringify(JSON.parse(json.slice(at, end)));
      at = end;
    } else {
      if (!isSpace(json[at])) text += json[at];
      at++;
    }
  }
  return text;
}

/** Behind the closing quote of the string that begins at `start`. */
export function stringEnd(json: string, start: number): number {
  let at = start + 1;
  while (at < json.length && json[at] !== '"') at += json[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** The first place, from `start` on, that holds no white space. */
export function skipSpace(json: string, start: number): number {
  let at = start;
  while (isSpace(json[at])) at++;
  return at;
}

function isSpace(char: string | undefined): boolean {
  return char === " " || char === "\n" || char === "\r" || char === "\t";
}
