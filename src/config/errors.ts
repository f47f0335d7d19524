import { formatIssue, type Issue } from "../util/issues.js";

/** A configuration or seed that cannot be used, with everything that is wrong with it. */
export class ConfigError extends Error {
  readonly issues: readonly Issue[];

  /** @param file the name of the file @param found what is wrong with it; at least one issue */
  constructor(
    readonly file: string,
    found: readonly Issue[],
  ) {
    const causes = new Set(found.filter(({ isCause }) => isCause).map(({ place }) => place));
    const issues = found.flatMap(({ place, message, isCause }) =>
      causes.has(place) && isCause !== true ? [] : [{ place, message }],
    );
    super(`${file} cannot be used:\n${issues.map((issue) => `  ${formatIssue(issue)}`).join("\n")}`);
    this.name = "ConfigError";
    this.issues = issues;
  }
}
