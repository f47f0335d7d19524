import { pino } from "pino";
import { loadConfig } from "../src/config/load.js";
import type { Outcome, Verifier } from "../src/contract/verifier.js";
import { mostItems } from "../src/jws/compact.js";
import { MAX_DEPTH } from "../src/jws/json.js";
import { openCore } from "../src/server/core.js";
import { Secret } from "../src/util/secret.js";
import { held, spread } from "./compare.js";
import { deploy, SECRET } from "./deployment.js";
import { hs256Text } from "./directory-data.js";

// The maximum cost of one token: the largest that a realm accepts, in the shapes that are most expensive to read and judge.
// Each has a good signature, since a token with a bad one is rejected before its claims are checked.

/** The maximum CPU time of a token in milliseconds, by its length: the bound on members and elements follows the length. */
const mostMillis = (length: number): number => (length > 64 * 1024 ? 300 : 50);
const ROUNDS = 9;

/** The lengths of tokens in characters. */
export const LENGTHS: Readonly<Record<string, number>> = {
  "16 KiB, which is the default": 16 * 1024,
  "1 MiB, which is the most that a realm can be given": 1024 ** 2,
};

/** Returns a realm that checks every claim and explains. */
const realmOf = (name: string, length: number): string =>
  `  ${name}: { algorithms: [HS256], issuer: null, audience: https://api.example, requiredClaims: [], ` +
  `claims: { scope: { includes: read } }, explain: anyone, maxTokenLength: ${length}, keys: [{ secret: ${SECRET} }] }\n`;

/** The most members and elements of a payload of this many bytes, if its token is the longest that its realm accepts. */
const itemsIn = (bytes: number): number => mostItems((bytes * 4) / 3);

/** Fills this many bytes with a numbered piece, in no more pieces than a document may have. */
function filled(bytes: number, piece: (n: number) => string, most = itemsIn(bytes) - 10): string {
  const pieces: string[] = [];
  for (let left = bytes, n = 0; n < most; n++) {
    const next = piece(n);
    left -= next.length + 1;
    if (left < 0) break;
    pieces.push(next);
  }
  return pieces.join();
}

const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
const padding = (bytes: number): string => "x".repeat(Math.max(0, Math.floor(bytes / itemsIn(bytes)) - 14));

/** The members of a payload that fill this many bytes. */
const SHAPES: Readonly<Record<string, (bytes: number) => string>> = {
  "one long text": (bytes) => `"a":"${"x".repeat(bytes - 6)}"`,
  "many members": (bytes) => filled(bytes, (n) => `"${n}${padding(bytes)}":0`),
  "many members in objects": (bytes) => `"a":[${filled(bytes - 6, (n) => `{"${n}":0}`, itemsIn(bytes) / 2 - 10)}]`,
  "as many members as fit": (bytes) => filled(bytes, (n) => `"${n}":0`, Number.POSITIVE_INFINITY),
  "members of one name": (bytes) => filled(bytes, () => '"a":0'),
  "deep nesting": (bytes) => `"a":[${filled(bytes - 6, () => nested(MAX_DEPTH - 2), itemsIn(bytes) / MAX_DEPTH - 1)}]`,
  "nesting that never ends": (bytes) => `"a":${"[".repeat(bytes - 5)}`,
  "nesting too deep": (bytes) => `"a":${nested((bytes - 4) / 2)}`,
  "many escapes": (bytes) => `"a":"${"\\u00e9".repeat((bytes - 6) / 6)}"`,
  "many surrogate pairs": (bytes) => `"a":"${"\\ud83d\\ude00".repeat((bytes - 6) / 12)}"`,
  "many audiences": (bytes) => `"aud":[${filled(bytes - 8, (n) => `"${n}${padding(bytes)}"`)}]`,
  "a scope of many words": (bytes) => `"aud":"https://api.example","scope":"${"a ".repeat((bytes - 40) / 2)}"`,
  "long numbers": (bytes) => `"a":[${filled(bytes - 6, () => `0.${"1".repeat(bytes / itemsIn(bytes))}`)}]`,
  "white space": (bytes) => `"a":0${" ".repeat(bytes - 5)}`,
};

/** Returns a token of nearly this many characters, with unique bytes. */
function largest(length: number, shape: (bytes: number) => string, round: number): string {
  const head = `{"round":${round},`;
  const token = hs256Text(`${head}${shape(Math.floor(((length - 100) * 3) / 4) - head.length - 1)}}`, SECRET);
  if (token.length > length) throw new Error(`a token of ${token.length} characters where ${length} are admitted`);
  return token;
}

function endOf(outcome: Outcome): string {
  if (outcome.kind === "verified") return outcome.kind;
  return outcome.kind === "rejected" ? `${outcome.reason} ${outcome.claim}`.trim() : outcome.reason;
}

/** Prints the cost of some tokens and the maximum allowed. @param make returns a new token for a round */
export async function tellCost(verifier: Verifier, realm: string, name: string, make: (round: number) => string) {
  const found: { millis: number; end: string }[] = [];
  let length = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const token = make(round);
    length = Math.max(length, token.length);
    found.push(await cost(verifier, realm, token));
  }
  const { median, max } = spread(found.map(({ millis }) => millis));
  const figures = `${median.toFixed(2)} ms, ${max.toFixed(2)} ms`;
  console.log(
    `  ${name.padEnd(24)} ${figures.padEnd(20)} ${held(median, mostMillis(length), "ms")}  ${found[0]?.end ?? ""}`,
  );
}

/** Returns the CPU time that a token takes in milliseconds, and its verdict. */
async function cost(verifier: Verifier, realm: string, token: string): Promise<{ millis: number; end: string }> {
  const request = { realm, token: new Secret(token), credential: undefined, explain: true };
  const context = { requestId: "bench", address: "", deadline: Number.POSITIVE_INFINITY };
  const before = process.cpuUsage();
  const outcome = await verifier.verify(request, context);
  const { user, system } = process.cpuUsage(before);
  return { millis: (user + system) / 1_000, end: endOf(outcome) };
}

/** Measures the largest token of each shape. */
export async function largestToken(): Promise<void> {
  const lengths = Object.entries(LENGTHS).map(([about, length]) => ({ about, length, realm: `realm${length}` }));
  const realms = lengths.map(({ realm, length }) => realmOf(realm, length)).join("");
  const deployment = deploy(`grpc: 127.0.0.1:0\nrealms:\n${realms}`);
  const log = pino({ level: "silent" });
  const core = await openCore(loadConfig(deployment.config, { env: {} }), { clock: Date.now, log });
  try {
    for (const { about, length, realm } of lengths) {
      console.log(`the largest admitted token (${about}): CPU of one, median and most`);
      for (const [name, shape] of Object.entries(SHAPES)) {
        await tellCost(core.verifier, realm, name, (round) => largest(length, shape, round));
      }
      for (const [name, character] of [
        ["no token: one letter", "x"],
        ["no token: dots", "."],
      ] as const) {
        await tellCost(core.verifier, realm, name, () => character.repeat(length));
      }
    }
  } finally {
    await core.close();
    deployment.remove();
  }
}
