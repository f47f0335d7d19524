import { z } from "zod";
import { readAddress } from "../net/port.js";
import { formatDuration, formatSize, parseDuration, parseSize } from "../util/units.js";
import { readWorkloadName } from "../util/workload-names.js";

/** Longest duration of a timer: 24 days in milliseconds, because Node fires at once beyond 2^31 - 1. */
export const LONGEST_TIMER = 24 * 86_400_000;

/** How a value is written as text, for the reference and for editors. */
export interface Form {
  /** Name of the form, such as `duration`. */
  readonly name: string;
  /** Pattern that the text matches (ECMA-262). The reader is stricter. */
  readonly pattern: string;
  /** Limits in words; empty if there are none. */
  readonly limits: string;
  /** Writes a default as a configuration has it. */
  readonly write: (value: unknown) => string | number;
}

/** Forms of values, by schema. */
export const forms: z.core.$ZodRegistry<Form> = z.registry();

/** A part of the configuration that is read later. */
export interface Later {
  /** Name of one such part, such as `key`. */
  readonly name: string;
  /** Schema of the part. */
  readonly schema: () => z.ZodType;
}

const LATER = new WeakMap<z.core.$ZodType, Later>();

/** Accepts anything: the part is read later on its own, so that all issues can be reported at once. */
export function readLater(name: string, schema: () => z.ZodType): z.ZodUnknown {
  const anything = z.unknown();
  LATER.set(anything, { name, schema });
  return anything;
}

/** The part that is read later, for the reference and for editors; undefined if a schema is read at once. */
export const laterOf = (schema: z.core.$ZodType): Later | undefined => LATER.get(schema);

const DURATION = "^\\d{1,12}(ms|s|m|h|d)$";
const SIZE = "^\\d{1,12}(B|KiB|MiB|GiB)$";

/** Parses a text into a value; reports anything else with what is right. */
function read<T>(parse: (text: string) => T | undefined, right: string, wrong: (text: string) => string = () => right) {
  return z.string({ error: right }).transform((text, ctx): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    ctx.addIssue({ code: "custom", message: wrong(text) });
    return z.NEVER;
  });
}

/** Message about a bad address. @param right the message if the fault is not in the port */
export function wrongAddress(input: unknown, right: string): string {
  const [, port] = (typeof input === "string" && /^[^/]+:(\d+)$/.exec(input)) || [];
  if (port === undefined || Number(port) <= 65_535) return right;
  return `has a port out of range: give 1 to 65535, or 0 for any free port`;
}

/** An address, as text. @param port for the example in messages */
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
 * @param least shortest accepted duration in milliseconds
 * @param most longest accepted duration in milliseconds; a multiple of a day
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

/** A name in a workload's certificate, prefixed by its kind: `URI:` or `DNS:`. */
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

/** A count within a window of time, such as `20/1m`; the window in milliseconds. */
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

/** Length of a token in characters: a number, or a size. */
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

/** One text or a list of texts, as a list that is not empty. @param messageOf says what is wrong with any other value */
export function oneOrMore(
  messageOf: (input: unknown) => string = () => "must be a text or a list of texts",
): z.ZodType<string[], string | string[]> {
  const text = z.string().min(1);
  return z.union([text.transform((one) => [one]), z.array(text).min(1)], {
    error: ({ input }) => messageOf(input),
  });
}

/** One text or a list of texts, as a list that is not empty; or an explicit null. */
export function oneOrMoreOrNull(): z.ZodType<string[] | null, string | string[] | null> {
  const text = z.string().min(1);
  const right = "a text or a list of texts, or null to turn the check off";
  return z
    .union([text.transform((one) => [one]), z.array(text).min(1)], {
      error: ({ input }) => (input === undefined ? `is missing: give ${right}` : `must be ${right}`),
    })
    .nullable();
}
