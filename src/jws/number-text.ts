/** A number as JSON writes it (RFC 8259, section 6). */
const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,15}))?$/;

/**
 * Whether two JSON texts of numbers stand for the same number, exactly: 1, 1.0 and 10e-1 do, 9007199254740993 and
 * 9007199254740992 do not, though they are one number once they were parsed.
 */
export function isSameNumber(a: string, b: string): boolean {
  if (a === b) return true;
  const first = normal(a);
  return first !== undefined && first === normal(b);
}

/** The one spelling of a number: its digits without zeros at either end, and the power of ten of the last one. */
function normal(text: string): string | undefined {
  const parts = NUMBER.exec(text);
  if (parts === null) return undefined;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = parts;
  const digits = `${whole}${fraction}`.replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`;
}
