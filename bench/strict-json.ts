import {
  constants,
  createHmac,
  createSecretKey,
  generateKeyPairSync,
  sign,
  timingSafeEqual,
  verify,
} from "node:crypto";
import { type Algorithm, verifySignature } from "../src/jws/algorithms.js";
import { readJwt } from "../src/jws/compact.js";
import { readObject } from "../src/jws/json.js";
import { held, spread } from "./compare.js";
import { type IssuedToken, issuedTokens } from "./issuer-tokens.js";

// The cost of strictness: compares the reader with JSON.parse, which accepts all JSON, and the check of a signature with
// the bare call of node:crypto.

/** The maximum ratio of the reader's CPU time to that of JSON.parse, and of a check to that of the bare call. */
const MOST_TIMES = 1.3;
/** The number of different tokens of each issuer; all are read in each round. */
const TOKENS = 1_000;
const ROUNDS = 31;
/** The number of rounds before the measurement, in which everything is compiled. */
const WARM_UP = 5;

const READING = { ignoreHeaders: new Set<string>(), nullClaims: false };

const parsed = (text: Buffer): unknown => JSON.parse(text.toString());

/** Reads header and payload, which are bytes. */
const JSON_READERS: Pair<IssuedToken> = [
  ({ header, payload }) => readObject(header) && readObject(payload),
  ({ header, payload }) => [parsed(header), parsed(payload)],
];

/** Reads a whole token. */
const TOKEN_READERS: Pair<IssuedToken> = [
  ({ token }) => readJwt(token, READING).ok || undefined,
  ({ token }) => {
    const [header = "", payload = "", signature = ""] = token.split(".");
    const parse = (text: string): unknown => JSON.parse(Buffer.from(text, "base64url").toString());
    return [parse(header), parse(payload), Buffer.from(signature, "base64url")];
  },
];

/** Returns the CPU time of one call in nanoseconds, measured over a list of inputs. */
function cost<T>(call: (input: T) => unknown, inputs: readonly T[]): number {
  const before = process.cpuUsage();
  let taken = 0;
  for (const input of inputs) if (call(input) !== undefined) taken++;
  const { user, system } = process.cpuUsage(before);
  if (taken !== inputs.length) throw new Error(`${inputs.length - taken} of ${inputs.length} were refused`);
  return ((user + system) * 1_000) / inputs.length;
}

/** Two calls to compare. */
type Pair<T> = readonly [ours: (input: T) => unknown, plain: (input: T) => unknown];

/** Returns the medians of two calls' costs in nanoseconds, and of their ratio, measured in alternating rounds. */
function measured<T>([ours, plain]: Pair<T>, inputs: readonly T[]): { ours: number; plain: number; ratio: number } {
  const figures = Array.from({ length: WARM_UP + ROUNDS }, () => {
    const one = { ours: cost(ours, inputs), plain: cost(plain, inputs) };
    return { ...one, ratio: one.ours / one.plain };
  }).slice(WARM_UP);
  const middle = (of: "ours" | "plain" | "ratio"): number => spread(figures.map((one) => one[of])).median;
  return { ours: middle("ours"), plain: middle("plain"), ratio: middle("ratio") };
}

/** Compares two calls and prints their costs and the ratio. */
function beside<T>(name: string, pair: Pair<T>, inputs: readonly T[]): void {
  const { ours, plain, ratio } = measured(pair, inputs);
  const costs = `${ours.toFixed(0)} ns beside ${plain.toFixed(0)} ns`;
  console.log(`  ${name.padEnd(36)} ${costs.padEnd(26)} ${ratio.toFixed(2)} x  ${held(ratio, MOST_TIMES, "x")}`);
}

/** Returns the reader's time for header and payload over that of JSON.parse, for tokens of all issuers together. */
export function jsonRatio(): number {
  return measured(JSON_READERS, Object.values(issuedTokens(TOKENS)).flat()).ratio;
}

/** Compares the reader with JSON.parse: of header and payload alone, and of whole tokens, which have a signature too. */
export function strictJson(): void {
  console.log(`strict JSON beside JSON.parse: CPU per token, median of ${ROUNDS} rounds of ${TOKENS} different tokens`);
  for (const [name, tokens] of Object.entries(issuedTokens(TOKENS))) {
    const bytes = tokens.reduce((sum, { header, payload }) => sum + header.length + payload.length, 0) / tokens.length;
    beside(`${name}, ${bytes.toFixed(0)} bytes`, JSON_READERS, tokens);
    beside("  its three segments", TOKEN_READERS, tokens);
  }
}

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
const INPUT = "x".repeat(540);
const BYTES = Buffer.from(INPUT);

/** Compares the check of a signature with the bare call, which has all bytes and options at hand. */
export function signatures(): void {
  console.log(`signatures beside bare node:crypto: CPU per check, median of ${ROUNDS} rounds`);
  const compareWith = (
    algorithm: Algorithm,
    [ours, bare]: readonly [() => boolean, () => boolean],
    times: number,
  ): void => {
    const good = (check: () => boolean) => () => check() || undefined;
    beside(algorithm, [good(ours), good(bare)], Array(times).fill(undefined));
  };
  const secret = createSecretKey(Buffer.alloc(32, 7));
  const tag = createHmac("sha256", secret).update(BYTES).digest();
  const hmac = (): boolean => timingSafeEqual(createHmac("sha256", secret).update(BYTES).digest(), tag);
  compareWith("HS256", [() => verifySignature("HS256", secret, INPUT, tag), hmac], 1_000);
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ed = generateKeyPairSync("ed25519");
  const pssKey = { key: rsa.publicKey, ...PSS };
  const rs = sign("sha256", BYTES, rsa.privateKey);
  const ps = sign("sha256", BYTES, { key: rsa.privateKey, ...PSS });
  const eds = sign(null, BYTES, ed.privateKey);
  const ecs = (dsaEncoding: "der" | "ieee-p1363"): Buffer => sign("sha256", BYTES, { key: ec.privateKey, dsaEncoding });
  const [der, raw] = [ecs("der"), ecs("ieee-p1363")];
  const ofAll: readonly [Algorithm, () => boolean, () => boolean][] = [
    [
      "RS256",
      () => verifySignature("RS256", rsa.publicKey, INPUT, rs),
      () => verify("sha256", BYTES, rsa.publicKey, rs),
    ],
    ["PS256", () => verifySignature("PS256", rsa.publicKey, INPUT, ps), () => verify("sha256", BYTES, pssKey, ps)],
    [
      "ES256",
      () => verifySignature("ES256", ec.publicKey, INPUT, raw),
      () => verify("sha256", BYTES, ec.publicKey, der),
    ],
    ["EdDSA", () => verifySignature("EdDSA", ed.publicKey, INPUT, eds), () => verify(null, BYTES, ed.publicKey, eds)],
  ];
  for (const [algorithm, ours, bare] of ofAll) compareWith(algorithm, [ours, bare], 100);
}
