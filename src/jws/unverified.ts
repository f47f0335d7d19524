/**
 * What a token says of its issuer, before anything about it was checked: good for choosing who shall check it, and for
 * nothing else. It reads leniently: whoever is chosen reads strictly, and verifies the issuer with all the rest.
 *
 * @param token any text; the caller bounds its length
 * @returns the claim `iss`, or undefined where the text has no payload that is a JSON object with a string `iss`
 */
export function unverifiedIssuer(token: string): string | undefined {
  const start = token.indexOf(".") + 1;
  const end = token.indexOf(".", start);
  if (start === 0 || end === -1) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.slice(start, end), "base64url").toString());
    if (typeof claims !== "object" || claims === null || !Object.hasOwn(claims, "iss")) return undefined;
    const { iss } = claims as { iss: unknown };
    return typeof iss === "string" ? iss : undefined;
  } catch {
    return undefined;
  }
}
