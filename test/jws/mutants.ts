import { constants, createHmac, createPublicKey, type KeyObject, sign } from "node:crypto";
import type { Algorithm } from "../../src/jws/algorithms.js";
import { keyOf } from "../support/keys.js";
import { breakJson, breakMember, breakText, misspell } from "./breakage.js";
import { type Random, randomOf } from "./random.js";
import { NAMES, pairOf, toBytes, toInteger } from "./signing.js";

// Tokens as an attacker might make them, from a seed: valid ones of every algorithm, with changed bytes, segments,
// headers, claims, spellings, signatures or keys. Most are signed again after the change, since an unsigned change
// always ends at the signature.

/** A token, and the key to check it with. */
export interface Mutant {
  readonly token: string;
  /** The algorithm that the verifier accepts. */
  readonly algorithm: Algorithm;
  /** A changed JWK to use (default: the algorithm's own key). */
  readonly jwk?: unknown;
  /** A description of how it was made. */
  readonly kind: Kind;
}

/** The names of the test keys that sign. */
const SIGNERS: Readonly<Partial<Record<Algorithm, string>>> = {
  HS256: "hs256",
  HS384: "hs384",
  HS512: "hs512",
  RS256: "rsa",
  RS384: "rsa",
  RS512: "rsa",
  PS256: "rsa",
  PS384: "rsa",
  PS512: "rsa",
  ES256: "p256",
  ES384: "p384",
  ES512: "p521",
  EdDSA: "ed25519",
};

/** The key that signs; the file of test keys has none for ML-DSA, which Node 22 could not read. */
function signerOf(algorithm: Algorithm): KeyObject {
  const name = SIGNERS[algorithm];
  return name === undefined ? pairOf(algorithm).privateKey : keyOf(name).signer;
}

/** The public JWK of each algorithm, or the JWK of its secret. */
export const JWKS = Object.fromEntries(
  NAMES.map((name) => {
    const signer = signerOf(name);
    return [name, (signer.type === "secret" ? signer : createPublicKey(signer)).export({ format: "jwk" })];
  }),
) as Readonly<Record<Algorithm, Readonly<Record<string, unknown>>>>;

/** Signs with an algorithm. @param salt length of PSS's salt in bytes (default: that of the hash) */
export function signatureOf(algorithm: Algorithm, input: string, salt?: number): Buffer {
  const key = signerOf(algorithm);
  const data = Buffer.from(input, "latin1");
  if (algorithm === "EdDSA" || algorithm.startsWith("ML-DSA")) return sign(null, data, key);
  const hash = `sha${algorithm.slice(2)}`;
  if (algorithm.startsWith("HS")) return hmac(hash, key, input);
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: usual } = constants;
  if (algorithm.startsWith("PS")) return sign(hash, data, { key, padding, saltLength: salt ?? usual });
  return sign(hash, data, algorithm.startsWith("ES") ? { key, dsaEncoding: "ieee-p1363" } : key);
}

const hmac = (hash: string, key: KeyObject | string | Buffer, input: string): Buffer =>
  createHmac(hash, key).update(input).digest();

const encode = (bytes: Buffer | string): string => Buffer.from(bytes).toString("base64url");

const signed = (algorithm: Algorithm, header: string, payload: string): string =>
  `${header}.${payload}.${encode(signatureOf(algorithm, `${header}.${payload}`))}`;

const CLAIMS: readonly string[] = [
  '{"sub":"a"}',
  '{"iss":"https://issuer.example","exp":1800003600,"aud":["x","y"],"n":{"a":[1,2,{"b":null}]}}',
  '{"jti":"0","scope":"read write","é":"\\u00e9\\ud83d\\ude00"}',
];

/** Returns a valid token of an algorithm. */
const plain = (algorithm: Algorithm, random: Random): string =>
  signed(algorithm, encode(headerOf(algorithm, random)), encode(random.of(CLAIMS)));

const headerOf = (algorithm: Algorithm, random: Random): string =>
  random.oneIn(2) ? `{"alg":"${algorithm}"}` : `{"alg":"${algorithm}","typ":"JWT","kid":"k"}`;

