import { z } from "zod";
import { readAddress } from "../contract/listen.js";
import { parseDuration, parseSize } from "../contract/units.js";
import { readWorkloadName } from "../contract/workload.js";

/** A text that a reader turns into a value; anything else is an issue that says what is right. */
function read<T>(parse: (text: string) => T | undefined, right: string) {
  return z.string({ error: right }).transform((text, ctx): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    ctx.addIssue({ code: "custom", message: right });
    return z.NEVER;
  });
}

/** An address, as text. */
export const address = (): z.ZodType<string, string> =>
  read(
    (text) => (readAddress(text) === undefined ? undefined : text),
    'must be an address such as 127.0.0.1:8080, "[::1]:8080" or unix:/run/verifier.sock',
  );

/**
 * A duration, in milliseconds.
 *
 * @param least the shortest that is admitted, milliseconds
 * @param most the longest, milliseconds; a multiple of a day
 */
export function duration(least = 0, most = Number.MAX_SAFE_INTEGER): z.ZodType<number, string> {
  const bound = most === Number.MAX_SAFE_INTEGER ? "" : ` and at most ${most / 86_400_000}d`;
  const right = `must be a duration of at least ${least} ms${bound}, such as 500ms, 30s, 10m or 1h`;
  return read((text) => {
    const millis = parseDuration(text);
    return millis !== undefined && millis >= least && millis <= most ? millis : undefined;
  }, right);
}

/** A size, in bytes. */
export function size(least: number, most: number): z.ZodType<number, string> {
  const right = `must be a size such as 64KiB or 4MiB, from ${least} to ${most} bytes`;
  return read((text) => {
    const bytes = parseSize(text);
    return bytes !== undefined && bytes >= least && bytes <= most ? bytes : undefined;
  }, right);
}

/** A name in a workload's certificate, with its kind before it. */
export const workloadName = (): z.ZodType<string, string> =>
  read(readWorkloadName, "must be a name such as URI:spiffe://internal.example/web or DNS:web.internal.example");

/** So many within so long: the window in milliseconds. */
export function rate(): z.ZodType<{ count: number; window: number }, string> {
  return read((text) => {
    const [, count, span] = /^([1-9]\d{0,8})\/(\S+)$/.exec(text) ?? [];
    const window = parseDuration(span ?? "");
    return count !== undefined && window !== undefined && window > 0 ? { count: Number(count), window } : undefined;
  }, "must be a number within a duration, such as 20/1m");
}

/** The most characters that a token may have: a bare number, or a size. */
export function characters(): z.ZodType<number> {
  const right = "must be a number of characters from 16 to 1048576, such as 600, or a size such as 16KiB";
  return z.union(
    [
      z
        .int()
        .min(16)
        .max(1024 ** 2),
      size(16, 1024 ** 2),
    ],
    { error: right },
  );
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
