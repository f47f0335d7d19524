import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject, randomUUID, sign } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { CompactSign } from "jose";
import { type ConfiguredRealm, genericSettings } from "../../config/realms.js";
import { type AlgorithmName, algorithmOf } from "../../jws/algorithms.js";
import { type JsonObject, valueAt } from "../../jws/json.js";
import { memberPath, withValueAt } from "../../jws/json-pointer.js";
import { realmIssuer } from "../../keys/issuers.js";
import { isSameKey } from "../../keys/key.js";
import type { ExampleValues } from "../../vendors/vendor.js";
import { type Condition, isScope } from "../../verifier/conditions.js";

// Tokens for development, for `mint` and for the requests that `serve` prints.

/** A key that signs tokens of a realm. */
export interface SigningKey {
  readonly key: KeyObject;
  /** Goes into the header as `alg`. */
  readonly algorithm: AlgorithmName;
  /** Goes into the header; undefined leaves it out. */
  readonly kid?: string | undefined;
}

/** Default life of a token in milliseconds: 1 hour. */
const LIFE = 3_600_000;

/** Life of a realm's development token in milliseconds: 1 hour, or the realm's `maxLifetime` if that is shorter. */
export const defaultLife = (realm: ConfiguredRealm): number =>
  Math.min(LIFE, genericSettings(realm).maxLifetime ?? LIFE);

/**
 * Sample claims that the realm accepts, without `exp`: the vendor's, or those that the realm's settings ask for.
 *
 * @param given claims that will replace these; the issuer's placeholder gets its value from them
 */
export function sampleClaims(realm: ConfiguredRealm, values: ExampleValues, given: JsonObject = {}): JsonObject {
  return realm.vendor?.example.claims(values, realm.settings) ?? genericClaims(realm, values.now, given);
}

/** Values of claims that a realm may require, by name. */
const OBVIOUS: Readonly<Record<string, (now: number) => unknown>> = {
  jti: () => randomUUID(),
  nbf: (now) => now,
  client_id: () => "example-client",
};

function genericClaims(realm: ConfiguredRealm, now: number, given: JsonObject): JsonObject {
  const { issuer, audience, requiredClaims = [], claims = {} } = genericSettings(realm);
  const obvious = Object.entries(OBVIOUS).filter(([name]) => requiredClaims.includes(name));
  const samples = Object.entries(claims).map(([name, condition]) => [name, sampleOf(name, condition)] as const);
  const made = withClaims({ ...(audience && { aud: audience[0] }), sub: "example", iat: now }, [
    ...obvious.map(([name, valueAtTime]) => [name, valueAtTime(now)] as const),
    ...samples,
  ]);
  return { ...made, ...(issuer && issuerClaims(issuer[0] ?? "", { ...made, ...given })) };
}

/** The claims of an issuer: its `iss`, and the claim of its placeholder, of an admitted value if `claims` lists any. */
function issuerClaims(issuer: string, claims: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const form = realmIssuer(issuer);
  if (typeof form === "string") return { iss: form };
  const { prefix, name, suffix } = form;
  const value = claims[name] ?? "example";
  return { iss: `${prefix}${typeof value === "string" ? value : JSON.stringify(value)}${suffix}`, [name]: value };
}

/** A value that meets a condition on a claim, if one can be guessed; undefined leaves the claim out. */
function sampleOf(name: string, { oneOf, includes, includesAny, prefix }: Condition): unknown {
  if (oneOf !== undefined) return oneOf[0];
  if (prefix !== undefined) return `${prefix[0]}example`;
  const members = [...(includes ?? []), ...(includesAny?.slice(0, 1) ?? [])];
  if (members.length === 0) return undefined;
  return isScope(memberPath(name)) ? members.join(" ") : members;
}

/** Claims with others added, by name or JSON Pointer; undefined removes a claim. */
export function withClaims(
  claims: Readonly<Record<string, unknown>>,
  added: readonly (readonly [name: string, value: unknown])[],
): JsonObject {
  return added.reduce<JsonObject>((all, [name, value]) => withValueAt(all, memberPath(name), value), claims);
}

/** Names of the claims that the realm requires and the token lacks. */
export function missingClaims(realm: ConfiguredRealm, claims: Readonly<Record<string, unknown>>): readonly string[] {
  const { requiredClaims = [], claims: conditions = {} } = genericSettings(realm);
  const named = Object.entries(conditions).flatMap(([name, { absent }]) => (absent ? [] : [name]));
  return [...new Set([...requiredClaims, ...named])].filter((name) => valueAt(claims, memberPath(name)) === undefined);
}

/**
 * The key that signs a realm's development tokens: the instance's secret key, the realm's secret, or the private key
 * that lies beside a public one, `name.private.pem` for `name.pem`.
 *
 * @param secretKey the instance's, if instances sign; empty for none
 * @param wanted the algorithm, by the name that the header has (default: that of the first key)
 * @returns undefined if there is no such key
 */
export function signingKey(realm: ConfiguredRealm, secretKey: string, wanted?: AlgorithmName): SigningKey | undefined {
  const { keys, keysOf, algorithms, files } = realm;
  if (keysOf === "instance") {
    const algorithm = algorithms.find((one) => wanted === undefined || one === wanted);
    if (secretKey === "" || algorithm === undefined) return undefined;
    return { key: createSecretKey(secretKey, "utf8"), algorithm };
  }
  const secret = keys.find(({ key, algorithm }) => key.type === "secret" && isWanted(algorithm, wanted));
  if (secret !== undefined) return { ...secret, key: secret.key };
  for (const file of files) {
    const privateFile = file.replace(/(\.[a-z]+)?$/, ".private.pem");
    if (!existsSync(privateFile)) continue;
    const found = matchingKey(realm, createPrivateKey(readFileSync(privateFile, "utf8")), wanted);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * A private key as the realm's signing key; undefined if the realm has no public key that it belongs to.
 *
 * @param wanted the algorithm, by the name that the header has (default: that of the first such key)
 */
export function matchingKey({ keys }: ConfiguredRealm, key: KeyObject, wanted?: AlgorithmName): SigningKey | undefined {
  const publicKey = createPublicKey(key);
  const found = keys.find((one) => isWanted(one.algorithm, wanted) && isSameKey(one.key, publicKey));
  return found && { key, algorithm: wanted ?? found.algorithm, kid: found.kid };
}

const isWanted = (algorithm: AlgorithmName, wanted: AlgorithmName | undefined): boolean =>
  wanted === undefined || algorithm === algorithmOf(wanted);

/** Signs claims as a compact JWS (RFC 7515, section 7.1), with a `typ` if the realm requires one. */
export async function signToken(
  realm: ConfiguredRealm,
  claims: Readonly<Record<string, unknown>>,
  { key, algorithm, kid }: SigningKey,
): Promise<string> {
  const { typ, typRequired = false } = genericSettings(realm);
  const header = {
    alg: algorithm,
    ...(typRequired && { typ: typ?.[0] ?? "JWT" }),
    ...(kid !== undefined && { kid }),
  };
  const payload = JSON.stringify(claims);
  // jose signs ML-DSA with WebCrypto, where Node calls it experimental and prints a warning.
  if (algorithm.startsWith("ML-DSA")) return signMlDsa(header, payload, key);
  return new CompactSign(new TextEncoder().encode(payload)).setProtectedHeader(header).sign(key);
}

function signMlDsa(header: object, payload: string, key: KeyObject): string {
  const input = [JSON.stringify(header), payload].map((text) => Buffer.from(text).toString("base64url")).join(".");
  return `${input}.${sign(null, Buffer.from(input), key).toString("base64url")}`;
}
