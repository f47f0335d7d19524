import type { Proxies } from "../keys/remote/proxies.js";
import { formatPath, type Issue, type IssuePath } from "../util/issues.js";

/** Environment variables, by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

const REFERENCE = /\$(\$\{)|\$\{([A-Za-z_][\w.-]{0,127})\}|\$\{/g;

/**
 * Replaces `${NAME}` by environment variables in every text of a configuration; `$${` is a literal `${`. Keys of mappings
 * stay as they are, and so does a `${` in a variable's value.
 *
 * @param issues gets one issue for each variable that is not set, and for a `${` without a name. The text after such a
 * `${` may be part of a secret, so no issue quotes it
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

/** Proxies for fetching keys: HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the environment, in upper or lower case. */
export function proxiesOf(env: Environment, issues: Issue[]): Proxies {
  const named = (name: string): string => env[name.toLowerCase()] || env[name] || "";
  const proxy = (name: string): string | undefined => {
    const value = named(name);
    if (value === "") return undefined;
    // Like curl, take a host and a port without a scheme.
    const url = value.includes("://") ? value : `http://${value}`;
    if (URL.canParse(url) && /^https?:/.test(url)) return url;
    issues.push({ place: name, message: "in the environment: must be a URL such as http://proxy.example:3128" });
    return undefined;
  };
  const all = { http: proxy("HTTP_PROXY"), https: proxy("HTTPS_PROXY"), no: named("NO_PROXY") || undefined };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
