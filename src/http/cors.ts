/** Which pages of other origins may ask: `http.cors`. */
export interface CorsSettings {
  /** Origins, such as `https://app.example`; or `*` alone for every one. */
  readonly origins: readonly string[];
  /** How long a browser may remember that it may, in milliseconds. */
  readonly maxAge: number;
}

/** What a page may send besides what any page may: the headers that Connect's clients set, and the request's id. */
const ALLOWED = "Content-Type, Connect-Protocol-Version, Connect-Timeout-Ms, X-Request-Id";

/** What a page may read of an answer besides its body and type. */
const EXPOSED = "Retry-After, X-Request-Id";

/** An origin as RFC 6454 and browsers write it: scheme, host and a port that is not the scheme's own. */
export function isOrigin(text: string): boolean {
  // A pattern would be a host as good as any to URL, and match nothing.
  return /^https?:[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

/** The headers that let a page read an answer (Fetch, "HTTP-network-or-cache fetch"); never with credentials. */
export function corsHeaders({ origins }: CorsSettings, origin: string | undefined): Record<string, string> {
  const exposed = { "Access-Control-Expose-Headers": EXPOSED };
  if (origins.includes("*")) return { "Access-Control-Allow-Origin": "*", ...exposed };
  // A cache that holds an answer without the headers would keep them from whoever may have them.
  const vary = { Vary: "Origin" };
  if (origin === undefined || !origins.includes(origin)) return vary;
  return { ...vary, "Access-Control-Allow-Origin": origin, ...exposed };
}

/** The headers of the answer to a preflight, which is told what a page may send; beside {@link corsHeaders}. */
export function preflightHeaders({ maxAge }: CorsSettings): Record<string, string> {
  return {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": ALLOWED,
    "Access-Control-Max-Age": String(Math.floor(maxAge / 1000)),
  };
}
