import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { ALGORITHMS, type Algorithm, type AlgorithmRow, isAlgorithm } from "../jws/algorithms.js";
import { decodeBase64url } from "../jws/compact.js";
import { type JsonObject, member } from "../jws/json.js";
import { quote } from "../util/printable.js";
import { bindPublicKey, chooseAlgorithm, chooseKid, type LoadOptions, requiredAlgorithm } from "./binding.js";
import { KeyError, type VerificationKey } from "./key.js";
import { loadSecret } from "./secret.js";

/** The values of `kty` that come with a curve. */
const CURVED = new Set(["EC", "OKP"]);

/** A kind of public key. */
interface Kind {
  /** Its members, with their lengths in bytes; 0 for any length. */
  readonly members: Readonly<Record<string, number>>;
  /** The algorithms that take it. */
  readonly algorithms: readonly Algorithm[];
}

const NAMES = Object.keys(ALGORITHMS) as readonly Algorithm[];

const takenBy = (keyType: string, curve?: string): readonly Algorithm[] =>
  NAMES.filter((name) => {
    const row: AlgorithmRow = ALGORITHMS[name];
    return row.keyType === keyType && row.curve === curve;
  });

/** The kinds of public keys, by `kty` and `crv`. */
const KINDS: ReadonlyMap<string, Kind> = new Map([
  ["RSA", { members: { n: 0, e: 0 }, algorithms: takenBy("rsa") }],
  ["EC P-256", { members: { x: 32, y: 32 }, algorithms: takenBy("ec", "prime256v1") }],
  ["EC P-384", { members: { x: 48, y: 48 }, algorithms: takenBy("ec", "secp384r1") }],
  ["EC P-521", { members: { x: 66, y: 66 }, algorithms: takenBy("ec", "secp521r1") }],
  ["OKP Ed25519", { members: { x: 32 }, algorithms: takenBy("ed25519") }],
]);

/** The algorithms that a key of this type and curve verifies, whatever else it holds; empty if its type is unknown. */
export function algorithmsOfType(jwk: JsonObject): readonly Algorithm[] {
  const [kty, crv] = [member(jwk, "kty"), member(jwk, "crv")];
  if (kty === "oct") return takenBy("secret");
  if (typeof kty !== "string") return [];
  return KINDS.get(CURVED.has(kty) ? `${kty} ${String(crv)}` : kty)?.algorithms ?? [];
}

/**
 * The bytes before the coordinates in the SubjectPublicKeyInfo of a point, by curve (RFC 5480). Read in this form, OpenSSL
 * checks that the point is on its curve, which suffices because the cofactor is 1. Read as a JWK, it also multiplies the
 * point by the curve's order, which takes ten times as long on P-521.
 */
const SPKI_HEADS: ReadonlyMap<string, string> = new Map([
  ["EC P-256", "3059301306072a8648ce3d020106082a8648ce3d03010703420004"],
  ["EC P-384", "3076301006072a8648ce3d020106052b8104002203620004"],
  ["EC P-521", "30819b301006072a8648ce3d020106052b810400230381860004"],
]);

/** Longest member of a public key, in bytes: OpenSSL takes minutes for a number of a million bytes. */
const MAX_BYTES = 4096;

/** The members of private and symmetric keys (RFC 7518, sections 6.2.2, 6.3.2 and 6.4). */
const PRIVATE = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/**
 * Loads one JWK (RFC 7517): a public key, or a secret (`kty` "oct"). Ignores certificates in it (`x5c`, `x5u`), and accepts
 * leading zeros in an RSA modulus, since old libraries write one.
 *
 * @param jwk a parsed JSON value of any kind
 * @throws KeyError if it is refused; its cause is `set aside` if it is meant for another algorithm or use
 */
export function loadJwk(jwk: unknown, options: LoadOptions): VerificationKey {
  const members = membersOf(jwk);
  const kid = chooseKid(options.kid, member(members, "kid"));
  const kty = text(members, "kty");
  const secret = PRIVATE.find((name) => Object.hasOwn(members, name) && !(kty === "oct" && name === "k"));
  if (secret !== undefined) {
    throw new KeyError(
      `the JWK holds the private member ${quote(secret)}: give the public key, and replace this one`,
      "weak",
    );
  }
  checkPurpose(members);
  const required = requiredAlgorithm(options, optionalText(members, "alg"));
  if (kty !== "oct") return bindPublicKey(publicKey(members, kty), kid, required, options);
  const bytes = part(members, "k", 0);
  const algorithm = chooseAlgorithm(createSecretKey(bytes), required, options, "a secret");
  return loadSecret(bytes, { algorithm, kid });
}

