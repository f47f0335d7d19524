import type { Proxies } from "../keys/remote/proxies.js";
import type { Issue } from "../util/issues.js";
import type { Environment } from "./interpolate.js";

/** The proxies that the environment names, in capitals or not, as other programs read them. */
export function proxiesOf(env: Environment, issues: Issue[]): Proxies {
  const named = (name: string): string => env[name.toLowerCase()] || env[name] || "";
  const proxy = (name: string): string | undefined => {
    const value = named(name);
    if (value === "") return undefined;
    // As curl has it, a host and a port will do.
    const url = value.includes("://") ? value : `http://${value}`;
    if (URL.canParse(url) && /^https?:/.test(url)) return url;
    issues.push({ place: name, message: "in the environment: must be a URL such as http://proxy.example:3128" });
    return undefined;
  };
  const all = { http: proxy("HTTP_PROXY"), https: proxy("HTTPS_PROXY"), no: named("NO_PROXY") || undefined };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
