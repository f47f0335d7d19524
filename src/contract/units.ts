const DURATION_UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE_UNITS = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

function parse(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, number, unit] = /^(\d{1,12})([a-zA-Z]{1,3})$/.exec(text) ?? [];
  if (number === undefined || unit === undefined || !Object.hasOwn(units, unit)) return undefined;
  return Number(number) * (units[unit] ?? 0);
}

/** The milliseconds of a duration as configuration writes it: a whole number and `ms`, `s`, `m`, `h` or `d`; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  return parse(text, DURATION_UNITS);
}

/** The bytes of a size as configuration writes it: a whole number and `B`, `KiB`, `MiB` or `GiB`; undefined for anything else. */
export function parseSize(text: string): number | undefined {
  return parse(text, SIZE_UNITS);
}
