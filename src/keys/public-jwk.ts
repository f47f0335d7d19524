import { createPublicKey, hash, type JsonWebKey, type KeyObject } from "node:crypto";
import { ALGORITHMS, ALL_ALGORITHMS, type Algorithm, type AlgorithmRow } from "../jws/algorithms.js";
import { type JsonObject, member } from "../jws/json.js";
import { quote } from "../util/printable.js";
import { integer, type MemberReader, octets, text } from "./jwk-members.js";
import { KeyError } from "./key.js";

/** The members of private and symmetric keys (RFC 7518, sections 6.2.2, 6.3.2 and 6.4; RFC 9964, section 3). */
export const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/** The values of `kty` of public keys, each with the member that tells its kinds apart; undefined for one kind alone. */
const KIND_MEMBERS: ReadonlyMap<string, "crv" | "alg" | undefined> = new Map([
  ["RSA", undefined],
  ["EC", "crv"],
  ["OKP", "crv"],
  ["AKP", "alg"],
]);

/** A kind of public key. */
interface Kind {
  /** Its members, and how they are read. */
  readonly members: Readonly<Record<string, MemberReader>>;
  /** The algorithms that take it. */
  readonly algorithms: readonly Algorithm[];
}

const takenBy = (keyType: string, curve?: string): readonly Algorithm[] =>
  ALL_ALGORITHMS.filter((name) => {
    const row: AlgorithmRow = ALGORITHMS[name];
    return row.keyType === keyType && row.curve === curve;
  });

/** The kinds of keys with the `kty` AKP, each for one algorithm (RFC 9964, section 3). */
const AKP_KINDS = ALL_ALGORITHMS.flatMap((name): [string, Kind][] => {
  const { akpBytes }: AlgorithmRow = ALGORITHMS[name];
  return akpBytes === undefined ? [] : [[`AKP ${name}`, { members: { pub: octets(akpBytes) }, algorithms: [name] }]];
});

/** The kinds of public keys, by `kty` and what {@link KIND_MEMBERS} names. */
const KINDS: ReadonlyMap<string, Kind> = new Map([
  ["RSA", { members: { n: integer(), e: integer() }, algorithms: takenBy("rsa") }],
  ["EC P-256", { members: { x: integer(32), y: integer(32) }, algorithms: takenBy("ec", "prime256v1") }],
  ["EC P-384", { members: { x: integer(48), y: integer(48) }, algorithms: takenBy("ec", "secp384r1") }],
  ["EC P-521", { members: { x: integer(66), y: integer(66) }, algorithms: takenBy("ec", "secp521r1") }],
  ["OKP Ed25519", { members: { x: octets(32) }, algorithms: takenBy("ed25519") }],
  ...AKP_KINDS,
]);

/** The algorithms that a key of this type and curve verifies, whatever else it holds; empty if its type is unknown. */
export function algorithmsOfType(jwk: JsonObject): readonly Algorithm[] {
  const kty = member(jwk, "kty");
  if (kty === "oct") return takenBy("secret");
  if (typeof kty !== "string") return [];
  const found = KINDS.get(kindOf(kty, (name) => String(member(jwk, name))) ?? "");
  if (found !== undefined) return found.algorithms;
  return kty === "AKP" ? AKP_KINDS.flatMap(([, { algorithms }]) => algorithms) : [];
}

/**
 * The kind of a key, as {@link KINDS} names it; undefined for a `kty` that is not there.
 *
 * @param read gives the value of the member that tells the kinds apart
 */
function kindOf(kty: string, read: (name: "crv" | "alg") => string): string | undefined {
  const name = KIND_MEMBERS.get(kty);
  if (name !== undefined) return `${kty} ${read(name)}`;
  return KIND_MEMBERS.has(kty) ? kty : undefined;
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
  const kind = kindOf(kty, (name) => text(members, name));
  const shape = kind === undefined ? undefined : KINDS.get(kind)?.members;
  if (kind === undefined || shape === undefined) {
    const known = [...KINDS.keys()].join(", ");
    throw new KeyError(
      `no algorithm here takes a key of the kind ${quote(kind ?? kty)}: give one of ${known}`,
      "set aside",
    );
  }
  const parts = Object.entries(shape).map(([name, read]) => [name, read(members, name)] as const);
  const head = SPKI_HEADS.get(kind);
  try {
    if (head !== undefined) {
      const der = Buffer.concat([Buffer.from(head, "hex"), ...parts.map(([, bytes]) => bytes)]);
      return createPublicKey({ key: der, format: "der", type: "spki" });
    }
    // A JWK of the checked members only, so that node:crypto sees no others.
    const jwk: JsonWebKey = { kty };
    const told = KIND_MEMBERS.get(kty);
    if (told !== undefined) jwk[told] = text(members, told);
    for (const [name, bytes] of parts) jwk[name] = bytes.toString("base64url");
    return createPublicKey({ key: jwk, format: "jwk" });
  } catch {
    throw new KeyError(
      `the members of the ${kind} key do not make a key, for example a point that is not on its curve: export it again`,
    );
  }
}

/**
 * The thumbprint of a public key (RFC 7638, section 3, and RFC 9964, section 6): SHA-256 over the required members in
 * alphabetical order.
 *
 * @param jwk its `alg` counts: give it for AKP alone
 */
export function thumbprint({ alg, crv, e, kty, n, pub, x, y }: JsonWebKey): string {
  // JSON.stringify omits undefined members, which are those that a kind of key does not have.
  return hash("sha256", JSON.stringify({ alg, crv, e, kty, n, pub, x, y }), "base64url");
}