/** A few valid tokens of each algorithm, made once. */
const POOL: Readonly<Record<Algorithm, readonly string[]>> = Object.fromEntries(
  NAMES.map((name) => [name, Array.from({ length: 6 }, (_, index) => plain(name, randomOf(index)))]),
) as never;

/** Algorithms to draw from, cheap ones more often: ECDSA on P-521 costs a hundred times as much as an HMAC. */
const CHEAP: readonly Algorithm[] = ["HS256", "HS256", "HS384", "HS512", "RS256", "RS256", "PS256"];
const anyAlgorithm = (random: Random): Algorithm => random.of(random.oneIn(16) ? NAMES : CHEAP);

/** Changes bytes and segments without signing again. */
function ofBytes(random: Random): Omit<Mutant, "kind"> {
  const algorithm = anyAlgorithm(random);
  const token = breakText(random.of(POOL[algorithm]), random, () => random.of(POOL[random.of(NAMES)]));
  return { token, algorithm };
}

/** Changes or respells the header or payload, and signs again. */
function ofJson(random: Random): Omit<Mutant, "kind"> {
  const algorithm = random.oneIn(24) ? random.of(NAMES) : random.of(["HS256", "HS384", "HS512"] as const);
  let header: Buffer = Buffer.from(headerOf(algorithm, random));
  let payload: Buffer = Buffer.from(random.of(CLAIMS));
  const what = random.below(8);
  if (what < 3) header = breakJson(header, random);
  if (what === 3) header = breakMember(header, algorithm, random);
  if (what >= 3 && what < 6) payload = breakJson(payload, random);
  const texts = [encode(header), encode(payload)];
  if (what >= 6) texts[random.below(2)] = misspell(texts[random.below(2)]!, random);
  return { token: signed(algorithm, texts[0]!, texts[1]!), algorithm };
}

/** Uses an algorithm in the header or the signature that is not the accepted one. */
function ofConfusion(random: Random): Omit<Mutant, "kind"> {
  const algorithm = anyAlgorithm(random);
  const named = random.of([algorithm, random.of(NAMES), "none", "None", "nOnE", "", "hs256", "RS256 ", "ES256K"]);
  const input = `${encode(`{"alg":${JSON.stringify(named)}}`)}.${encode(random.of(CLAIMS))}`;
  const jwk = JWKS[algorithm];
  const signer = SIGNERS[algorithm];
  const pem = (signer === undefined ? undefined : keyOf(signer).publicPem) ?? "";
  const part = (name: string): Buffer => Buffer.from(typeof jwk[name] === "string" ? jwk[name] : "", "base64url");
  const hash = `sha${random.of([256, 384, 512])}`;
  const signature = random.of<() => Buffer>([
    () => Buffer.alloc(0),
    () => hmac(hash, random.of([pem, pem.trim(), "", JSON.stringify(jwk)]), input),
    () => hmac(hash, part(random.of(["n", "e", "x", "y", "pub"])), input),
    () => signatureOf(random.of(CHEAP), input),
  ])();
  return { token: `${input}.${encode(signature)}`, algorithm };
}

const ORDERS: Partial<Record<Algorithm, readonly [width: number, order: bigint]>> = {
  ES256: [32, 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n],
  ES384: [48, 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n],
  ES512: [66, (1n << 521n) - 0x5ae79787c40d069948033feb708f65a2fc44a36477663b851449048e16ec79bf7n],
};

/** Changes signatures by the arithmetic of their algorithm. */
function ofArithmetic(random: Random): Omit<Mutant, "kind"> {
  const algorithm = random.of(["RS256", "PS256", "ES256", "ES256", "EdDSA", random.of(NAMES)] as const);
  const token = random.of(POOL[algorithm]);
  const dot = token.lastIndexOf(".");
  const input = token.slice(0, dot);
  const bytes = Buffer.from(token.slice(dot + 1), "base64url");
  return { token: `${input}.${encode(arithmetic(algorithm, bytes, input, random))}`, algorithm };
}

