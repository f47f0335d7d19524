import type { z } from "zod";
import { redactName } from "../util/printable.js";

/** One thing that is wrong with a configuration: where, and what would be right. Never holds a secret. */
export interface ConfigIssue {
  /** Such as `realms.partner.keys[0].jwk`; empty for the file as a whole. */
  readonly place: string;
  readonly message: string;
  /** True where whatever else is found at the place follows from this, and is not worth telling. */
  readonly isCause?: true;
}

/** A configuration that cannot be used, with all that is wrong with it. */
export class ConfigError extends Error {
  readonly issues: readonly ConfigIssue[];

  constructor(
    readonly file: string,
    found: readonly ConfigIssue[],
  ) {
    const causes = new Set(found.filter(({ isCause }) => isCause).map(({ place }) => place));
    const issues = found.flatMap(({ place, message, isCause }) =>
      causes.has(place) && isCause !== true ? [] : [{ place, message }],
    );
    const lines = issues.map(({ place, message }) => (place === "" ? `  ${message}` : `  ${place}: ${message}`));
    super(`${file} cannot be used:\n${lines.join("\n")}`);
    this.name = "ConfigError";
    this.issues = issues;
  }
}

/** A way into a configuration. */
export type Path = readonly PropertyKey[];

/** A path as people write it. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    const name = String(part);
    if (!/^[A-Za-z_][\w-]*$/.test(name)) return `${text}[${JSON.stringify(name)}]`;
    return text === "" ? name : `${text}.${name}`;
  }, "");
}

/** How a value must be where it is of the wrong type. */
const TYPES: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
  record: "a mapping",
};

/** What is wrong, in a sentence without its subject. Nothing of the value stands in it: it may be a secret. */
const sentence: z.core.$ZodErrorMap = (issue) => {
  const must = issue.input === undefined ? "is missing: it must" : "must";
  switch (issue.code) {
    case "invalid_type": {
      const isBare = typeof issue.input === "number" || typeof issue.input === "boolean";
      const cure = issue.expected === "string" && isBare ? ": put it in quotes" : "";
      return `${must} be ${TYPES[issue.expected] ?? issue.expected}${cure}`;
    }
    case "invalid_value":
      return `${must} be ${issue.values.length > 1 ? "one of " : ""}${issue.values.map(String).join(", ")}${meant(issue.input, issue.values.map(String))}`;
    case "too_small":
      return issue.origin === "string" || issue.origin === "array"
        ? "must not be empty"
        : `must be at least ${issue.minimum}`;
    case "too_big":
      return `must be at most ${issue.maximum}`;
    case "unrecognized_keys": {
      if (issue.keys.includes("upstream")) return "belongs to a gateway on its own: give --only http with it";
      const { shape } = (issue.inst?._zod.def ?? {}) as { shape?: object };
      const known = Object.keys(shape ?? {});
      const [key] = issue.keys;
      // Where several are told of at once, a guess at one of them would be told of each.
      const guess = issue.keys.length === 1 ? meant(key, known) : "";
      return `is not a key that exists here; there are ${known.join(", ")}${guess}`;
    }
    default:
      return undefined;
  }
};

/** A guess at the word that was meant: the nearest of those that two typing errors at most lie from; empty where there is none. */
export function meant(given: unknown, known: readonly string[]): string {
  const near = nearest(given, known);
  return near === undefined ? "" : ` - did you mean ${near}?`;
}

/** The word that was probably meant; undefined where none is near. */
export function nearest(given: unknown, known: readonly string[]): string | undefined {
  if (typeof given !== "string") return undefined;
  return known
    .filter((word) => word.length > 3)
    .map((word) => ({ word, away: distance(given.toLowerCase(), word.toLowerCase()) }))
    .filter(({ away }) => away <= 2)
    .reduce<{ word: string; away: number } | undefined>(
      (best, one) => (best && best.away <= one.away ? best : one),
      undefined,
    )?.word;
}

/** How many letters must be put, taken away or changed to make one word of another; two letters that changed places are two. */
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

/** Options for Zod, so that its issues can be told. A schema's own `error` comes first. */
export const TELLING: z.core.ParseContext<z.core.$ZodIssue> = { error: sentence };

/** Zod's findings as issues, from a parse that was {@link TELLING}. @param within where the checked value stands */
export function issuesOf({ issues }: Pick<z.ZodError, "issues">, within: Path = []): ConfigIssue[] {
  return issues.flatMap((issue): ConfigIssue[] => {
    const path = [...within, ...issue.path];
    if (issue.code === "invalid_union") {
      const inside = longForm(issue);
      if (inside !== undefined) return issuesOf({ issues: inside }, path);
    }
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({ place: formatPath([...path, redactName(key)]), message: issue.message }));
    }
    const message = issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message;
    return [{ place: formatPath(path), message }];
  });
}

/** What is wrong in the form that a mapping was given for, each with its own place; undefined where no mapping was given. */
function longForm({ errors }: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] | undefined {
  return errors
    .map((issues) => issues.flatMap((issue) => (issue.code === "invalid_union" ? (longForm(issue) ?? issue) : issue)))
    .find((issues) => issues.some(({ code, path: [key] }) => code === "unrecognized_keys" || typeof key === "string"));
}
