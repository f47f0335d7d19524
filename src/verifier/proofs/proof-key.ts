import type { KeyObject } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Algorithm } from "../../jws/algorithms.js";
import { decodeBase64url } from "../../jws/base64url.js";
import { isObject, type JsonObject, member } from "../../jws/json.js";
import { PRIVATE_MEMBERS, readPublicKey, thumbprint } from "../../keys/public-jwk.js";
import { isOfSmallOrder } from "../../keys/weak-keys.js";

// The public key in the header of a DPoP proof. It is part of the proof, so it is read as strictly: two spellings of a
// number would be two thumbprints.

/** The algorithms that DPoP proofs may have unless the realm says otherwise; HMAC never (RFC 9449, section 4.2). */
export const PROOF_ALGORITHMS = [
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
] as const satisfies readonly Algorithm[];

/** A key as it is written, not examined yet. */
export interface ProofKey {
  /** `kty`, and `crv` if the type has curves. */
  readonly kind: string;
  /** The members of the public key alone. */
  readonly members: JsonObject;
  /** The values of the members, in alphabetical order of their names. */
  readonly parts: readonly Buffer[];
  /** RFC 7638. */
  readonly thumbprint: string;
}

/** The members of each kind of key, in alphabetical order, with their lengths in bytes; 0 for an integer of any length. */
const MEMBERS: ReadonlyMap<string, Readonly<Record<string, number>>> = new Map([
  ["RSA", { e: 0, n: 0 }],
  ["EC P-256", { x: 32, y: 32 }],
  ["EC P-384", { x: 48, y: 48 }],
  ["EC P-521", { x: 66, y: 66 }],
  ["OKP Ed25519", { x: 32 }],
]);

/** Lengths of an RSA modulus in bytes: 2048 to 4096 bits. */
const [MIN_MODULUS, MAX_MODULUS] = [256, 512];

/** 65537, the exponent that keys in use have; with a longer one, a check takes longer than the sender's signature. */
const EXPONENT = Buffer.from([1, 0, 1]);

/** Reads the `jwk` of a proof's header. @returns a text that says what is wrong with it */
export function readProofKey(jwk: unknown): ProofKey | string {
  if (!isObject(jwk)) return "'jwk' is not an object.";
  if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))) return "'jwk' holds a private or secret member.";
  const [kty, crv] = [member(jwk, "kty"), member(jwk, "crv")];
  const kind = kty === "RSA" ? kty : typeof kty === "string" && typeof crv === "string" ? `${kty} ${crv}` : "";
  const shape = MEMBERS.get(kind);
  if (shape === undefined) return `'jwk' is not a key of one of the kinds ${[...MEMBERS.keys()].join(", ")}.`;
  const parts: Buffer[] = [];
  for (const [name, width] of Object.entries(shape)) {
    const text = member(jwk, name);
    const bytes = typeof text === "string" ? decodeBase64url(text) : undefined;
    const isWide = bytes !== undefined && (width === 0 ? bytes.length > 0 && bytes[0] !== 0 : bytes.length === width);
    if (!isWide) return `'${name}' of 'jwk' is not base64url of the right length.`;
    parts.push(bytes);
  }
  const names = ["kty", ...(kind === "RSA" ? [] : ["crv"]), ...Object.keys(shape)];
  const members = Object.fromEntries(names.map((name) => [name, member(jwk, name)]));
  return { kind, members, parts, thumbprint: thumbprint(members) };
}

/** Most prepared keys that are kept, a few kilobytes each. */
const MAX_KEYS = 1000;

/** Prepares keys, and keeps those that proofs had last: a client uses one key for all its proofs. */
export class ProofKeys {
  readonly #loaded = new LRUCache<string, KeyObject>({ maxSize: MAX_KEYS, sizeCalculation: () => 1 });

  /** The prepared key, or a text that says what is wrong with it. */
  load(key: ProofKey): KeyObject | string {
    const known = this.#loaded.get(key.thumbprint);
    if (known !== undefined) return known;
    const loaded = loadProofKey(key);
    if (typeof loaded !== "string") this.#loaded.set(key.thumbprint, loaded);
    return loaded;
  }
}

/**
 * Examines a key and prepares it. Takes less time than its signature check: a stranger chooses the key, so nothing else may
 * be looked for, such as factors.
 *
 * @returns a text that says what is wrong with it
 */
function loadProofKey({ kind, members, parts }: ProofKey): KeyObject | string {
  const [first = Buffer.alloc(0), modulus = Buffer.alloc(0)] = parts;
  if (kind === "RSA") {
    const { length } = modulus;
    const isShort = length < MIN_MODULUS || (length === MIN_MODULUS && (modulus[0] as number) < 0x80);
    if (isShort || length > MAX_MODULUS) return "The RSA key of 'jwk' does not have 2048 to 4096 bits.";
    if (!first.equals(EXPONENT)) return "The RSA key of 'jwk' has another exponent than 65537.";
  }
  if (kind === "OKP Ed25519" && isOfSmallOrder(first)) return "The key of 'jwk' is a point of small order.";
  try {
    return readPublicKey(members, members["kty"] as string);
  } catch {
    return "The members of 'jwk' do not make a key.";
  }
}
