import { type ConfigIssue, formatPath, type Path } from "./issues.js";

/** Environment variables, by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Puts environment variables in the place of `${NAME}` in every text of a configuration; `$${` is a literal `${`.
 * Keys are left as they are. What a variable holds is not looked at again.
 *
 * @param issues gets one for each variable that is not set
 */
export function interpolate(value: unknown, env: Environment, issues: ConfigIssue[], path: Path = []): unknown {
  if (typeof value === "string") {
    return value.replace(/\$(\$\{)|\$\{([^}]*)\}?/g, (_whole, literal: string | undefined, name: string) => {
      if (literal !== undefined) return literal;
      const text = env[name];
      if (text !== undefined) return text;
      const message = `the environment variable ${JSON.stringify(name)} is not set: set it, or write $\${ for a literal \${`;
      issues.push({ place: formatPath(path), message });
      return "";
    });
  }
  if (Array.isArray(value)) return value.map((item, index) => interpolate(item, env, issues, [...path, index]));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, interpolate(item, env, issues, [...path, key])]),
    );
  }
  return value;
}
