import { createPublicKey } from "node:crypto";
import { expect } from "chai";
import type { Selector } from "../../src/directory/revocation.js";
import { RevocationSet } from "../../src/directory/revocation-set.js";
import { loadJwk } from "../../src/keys/jwk.js";
import type { VerificationKey } from "../../src/keys/key.js";
import { KeySet, type KeySource, staticSource } from "../../src/keys/key-set.js";
import { Secret } from "../../src/util/secret.js";
import { decide } from "../../src/verifier/decide.js";
import type { View } from "../../src/verifier/decision-state.js";
import { FactCache } from "../../src/verifier/facts.js";
import { createRealm, type Realm } from "../../src/verifier/realm.js";
import { tokenContentDigest } from "../../src/verifier/revocation.js";
import { createRoute } from "../../src/verifier/route.js";
import { NOW } from "../support/clock.js";
import { keyOf, secretOf } from "../support/keys.js";
import { plainPolicy } from "../support/plain-policy.js";
import { revocationOf } from "../support/revoke.js";
import { makeToken } from "../support/token.js";
import { makeBench } from "../support/view.js";

const T = NOW / 1000;
const BENCH = makeBench("verifier.yaml");

const publicKey = (name: string, kid?: string): readonly VerificationKey[] =>
  loadJwk(
    {
      ...createPublicKey(keyOf(name).publicPem as string).export({ format: "jwk" }),
      ...(kid !== undefined && { kid }),
    },
    { algorithms: ["ES256"] },
  );
/** Two keys; the first one is listed twice, without a `kid` and with one. */
const LISTED = [...publicKey("p256"), ...publicKey("p256", "old"), ...publicKey("p256-other", "new")];
const [FIRST, , SECOND] = LISTED as [VerificationKey, VerificationKey, VerificationKey];

const POLICY = plainPolicy({ algorithms: ["ES256"], lenient: ["nonStringIds"] });
const ONE_ISSUER = plainPolicy({ algorithms: ["ES256"], issuer: ["https://a.example"] });
const TWO_ISSUERS = plainPolicy({ algorithms: ["ES256"], issuer: ["https://a.example", "https://b.example"] });
const keys = staticSource(LISTED);
const REALMS: ReadonlyMap<string, Realm> = new Map(
  [
    createRealm("r", POLICY, keys),
    createRealm("one", ONE_ISSUER, keys),
    createRealm("two", TWO_ISSUERS, keys),
    ...BENCH.realms.values(),
  ].map((realm) => [realm.name, realm]),
);

interface Asked {
  readonly realm: string;
  readonly token: string;
  readonly secretKey?: string;
}

/** A function that asks about a token each time with the same memory of facts. */
function asker(revocations: RevocationSet, realms = REALMS, facts = new FactCache(1024 ** 2)) {
  const view: View = { realms, directory: { ...BENCH.directory, revocations }, facts };
  return ({ realm, token, secretKey }: Asked): string => {
    const decision = decide(
      {
        realm,
        token: new Secret(token),
        credential: secretKey === undefined ? undefined : { kind: "instance", secretKey: new Secret(secretKey) },
        explain: false,
      },
      view,
      NOW,
    );
    if (decision.kind !== "rejected") return decision.kind;
    expect(decision.signatureVerified).to.equal(true);
    return `${decision.reason} ${decision.claim}`;
  };
}

const es256 = (claims: object, header: object = {}, key = "p256"): string =>
  makeToken({ key, header: { alg: "ES256", ...header }, claims: { exp: T + 3600, ...claims } });
const ofClowk = (claims: object, key = "clowk", instance = "inst_abc123"): Asked => ({
  realm: "clowk",
  token: makeToken({
    key,
    header: { alg: "HS256" },
    claims: {
      iss: "clowk",
      exp: T + 3600,
      iat: T,
      sub: instance === "inst_other" ? "only-of-other" : "nobody-knows",
      instance_id: instance,
      ...claims,
    },
  }),
  secretKey: secretOf(key),
});
const OTHER = (claims: object = {}): Asked => ofClowk(claims, "clowk-other", "inst_other");
const ofInteguru = (user: string): Asked => ({
  realm: "integuru",
  token: makeToken({
    key: "integuru",
    header: { alg: "HS256" },
    claims: {},
    payload: `{"token_type":"access","jti":"j","exp":${T + 3600},"iat":${T},"taiki_user_id":${user},"sub":"sub"}`,
  }),
});
const ofR = (claims: object, header: object = {}, key = "p256"): Asked => ({
  realm: "r",
  token: es256(claims, header, key),
});
const ofTwo = (claims: object): Asked => ({ realm: "two", token: es256({ iss: "https://a.example", ...claims }) });
/** A token whose payload is this text. */
const written = (payload: string): Asked => ({
  realm: "r",
  token: makeToken({ key: "p256", header: { alg: "ES256" }, claims: {}, payload }),
});

