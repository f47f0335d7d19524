/** The longest name that is told: of all that there are, the longest has 17 letters. */
const LONGEST = 24;

/**
 * A name that nobody knows, as a message may tell it. Where a blank is missing behind a colon, or a list stands in the wrong
 * place, a secret is what stands for the name: told are letters, `_` and `-` up to the first of anything else, and nothing
 * where there are more of them than a name has.
 *
 * @returns the name itself where it looks like one; else its beginning, with `…` for the rest
 */
export function toldName(name: string): string {
  const [start = ""] = /^[A-Za-z_-]*/.exec(name) ?? [];
  if (start.length > LONGEST) return "…";
  return start === name ? name : `${start}…`;
}
