import { createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { compactVerify, importJWK, type JWK } from "jose";
import { type Algorithm, verifySignature } from "../../src/jws/algorithms.js";
import { readJwt } from "../../src/jws/compact.js";
import { MAX_DEPTH, MAX_ITEMS, member, readJson } from "../../src/jws/json.js";
import { loadJwk } from "../../src/keys/jwk.js";
import { KeyError, type VerificationKey } from "../../src/keys/key.js";
import { onlyKey } from "../keys/only-key.js";
import { JWKS, type Mutant, mutantOf } from "./mutants.js";
import { type Random, randomOf } from "./random.js";
import { NAMES } from "./signing.js";

// Compares our verdict on a token with jose's. jose must verify every token that we verify, to the same payload; each
// case in which we are stricter must have a name. docs/strictness.md explains the names.

/** Our verdict on a token. */
type Ours = { readonly payload: string } | { readonly refused: string };

const KEYS = Object.fromEntries(
  NAMES.map((name) => [name, onlyKey(loadJwk(JWKS[name], { algorithms: [name] }))]),
) as unknown as Readonly<Record<Algorithm, VerificationKey>>;

const OTHERS = Object.fromEntries(
  NAMES.map((name): [Algorithm, KeyObject] => {
    const jwk = JWKS[name];
    const secret = jwk["k"];
    if (typeof secret === "string") return [name, createSecretKey(secret, "base64url")];
    return [name, createPublicKey({ key: jwk as never, format: "jwk" })];
  }),
) as Readonly<Record<Algorithm, KeyObject>>;

/** Checks a token with our own reader, key loading and signature check. */
export function askUs({ token, algorithm, jwk }: Mutant): Ours {
  let key = KEYS[algorithm];
  if (jwk !== undefined) {
    try {
      key = onlyKey(loadJwk(jwk, { algorithms: [algorithm] }));
    } catch (error) {
      if (error instanceof KeyError) return { refused: "key" };
      throw error;
    }
  }
  const read = readJwt(token, { ignoreHeaders: new Set() });
  if (!read.ok) return { refused: read.reason };
  if (member(read.header, "alg") !== algorithm) return { refused: "alg" };
  const good = verifySignature(key.algorithm, key.key, read.signingInput, read.signature);
  return good ? { payload: read.payloadText } : { refused: "signature" };
}

/** Checks a token with jose, and returns the payload, or undefined if it is refused. */
export async function askJose({ token, algorithm, jwk }: Mutant): Promise<Buffer | undefined> {
  try {
    const key = jwk === undefined ? OTHERS[algorithm] : await importJWK(jwk as JWK, algorithm);
    const { payload } = await compactVerify(token, key, { algorithms: [algorithm] });
    return Buffer.from(payload);
  } catch {
    return undefined;
  }
}

/** The members of keys that are integers, with their widths in bytes by curve; RSA's have the shortest. */
const WIDTHS: Readonly<Record<string, number>> = { "P-256": 32, "P-384": 48, "P-521": 66 };

/** Spells a key that we read generously as the RFCs want it, by a reading of its own, so that jose can read it too. */
function respelled(jwk: unknown): unknown {
  if (!isObject(jwk)) return jwk;
  const members = Object.fromEntries(Object.entries(jwk).filter(([, value]) => value !== null));
  for (const name of ["n", "e", "x", "y", "k", "pub"]) {
    if (typeof members[name] !== "string") continue;
    let hex = Buffer.from(members[name], "base64").toString("hex");
    if (members["kty"] === "RSA" || members["kty"] === "EC") {
      const least = 2 * (WIDTHS[String(members["crv"])] ?? 1);
      while (hex.length > least && hex.startsWith("00")) hex = hex.slice(2);
      hex = hex.padStart(least, "0");
    }
    members[name] = Buffer.from(hex, "hex").toString("base64url");
  }
  if (Array.isArray(members["key_ops"])) members["key_ops"] = [...new Set(members["key_ops"])];
  // What libraries write as empty in place of leaving it out.
  if (Array.isArray(members["key_ops"]) && members["key_ops"].length === 0) delete members["key_ops"];
  for (const name of ["use", "alg"]) if (members[name] === "") delete members[name];
  return members;
}

const REFUSED = ["crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"];

/** A token as read leniently, before it is judged. */
interface Loose {
  readonly segments: readonly string[];
  readonly bytes: readonly Buffer[];
  readonly texts: readonly string[];
  readonly values: readonly unknown[];
}

function loosely(token: string): Loose {
  const segments = token.split(".");
  const bytes = segments.map((segment) => Buffer.from(segment, "base64url"));
  const texts = bytes.slice(0, 2).map((one) => one.toString().replace(/^\ufeff/, ""));
  return { segments, bytes, texts, values: texts.map((text) => readJson(Buffer.from(text))) };
}

/**
 * Whether JSON.parse, which jose relies on, misreads the header of a token right now. V8 12.8 and later do for escaped
 * member names, once some text had a member name that ends in a backslash.
 */
export function isMisread(token: string): boolean {
  const header = Buffer.from(token.split(".", 1)[0] ?? "", "base64url").toString();
  const unescaped = header.replace(/\\(?:u00([2-7][0-9a-f])|.)/gis, (spelling: string, hex: string | undefined) => {
    const char = String.fromCharCode(Number.parseInt(hex ?? "22", 16));
    return char === '"' || char === "\\" ? spelling : char;
  });
  try {
    return JSON.stringify(JSON.parse(header)) !== JSON.stringify(JSON.parse(unescaped));
  } catch {
    return false;
  }
}

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Returns whether a test holds for a value, or for a name or value within it. */
export const some = (value: unknown, test: (value: unknown) => boolean): boolean =>
  test(value) ||
  (typeof value === "object" &&
    value !== null &&
    Object.entries(value).some(([name, one]) => test(name) || some(one, test)));

const depth = (value: unknown): number =>
  typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0;
const items = (value: unknown): number =>
  typeof value === "object" && value !== null
    ? Object.values(value).reduce((sum: number, one) => sum + 1 + items(one), 0)
    : 0;

/** Returns whether an object in a JSON text has a duplicate member, by its tokens and without our reader. */
export function hasDuplicate(text: string): boolean {
  const open: (Set<string> | undefined)[] = [];
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"\s*:?|[{}[\]]/gs)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(undefined);
    else if (token === "}" || token === "]") open.pop();
    else if (token.endsWith(":")) {
      const name = JSON.parse(token.slice(0, -1)) as string;
      if (open.at(-1)?.has(name)) return true;
      open.at(-1)?.add(name);
    }
  }
  return false;
}

