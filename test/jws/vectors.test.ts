import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect } from "chai";
import { type Algorithm, verifySignature } from "../../src/jws/algorithms.js";
import { readCompact, readJwt } from "../../src/jws/compact.js";
import { type JsonObject, member } from "../../src/jws/json.js";
import { loadJwk } from "../../src/keys/jwk.js";
import { loadJwks } from "../../src/keys/jwks.js";
import { KeyError } from "../../src/keys/key.js";
import { KeySet } from "../../src/keys/key-set.js";
import { NOW } from "../support/clock.js";
import { type Deployment, deploy } from "../support/deployment.js";
import { createClient, type GrpcClient, type Message } from "../support/grpc.js";

// Published vectors, checked by jws and keys alone: strict reading, loading and selection of keys, and signatures.
// Vectors whose payload is a JWT are also sent over gRPC, where times and types of claims count too.

const FILE = resolve(import.meta.dirname, "../../../shared/vectors/jws.jsonl");

interface Vector {
  readonly id: string;
  readonly comment: string;
  readonly token: string;
  readonly key: JsonObject;
  readonly alg: Algorithm;
  readonly expect: "valid" | "invalid";
  readonly flags: readonly string[];
  /** The time at which `expect` holds, in seconds since 1970 (default: any time from 2026 on). */
  readonly now?: number;
}

/** Returns the vector's keys, or the fault of a key. */
function keysOf({ key, alg }: Vector): KeySet | string {
  try {
    return Array.isArray(key.keys)
      ? new KeySet(loadJwks(key, { algorithms: [alg] }).keys)
      : new KeySet(loadJwk({ ...key, kid: undefined }, { algorithms: [alg] })); // a single key is not chosen by kid
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    return `key: ${error.message}`;
  }
}

/** Returns our verdict on a vector: "valid", or the step that refused it and why. */
function verdict(vector: Vector, read: typeof readCompact): string {
  const keys = keysOf(vector);
  const jws = read(vector.token, { ignoreHeaders: new Set() });
  if (!jws.ok) return `${jws.reason} ${jws.claim}`.trim();
  if (typeof keys === "string") return keys;
  if (member(jws.header, "alg") !== vector.alg) return "alg";
  const candidates = keys.select(member(jws.header, "kid") as string | undefined, vector.alg);
  if (candidates.length === 0) return "no key";
  const { signingInput, signature } = jws;
  return candidates.some((one) => verifySignature(vector.alg, one.key, signingInput, signature))
    ? "valid"
    : "signature";
}

/** Returns the JWKs of a vector's set that are loaded. */
function usable({ key, alg }: Vector): unknown[] {
  const { leftOut } = loadJwks(key, { algorithms: [alg] });
  const out = new Set(leftOut.map(({ index }) => index));
  return (key.keys as unknown[]).filter((_, index) => !out.has(index));
}

/** The valid vectors that we refuse, with our verdict and the reason. */
const DISAGREEMENTS: Readonly<Record<string, readonly [verdict: string, why: string]>> = {
  ...Object.fromEntries(
    [259, 264, 268, 272, 320, 325].map((number) => [
      `wycheproof-jws-${number}`,
      ["TOKEN_MALFORMED", "the payload is empty: no JWT, and a detached one (RFC 7515 appendix F) looks the same"],
    ]),
  ),
  "panva-jose-316": ["HEADER_REFUSED jwk", "the header offers a key"],
  "wycheproof-jwk-2": ["no key", "symmetric keys in a key set are refused"],
  "google-jwt_verify_lib-43-jwks": ["no key", "symmetric keys in a key set are refused"],
  "google-jwt_verify_lib-44-jwks": ["no key", "symmetric keys in a key set are refused"],
  "google-jwt_verify_lib-45-jwks": ["no key", "symmetric keys in a key set are refused"],
};

/** The vectors with two acceptable verdicts, and ours. */
const ACCEPTABLE: Readonly<Record<string, string>> = {
  "wycheproof-jws-346": `key: the key is for "PS256", which is not among the realm's algorithms: PS384`,
  "wycheproof-jws-347": `key: the key is for "ES521", which is not among the realm's algorithms: ES512`,
  "wycheproof-jws-350": `key: the key is for "PS256", which is not among the realm's algorithms: PS384`,
  "wycheproof-jws-351": `key: the key is for "ES521", which is not among the realm's algorithms: ES512`,
  "rfc7797-3": "HEADER_REFUSED crit",
  "rfc7797-4": "TOKEN_MALFORMED",
  "cookbook-rfc7797-compact": "TOKEN_MALFORMED",
  "google-jwt_verify_lib-42-jwks": "no key",
};

/** The fault that a vector's key must have, by the first of these flags that the vector has. */
const KEY_FAULTS: readonly (readonly [flag: string, fault: RegExp])[] = [
  ["roca", /ROCA/],
  ["empty-hmac-key", /has 0 bytes/],
  ["weak-key", /make one of at least 2048|exponent is even or less than 3|needs at least (32|48|64)/],
  ["bad-key", /not on its curve|it must have 48|no member "n"/],
  ["key-use", /"use" is "enc"|without "verify"/],
  ["key-alg-mismatch", /which is not among/],
];

