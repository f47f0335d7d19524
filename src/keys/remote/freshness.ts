/**
 * How long, in seconds, an answer may be used without asking again, by its own words (RFC 9111, section 4.2): `max-age`
 * of Cache-Control less its Age, or the time from its Date to its Expires; 0 where it must not be kept. Undefined where
 * it says nothing.
 */
export function lifetimeOf(headers: Pick<Headers, "get">): number | undefined {
  const directives = new Map(
    (headers.get("cache-control") ?? "")
      .split(",")
      .map((directive) => {
        const [name = "", value = ""] = directive.split("=");
        return [name.trim().toLowerCase(), value.trim().replace(/^"(.*)"$/, "$1")] as const;
      })
      // Of one that is said twice the first counts.
      .reverse(),
  );
  if (directives.has("no-store") || directives.has("no-cache")) return 0;
  const maxAge = directives.get("max-age");
  if (maxAge !== undefined) {
    if (!/^\d+$/.test(maxAge)) return 0;
    const age = /^\d+$/.exec(headers.get("age") ?? "")?.[0] ?? "0";
    return Math.max(0, secondsOf(maxAge) - secondsOf(age));
  }
  const expires = headers.get("expires");
  if (expires === null) return undefined;
  // What is no date has expired already (RFC 9111, section 5.3).
  const lifetime = (Date.parse(expires) - Date.parse(headers.get("date") ?? "")) / 1000;
  return Number.isNaN(lifetime) ? 0 : Math.max(0, lifetime);
}

/** Seconds in digits: what is too large counts as 2^31 (RFC 9111, section 1.2.2). */
const secondsOf = (digits: string): number => Math.min(Number(digits), 2 ** 31);
