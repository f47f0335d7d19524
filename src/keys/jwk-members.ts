import { isObject, type JsonObject, member } from "../jws/json.js";
import { KeyError } from "./key.js";
import { decodeBase64 } from "./spelling.js";

// Reads the members of published keys as generously as it can be done without ambiguity. A key inside a token is part of
// the token, and is not read here.

/** Longest integer of a public key, in bytes: OpenSSL takes minutes for a number of a million bytes. */
const MAX_BYTES = 4096;

/** @throws KeyError if it is not a JSON object, or is a set */
export function membersOf(jwk: unknown): JsonObject {
  if (isObject(jwk)) {
    if (!Array.isArray(member(jwk, "keys")) || present(jwk, "kty") !== undefined) return jwk;
    throw new KeyError("this is a JWK Set, not a JWK: give it as jwks or jwksFile");
  }
  throw new KeyError('the JWK is not an object: give one as {"kty": "RSA", "n": ..., "e": ...}');
}

/** A member; undefined if it is absent or null, since libraries write what a key does not have as null. */
export function present(members: JsonObject, name: string): unknown {
  return member(members, name) ?? undefined;
}

/** {@link optionalText}, where an empty one counts as absent: some libraries write absent members so. @throws KeyError */
export function statedText(members: JsonObject, name: string): string | undefined {
  return optionalText(members, name) || undefined;
}

/** A member that must be a string if it is present. @throws KeyError */
function optionalText(members: JsonObject, name: string): string | undefined {
  const value = present(members, name);
  if (value === undefined || typeof value === "string") return value;
  const fix = typeof value === "number" ? 'write it in base64url, as "AQAB" for 65537' : "write it as text";
  throw new KeyError(`the JWK's member "${name}" is not a string: ${fix}`);
}

/** A member that must be a string. @throws KeyError */
export function text(members: JsonObject, name: string): string {
  const value = optionalText(members, name);
  if (value !== undefined) return value;
  const fix =
    present(members, "x5c") === undefined
      ? "export the key again"
      : "only its certificate (x5c) is there, so write that as pem, or ask the issuer for the whole key";
  throw new KeyError(`the JWK has no member "${name}": ${fix}`);
}

/** Reads a member of a key. @throws KeyError */
export type MemberReader = (members: JsonObject, name: string) => Buffer;

/** Reads octets, in which a zero more or less is another key. @param width in bytes; undefined for at least one */
export const octets =
  (width?: number): MemberReader =>
  (members, name) => {
    const bytes = decoded(members, name);
    if (width === undefined ? bytes.length > 0 : bytes.length === width) return bytes;
    throw wrongLength(name, bytes, width === undefined ? "at least one" : `${width}`);
  };

/** A large number in hex: the base64url of one is never made of these characters alone. */
const HEX = /^(?:0x)?[\da-f]{64,}$/i;

/** Reads an unsigned integer, whatever zeros stand before it. @param width its result in bytes; undefined for the shortest */
export const integer =
  (width?: number): MemberReader =>
  (members, name) => {
    if (HEX.test(text(members, name))) {
      throw new KeyError(`the JWK's member "${name}" is in hex, not in base64url: export the key again`);
    }
    const bytes = decoded(members, name);
    if (bytes.length === 0) throw wrongLength(name, bytes, "at least one");
    const first = bytes.findIndex((byte) => byte !== 0);
    const digits = first === -1 ? bytes.subarray(-1) : bytes.subarray(first);
    if (digits.length > MAX_BYTES) {
      throw new KeyError(
        `the JWK's member "${name}" has ${digits.length} bytes, more than ${MAX_BYTES}: make a new key`,
        "unsupported",
      );
    }
    if (width === undefined) return digits;
    if (digits.length > width) throw wrongLength(name, digits, `at most ${width}`);
    return Buffer.concat([Buffer.alloc(width - digits.length), digits]);
  };

function decoded(members: JsonObject, name: string): Buffer {
  const value = text(members, name);
  const bytes = decodeBase64(value);
  if (bytes !== undefined) return bytes;
  const fault = /\s/.test(value)
    ? "has white space or line ends in its base64, which belongs in one piece"
    : "is neither base64url nor base64, or not whole";
  throw new KeyError(`the JWK's member "${name}" ${fault}: export the key again`);
}

function wrongLength(name: string, bytes: Buffer, wanted: string): KeyError {
  return new KeyError(
    `the JWK's member "${name}" has ${bytes.length} bytes, it must have ${wanted}: export the key again`,
  );
}
