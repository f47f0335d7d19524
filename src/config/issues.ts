import type { z } from "zod";

/** One thing that is wrong with a configuration: where, and what would be right. Never holds a secret. */
export interface ConfigIssue {
  /** Such as `realms.partner.keys[0].jwk`; empty for the file as a whole. */
  readonly place: string;
  readonly message: string;
}

/** A configuration that cannot be used, with all that is wrong with it. */
export class ConfigError extends Error {
  readonly issues: readonly ConfigIssue[];

  constructor(
    readonly file: string,
    issues: readonly ConfigIssue[],
  ) {
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

/** Zod's findings as issues. @param within where the checked value stands */
export function issuesOf(error: z.ZodError, within: Path = []): ConfigIssue[] {
  return error.issues.flatMap((issue): ConfigIssue[] => {
    const path = [...within, ...issue.path];
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({ place: formatPath([...path, key]), message: "is not a key that exists here" }));
    }
    return [{ place: formatPath(path), message: sentence(issue) }];
  });
}

function sentence(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? `is missing: it must be a ${issue.expected}` : `must be a ${issue.expected}`;
    case "invalid_value":
      return `must be one of ${issue.values.map(String).join(", ")}`;
    case "too_small":
      return issue.origin === "string" ? "must not be empty" : `must be at least ${issue.minimum}`;
    case "too_big":
      return `must be at most ${issue.maximum}`;
    default:
      return issue.message;
  }
}