/** The verdict that a vector must get, by the first of these flags that it has; others may get any but "valid". */
const ENDS: readonly (readonly [flag: string, verdict: RegExp])[] = [
  ["jwe", /^TOKEN_MALFORMED$/],
  ["json-serialization", /^TOKEN_MALFORMED$/],
  ["bad-base64url", /^TOKEN_MALFORMED$/],
  ["noncanonical-base64url", /^(TOKEN_MALFORMED|signature)$/],
  ["alg-none", /^(alg|TOKEN_MALFORMED)$/],
  ["alg-is-none", /^(alg|TOKEN_MALFORMED)$/],
  ["embedded-jwk", /^(HEADER_REFUSED (jwk|x5c)|TOKEN_MALFORMED)$/],
  ["modified-padding", /^signature$/],
  ["psychic-signature", /^signature$/],
  ["der-signature", /^signature$/],
  ["pss-salt-length", /^signature$/],
];

const OURS = "verified here: its fault is for the rules on times and claims to find";

const vectors = existsSync(FILE)
  ? readFileSync(FILE, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Vector)
  : undefined;

describe("docs/strictness.md", () => {
  it("docs/strictness.md names the valid vectors that we refuse and no others", () => {
    const text = readFileSync(new URL("../../docs/strictness.md", import.meta.url), "utf8");
    const [, section = ""] = text.split("## Beside published vectors");
    const rows = Array.from(section.matchAll(/^\| ([a-z][^ |]*-[^ |]*) \| ([^|]+) \|$/gm), ([, id, why]) => [id, why]);
    expect(Object.fromEntries(rows) as object).to.deep.equal(
      Object.fromEntries(Object.entries(DISAGREEMENTS).map(([id, [, why]]) => [id, why])),
    );
  });
});

describe("public vectors", () => {
  if (vectors === undefined) {
    it(`public vectors are skipped, since ${FILE} does not exist`, function () {
      process.stdout.write(`    public vectors: skipped, for there is no ${FILE}\n`);
      this.skip();
    });
    return;
  }

  for (const vector of vectors) {
    const { id, comment, flags } = vector;
    it(`${id}: ${comment}`, () => {
      const got = verdict(vector, readCompact);
      const [, fault] = KEY_FAULTS.find(([flag]) => flags.includes(flag)) ?? [];
      if (fault !== undefined) expect(keysOf(vector)).to.match(fault);
      const disagreement = DISAGREEMENTS[id];
      const acceptable = ACCEPTABLE[id];
      if (disagreement !== undefined) {
        expect(vector.expect).to.equal("valid");
        expect(got, disagreement[1]).to.equal(disagreement[0]);
      } else if (acceptable !== undefined) {
        expect(flags).to.include("acceptable");
        expect(got).to.equal(acceptable);
      } else if (vector.expect === "valid") {
        expect(got).to.equal("valid");
        expect(verdict(vector, readJwt)).to.equal(flags.includes("not-jwt") ? "TOKEN_MALFORMED" : "valid");
      } else if (got === "valid") {
        expect(flags, OURS).to.satisfy((all: string[]) => all.includes("expired") || all.includes("claims-type"));
      } else {
        const [, end] = ENDS.find(([flag]) => flags.includes(flag)) ?? [];
        if (end !== undefined) expect(got, flags.join()).to.match(end);
      }
    });
  }

  describe("public vectors over gRPC whose payload is a JWT", () => {
    // Each key and algorithm has its own realm; there is no store, so that the clock may jump to a vector's time.
    const realms = new Map<string, string>();
    const asked = vectors.flatMap((vector) => {
      if (vector.flags.includes("not-jwt") || typeof keysOf(vector) === "string") return [];
      if (typeof keysOf(vector) !== "string" && (keysOf(vector) as KeySet).size === 0) return [];
      const { alg, key } = vector;
      const { kid: _kid, ...single } = key;
      const keys = [Array.isArray(key.keys) ? { jwks: { keys: usable(vector) } } : { jwk: single }];
      const text = JSON.stringify({ algorithms: [alg], issuer: null, audience: null, requiredClaims: [], keys });
      if (!realms.has(text)) realms.set(text, `vectors-${realms.size}`);
      return [{ vector, realm: realms.get(text)! }];
    });
    let deployment: Deployment;
    let client: GrpcClient;
    before(async () => {
      const lines = Array.from(realms, ([text, name]) => `  ${name}: ${text}`);
      deployment = await deploy(`grpc: 127.0.0.1:0\nrealms:\n${lines.join("\n")}\n`);
      client = createClient(deployment.grpc);
    });
    after(async () => {
      client.close();
      await deployment.close();
    });

    for (const { vector, realm } of asked) {
      const { id, comment, flags, token, now } = vector;
      it(`over gRPC, ${id}: ${comment}`, async () => {
        deployment.clock.set(now === undefined ? NOW : now * 1000);
        const answer = await client.verify({ realm, token });
        if ("error" in answer) {
          expect(answer.error.reason).to.equal("TOKEN_EMPTY");
          expect(token).to.equal("");
          return;
        }
        const { verified, rejected } = answer.verdict as Record<string, Message | undefined>;
        if (vector.expect === "valid" && !(id in DISAGREEMENTS) && !(id in ACCEPTABLE)) {
          const payload = Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
          expect((verified?.["token"] as Message | undefined)?.["payload"], JSON.stringify(rejected)).to.equal(payload);
        } else if (!flags.includes("acceptable")) {
          expect(rejected, id).to.not.equal(undefined);
        }
      });
    }

    it("more than 200 public vectors are sent over gRPC", () => expect(asked.length).to.be.above(200));
  });

  it("every name in the lists above has a vector", () => {
    const ids = new Set(vectors.map(({ id }) => id));
    for (const id of Object.keys({ ...DISAGREEMENTS, ...ACCEPTABLE })) expect(ids.has(id), id).to.equal(true);
  });
});