/** The names of cases in which we are stricter than jose, and their tests; the first that fits names a token. */
const STRICTER: Readonly<Record<string, (loose: Loose) => boolean>> = {
  base64url: ({ segments, bytes }) => segments.some((text, at) => bytes[at]?.toString("base64url") !== text),
  "utf-8": ({ bytes }) =>
    bytes.slice(0, 2).some((one) => !Buffer.from(one.toString()).equals(one) || one.toString().startsWith("\ufeff")),
  payload: ({ values }) => !isObject(values[1]),
  duplicates: ({ texts }) => texts.some(hasDuplicate),
  numbers: ({ values }) =>
    values.some((value) => some(value, (one) => typeof one === "number" && !Number.isFinite(one))),
  surrogates: ({ values }) =>
    values.some((value) => some(value, (one) => typeof one === "string" && /\p{Surrogate}/u.test(one))),
  size: ({ values }) => values.some((value) => depth(value) > MAX_DEPTH || items(value) > MAX_ITEMS),
  "header refused": ({ values }) =>
    isObject(values[0]) && REFUSED.some((name) => Object.hasOwn(values[0] as object, name)),
  "header types": ({ values }) =>
    ["kid", "typ", "cty"].some((name) => {
      const value = isObject(values[0]) ? (values[0] as Record<string, unknown>)[name] : undefined;
      return value !== undefined && typeof value !== "string";
    }),
};

/** Whether a text is whole in one of the alphabets, padded or not. */
const isBase64 = (text: unknown): boolean => {
  const again = (bytes: Buffer): string[] => [bytes.toString("base64"), bytes.toString("base64url")];
  if (typeof text !== "string") return false;
  const [standard = "", url = ""] = again(Buffer.from(text, "base64"));
  return [standard, standard.replaceAll("=", ""), url, url.padEnd(standard.length, "=")].includes(text);
};