/** @throws KeyError if it is not a JSON object */
function membersOf(jwk: unknown): JsonObject {
  if (typeof jwk === "object" && jwk !== null && !Array.isArray(jwk)) return jwk as JsonObject;
  throw new KeyError('the JWK is not an object: give one as {"kty": "RSA", "n": ..., "e": ...}');
}

/** Checks that `use` and `key_ops` (RFC 7517, sections 4.2 and 4.3) allow verifying. */
function checkPurpose(members: JsonObject): void {
  const use = optionalText(members, "use");
  const operations = member(members, "key_ops");
  if (operations !== undefined && !isTextList(operations)) {
    throw new KeyError('"key_ops" is not a list of different texts: write ["verify"], or leave it out');
  }
  const byUse = use === undefined || use === "sig";
  const byOperations = operations === undefined || operations.includes("verify");
  if (byUse && byOperations) return;
  // If another member says that the key verifies, the key contradicts itself and is refused, not set aside.
  const saysVerify = isAlgorithm(member(members, "alg")) || use === "sig" || operations?.includes("verify");
  const what = byUse ? '"key_ops" of the key is without "verify"' : `the key's "use" is ${quote(use)}, not "sig"`;
  throw new KeyError(
    `${what}: give a key that is for verifying signatures`,
    saysVerify ? "contradictory" : "set aside",
  );
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string") && new Set(value).size === value.length;
}

function publicKey(members: JsonObject, kty: string): KeyObject {
  const crv = optionalText(members, "crv");
  const kind = kty === "RSA" || crv === undefined ? kty : `${kty} ${crv}`;
  if (crv === undefined && CURVED.has(kty)) throw new KeyError('the JWK has no member "crv": export the key again');
  const shape = kty === "RSA" || CURVED.has(kty) ? KINDS.get(kind)?.members : undefined;
  if (shape === undefined) {
    const known = [...KINDS.keys()].join(", ");
    throw new KeyError(`no algorithm here takes a key of the kind ${quote(kind)}: give one of ${known}`, "set aside");
  }
  const parts = Object.entries(shape).map(([name, width]) => [name, part(members, name, width)] as const);
  const long = parts.find(([, bytes]) => bytes.length > MAX_BYTES);
  if (long !== undefined) {
    throw new KeyError(
      `the JWK's member "${long[0]}" has ${long[1].length} bytes, more than ${MAX_BYTES}: make a new key`,
      "unsupported",
    );
  }
  const head = SPKI_HEADS.get(kind);
  try {
    if (head !== undefined) {
      const der = Buffer.concat([Buffer.from(head, "hex"), ...parts.map(([, bytes]) => bytes)]);
      return createPublicKey({ key: der, format: "der", type: "spki" });
    }
    // A JWK of the checked members only, so that node:crypto sees no others.
    const jwk: JsonWebKey = kty === "RSA" || crv === undefined ? { kty } : { kty, crv };
    for (const [name, bytes] of parts) jwk[name] = bytes.toString("base64url");
    return createPublicKey({ key: jwk, format: "jwk" });
  } catch {
    throw new KeyError(
      `the members of the ${kind} key do not make a key, for example a point that is not on its curve: export it again`,
    );
  }
}

/** Decodes a member. @param width the length it must have in bytes; 0 for at least one */
function part(members: JsonObject, name: string, width: number): Buffer {
  const bytes = decodeBase64url(text(members, name));
  if (bytes === undefined) {
    throw new KeyError(`the JWK's member "${name}" is not base64url: write it without padding, white space, + and /`);
  }
  if (width === 0 ? bytes.length > 0 : bytes.length === width) return bytes;
  const wanted = width === 0 ? "at least one" : width;
  throw new KeyError(
    `the JWK's member "${name}" has ${bytes.length} bytes, it must have ${wanted}: export the key again`,
  );
}

function text(members: JsonObject, name: string): string {
  const value = optionalText(members, name);
  if (value === undefined) throw new KeyError(`the JWK has no member "${name}": export the key again`);
  return value;
}

function optionalText(members: JsonObject, name: string): string | undefined {
  const value = member(members, name);
  if (value === undefined || typeof value === "string") return value;
  throw new KeyError(`the JWK's member "${name}" is not a string: write it as text`);
}