type Row = readonly [what: string, asked: Asked, selector: Selector, time: number | null, outcome: string];

const by = (kind: Selector["kind"], value: string, more: Partial<Selector> = {}): Selector => ({
  realm: "r",
  kind,
  value,
  ...more,
});
const SUBJECT = by("subject", "jane");
const JANE = ofR({ sub: "jane", iat: T - 10 });
const LONG_AGO = T - 1_000_000;

const ROWS: readonly Row[] = [
  ["a jti", ofR({ jti: "j" }), by("jti", "j"), null, "TOKEN_REVOKED jti"],
  ["another jti", ofR({ jti: "k" }), by("jti", "j"), null, "verified"],
  ["the same jti in another realm", ofR({ jti: "j" }), by("jti", "j", { realm: "s" }), null, "verified"],
  ["a jti whose token was to expire earlier", ofR({ jti: "j" }), by("jti", "j"), LONG_AGO, "TOKEN_REVOKED jti"],
  ["no jti", ofR({}), by("jti", "j"), null, "verified"],
  ["a number as jti", written('{"jti":9007199254740993}'), by("jti", "9007199254740993"), null, "TOKEN_REVOKED jti"],
  [
    "a number that rounds to the same",
    written('{"jti":9007199254740992}'),
    by("jti", "9007199254740993"),
    null,
    "verified",
  ],
  ["a number in another spelling", written('{"jti":1.0}'), by("jti", "1"), null, "verified"],
  ["a jti that is a list", ofR({ jti: ["j"] }), by("jti", "j"), null, "verified"],

  ["a digest", JANE, by("digest", tokenContentDigest(JANE.token)), null, "TOKEN_REVOKED "],
  [
    "a digest in every realm",
    JANE,
    by("digest", tokenContentDigest(JANE.token), { realm: "" }),
    null,
    "TOKEN_REVOKED ",
  ],
  ["another token's digest", JANE, by("digest", tokenContentDigest(es256({}))), null, "verified"],
  ["a digest of another realm", JANE, by("digest", tokenContentDigest(JANE.token), { realm: "one" }), null, "verified"],

  ["a subject, issued before", JANE, SUBJECT, T, "TOKEN_REVOKED sub"],
  ["a subject, issued in the very second", ofR({ sub: "jane", iat: T }), SUBJECT, T, "TOKEN_REVOKED sub"],
  ["a subject, issued later in that second", ofR({ sub: "jane", iat: T + 0.9 }), SUBJECT, T, "TOKEN_REVOKED sub"],
  ["a subject, issued a second later", ofR({ sub: "jane", iat: T + 1 }), SUBJECT, T, "verified"],
  ["a subject without a time of issue", ofR({ sub: "jane" }), SUBJECT, LONG_AGO, "TOKEN_REVOKED sub"],
  ["a banned subject, issued later", ofR({ sub: "jane", iat: T + 1_000 }), SUBJECT, null, "TOKEN_REVOKED sub"],
  ["another subject", ofR({ sub: "joe" }), SUBJECT, null, "verified"],
  ["no subject", ofR({}), SUBJECT, null, "verified"],
  [
    "a number as subject",
    written('{"sub":12345678901234567890}'),
    by("subject", "12345678901234567890"),
    null,
    "TOKEN_REVOKED sub",
  ],
  [
    "a vendor's user claim",
    ofInteguru('"jane"'),
    by("subject", "jane", { realm: "integuru" }),
    T,
    "TOKEN_REVOKED taiki_user_id",
  ],
  [
    "a vendor's numeric user",
    ofInteguru("12345678901234567890"),
    by("subject", "12345678901234567890", { realm: "integuru" }),
    T,
    "TOKEN_REVOKED taiki_user_id",
  ],
  [
    "the sub of a vendor with another user claim",
    ofInteguru('"jane"'),
    by("subject", "sub", { realm: "integuru" }),
    null,
    "verified",
  ],
  ["a user of the directory", ofClowk({}), by("subject", "nobody-knows", { realm: "clowk" }), T, "TOKEN_REVOKED sub"],

  ["a session", ofR({ sid: "s", iat: T }), by("session", "s"), T, "TOKEN_REVOKED sid"],
  ["a session with a later token", ofR({ sid: "s", iat: T + 1 }), by("session", "s"), T, "verified"],
  ["a banned session", ofR({ sid: "s", iat: T + 1 }), by("session", "s"), null, "TOKEN_REVOKED sid"],
  ["another session", ofR({ sid: "t" }), by("session", "s"), null, "verified"],

  ["a client by client_id", ofR({ client_id: "c", azp: "d" }), by("client", "c"), T, "TOKEN_REVOKED client_id"],
  ["a client by azp", ofR({ azp: "c" }), by("client", "c"), T, "TOKEN_REVOKED azp"],
  ["the azp of a token with a client_id", ofR({ client_id: "c", azp: "d" }), by("client", "d"), null, "verified"],

  ["an instance", ofClowk({}), by("instance", "inst_abc123", { realm: "clowk" }), T, "TOKEN_REVOKED "],
  [
    "an instance by its next key",
    ofClowk({}, "clowk-next"),
    by("instance", "inst_abc123", { realm: "clowk" }),
    T,
    "TOKEN_REVOKED ",
  ],
  [
    "an instance, issued later",
    ofClowk({ iat: T + 1 }),
    by("instance", "inst_abc123", { realm: "clowk" }),
    T,
    "verified",
  ],
  ["another instance", OTHER(), by("instance", "inst_abc123", { realm: "clowk" }), null, "verified"],
  ["a claim that names an instance, where none sign", ofR({ instance_id: "i" }), by("instance", "i"), null, "verified"],

  ["a kid in the header", ofR({}, { kid: "old" }), by("key", "old"), null, "TOKEN_REVOKED kid"],
  ["a kid left out of the header", ofR({}), by("key", "old"), null, "TOKEN_REVOKED kid"],
  ["a kid that no key has in the header", ofR({}, { kid: "unknown" }), by("key", "old"), null, "TOKEN_REVOKED kid"],
  ["a kid of another key", ofR({}, { kid: "new" }, "p256-other"), by("key", "old"), null, "verified"],
  ["a thumbprint", ofR({}), by("key", FIRST.label), null, "TOKEN_REVOKED kid"],
  ["a thumbprint of a key named by kid", ofR({}, { kid: "old" }), by("key", FIRST.label), null, "TOKEN_REVOKED kid"],
  ["a thumbprint of another key", ofR({}), by("key", SECOND.label), null, "verified"],
  ["the label of a secret", ofInteguru('"u"'), by("key", labelOf("integuru"), { realm: "integuru" }), null, "verified"],

  ["all tokens, issued before", ofR({ iat: T }), by("all", ""), T, "TOKEN_REVOKED iat"],
  ["all tokens without a time of issue", ofR({}), by("all", ""), LONG_AGO, "TOKEN_REVOKED iat"],
  ["all tokens, issued later", ofR({ iat: T + 1 }), by("all", ""), T, "verified"],

  [
    "a jti of an instance",
    ofClowk({ jti: "j" }),
    by("jti", "j", { realm: "clowk", instance: "inst_abc123" }),
    null,
    "TOKEN_REVOKED jti",
  ],
  [
    "a jti of another instance",
    OTHER({ jti: "j" }),
    by("jti", "j", { realm: "clowk", instance: "inst_abc123" }),
    null,
    "verified",
  ],
  ["a jti of all instances", OTHER({ jti: "j" }), by("jti", "j", { realm: "clowk" }), null, "TOKEN_REVOKED jti"],
  [
    "a subject of an instance",
    ofClowk({}),
    by("subject", "nobody-knows", { realm: "clowk", instance: "inst_abc123" }),
    T,
    "TOKEN_REVOKED sub",
  ],
  [
    "all tokens of an instance",
    ofClowk({}),
    by("all", "", { realm: "clowk", instance: "inst_abc123" }),
    T,
    "TOKEN_REVOKED iat",
  ],
  [
    "a subject of an issuer",
    ofTwo({ sub: "jane" }),
    by("subject", "jane", { realm: "two", issuer: "https://a.example" }),
    null,
    "TOKEN_REVOKED sub",
  ],
  [
    "a subject of another issuer",
    ofTwo({ sub: "jane" }),
    by("subject", "jane", { realm: "two", issuer: "https://b.example" }),
    null,
    "verified",
  ],
  [
    "a subject of all issuers",
    ofTwo({ sub: "jane" }),
    by("subject", "jane", { realm: "two" }),
    null,
    "TOKEN_REVOKED sub",
  ],
  [
    "a session of an issuer",
    ofTwo({ sid: "s" }),
    by("session", "s", { realm: "two", issuer: "https://a.example" }),
    null,
    "TOKEN_REVOKED sid",
  ],
  [
    "a key for an issuer",
    ofTwo({}),
    by("key", "old", { realm: "two", issuer: "https://a.example" }),
    null,
    "TOKEN_REVOKED kid",
  ],
  [
    "a key for another issuer",
    ofTwo({}),
    by("key", "old", { realm: "two", issuer: "https://b.example" }),
    null,
    "verified",
  ],
  [
    "all tokens of an issuer",
    ofTwo({}),
    by("all", "", { realm: "two", issuer: "https://a.example" }),
    T,
    "TOKEN_REVOKED iat",
  ],
  ["tokens without an issuer", ofR({}), by("all", "", { issuer: "" }), T, "TOKEN_REVOKED iat"],
  ["tokens without an issuer, by one with", ofR({ iss: "x" }), by("all", "", { issuer: "" }), T, "verified"],
  [
    "an issuer of a realm that has admitted others",
    { realm: "one", token: es256({ iss: "https://a.example", sub: "jane" }) },
    by("subject", "jane", { realm: "one", issuer: "https://a.example" }),
    null,
    "TOKEN_REVOKED sub",
  ],
];

