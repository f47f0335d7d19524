import { createPublicKey } from "node:crypto";
import { expect } from "chai";
import type { KnownDirectory } from "../../src/directory/directory.js";
import { noDirectory } from "../../src/directory/directory.js";
import { noRevocations, type RevocationLookup, selectorBit } from "../../src/directory/revocation-set.js";
import { loadPublishedKeys } from "../../src/keys/jwks.js";
import { KeyUses, type VerificationKey } from "../../src/keys/key.js";
import { type KeySource, staticSource } from "../../src/keys/key-set.js";
import { Secret } from "../../src/util/secret.js";
import { type Decision, decide } from "../../src/verifier/decide.js";
import { FactCache } from "../../src/verifier/facts.js";
import { createRealm, type Realm } from "../../src/verifier/realm.js";
import { NOW } from "../support/clock.js";
import { keyOf, secretOf } from "../support/keys.js";
import { PUBLISHED, PUBLISHED_POLICY, publishedSource } from "../support/published.js";
import { makeToken } from "../support/token.js";
import { makeBench } from "../support/view.js";

// What becomes of a token that no key verified, in every state that the keys can be in. The verdicts over the wire are
// the cases of test/cases/published-keys.yaml.

const CLAIMS = {
  iss: "https://issuer.example",
  aud: "https://api.example",
  sub: "somebody",
  iat: 1_799_999_700,
  exp: 1_800_003_600,
  tenant: "t",
  role: "admin",
  jti: "one",
};

const numbered = (index: number): VerificationKey => ({
  algorithm: "ES256",
  kid: `n${index}`,
  key: createPublicKey(keyOf("p256").publicPem ?? ""),
  label: `n${index}`,
  uses: new KeyUses(),
});

const published = publishedSource(...PUBLISHED);
/** As if it had been fetched just now. */
const fetched: KeySource = { ...published, age: () => 0 };
const outdated: KeySource = { ...published, answers: () => false };

/** The states in which no verdict rests on a key: the source, the token's `kid`, and the end of a token that is not certainly bad. */
const STATES: Readonly<Record<string, readonly [source: KeySource, kid: string | undefined, end: string]>> = {
  "no set yet": [{ ...published, current: () => undefined, answers: () => false }, "good", "needs keys"],
  "an unknown kid that may be fetched": [outdated, "gone", "needs keys"],
  "an unknown kid that is known to be unknown": [published, "gone", "KEY_UNKNOWN kid"],
  "a refused key": [published, "malformed", "KEY_REFUSED malformed"],
  "a weak key": [published, "private", "KEY_WEAK kid"],
  "a key set aside": [publishedSource(...PUBLISHED, NAMED_FOR_ENCRYPTION()), "aside", "KEY_REFUSED set aside"],
  "all keys tried and the set too old": [outdated, undefined, "needs keys"],
  "all keys tried and the set fresh": [fetched, undefined, "SIGNATURE_INVALID"],
  "an unknown kid, and a key without one tried": [
    { ...publishedSource(UNNAMED()), age: () => 0 },
    "gone",
    "SIGNATURE_INVALID",
  ],
  "too many keys": [
    staticSource(Array.from({ length: 17 }, (_, index) => numbered(index))),
    undefined,
    "TOO_MANY_KEYS",
  ],
};

function NAMED_FOR_ENCRYPTION(): object {
  const { x, y } = createPublicKey(keyOf("p256-other").publicPem ?? "").export({ format: "jwk" });
  return { kty: "EC", crv: "P-256", x, y, kid: "aside", use: "enc" };
}

function UNNAMED(): object {
  const { kty, crv, x, y } = createPublicKey(keyOf("p256").publicPem ?? "").export({ format: "jwk" });
  return { kty, crv, x, y };
}

const realmWith = (keys: KeySource): Realm => createRealm("published", PUBLISHED_POLICY, keys);

/** Signed by a key that is in none of the sets. */
const tokenOf = (kid: string | undefined, claims: object, header: object = {}): string =>
  makeToken({
    key: "p256-other",
    header: { alg: "ES256", typ: "JWT", ...(kid !== undefined && { kid }), ...header },
    claims: { ...CLAIMS, ...claims },
  });

/** Every `jti` is revoked. */
const ALL_JTIS: RevocationLookup = {
  ...noRevocations,
  selectorsOf: () => selectorBit("jti"),
  revokedUntil: () => Number.POSITIVE_INFINITY,
};

const NEVER: KnownDirectory = {
  ...noDirectory,
  revocations: {
    ...noRevocations,
    selectorsOf: () => {
      throw new Error("revocation was looked up for an unsigned claim");
    },
  },
  user: () => {
    throw new Error("a user was looked up for an unsigned claim");
  },
};

function ask(realm: Realm, token: string, explain = false): Decision {
  const view = { realms: new Map([[realm.name, realm]]), directory: NEVER, facts: new FactCache(1024 ** 2) };
  return decide({ realm: realm.name, token: new Secret(token), credential: undefined, explain }, view, NOW);
}

