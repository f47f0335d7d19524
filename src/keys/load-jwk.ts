import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { isAlgorithm } from "../jws/algorithms.js";
import { decodeBase64url } from "../jws/compact.js";
import { type JsonObject, member } from "../jws/json.js";
import { askedAlgorithm, chooseAlgorithm, type LoadOptions } from "./choose-algorithm.js";
import type { VerificationKey } from "./key.js";
import { KeyError, quoted } from "./key-error.js";
import { chooseKid } from "./kid.js";
import { loadSecret } from "./load-secret.js";
import { publicVerificationKey } from "./public-key.js";

/** The kinds of keys that have a curve: their `kty`. */
const CURVED = new Set(["EC", "OKP"]);

/** The members that make a public key, by `kty` and `crv`, with their widths in bytes; 0: any. */
const SHAPES: ReadonlyMap<string, Readonly<Record<string, number>>> = new Map([
  ["RSA", { n: 0, e: 0 }],
  ["EC P-256", { x: 32, y: 32 }],
  ["EC P-384", { x: 48, y: 48 }],
  ["EC P-521", { x: 66, y: 66 }],
  ["OKP Ed25519", { x: 32 }],
]);

/**
 * What stands before the coordinates in the SubjectPublicKeyInfo of a point, by its curve (RFC 5480). Read so, a point is
 * checked to be on its curve, which makes it good where the cofactor is 1; read as a JWK, OpenSSL multiplies it by the
 * curve's order as well, which takes ten times as long for P-521.
 */
const SPKI_HEADS: ReadonlyMap<string, string> = new Map([
  ["EC P-256", "3059301306072a8648ce3d020106082a8648ce3d03010703420004"],
  ["EC P-384", "3076301006072a8648ce3d020106052b8104002203620004"],
  ["EC P-521", "30819b301006072a8648ce3d020106052b810400230381860004"],
]);

/** Most bytes of a member of a public key: OpenSSL takes minutes over a number of a million. */
const MAX_BYTES = 4096;

/** The members that only the owner of a key may see (RFC 7518 sections 6.2.2, 6.3.2 and 6.4). */
const PRIVATE = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/**
 * Loads one JWK (RFC 7517): a public key, or a secret of kty "oct".
 *
 * Certificates in it (`x5c`, `x5u`) are not looked at. Leading zeros of an RSA modulus are let pass, as old libraries
 * write one.
 *
 * @param jwk as JSON.parse made it; may be anything
 * @throws KeyError where it is refused; one with `foreign` set where it is for another algorithm or use
 */
export function loadJwk(jwk: unknown, options: LoadOptions): VerificationKey {
  const members = membersOf(jwk);
  const kid = chooseKid(options.kid, member(members, "kid"));
  const kty = text(members, "kty");
  const secret = PRIVATE.find((name) => Object.hasOwn(members, name) && !(kty === "oct" && name === "k"));
  if (secret !== undefined) {
    throw new KeyError(`the JWK holds the private member ${quoted(secret)}: give the public key, and replace this one`);
  }
  checkPurpose(members);
  const asked = askedAlgorithm(options, optionalText(members, "alg"));
  if (kty !== "oct") return publicVerificationKey(publicKey(members, kty), kid, asked, options);
  const bytes = part(members, "k", 0);
  const algorithm = chooseAlgorithm(createSecretKey(bytes), asked, options, "a secret");
  return loadSecret(bytes, { algorithm, kid });
}

/** @throws KeyError where it is not a JSON object */
function membersOf(jwk: unknown): JsonObject {
  if (typeof jwk === "object" && jwk !== null && !Array.isArray(jwk)) return jwk as JsonObject;
  throw new KeyError('the JWK is not an object: give one as {"kty": "RSA", "n": ..., "e": ...}');
}

/** `use` and `key_ops` (RFC 7517 sections 4.2 and 4.3) must admit verifying. */
function checkPurpose(members: JsonObject): void {
  const use = optionalText(members, "use");
  const operations = member(members, "key_ops");
  if (operations !== undefined && !isTextList(operations)) {
    throw new KeyError('"key_ops" is not a list of different texts: write ["verify"], or leave it out');
  }
  const byUse = use === undefined || use === "sig";
  const byOperations = operations === undefined || operations.includes("verify");
  if (byUse && byOperations) return;
  // Where something else in the key says that it verifies, the key contradicts itself: nobody knows what it is for.
  const saysVerify = isAlgorithm(member(members, "alg")) || use === "sig" || operations?.includes("verify");
  const what = byUse ? '"key_ops" of the key is without "verify"' : `the key's "use" is ${quoted(use)}, not "sig"`;
  throw new KeyError(`${what}: give a key that is for verifying signatures`, { foreign: saysVerify !== true });
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string") && new Set(value).size === value.length;
}

function publicKey(members: JsonObject, kty: string): KeyObject {
  const crv = optionalText(members, "crv");
  const kind = kty === "RSA" || crv === undefined ? kty : `${kty} ${crv}`;
  const shape = kty === "RSA" || CURVED.has(kty) ? SHAPES.get(kind) : undefined;
  if (shape === undefined) {
    const known = [...SHAPES.keys()].join(", ");
    throw new KeyError(`no algorithm here takes a key of the kind ${quoted(kind)}: give one of ${known}`, {
      foreign: true,
    });
  }
  const parts = Object.entries(shape).map(([name, width]) => [name, part(members, name, width)] as const);
  const long = parts.find(([, bytes]) => bytes.length > MAX_BYTES);
  if (long !== undefined) {
    throw new KeyError(
      `the JWK's member "${long[0]}" has ${long[1].length} bytes, more than ${MAX_BYTES}: make a new key`,
    );
  }
  const head = SPKI_HEADS.get(kind);
  try {
    if (head !== undefined) {
      const der = Buffer.concat([Buffer.from(head, "hex"), ...parts.map(([, bytes]) => bytes)]);
      return createPublicKey({ key: der, format: "der", type: "spki" });
    }
    // A JWK of nothing but what was checked: whatever else stands in the other one, node:crypto does not get to see it.
    const jwk: JsonWebKey = kty === "RSA" || crv === undefined ? { kty } : { kty, crv };
    for (const [name, bytes] of parts) jwk[name] = bytes.toString("base64url");
    return createPublicKey({ key: jwk, format: "jwk" });
  } catch {
    throw new KeyError(
      `the members of the ${kind} key are no key, as a point that is not on its curve: export it anew`,
    );
  }
}

/** The bytes of a member. @param width how many there must be; 0: at least one */
function part(members: JsonObject, name: string, width: number): Buffer {
  const bytes = decodeBase64url(text(members, name));
  if (bytes === undefined) {
    throw new KeyError(`the JWK's member "${name}" is not base64url: write it without padding, white space, + and /`);
  }
  if (width === 0 ? bytes.length > 0 : bytes.length === width) return bytes;
  const wanted = width === 0 ? "at least one" : width;
  throw new KeyError(
    `the JWK's member "${name}" has ${bytes.length} bytes, it must have ${wanted}: export the key anew`,
  );
}

function text(members: JsonObject, name: string): string {
  const value = optionalText(members, name);
  if (value === undefined) throw new KeyError(`the JWK has no member "${name}": export the key anew`);
  return value;
}

function optionalText(members: JsonObject, name: string): string | undefined {
  const value = member(members, name);
  if (value === undefined || typeof value === "string") return value;
  throw new KeyError(`the JWK's member "${name}" is not a string: write it as text`);
}
