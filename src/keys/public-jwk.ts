import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { ALGORITHMS, type Algorithm, type AlgorithmRow } from "../jws/algorithms.js";
import { type JsonObject, member } from "../jws/json.js";
import { quote } from "../util/printable.js";
import { integer, type MemberReader, octets, optionalText } from "./jwk-members.js";
import { KeyError } from "./key.js";

/** The values of `kty` that come with a curve. */
const CURVED = new Set(["EC", "OKP"]);

/** A kind of public key. */
interface Kind {
  /** Its members, and how they are read. */
  readonly members: Readonly<Record<string, MemberReader>>;
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
  ["RSA", { members: { n: integer(), e: integer() }, algorithms: takenBy("rsa") }],
  ["EC P-256", { members: { x: integer(32), y: integer(32) }, algorithms: takenBy("ec", "prime256v1") }],
  ["EC P-384", { members: { x: integer(48), y: integer(48) }, algorithms: takenBy("ec", "secp384r1") }],
  ["EC P-521", { members: { x: integer(66), y: integer(66) }, algorithms: takenBy("ec", "secp521r1") }],
  ["OKP Ed25519", { members: { x: octets(32) }, algorithms: takenBy("ed25519") }],
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

/**
 * Reads the members of a public key.
 *
 * @throws KeyError if no algorithm takes a key of its kind (cause `set aside`), or if its members do not make a key
 */
export function readPublicKey(members: JsonObject, kty: string): KeyObject {
  const crv = optionalText(members, "crv");
  const kind = kty === "RSA" || crv === undefined ? kty : `${kty} ${crv}`;
  if (crv === undefined && CURVED.has(kty)) throw new KeyError('the JWK has no member "crv": export the key again');
  const shape = kty === "RSA" || CURVED.has(kty) ? KINDS.get(kind)?.members : undefined;
  if (shape === undefined) {
    const known = [...KINDS.keys()].join(", ");
    throw new KeyError(`no algorithm here takes a key of the kind ${quote(kind)}: give one of ${known}`, "set aside");
  }
  const parts = Object.entries(shape).map(([name, read]) => [name, read(members, name)] as const);
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