function told(decision: Decision): string {
  if (decision.kind === "needs") return `needs ${decision.need.kind}`;
  if (decision.kind === "failure") return `${decision.reason} ${decision.cause ?? ""}`.trim();
  return decision.kind === "rejected" ? `${decision.reason} ${decision.claim}`.trim() : decision.kind;
}

/** Certainly bad, whatever key there may be: a change to the claims or the header, and the rejection. */
const CERTAIN: readonly (readonly [what: string, rejection: string, claims: object, header?: object])[] = [
  ["another type", "TYPE_MISMATCH typ", {}, { typ: "at+jwt" }],
  ["no exp", "CLAIM_MISSING exp", { exp: undefined }],
  ["no iat", "CLAIM_MISSING iat", { iat: undefined }],
  ["a mistyped exp", "CLAIM_MISTYPED exp", { exp: "1800003600" }],
  ["a mistyped nbf", "CLAIM_MISTYPED nbf", { nbf: "soon" }],
  ["a mistyped aud", "CLAIM_MISTYPED aud", { aud: [] }],
  ["an exp of years ago", "TOKEN_EXPIRED exp", { exp: 1_500_000_000, iat: 1_499_999_000 }],
  ["another issuer", "ISSUER_MISMATCH iss", { iss: "https://other.example" }],
  ["another audience", "AUDIENCE_MISMATCH aud", { aud: "https://other.example" }],
  ["a forbidden lifetime", "LIFETIME_TOO_LONG exp", { exp: 1_800_090_000 }],
  ["two faults, of which the first counts", "TOKEN_EXPIRED exp", { exp: 1, iss: "https://other.example" }],
];

/** Not certain: a signature decides first. */
const UNCERTAIN: readonly (readonly [what: string, claims: object])[] = [
  ["nothing wrong", {}],
  ["an nbf in the future", { nbf: 1_800_003_000 }],
  ["an iat in the future", { iat: 1_800_003_000 }],
  ["a claim of another value", { role: "guest" }],
  ["no claim of the realm's own that it requires", { tenant: undefined }],
  ["no registered claim that only a condition requires", { jti: undefined }],
];

describe("a token without a key", () => {
  for (const [state, [source, kid, end]] of Object.entries(STATES)) {
    const realm = realmWith(source);
    for (const [what, rejection, claims, header] of CERTAIN) {
      it(`${state}: ${what} is rejected with ${rejection}, as unsigned, and each time`, () => {
        for (let times = 0; times < 3; times++) {
          const decision = ask(realm, tokenOf(kid, claims, header));
          expect(told(decision)).to.equal(rejection);
          expect(decision).to.include({ signatureVerified: false }).and.not.have.any.keys("hint", "kid");
        }
      });
    }

    for (const [what, claims] of UNCERTAIN) {
      it(`${state}: ${what} ends as ${end}`, () => {
        expect(told(ask(realm, tokenOf(kid, claims)))).to.equal(end);
      });
    }

    it(`${state}: an explanation shows no value of a claim, and that no key is known`, () => {
      const decision = ask(realm, tokenOf(kid, { exp: 1_500_000_000, sub: "a-secret-name" }), true);
      if (decision.kind !== "rejected") throw new Error(decision.kind);
      const failed = decision.checks.filter(({ result }) => result === "failed");
      expect(failed.map(({ message }) => message)).to.deep.equal([
        "The token has expired ('exp' is not after now). Judged without a signature: no key is known.",
      ]);
      expect(JSON.stringify(decision.checks)).not.to.match(/1500000000|2017|a-secret-name/);
    });
  }

  it("a certain rejection is the same object each time, and the clock of the issuer is not learned from it", () => {
    const realm = realmWith(published);
    const token = tokenOf("gone", { exp: 1, iat: 1_800_000_500 });
    expect(ask(realm, token)).to.equal(ask(realm, token));
    expect(realm.skew.ahead(NOW)).to.equal(0);
  });

  it("a rejection by a rule after the signature says that it had verified, and so do revocation and subject", () => {
    const token = (claims: object): string =>
      makeToken({ key: "p256", header: { alg: "ES256", typ: "JWT", kid: "good" }, claims: { ...CLAIMS, ...claims } });
    const realm = realmWith(published);
    const facts = new FactCache(1024 ** 2);
    const judge = (text: string, directory: KnownDirectory): Decision =>
      decide(
        { realm: "published", token: new Secret(text), credential: undefined, explain: false },
        { realms: new Map([["published", realm]]), directory, facts },
        NOW,
      );
    for (const [what, rejection, claims] of CERTAIN.slice(1)) {
      for (let times = 0; times < 2; times++) {
        const decision = judge(token(claims), noDirectory);
        expect(told(decision), what).to.equal(rejection);
        expect(decision, what).to.include({ signatureVerified: true });
      }
    }
    const revoked = judge(token({}), { ...noDirectory, revocations: ALL_JTIS });
    expect(revoked).to.include({ reason: "TOKEN_REVOKED", claim: "jti", signatureVerified: true });
  });
});