function labelOf(realm: string): string {
  return (REALMS.get(realm) as Realm).keys.current(NOW)?.keys[0]?.label ?? "";
}

describe("a revocation", () => {
  for (const [what, asked, selector, time, outcome] of ROWS) {
    it(`by ${selector.kind}: ${what}${time === null ? "" : `, until ${time - T}`} is ${outcome.trim()}, seen before or not`, () => {
      const revocations = new RevocationSet();
      const seen = asker(revocations);
      expect(seen(asked), "before").to.equal("verified");
      revocations.add(revocationOf(selector, time));
      // Twice: as the keys are made, and as they are remembered.
      expect([seen(asked), seen(asked)]).to.deep.equal([outcome, outcome]);
      expect(asker(revocations)(asked), "not seen before").to.equal(outcome);
      revocations.remove(selector);
      expect(seen(asked), "taken back").to.equal("verified");
    });
  }

  it("no revocation in another realm concerns a token", () => {
    for (const [what, , selector, time] of ROWS) {
      const revocations = new RevocationSet();
      const ask = asker(revocations);
      const alone = asker(new RevocationSet());
      revocations.add(revocationOf({ ...selector, realm: "elsewhere" }, time));
      for (const [, asked] of ROWS) expect(ask(asked), what).to.equal(alone(asked));
    }
  });

  it("of several that concern a token, the verdict names the first kind", () => {
    const revocations = new RevocationSet();
    const ask = asker(revocations);
    const token = ofR({ jti: "j", sub: "jane", sid: "s", azp: "c", iat: T });
    const seen: string[] = [];
    for (const selector of [
      by("all", ""),
      by("key", "old"),
      by("client", "c"),
      by("session", "s"),
      SUBJECT,
      by("jti", "j"),
    ]) {
      revocations.add(revocationOf(selector, selector.kind === "all" ? T : null));
      seen.push(ask(token));
    }
    expect(seen).to.deep.equal(["iat", "kid", "azp", "sid", "sub", "jti"].map((claim) => `TOKEN_REVOKED ${claim}`));
  });

  it("of a kid holds for a key that is listed under that kid later, for tokens seen before", () => {
    let set = new KeySet([FIRST]);
    const source: KeySource = { ...staticSource([]), current: () => set };
    const realms = new Map([["r", createRealm("r", POLICY, source)]]);
    const revocations = new RevocationSet();
    revocations.add(revocationOf(by("key", "old")));
    const ask = asker(revocations, realms);
    const token = ofR({});
    expect([ask(token), ask(token)]).to.deep.equal(["verified", "verified"]);
    set = new KeySet(LISTED);
    expect(ask(token)).to.equal("TOKEN_REVOKED kid");
  });

  it("of the realm that a token is routed to counts, and none of the routing realm", () => {
    const target = REALMS.get("one") as Realm;
    const realms = new Map(REALMS).set("any", createRoute("any", new Map([["https://a.example", target]])));
    const revocations = new RevocationSet();
    const ask = asker(revocations, realms);
    const routed: Asked = { realm: "any", token: es256({ iss: "https://a.example", jti: "j" }) };
    revocations.add(revocationOf(by("jti", "j", { realm: "any" })));
    expect(ask(routed)).to.equal("verified");
    revocations.add(revocationOf(by("jti", "j", { realm: "one" })));
    expect(ask(routed)).to.equal("TOKEN_REVOKED jti");
  });

  it("makes a fact count as larger while it keeps the keys of its token, within the bound of the cache", () => {
    const facts = new FactCache(20_000);
    const revocations = new RevocationSet();
    const ask = asker(revocations, REALMS, facts);
    const tokens = Array.from({ length: 20 }, (_, index) => ofR({ jti: `j${index}`, sub: "u" }));
    for (const token of tokens) ask(token);
    const before = facts.bytes;
    for (const selector of [by("jti", "x"), by("subject", "x"), by("all", "", { issuer: "x" })]) {
      revocations.add(revocationOf(selector, T));
    }
    expect(ask(tokens[19] as Asked)).to.equal("verified");
    expect(facts.bytes).to.not.equal(before);
    for (const token of tokens) {
      ask(token);
      expect(facts.bytes).to.be.at.most(10_000);
    }
    facts.keepOnly([]);
    expect(facts.bytes).to.equal(0);
  });
});
