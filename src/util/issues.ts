import type { z } from "zod";
import { redactName } from "./printable.js";
import { suggestion } from "./suggestion.js";

/** Something wrong in a text that people write: a configuration, a seed or a line of an import. Never holds a secret. */
export interface Issue {
  /** A member, such as `realms.partner.keys[0].jwk`, or a position, such as `line 3, column 5`; empty for the whole text. */
  readonly place: string;
  /** What is wrong and what would be right, without a full stop. */
  readonly message: string;
  /** True if every other issue at the place follows from this one and is left out. */
  readonly isCause?: true;
}

/** An issue on one line: `place: message`. */
export function formatIssue({ place, message }: Pick<Issue, "place" | "message">): string {
  return place === "" ? message : `${place}: ${message}`;
}

/** The steps to a member: names of mappings, indexes of lists. */
export type IssuePath = readonly PropertyKey[];

/** A path as people write it: `realms.partner.keys[0]`; names with other characters in brackets and quotes. */
export function formatPath(path: IssuePath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    const name = String(part);
    if (!/^[A-Za-z_][\w-]*$/.test(name)) return `${text}[${JSON.stringify(name)}]`;
    return text === "" ? name : `${text}.${name}`;
  }, "");
}

/** Types as people call them. */
const TYPES: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
  record: "a mapping",
};

/** The message for an issue of Zod. Nothing of the value gets into it, for the value may be a secret. */
const message: z.core.$ZodErrorMap = (issue) => {
  const must = issue.input === undefined ? "is missing: it must" : "must";
  switch (issue.code) {
    case "invalid_type": {
      const isBare = typeof issue.input === "number" || typeof issue.input === "boolean";
      const fix = issue.expected === "string" && isBare ? ": put it in quotes" : "";
      return `${must} be ${TYPES[issue.expected] ?? issue.expected}${fix}`;
    }
    case "invalid_value": {
      const values = issue.values.map(String);
      return `${must} be ${values.length > 1 ? "one of " : ""}${values.join(", ")}${suggestion(issue.input, values)}`;
    }
    case "too_small":
      return issue.origin === "string" || issue.origin === "array"
        ? "must not be empty"
        : `must be at least ${issue.minimum}`;
    case "too_big":
      return `must be at most ${issue.maximum}`;
    case "unrecognized_keys": {
      const { shape } = (issue.inst?._zod.def ?? {}) as { shape?: object };
      const known = Object.keys(shape ?? {});
      const [key] = issue.keys;
      // One message serves all of the keys, so a suggestion is made for a single key only.
      const near = issue.keys.length === 1 ? suggestion(key, known) : "";
      return `is not a key that exists here; there are ${known.join(", ")}${near}`;
    }
    default:
      return undefined;
  }
};

/** Options for Zod's `safeParse`, so that {@link issuesOf} has readable messages. A schema's own `error` takes precedence. */
export const READABLE: z.core.ParseContext<z.core.$ZodIssue> = { error: message };

/** The issues that Zod found with the options {@link READABLE}. @param within the path of the checked value */
export function issuesOf({ issues }: Pick<z.ZodError, "issues">, within: IssuePath = []): Issue[] {
  return issues.flatMap((issue): Issue[] => {
    const path = [...within, ...issue.path];
    if (issue.code === "invalid_union") {
      const inside = longForm(issue);
      if (inside !== undefined) return issuesOf({ issues: inside }, path);
    }
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({ place: formatPath([...path, redactName(key)]), message: issue.message }));
    }
    const text = issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message;
    return [{ place: formatPath(path), message: text }];
  });
}

/** The issues within the form of a union that takes a mapping, each with its own place; undefined if no mapping was given. */
function longForm({ errors }: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] | undefined {
  return errors
    .map((issues) => issues.flatMap((issue) => (issue.code === "invalid_union" ? (longForm(issue) ?? issue) : issue)))
    .find((issues) => issues.some(({ code, path: [key] }) => code === "unrecognized_keys" || typeof key === "string"));
}