describe("left-out keys", () => {
  const unnamed = (jwk: object): object => {
    const { kid: _kid, ...others } = jwk as Record<string, unknown>;
    return others;
  };
  const byKid = (kid: string | number): object =>
    PUBLISHED.find((one) => (one as Record<string, unknown>)["kid"] === kid) ?? expect.fail(String(kid));
  const other = { ...byKid("good"), kid: "another" };

  for (const [what, jwks, end] of [
    ["a refused key without a kid", [other, unnamed(byKid("malformed"))], "KEY_REFUSED malformed"],
    ["a refused key with a kid", [other, byKid("malformed")], "SIGNATURE_INVALID"],
    ["a weak key without a kid", [other, unnamed(byKid("private"))], "KEY_WEAK"],
    [
      "a key set aside without a kid, and one that was tried",
      [other, unnamed(NAMED_FOR_ENCRYPTION())],
      "SIGNATURE_INVALID",
    ],
    ["a refused key without a kid of another type", [other, unnamed(byKid("unsupported"))], "SIGNATURE_INVALID"],
  ] as const) {
    it(`a token without a kid, and ${what}: ${end}`, () => {
      expect(told(ask(realmWith(publishedSource(...jwks)), tokenOf(undefined, {})))).to.equal(end);
    });
  }

  it("a key without a kid that signed saves a token whose kid is a refused key's", () => {
    const signer = unnamed({ ...createPublicKey(keyOf("p256-other").publicPem ?? "").export({ format: "jwk" }) });
    const realm = realmWith(publishedSource(signer, byKid("malformed")));
    const view = { realms: new Map([[realm.name, realm]]), directory: noDirectory, facts: new FactCache(0) };
    const token = new Secret(tokenOf("malformed", {}));
    expect(decide({ realm: realm.name, token, credential: undefined, explain: false }, view, NOW).kind).to.equal(
      "verified",
    );
    const forged = makeToken({ key: "p256", header: { alg: "ES256", typ: "JWT", kid: "malformed" }, claims: CLAIMS });
    expect(told(ask(realm, forged))).to.equal("KEY_REFUSED malformed");
  });

  it("a refused key answers for both names of its algorithm", () => {
    const { x } = createPublicKey(keyOf("ed25519").publicPem ?? "").export({ format: "jwk" });
    const jwks = [byKid("good"), { kty: "OKP", crv: "Ed25519", x, kid: "odd", use: "enc", alg: "EdDSA" }];
    const { keys, leftOut } = loadPublishedKeys({ keys: jwks }, { algorithms: ["ES256", "EdDSA"] });
    const realm = createRealm("r", { ...PUBLISHED_POLICY, algorithms: ["EdDSA"] }, staticSource(keys, leftOut));
    for (const alg of ["EdDSA", "Ed25519"]) {
      const header = { alg, typ: "JWT", kid: "odd" };
      const token = makeToken({ key: "ed25519", alg: "EdDSA", header, claims: CLAIMS });
      expect(told(ask(realm, token)), alg).to.equal("KEY_REFUSED contradictory");
    }
  });

  it("a left-out key's kid is known, so it needs no fetch, unless another source is missing", () => {
    const set = published.current(NOW);
    for (const kid of ["malformed", "7", "private", "enc"]) expect(set?.hasKid(kid), kid).to.equal(true);
    const realm = realmWith({ ...published, answers: () => false });
    expect(told(ask(realm, tokenOf("malformed", {})))).to.equal("needs keys");
  });
});

describe("presets", () => {
  const bench = makeBench("verifier.yaml");
  const secretKey = new Secret(secretOf("clowk"));
  const token = (alg: string, claims: object): string =>
    makeToken({
      key: alg === "HS256" ? "hs256" : "rsa-other",
      header: { alg, kid: "gone", typ: "other" },
      claims: { exp: 1, iss: "https://foreign.example", aud: "other", ...claims },
    });

  for (const [preset, alg, end] of [
    ["integuru", "HS256", "SIGNATURE_INVALID"],
    ["clowk", "HS256", "SIGNATURE_INVALID"],
    ["fiserv", "RS256", "SIGNATURE_INVALID"],
  ] as const) {
    it(`${preset}: an expired, foreign and unsigned token of an unknown kid is a bad signature, as its contract says`, () => {
      const realm = bench.realms.get(preset)!;
      const credential =
        realm.policy.callers === "instances"
          ? { kind: "instance" as const, secretKey }
          : realm.policy.callers === "clients"
            ? {
                kind: "client" as const,
                clientId: "vision-api-user",
                clientSecret: new Secret("abcdefghizklmnopponommnshfghzxxs"),
              }
            : undefined;
      const request = { realm: preset, token: new Secret(token(alg, {})), credential, explain: false };
      expect(told(decide(request, bench.view(), NOW))).to.equal(end);
      expect(realm.policy.rules.filter(({ certain }) => certain)).to.deep.equal([]);
    });
  }

  it("fiserv: while no keys are at hand, the same token waits for them", () => {
    const { policy } = bench.realms.get("fiserv")!;
    const realm = createRealm("f", { ...policy, callers: "anyone" }, { ...published, current: () => undefined });
    expect(told(ask(realm, token("RS256", {})))).to.equal("needs keys");
  });
});
