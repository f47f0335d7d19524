import { formatPath, type Issue, type IssuePath } from "../util/issues.js";

/** Environment variables, by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

const REFERENCE = /\$(\$\{)|\$\{([A-Za-z_][\w.-]{0,127})\}|\$\{/g;

/**
 * Puts environment variables in the place of `${NAME}` in every text of a configuration; `$${` is a literal `${`.
 * Keys are left as they are. What a variable holds is not looked at again.
 *
 * @param issues gets one for each variable that is not set, and for a `${` that names none: what follows it there may
 * be a part of a secret, and is not told
 */
export function interpolate(value: unknown, env: Environment, issues: Issue[], path: IssuePath = []): unknown {
  if (typeof value === "string") {
    return value.replace(REFERENCE, (_whole, literal: string | undefined, name: string | undefined) => {
      if (literal !== undefined) return literal;
      const text = name !== undefined && Object.hasOwn(env, name) ? env[name] : undefined;
      if (text !== undefined) return text;
      const what =
        name === undefined
          ? `a \${ without NAME} after it: write \${NAME}`
          : `the environment variable ${name} is not set: set it`;
      issues.push({ place: formatPath(path), message: `${what}, or write $\${ for a literal \${`, isCause: true });
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
