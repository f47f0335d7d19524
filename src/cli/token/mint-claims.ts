import { randomUUID } from "node:crypto";
import type { ConfiguredRealm } from "../../config/realms.js";
import type { ClaimRule, GenericSettings } from "../../verifier/generic.js";
import { CommandError, EXIT } from "../errors.js";

// What a realm wants of its tokens, as far as `mint` can think of it.

/** How long a token lives that nobody says it of, in milliseconds: an hour. */
const LIFE = 3_600_000;

/** What the configuration says of a realm; a preset has none of these. */
const wantsOf = ({ settings }: ConfiguredRealm): Partial<GenericSettings> => settings;

/** How long a token of the realm lives unless something else is asked for, in milliseconds: an hour, or as long as it may. */
export const defaultLife = (realm: ConfiguredRealm): number => Math.min(LIFE, wantsOf(realm).maxLifetime ?? LIFE);

/** The header's `typ`, where the realm wants one: the first that it takes. */
export function typOf(realm: ConfiguredRealm): string | undefined {
  const { typ, typRequired = false } = wantsOf(realm);
  return typRequired ? (typ?.[0] ?? "JWT") : undefined;
}

/** Claims that have an obvious value, for a realm that requires them. @param now seconds since 1970 */
const OBVIOUS: Readonly<Record<string, (now: number) => unknown>> = {
  jti: () => randomUUID(),
  nbf: (now) => now,
};

/** The claims of a realm without a preset, but for `exp`. @param now seconds since 1970 */
export function genericClaims(realm: ConfiguredRealm, now: number): Record<string, unknown> {
  const { issuer, audience, requiredClaims = [], claims = {} } = wantsOf(realm);
  const obvious = Object.entries(OBVIOUS).filter(([name]) => requiredClaims.includes(name));
  return {
    ...(issuer && { iss: issuer[0] }),
    ...(audience && { aud: audience[0] }),
    sub: "example",
    iat: now,
    ...Object.fromEntries(obvious.map(([name, valueAt]) => [name, valueAt(now)])),
    ...Object.fromEntries(Object.entries(claims).map(([name, rule]) => [name, sampleOf(rule)])),
  };
}

/** A value that meets a claim rule. */
function sampleOf(rule: ClaimRule): unknown {
  if (Array.isArray(rule)) return rule[0];
  return typeof rule === "object" && "includes" in rule ? rule.includes : rule;
}

/** Sees to it that all claims are there that the realm requires. @throws {CommandError} that names those that are not */
export function checkClaims(realm: ConfiguredRealm, claims: Readonly<Record<string, unknown>>): void {
  const { requiredClaims = [] } = wantsOf(realm);
  const missing = requiredClaims.filter((name) => !Object.hasOwn(claims, name));
  if (missing.length === 0) return;
  const options = missing.map((name) => `--claim ${name}=VALUE`).join(" ");
  const message = `The realm ${realm.name} requires claims that mint knows no value for: give ${options}.`;
  throw new CommandError(message, EXIT.usage);
}
