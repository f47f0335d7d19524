const DURATION_UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE_UNITS = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

function parse(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, number, unit] = /^(\d{1,12})([a-zA-Z]{1,3})$/.exec(text) ?? [];
  if (number === undefined || unit === undefined || !Object.hasOwn(units, unit)) return undefined;
  return Number(number) * (units[unit] ?? 0);
}

/** A number in the largest unit in which it is whole. @param unit the unit of 0 */
function format(value: number, units: Readonly<Record<string, number>>, unit: string): string {
  const fitting = Object.keys(units).filter((name) => value !== 0 && value % (units[name] ?? 0) === 0);
  const name = fitting.at(-1) ?? unit;
  return `${value / (units[name] ?? 1)}${name}`;
}

/** Reads a duration of the configuration: a whole number and `ms`, `s`, `m`, `h` or `d`. @returns milliseconds; undefined for anything else */
export function parseDuration(text: string): number | undefined {
  return parse(text, DURATION_UNITS);
}

/** Reads a size of the configuration: a whole number and `B`, `KiB`, `MiB` or `GiB`. @returns bytes; undefined for anything else */
export function parseSize(text: string): number | undefined {
  return parse(text, SIZE_UNITS);
}

/** Writes a duration as in the configuration. @param millis a whole number, not negative */
export function formatDuration(millis: number): string {
  return format(millis, DURATION_UNITS, "s");
}

/** Writes a size as in the configuration. @param bytes a whole number, not negative */
export function formatSize(bytes: number): string {
  return format(bytes, SIZE_UNITS, "B");
}

const SPAN_UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
] as const;

/**
 * Writes a span of time for people: its two largest units, the rest dropped (`2 d 3 h`, `1 h`, `45 s`).
 *
 * @param seconds a whole number, not negative
 */
export function formatSpan(seconds: number): string {
  const first = SPAN_UNITS.findIndex(([, length]) => seconds >= length);
  if (first === -1) return "0 s";
  let left = seconds;
  const parts = SPAN_UNITS.slice(first, first + 2).flatMap(([unit, length]) => {
    const count = Math.floor(left / length);
    left -= count * length;
    return count === 0 ? [] : [`${count} ${unit}`];
  });
  return parts.join(" ");
}
