import type { Algorithm } from "../../jws/algorithms.js";
import { decodeBase64url } from "../../jws/compact.js";
import { type JsonObject, member } from "../../jws/json.js";
import { KeyError } from "../key-error.js";
import { type LoadedSet, loadJwks, MAX_KEYS } from "../load-jwks.js";
import { examine } from "../prime.js";

/** Characters of the longest modulus that is taken (8192 bits), in base64url. */
const MAX_MODULUS = 1366;

/**
 * Loads a set as an issuer publishes it, for a realm of these algorithms.
 *
 * @param value as it was fetched; may be anything
 * @throws {KeyError} where it is no set, or has no usable key: in the words that `check` and the log have in common
 */
export function loadPublished(value: unknown, algorithms: readonly Algorithm[]): LoadedSet {
  const loaded = loadJwks(value, { algorithms, several: "first" });
  if (loaded.keys.length === 0) throw new KeyError(whyEmpty(loaded, algorithms));
  return loaded;
}

/**
 * Finds out beside the event loop what takes long to find out about a set: {@link loadPublished} takes no time over it then.
 *
 * @param value as it was fetched; may be anything
 * @returns undefined where there is nothing to find out
 */
export function examinePublished(value: unknown): Promise<void> | undefined {
  const list = typeof value === "object" && value !== null ? member(value as JsonObject, "keys") : undefined;
  return Array.isArray(list) && list.length <= MAX_KEYS ? examine(list.flatMap(modulusOf)) : undefined;
}

/** The modulus of a JWK, if it has one of a length that is taken. */
function modulusOf(jwk: unknown): bigint[] {
  if (typeof jwk !== "object" || jwk === null || member(jwk as JsonObject, "kty") !== "RSA") return [];
  const n = member(jwk as JsonObject, "n");
  const bytes = typeof n === "string" && n.length <= MAX_MODULUS ? decodeBase64url(n) : undefined;
  return bytes === undefined || bytes.length === 0 ? [] : [BigInt(`0x${bytes.toString("hex")}`)];
}

function whyEmpty({ leftOut }: LoadedSet, algorithms: readonly Algorithm[]): string {
  const first = leftOut.find(({ refused }) => refused) ?? leftOut[0];
  const detail = first === undefined ? "it is empty" : `number ${first.index}: ${first.why}`;
  return `the set has no usable key for ${algorithms.join(", ")} (${detail})`;
}
