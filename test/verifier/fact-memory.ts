import { createHmac } from "node:crypto";
import { noDirectory } from "../../src/directory/directory.js";
import { staticSource } from "../../src/keys/key-set.js";
import { loadSecret } from "../../src/keys/secret.js";
import { Secret } from "../../src/util/secret.js";
import { decide } from "../../src/verifier/decide.js";
import { FactCache } from "../../src/verifier/facts.js";
import { createRealm } from "../../src/verifier/realm.js";
import { encodeVerdict } from "../../src/wire/answers.js";
import { plainPolicy } from "../support/plain-policy.js";
import { TOKENS } from "./fact-tokens.js";

// A process of its own: fills a cache with tokens of the kind that its argument names, and prints what they take.

const NOW = 1_800_000_000_000;
const SECRET = "a-secret-that-is-used-for-these-tests-only";
/** The estimated size of the facts, in bytes. */
const SIZE = 24 * 1024 ** 2;
const { claims, header = () => ({ alg: "HS256", typ: "JWT" }) } = TOKENS[process.argv[2] ?? ""]!;
const policy = plainPolicy({ maxTokenLength: 65_536 });
const realm = createRealm("r", policy, staticSource([loadSecret(SECRET, { algorithm: "HS256" })]));
const encode = (text: string): string => Buffer.from(text).toString("base64url");

function ask(n: number, facts: FactCache): void {
  const input = `${encode(JSON.stringify(header(n)))}.${encode(JSON.stringify(claims(n)))}`;
  const token = new Secret(`${input}.${createHmac("sha256", SECRET).update(input).digest("base64url")}`);
  const view = { realms: new Map([["r", realm]]), directory: noDirectory, facts };
  const outcome = decide({ realm: "r", token, credential: undefined, explain: false }, view, NOW);
  if (outcome.kind !== "verified") throw new Error(`a token is not verified: ${JSON.stringify(outcome)}`);
  encodeVerdict(outcome);
}
/** What the process takes when it has as little garbage and as few pages as possible. */
function memory() {
  for (let round = 0; round < 4; round++) globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed + external };
}
const none = new FactCache(0);
for (let n = 0; n < Number(process.env["WARM"] ?? 20000); n++) ask(n, none);
const facts = new FactCache(1024 ** 3);
const before = memory();
for (let n = 1_000_000; facts.bytes < SIZE; n++) ask(n, facts);
const after = memory();
process.stdout.write(
  JSON.stringify({ estimated: facts.bytes, heap: after.heap - before.heap, rss: after.rss - before.rss }),
);