/** The names of cases in which we are stricter about keys. */
const STRICTER_KEYS: Readonly<
  Record<string, (jwk: Readonly<Record<string, unknown>>, algorithm: Algorithm) => boolean>
> = {
  "key private": (jwk) =>
    ["d", "p", "q", "dp", "dq", "qi", "priv"].some((name) => name in jwk) || (jwk["kty"] !== "oct" && "k" in jwk),
  "key purpose": ({ use, key_ops: operations, alg }, algorithm) =>
    (use !== undefined && use !== "sig") || operations !== undefined || (alg !== undefined && alg !== algorithm),
  "key members": (jwk) =>
    ["kty", "crv", "n", "e", "x", "y", "k", "pub"].some((name) => name in jwk && typeof jwk[name] !== "string"),
  "key kid": ({ kid }) => kid !== undefined && (typeof kid !== "string" || kid === ""),
  "key base64": (jwk) => ["n", "e", "x", "y", "k", "pub"].some((name) => name in jwk && !isBase64(jwk[name])),
  "key strength": ({ kty }) => kty === "RSA" || kty === "oct" || kty === "OKP",
};

/** All names of strictness. */
export const STRICTNESS: readonly string[] = [...Object.keys(STRICTER), ...Object.keys(STRICTER_KEYS)];

/** Returns the name for a token that jose verifies and we refuse, or undefined if none fits. */
export function strictness({ token, jwk, algorithm }: Mutant, refused: string): string | undefined {
  if (refused === "key" && typeof jwk === "object" && jwk !== null) {
    return Object.entries(STRICTER_KEYS).find(([, shows]) => shows(jwk as Record<string, unknown>, algorithm))?.[0];
  }
  if (refused !== "TOKEN_MALFORMED" && refused !== "HEADER_REFUSED") return undefined;
  const loose = loosely(token);
  return Object.entries(STRICTER).find(([, shows]) => shows(loose))?.[0];
}

/** The results of a run. */
export interface Tally {
  mutants: number;
  verified: number;
  /** The number of mutants that we refused and jose was asked about. */
  asked: number;
  /** The number of these that jose verified, by name. */
  readonly stricter: Record<string, number>;
  /** The number that jose judged differently because JSON.parse misread the header. */
  misread: number;
  /** The number that we refused, by reason. */
  readonly refused: Record<string, number>;
  /** The disagreements without a name: a mutant and its problem, as JSON. */
  readonly faults: string[];
}

/** Returns an empty tally. */
export const newTally = (): Tally => ({
  mutants: 0,
  verified: 0,
  asked: 0,
  misread: 0,
  stricter: {},
  refused: {},
  faults: [],
});

const add = (counts: Record<string, number>, name: string): void => {
  counts[name] = (counts[name] ?? 0) + 1;
};

/**
 * Tries mutants of a seed and adds to a tally.
 *
 * @param count of mutants @param sample jose is asked about one in `sample` of the mutants that we refuse @param next makes them
 */
export async function tryMutants(
  seed: number,
  count: number,
  sample: number,
  tally: Tally,
  next: (random: Random) => Mutant = mutantOf,
): Promise<void> {
  const random = randomOf(seed);
  for (let done = 0; done < count; done++) {
    const mutant = next(random);
    const ours = askUs(mutant);
    tally.mutants++;
    const fault = (what: string): void => {
      if (isMisread(mutant.token)) tally.misread++;
      else tally.faults.push(JSON.stringify({ what, ours, ...mutant }));
    };
    if ("payload" in ours) {
      tally.verified++;
      const payload = await askJose({ ...mutant, jwk: respelled(mutant.jwk) });
      if (payload === undefined) fault("jose refuses what we verify");
      else if (!payload.equals(Buffer.from(ours.payload))) fault("another payload");
      continue;
    }
    add(tally.refused, ours.refused);
    // A refusal at a signature or an algorithm is expensive to compare and never differs; one by the reader may differ.
    if (mutant.kind !== "ofKeys" && !random.oneIn(sample)) continue;
    tally.asked++;
    if ((await askJose(mutant)) === undefined) continue;
    const name = strictness(mutant, ours.refused);
    if (name === undefined) fault("jose verifies it, and there is no name for why we do not");
    else add(tally.stricter, name);
  }
}