function arithmetic(algorithm: Algorithm, bytes: Buffer, input: string, random: Random): Buffer {
  const curve = ORDERS[algorithm];
  if (curve !== undefined) {
    const [width, n] = curve;
    const values = [toInteger(bytes.subarray(0, width)), toInteger(bytes.subarray(width))];
    const at = random.below(2);
    const value = values[at]!;
    values[at] = random.of([0n, 1n, n, n - 1n, n + 1n, n - value, value + n, value - 1n, value]);
    const wide = random.oneIn(4) ? width + 1 - random.below(3) : width;
    return Buffer.concat(values.map((one) => toBytes(one, wide)));
  }
  if (algorithm === "EdDSA") {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const s = toInteger(Buffer.from(bytes.subarray(32)).reverse()) + BigInt(random.below(16)) * order;
    return Buffer.concat([random.oneIn(4) ? Buffer.alloc(32) : bytes.subarray(0, 32), toBytes(s, 32).reverse()]);
  }
  if (algorithm.startsWith("PS")) return signatureOf(algorithm, input, random.of([0, 1, 20, 31, 32, 33, 48, 64]));
  if (!algorithm.startsWith("RS")) return Buffer.concat([bytes, bytes]).subarray(0, random.below(2 * bytes.length));
  const n = toInteger(Buffer.from(String(JWKS[algorithm]["n"]), "base64url"));
  return toBytes(random.of([toInteger(bytes) + n, n - toInteger(bytes), 0n, 1n, n]), 256 + random.below(2));
}

/** Combines a good token with a changed key. */
function ofKeys(random: Random): Omit<Mutant, "kind"> {
  const algorithm = random.of(NAMES);
  const jwk: Record<string, unknown> = { ...JWKS[algorithm] };
  const names = Object.keys(jwk);
  const name = random.of(names);
  const value = String(jwk[name]);
  const bytes = Buffer.from(value, "base64url");
  const flipped = Buffer.from(bytes);
  if (flipped.length > 0) flipped.writeUInt8(flipped[0]! ^ (1 << random.below(8)), 0);
  random.of<() => void>([
    () => (jwk[name] = encode(flipped)),
    () => (jwk[name] = encode(Buffer.concat([Buffer.alloc(1), bytes]))),
    () => (jwk[name] = encode(bytes.subarray(1))),
    () => (jwk[name] = encode(Buffer.concat([Buffer.alloc(1 + random.below(3)), bytes]))),
    () => (jwk[name] = misspell(value, random)),
    () => (jwk[name] = bytes.toString("base64")),
    () => (jwk[name] = bytes.toString("base64").replaceAll("=", "")),
    () => (jwk[name] = value.padEnd(Math.ceil(value.length / 4) * 4, "=")),
    () => Object.assign(jwk, { [random.of(["d", "p", "use", "key_ops", "alg", "crv", "x5t"])]: null, x5c: [] }),
    () => (jwk[name] = random.of([null, 7, [value], "", "AQAB", "AQ"])),
    () => delete jwk[name],
    () => (jwk["use"] = random.of(["sig", "enc", "SIG", "", 1])),
    () => (jwk["key_ops"] = random.of([["verify"], ["sign"], [], ["verify", "verify"], "verify", ["encrypt"]])),
    () => (jwk["alg"] = random.of([algorithm, random.of(NAMES), "none", "", "RSA-OAEP"])),
    () => (jwk["kid"] = random.of(["k", "", 7, null])),
    () => (jwk[random.of(["d", "k", "p", "priv"])] = random.of(["AA", value])),
  ])();
  return { token: random.of(POOL[algorithm]), algorithm, jwk };
}

const KINDS = { ofBytes, ofJson, ofConfusion, ofArithmetic, ofKeys } as const;

/** The ways to make mutants. */
export type Kind = keyof typeof KINDS;

const WEIGHTED: readonly Kind[] = [
  ...Array.from({ length: 18 }, () => "ofBytes" as const),
  ...Array.from({ length: 9 }, () => "ofJson" as const),
  ...Array.from({ length: 4 }, () => "ofConfusion" as const),
  "ofArithmetic",
];

/** Returns a good token with a changed key. */
export const keyMutantOf = (random: Random): Mutant => ({ ...ofKeys(random), kind: "ofKeys" });

/** Returns the next mutant; one in 200 changes the key, since keys are slow to load. */
export function mutantOf(random: Random): Mutant {
  const kind = random.oneIn(200) ? "ofKeys" : random.of(WEIGHTED);
  return { ...KINDS[kind](random), kind };
}
