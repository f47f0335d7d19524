import { createHmac, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { promisify } from "node:util";
import { later } from "./directory-data.js";

// Tokens of each algorithm, made before anything is measured.

/** The algorithms that the benchmarks compare. */
export const ALGORITHMS = ["HS256", "RS256", "ES256", "EdDSA"] as const;

/** One of {@link ALGORITHMS}. */
export type BenchAlgorithm = (typeof ALGORITHMS)[number];

/** The issuer and the audience of the tokens. */
export const ISSUER = "https://issuer.example";
export const AUDIENCE = "https://api.example";

/** A key that signs tokens of one algorithm. */
export interface Signer {
  readonly algorithm: BenchAlgorithm;
  /** The public key, or the secret, as an entry of a realm's `keys`. */
  readonly entry: object;
  /** The public key in PEM; undefined for a secret. */
  readonly pem: string | undefined;
  /** Signs the text of a payload. */
  token(payload: string): Promise<string>;
  /** Checks the signature of a token by `node:crypto` alone. */
  check(token: string): boolean;
}

const encode = (text: string): string => Buffer.from(text).toString("base64url");
const signing = promisify(sign) as (
  hash: string | null,
  data: Buffer,
  key: KeyObject | { key: KeyObject; dsaEncoding: "ieee-p1363" },
) => Promise<Buffer>;

/** Returns a signer with a new key. @param kid of the key, and of the header */
export function signerOf(algorithm: BenchAlgorithm, kid = "bench-1"): Signer {
  const head = `${encode(JSON.stringify({ alg: algorithm, typ: "JWT", kid }))}.`;
  const made = algorithm === "HS256" ? secretSigner() : pairSigner(algorithm);
  return {
    algorithm,
    entry: { ...made.entry, kid },
    pem: made.pem,
    async token(payload) {
      const input = head + encode(payload);
      return `${input}.${(await made.sign(Buffer.from(input))).toString("base64url")}`;
    },
    check(token) {
      const end = token.lastIndexOf(".");
      return made.check(Buffer.from(token.slice(0, end)), Buffer.from(token.slice(end + 1), "base64url"));
    },
  };
}

/** What differs between algorithms. */
interface Signing {
  readonly entry: object;
  readonly pem: string | undefined;
  readonly sign: (input: Buffer) => Promise<Buffer>;
  readonly check: (input: Buffer, signature: Buffer) => boolean;
}

function secretSigner(): Signing {
  const secret = "a-secret-that-is-used-for-benchmarks-only";
  const mac = (input: Buffer): Buffer => createHmac("sha256", secret).update(input).digest();
  return {
    entry: { secret },
    pem: undefined,
    sign: (input) => Promise.resolve(mac(input)),
    check: (input, signature) => mac(input).equals(signature),
  };
}

function pairSigner(algorithm: Exclude<BenchAlgorithm, "HS256">): Signing {
  const { publicKey, privateKey } = pairOf(algorithm);
  const jwk = publicKey.export({ format: "jwk" });
  const pem = publicKey.export({ format: "pem", type: "spki" }) as string;
  const digest = algorithm === "EdDSA" ? null : "sha256";
  const raw = <Key>(key: Key) => ({ key, dsaEncoding: "ieee-p1363" }) as const;
  const isEc = algorithm === "ES256";
  return {
    entry: { jwk: { ...jwk, alg: algorithm } },
    pem,
    sign: (input) => signing(digest, input, isEc ? raw(privateKey) : privateKey),
    check: (input, signature) => verify(digest, input, isEc ? raw(publicKey) : publicKey, signature),
  };
}

function pairOf(algorithm: Exclude<BenchAlgorithm, "HS256">): { publicKey: KeyObject; privateKey: KeyObject } {
  switch (algorithm) {
    case "RS256":
      return generateKeyPairSync("rsa", { modulusLength: 2048 });
    case "ES256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" });
    case "EdDSA":
      return generateKeyPairSync("ed25519");
  }
}

/** Returns the claims of user n as an issuer of access tokens writes them. */
export function claimsOf(n: number): Readonly<Record<string, unknown>> {
  const exp = later();
  return {
    iss: ISSUER,
    sub: `user-${String(n).padStart(8, "0")}`,
    aud: AUDIENCE,
    iat: exp - 86_400,
    exp,
    jti: `${String(n).padStart(12, "0")}-4be5-8f7e`,
    scope: "openid profile orders.read",
  };
}

/** The tokens that are signed at the same time. */
const TOGETHER = 64;

/** Makes distinct tokens. @param claims of token n */
export async function makeTokens(
  signer: Signer,
  count: number,
  claims: (n: number) => Readonly<Record<string, unknown>> = claimsOf,
): Promise<readonly string[]> {
  const tokens: string[] = [];
  while (tokens.length < count) {
    const some = Array.from({ length: Math.min(TOGETHER, count - tokens.length) }, (_, n) => tokens.length + n);
    tokens.push(...(await Promise.all(some.map((n) => signer.token(JSON.stringify(claims(n)))))));
  }
  return tokens;
}
