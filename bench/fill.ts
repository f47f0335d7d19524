import { createHmac } from "node:crypto";
import { noDirectory } from "../src/directory/directory.js";
import { staticSource } from "../src/keys/key-set.js";
import { loadSecret } from "../src/keys/secret.js";
import { Secret } from "../src/util/secret.js";
import { decide } from "../src/verifier/decide.js";
import { FactCache, tokenDigest } from "../src/verifier/facts.js";
import { createRealm } from "../src/verifier/realm.js";
import { encodeVerdict } from "../src/wire/answers.js";
import { plainPolicy } from "../test/support/plain-policy.js";
import { claimsOf } from "./tokens.js";

// A process that verifies distinct tokens of 500 characters, and reports what its cache of facts holds and its memory.

/** What the process reports. */
export interface Filled {
  /** The length of the tokens in characters. */
  readonly length: number;
  /** The tokens that the cache holds at the end. */
  readonly held: number;
  /** Its memory after each tenth of the tokens, in bytes, after a garbage collection that leaves pages partly filled. */
  readonly rss: readonly number[];
  /** Its memory in the end, in bytes, after collections that leave as few pages as possible. */
  readonly compact: number;
}

const [bytes = 0, tokens = 0] = process.argv.slice(2).map(Number);
const secret = "a-secret-that-is-used-for-benchmarks-only";
const policy = plainPolicy();
// Two realms, since one may have half of the cache.
const names = ["a", "b"];
const realms = new Map(
  names.map((name) => [name, createRealm(name, policy, staticSource([loadSecret(secret, { algorithm: "HS256" })]))]),
);
const facts = new FactCache(bytes);
const view = { realms, directory: noDirectory, facts };

const head = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString("base64url");
const padding = "x".repeat(113);
const first = claimsOf(0);
const nameOf = (n: number): string => names[n % names.length] ?? "";

function tokenOf(n: number): string {
  const id = String(n).padStart(12, "0");
  const claims = { ...first, sub: `user-${id}`, jti: `${id}-4be5-8f7e`, padding };
  const input = `${head}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

function verify(n: number): void {
  const request = { realm: nameOf(n), token: new Secret(tokenOf(n)), credential: undefined, explain: false };
  const decision = decide(request, view, Date.now());
  if (decision.kind !== "verified") throw new Error("a good token is not verified");
  encodeVerdict(decision);
}

function rssNow(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

const rss: number[] = [];
for (let n = 0; n < tokens; n++) {
  verify(n);
  if ((n + 1) % Math.ceil(tokens / 10) === 0) rss.push(rssNow());
}
for (let round = 0; round < 4; round++) globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
const compact = process.memoryUsage.rss();
const held = Array.from({ length: Math.min(tokens, 1_000_000) }, (_, back) => tokens - 1 - back).findIndex((n) => {
  const realm = realms.get(nameOf(n));
  return realm === undefined || facts.get(realm, tokenDigest(tokenOf(n))) === undefined;
});
const filled: Filled = { length: tokenOf(0).length, held: held < 0 ? tokens : held, rss, compact };
process.stdout.write(JSON.stringify(filled));
