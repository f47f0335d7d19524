import type { Confirmation } from "../../contract/verdict-parts.js";
import { isObject, type JsonObject, member } from "../../jws/json.js";

// The `cnf` claim (RFC 7800): what a token is bound to.

/** The member for the key of DPoP proofs (RFC 9449, section 6.1), and that for a client certificate (RFC 8705, section 3.1). */
const MEMBERS = ["jkt", "x5t#S256"] as const;

/** Whether a token is bound: it has a `cnf` of any value, null included. */
export const isBound = (claims: JsonObject): boolean => Object.hasOwn(claims, "cnf");

/** What a token is bound to; undefined for a bearer token. */
export function confirmationOf(claims: JsonObject): Confirmation | undefined {
  if (!isBound(claims)) return undefined;
  const [jkt, x5tS256] = MEMBERS.map((name) => textIn(claims["cnf"], name));
  return { jkt: jkt ?? "", x5tS256: x5tS256 ?? "" };
}

/** Whether proofs can show all that a bound token's `cnf` demands: it has members, and each is a text of a kind known here. */
export function isProvable(claims: JsonObject): boolean {
  const cnf = member(claims, "cnf");
  if (!isObject(cnf)) return false;
  const names = Object.keys(cnf);
  const known: readonly string[] = MEMBERS;
  return names.length > 0 && names.every((name) => known.includes(name) && textIn(cnf, name) !== "");
}

function textIn(cnf: unknown, name: string): string {
  const value = isObject(cnf) ? member(cnf, name) : undefined;
  return typeof value === "string" ? value : "";
}
