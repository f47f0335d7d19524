import { z } from "zod";
import { readAddress } from "../net/port.js";
import { formatDuration, formatSize, parseDuration, parseSize } from "../util/units.js";
import { readWorkloadName } from "../util/workload-names.js";

/** Longest duration of a timer: 24 days in milliseconds, because Node fires at once beyond 2^31 - 1. */
export const LONGEST_TIMER = 24 * 86_400_000;

/** How a value is written that is read from a text: what the reference and editors cannot see in its reader. */
export interface Form {
  /** What it is, such as `duration`. */
  readonly name: string;
  /** What the text matches: a regular expression of ECMA-262. The reader looks closer. */
  readonly pattern: string;
  /** The limits, for people; empty where there are none. */
  readonly limits: string;
  /** Writes a value as a configuration has it, for defaults. */
  readonly write: (value: unknown) => string | number;
}

/** The forms of values, by their schemas. */
export const forms: z.core.$ZodRegistry<Form> = z.registry();

/** What stands in a place that is read later. */
export interface Later {
  /** What one of it is called, such as `key`. */
  readonly name: string;
  /** The schema that all of it has together. */
  readonly schema: () => z.ZodType;
}

const LATER = new WeakMap<z.core.$ZodType, Later>();

/** Anything: what stands there is read later, each part for itself, so that all that is wrong can be told at once. */
export function readLater(name: string, schema: () => z.ZodType): z.ZodUnknown {
  const anything = z.unknown();
  LATER.set(anything, { name, schema });
  return anything;
}

/** What is read later in a place, for the reference and for editors; undefined where it is read at once. */
export const laterOf = (schema: z.core.$ZodType): Later | undefined => LATER.get(schema);

const DURATION = "^\\d{1,12}(ms|s|m|h|d)$";
const SIZE = "^\\d{1,12}(B|KiB|MiB|GiB)$";

/** A text that a reader turns into a value; anything else is an issue that says what is right. */
function read<T>(parse: (text: string) => T | undefined, right: string, wrong: (text: string) => string = () => right) {
  return z.string({ error: right }).transform((text, ctx): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    ctx.addIssue({ code: "custom", message: wrong(text) });
    return z.NEVER;
  });
}

/** What is wrong with an address. @param right what is said where its port is not what is wrong */
export function wrongAddress(input: unknown, right: string): string {
  const [, port] = (typeof input === "string" && /^[^/]+:(\d+)$/.exec(input)) || [];
  if (port === undefined || Number(port) <= 65_535) return right;
  return `has a port that there is not: they are from 1 to 65535, or 0 for any that is free`;
}

/** An address, as text. @param port the one that is suggested where it is none */
export function address(port: number): z.ZodType<string, string> {
  const right = `must be an address such as 127.0.0.1:${port}, "[::1]:${port}" or unix:/run/verifier.sock`;
  return read(
    (text) => (readAddress(text) === undefined ? undefined : text),
    right,
    (text) => wrongAddress(text, right),
  ).register(forms, {
    name: "address",
    pattern: "^(unix:.+|(\\[[0-9a-fA-F:.]+\\]|[A-Za-z0-9.-]+):\\d{1,5})$",
    limits: "",
    write: String,
  });
}

/**
 * A duration, in milliseconds.
 *
 * @param least the shortest that is admitted, milliseconds
 * @param most the longest, milliseconds; a multiple of a day
 */
export function duration(least = 0, most = Number.MAX_SAFE_INTEGER): z.ZodType<number, string> {
  const bound =
    most === Number.MAX_SAFE_INTEGER ? "" : ` ${least === 0 ? "of" : "and"} at most ${formatDuration(most)}`;
  const from = least === 0 ? "" : ` of at least ${formatDuration(least)}`;
  const right = `must be a duration${from}${bound}, such as ${least < 1000 ? "500ms, " : ""}30s, 10m or 1h`;
  return read((text) => {
    const millis = parseDuration(text);
    return millis !== undefined && millis >= least && millis <= most ? millis : undefined;
  }, right).register(forms, {
    name: "duration",
    pattern: DURATION,
    limits: limitsOf(formatDuration, least, most),
    write: (millis) => formatDuration(Number(millis)),
  });
}

/** A size, in bytes. */
export function size(least: number, most: number): z.ZodType<number, string> {
  const right = `must be a size such as 64KiB or 4MiB, from ${least} to ${most} bytes`;
  return read((text) => {
    const bytes = parseSize(text);
    return bytes !== undefined && bytes >= least && bytes <= most ? bytes : undefined;
  }, right).register(forms, {
    name: "size",
    pattern: SIZE,
    limits: limitsOf(formatSize, least, most),
    write: (bytes) => formatSize(Number(bytes)),
  });
}

function limitsOf(format: (value: number) => string, least: number, most: number): string {
  if (most === Number.MAX_SAFE_INTEGER) return least === 0 ? "" : `at least ${format(least)}`;
  return `${format(least)} to ${format(most)}`;
}

/** A name in a workload's certificate, with its kind before it. */
export const workloadName = (): z.ZodType<string, string> =>
  read(
    readWorkloadName,
    "must be a name such as URI:spiffe://internal.example/web or DNS:web.internal.example",
  ).register(forms, {
    name: "workload",
    pattern: "^((URI:)?[A-Za-z][A-Za-z0-9+.-]*:[!-~]+|(DNS:)?[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?)$",
    limits: "",
    write: String,
  });

/** So many within so long: the window in milliseconds. */
export function rate(): z.ZodType<{ count: number; window: number }, string> {
  return read((text) => {
    const [, count, span] = /^([1-9]\d{0,8})\/(\S+)$/.exec(text) ?? [];
    const window = parseDuration(span ?? "");
    return count !== undefined && window !== undefined && window > 0 ? { count: Number(count), window } : undefined;
  }, "must be a number within a duration, such as 20/1m").register(forms, {
    name: "rate",
    pattern: "^[1-9]\\d{0,8}/\\d{1,12}(ms|s|m|h|d)$",
    limits: "at least 1 within at least 1ms",
    write: (value) => {
      const { count, window } = value as { count: number; window: number };
      return `${count}/${formatDuration(window)}`;
    },
  });
}

/** The most characters that a token may have: a bare number, or a size. */
export function characters(): z.ZodType<number> {
  const right = "must be a number of characters from 16 to 1048576, such as 600, or a size such as 16KiB";
  const number = z
    .int()
    .min(16)
    .max(1024 ** 2);
  return z.union([number, size(16, 1024 ** 2)], { error: right }).register(forms, {
    name: "characters",
    pattern: SIZE,
    limits: "16 to 1MiB",
    write: (value) => (Number(value) % 1024 === 0 ? formatSize(Number(value)) : Number(value)),
  });
}

/** One text or a list of them, as a list that is not empty; or null, which must be said on purpose. */
export function oneOrMoreOrNull(): z.ZodType<string[] | null, string | string[] | null> {
  const text = z.string().min(1);
  const right = "a text or a list of texts, or null, which says that it is not checked";
  return z
    .union([text.transform((one) => [one]), z.array(text).min(1)], {
      error: ({ input }) => (input === undefined ? `is missing: give ${right}` : `must be ${right}`),
    })
    .nullable();
}
