/** The most typing errors that a suggested word lies from the given one. */
const MAX_DISTANCE = 2;

/** ` - did you mean …?` with the nearest word; empty if none is near. */
export function suggestion(given: unknown, words: readonly string[]): string {
  const near = nearestWord(given, words);
  return near === undefined ? "" : ` - did you mean ${near}?`;
}

/** The word of more than three letters that is nearest to the given one; undefined if none is within two typing errors. */
export function nearestWord(given: unknown, words: readonly string[]): string | undefined {
  if (typeof given !== "string") return undefined;
  return words
    .filter((word) => word.length > 3)
    .map((word) => ({ word, away: distance(given.toLowerCase(), word.toLowerCase()) }))
    .filter(({ away }) => away <= MAX_DISTANCE)
    .reduce<{ word: string; away: number } | undefined>(
      (best, one) => (best && best.away <= one.away ? best : one),
      undefined,
    )?.word;
}

/** The Levenshtein distance, in which two swapped letters count as two. Looks at the first 64 letters. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [at, letter] of Array.from(from.slice(0, 64)).entries()) {
    const next = [at + 1];
    for (let n = 0; n < to.length; n++) {
      const changed = (row[n] ?? 0) + (letter === to[n] ? 0 : 1);
      next.push(Math.min(changed, (row[n + 1] ?? 0) + 1, (next[n] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
