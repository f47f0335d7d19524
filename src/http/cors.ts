/** Pages of other origins that may call: `http.cors`. */
export interface CorsSettings {
  /** Origins, such as `https://app.example`; or `*` alone for every one. */
  readonly origins: readonly string[];
  /** Milliseconds for which a browser may remember the answer to a preflight. */
  readonly maxAge: number;
}

/** Headers that a page may send: those of Connect's clients, and the request's id. */
const ALLOWED = "Content-Type, Connect-Protocol-Version, Connect-Timeout-Ms, X-Request-Id";

/** Headers of an answer that a page may read. */
const EXPOSED = "Retry-After, X-Request-Id";

/** An origin as RFC 6454 and browsers write it: scheme, host and a port that is not the scheme's own. */
export function isOrigin(text: string): boolean {
  // URL takes `*` for a host, which no browser sends.
  return /^https?:[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

/** The headers that let a page read an answer (Fetch, "HTTP-network-or-cache fetch"); never with credentials. */
export function corsHeaders({ origins }: CorsSettings, origin: string | undefined): Record<string, string> {
  const exposed = { "Access-Control-Expose-Headers": EXPOSED };
  if (origins.includes("*")) return { "Access-Control-Allow-Origin": "*", ...exposed };
  // Or a cache would give an answer without these headers to an origin that may read it.
  const vary = { Vary: "Origin" };
  if (origin === undefined || !origins.includes(origin)) return vary;
  return { ...vary, "Access-Control-Allow-Origin": origin, ...exposed };
}

/** The headers of the answer to a preflight, besides {@link corsHeaders}. */
export function preflightHeaders({ maxAge }: CorsSettings): Record<string, string> {
  return {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": ALLOWED,
    "Access-Control-Max-Age": String(Math.floor(maxAge / 1000)),
  };
}
