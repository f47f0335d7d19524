import { createPublicKey } from "node:crypto";
import { expect } from "chai";
import { compactVerify } from "jose";
import type { Check } from "../../src/contract/verifier.js";
import { noRevocations, RevocationSet, selectorBit } from "../../src/directory/revocation-set.js";
import { staticSource } from "../../src/keys/key-set.js";
import { Secret } from "../../src/util/secret.js";
import { type Decision, decide } from "../../src/verifier/decide.js";
import type { View } from "../../src/verifier/decision-state.js";
import { FactCache } from "../../src/verifier/facts.js";
import { createRealm, type Policy, type Realm } from "../../src/verifier/realm.js";
import { tokenContentDigest } from "../../src/verifier/revocation.js";
import { type Case, readCases } from "../support/cases.js";
import { NOW } from "../support/clock.js";
import { answerOf, expectOutcome } from "../support/expect.js";
import { KEYS } from "../support/keys.js";
import { plainPolicy } from "../support/plain-policy.js";
import { revocationOf } from "../support/revoke.js";
import { makeToken } from "../support/token.js";
import { type Bench, makeBench, requestOf } from "../support/view.js";

const CASES = readCases().filter(({ grpc, condition }) => grpc !== undefined && condition === undefined);
const BENCHES = new Map(
  [...new Set(CASES.map(({ configuration }) => configuration))].map((name) => [name, makeBench(name)]),
);
const benchOf = ({ configuration }: Case): Bench => BENCHES.get(configuration)!;

/** A policy that admits one issuer. */
const genericPolicyFor = (issuer: string): Policy =>
  plainPolicy({ algorithms: ["ES256"], issuer: [issuer], explain: "anyone" });

describe("decide", () => {
  // One cache for all cases of a configuration, since its content must not matter to any of them.
  const crowded = new Map([...BENCHES].map(([name, bench]) => [name, bench.view(new FactCache(64 * 1024 ** 2))]));

  // And one with room for a single fact, so that each decision finds that of another token or none.
  const single = new Map([...BENCHES].map(([name, bench]) => [name, bench.view(new FactCache(3000))]));

  for (const one of CASES) {
    it(`the decision does not depend on cached facts: ${one.file}: ${one.name}`, () => {
      const bench = benchOf(one);
      const request = requestOf(one);
      const first = decide(request, bench.view(new FactCache(0)), NOW);
      if (first.kind === "needs") throw new Error("needs something");
      expectOutcome(answerOf(first), one.grpc!.outcome, one);
      for (const view of [
        bench.view(new FactCache(0)),
        bench.view(),
        crowded.get(one.configuration)!,
        single.get(one.configuration)!,
      ]) {
        for (let times = 0; times < 2; times++) expect(decide(request, view, NOW)).to.deep.equal(first);
      }
    });
  }

  it("the time is checked on every call, cached or not", () => {
    const bench = BENCHES.get("verifier.yaml")!;
    const view = bench.view();
    const token = makeToken({
      key: "p256",
      header: { alg: "ES256" },
      claims: { nbf: 1_800_000_000, exp: 1_800_000_010 },
    });
    const at = (now: number): string => {
      const decision = decide(
        { realm: "lax", token: new Secret(token), credential: undefined, explain: false },
        view,
        now,
      );
      return decision.kind === "rejected" ? (decision.reason ?? "") : decision.kind;
    };
    expect([NOW - 1, NOW, NOW + 9_999, NOW + 10_000, NOW - 1, NOW].map(at)).to.deep.equal([
      "TOKEN_NOT_YET_VALID",
      "verified",
      "verified",
      "TOKEN_EXPIRED",
      "TOKEN_NOT_YET_VALID",
      "verified",
    ]);
  });

  it("a cached token that a rule rejects for good is still rejected first by what comes before that rule", () => {
    // In this realm the expiry is judged before the issuer.
    const realm = createRealm(
      "r",
      genericPolicyFor("https://other.example"),
      BENCHES.get("verifier.yaml")!.realms.get("es256")!.keys,
    );
    const view: View = { ...BENCHES.get("verifier.yaml")!.view(), realms: new Map([["r", realm]]) };
    const token = makeToken({
      key: "p256",
      header: { alg: "ES256" },
      claims: { iss: "https://issuer.example", exp: 1_800_000_010 },
    });
    const at = (now: number, explain = false): string => {
      const decision = decide({ realm: "r", token: new Secret(token), credential: undefined, explain }, view, now);
      return decision.kind === "rejected" ? (decision.reason ?? "") : decision.kind;
    };
    const [before, after] = ["ISSUER_MISMATCH", "TOKEN_EXPIRED"];
    expect([NOW, NOW, NOW + 10_000, NOW, NOW + 10_000].map((now) => at(now))).to.deep.equal([
      before,
      before,
      after,
      before,
      after,
    ]);
    expect([NOW, NOW + 10_000].map((now) => at(now, true))).to.deep.equal([before, after]);
  });

  it("revocation is checked on every call, cached or not", () => {
    const bench = BENCHES.get("verifier.yaml")!;
    const revocations = new RevocationSet();
    const jti = { realm: "es256", kind: "jti", value: "j" } as const;
    const view: View = { ...bench.view(), directory: { ...bench.directory, revocations } };
    const token = makeToken({ key: "p256", header: { alg: "ES256" }, claims: { jti: "j" } });
    const ask = (): Decision =>
      decide({ realm: "es256", token: new Secret(token), credential: undefined, explain: false }, view, NOW);
    expect(ask().kind).to.equal("verified");
    revocations.add(revocationOf(jti));
    expect(ask()).to.include({ kind: "rejected", reason: "TOKEN_REVOKED" });
    revocations.remove(jti);
    expect(ask().kind).to.equal("verified");
  });

  it("a second signature on the same claims has the same digest for revocation", () => {
    const bench = BENCHES.get("verifier.yaml")!;
    const spec = { key: "p256", header: { alg: "ES256" }, claims: { sub: "s" } };
    const [one, two] = [makeToken(spec), makeToken(spec)];
    expect(one).not.to.equal(two);
    const revocations = new RevocationSet();
    const view: View = { ...bench.view(), directory: { ...bench.directory, revocations } };
    const ask = (token: string): Decision =>
      decide({ realm: "es256", token: new Secret(token), credential: undefined, explain: false }, view, NOW);
    expect([one, two].map((token) => ask(token).kind)).to.deep.equal(["verified", "verified"]);
    revocations.add(revocationOf({ realm: "es256", kind: "digest", value: tokenContentDigest(one) }));
    for (const token of [one, two]) expect(ask(token)).to.include({ reason: "TOKEN_REVOKED", claim: "" });
  });

  it("an instance's call uses no other instance's key and looks up no other instance", () => {
    const bench = BENCHES.get("verifier.yaml")!;
    const asked: string[] = [];
    const view: View = {
      ...bench.view(),
      directory: {
        ...bench.directory,
        instance: (key) => {
          asked.push(key.reveal());
          return bench.directory.instance(key);
        },
        user: (instanceId, userId) => {
          asked.push(instanceId);
          return bench.directory.user(instanceId, userId);
        },
      },
    };
    const secretKey = new Secret("sk_live_test_only_0123456789abcdef0123456789abcdef");
    const token = makeToken({ key: "clowk-other", header: { alg: "HS256" }, claims: { instance_id: "inst_other" } });
    const decision = decide(
      { realm: "clowk", token: new Secret(token), credential: { kind: "instance", secretKey }, explain: false },
      view,
      NOW,
    );
    expect(decision).to.include({ kind: "rejected", reason: "INSTANCE_MISMATCH" });
    expect(asked).to.deep.equal([secretKey.reveal()]);
  });
});

describe("decide with something not loaded yet", () => {
  const bench = BENCHES.get("verifier.yaml")!;
  const secretKey = new Secret("sk_live_test_only_0123456789abcdef0123456789abcdef");
  const good = makeToken({
    key: "clowk",
    header: { alg: "HS256" },
    claims: { iss: "clowk", exp: 1_800_003_600, sub: "u", instance_id: "inst_abc123" },
  });
  const ask = (token: string, directory: Partial<View["directory"]>): Decision =>
    decide(
      { realm: "clowk", token: new Secret(token), credential: { kind: "instance", secretKey }, explain: false },
      { ...bench.view(), directory: { ...bench.directory, ...directory } },
      NOW,
    );

  it("the instance is loaded before the token is looked at", () => {
    const needed = { kind: "needs", need: { kind: "instance", secretKey } };
    for (const token of ["", "x", good]) expect(ask(token, { instance: () => undefined })).to.deep.equal(needed);
  });

  it("the user is loaded only for a token that is good so far", () => {
    const unknown = { user: () => undefined };
    const everything = {
      ...noRevocations,
      selectorsOf: () => selectorBit("all"),
      revokedUntil: () => Number.POSITIVE_INFINITY,
    };
    expect(ask(good, unknown)).to.deep.equal({
      kind: "needs",
      need: { kind: "user", instanceId: "inst_abc123", userId: "u" },
    });
    expect(ask("x", unknown)).to.include({ kind: "rejected" });
    expect(ask(good, { ...unknown, revocations: everything })).to.include({
      kind: "rejected",
      reason: "TOKEN_REVOKED",
    });
  });

  it("an unauthenticated caller learns nothing about keys, explanations or an empty token", () => {
    const { policy } = bench.realms.get("instances")!;
    const keys = { ...staticSource([]), current: () => undefined, answers: () => false };
    const realm = createRealm("r", { ...policy, explain: "nobody" }, keys);
    const outcomes = (explain: boolean, token: string, known: object | null | undefined): string => {
      const directory = { ...bench.directory, instance: () => known as ReturnType<View["directory"]["instance"]> };
      const view: View = { ...bench.view(), directory, realms: new Map([["r", realm]]) };
      const request = { realm: "r", token: new Secret(token), credential: { kind: "instance" as const, secretKey } };
      const decision = decide({ ...request, explain }, view, NOW);
      return "reason" in decision ? String(decision.reason) : decision.kind === "needs" ? decision.need.kind : "";
    };
    const token = makeToken({ key: "p256", header: { alg: "ES256" }, claims: { exp: 1_800_003_600 } });
    const ways = [
      [true, token, "EXPLAIN_DENIED"],
      [false, "", "TOKEN_EMPTY"],
      [false, token, "keys"],
    ] as const;
    for (const [explain, text, reason] of ways) {
      expect(outcomes(explain, text, { id: "i", appId: "a", keys: [] })).to.equal(reason);
      expect(outcomes(explain, text, null)).to.equal("CALLER_UNKNOWN");
      expect(outcomes(explain, text, undefined)).to.equal("instance");
    }
  });

  it("the keys are loaded by the token's kid", () => {
    const realm: Realm = {
      ...bench.realms.get("es256")!,
      keys: { ...staticSource([]), current: () => undefined },
    };
    const view: View = { ...bench.view(), realms: new Map([["r", realm]]) };
    const token = makeToken({ key: "p256", header: { alg: "ES256", kid: "k" }, claims: {} });
    const decision = decide({ realm: "r", token: new Secret(token), credential: undefined, explain: false }, view, NOW);
    expect(decision).to.deep.equal({ kind: "needs", need: { kind: "keys", realm, kid: "k", since: NOW } });
  });

  it("a directory that is not fresh makes every realm fail with DIRECTORY_UNAVAILABLE", () => {
    const view: View = { ...bench.view(), directory: { ...bench.directory, isFresh: () => false } };
    for (const realm of bench.realms.keys()) {
      const decision = decide({ realm, token: new Secret(good), credential: undefined, explain: false }, view, NOW);
      expect(decision).to.include({ kind: "failure", reason: "DIRECTORY_UNAVAILABLE" });
    }
  });
});

describe("an explanation", () => {
  /** Returns a view of the same realms that explains to every caller. */
  function open({ realms, view }: Bench): View {
    const explaining = new Map(
      [...realms].map(([name, realm]) => [
        name,
        createRealm(name, { ...realm.policy, explain: realm.policy.callers }, realm.keys),
      ]),
    );
    return { ...view(), realms: explaining };
  }

  const names = (checks: readonly Check[]): readonly string[] => checks.map(({ name, claim }) => `${name} ${claim}`);

  for (const [configuration, bench] of BENCHES) {
    it(`an explanation has the same verdict as without it, and its first failed check gives the reason: ${configuration}`, () => {
      const view = open(bench);
      const ways = new Map<string, readonly string[]>();
      for (const one of CASES.filter((other) => other.configuration === configuration)) {
        const request = { ...requestOf(one), explain: false };
        const short = decide(request, view, NOW);
        const long = decide({ ...request, explain: true }, view, NOW);
        if (short.kind === "failure" || short.kind === "needs" || long.kind === "failure" || long.kind === "needs") {
          expect(long, one.name).to.deep.equal(short);
          continue;
        }
        expect({ ...long, checks: [] }, one.name).to.deep.equal(short);
        const { checks } = long;

        // An explanation lists every check of the realm, always in the same order.
        const way = names(
          checks.map((check) =>
            check.result === "failed" && check.name === "shape" ? { ...check, claim: "" } : check,
          ),
        ).map((name) => (/^(shape|key|revocation|subject|proof) /.test(name) ? (name.split(" ")[0] ?? "") : name));
        expect(way, one.name).to.deep.equal(ways.get(request.realm) ?? way);
        ways.set(request.realm, way);

        const firstFailed = checks.find(({ result }) => result === "failed");
        const reason = long.kind === "rejected" ? long.reason : undefined;
        expect(firstFailed?.reason, one.name).to.equal(reason);
        if (long.kind === "rejected") expect(firstFailed?.claim).to.equal(long.claim);

        // Unsigned content is not explained: after a failure up to the signature, all later checks are skipped.
        const signature = checks.findIndex(({ name }) => name === "signature");
        const failedEarly = checks.findIndex(({ result }, index) => result === "failed" && index <= signature);
        for (const [index, check] of checks.entries()) {
          const silent = failedEarly >= 0 && index > failedEarly;
          expect(check.result === "skipped", `${one.name}: ${check.name}`).to.equal(silent);
          if (check.result !== "failed") expect(check.reason).to.equal(undefined);
          if (check.result === "failed") expect(check.message, one.name).not.to.equal("");
          if (index <= signature && check.result === "passed") expect(check.message, one.name).to.equal("");
        }
      }
    });
  }

  it("an explanation without loaded users leaves the decision the same, and skips a load for a token that is already bad", () => {
    const skipped = new Set<string>();
    for (const one of CASES) {
      const known = open(benchOf(one));
      const view: View = { ...known, directory: { ...known.directory, user: () => undefined } };
      const request = { ...requestOf(one), explain: false };
      const short = decide(request, view, NOW);
      const long = decide({ ...request, explain: true }, view, NOW);
      if (long.kind !== "rejected") {
        expect(long.kind === "verified" ? { ...long, checks: [] } : long, one.name).to.deep.equal(short);
        continue;
      }
      expect({ ...long, checks: [] }, one.name).to.deep.equal(short);
      for (const { name, result, message } of long.checks)
        if (result === "skipped" && message !== "An earlier check failed.") skipped.add(`${name}: ${message}`);
    }
    expect([...skipped]).to.deep.equal([
      "subject: An earlier check failed, and what this one looks at is not at hand.",
    ]);
  });

  it("an explanation lists every failed check once the signature has verified", () => {
    const view = open(BENCHES.get("verifier.yaml")!);
    const token = makeToken({
      key: "rsa",
      header: { alg: "RS256", kid: "rsa", typ: "x" },
      claims: { iss: "x", aud: "y", exp: 1, nbf: 1_900_000_000, iat: "x", token_use: "id", scope: "", jti: "revoked" },
    });
    const decision = decide(
      { realm: "partner", token: new Secret(token), credential: undefined, explain: true },
      view,
      NOW,
    );
    if (decision.kind !== "rejected") throw new Error(decision.kind);
    expect(decision.reason).to.equal("TYPE_MISMATCH");
    expect(
      decision.checks.filter(({ result }) => result === "failed").map(({ reason, claim }) => `${reason} ${claim}`),
    ).to.deep.equal([
      "TYPE_MISMATCH typ",
      "CLAIM_MISSING sub",
      "CLAIM_MISTYPED iat",
      "TOKEN_EXPIRED exp",
      "TOKEN_NOT_YET_VALID nbf",
      "ISSUER_MISMATCH iss",
      "AUDIENCE_MISMATCH aud",
      "CLAIM_MISMATCH token_use",
      "CLAIM_MISSING tid",
      "CLAIM_MISMATCH scope",
    ]);
  });
});

describe("tokens that we verify", () => {
  it("jose verifies every token that we verify", async () => {
    const keys = [...KEYS.values()].map(({ publicPem, signer }) =>
      publicPem === undefined ? signer : createPublicKey(publicPem),
    );
    const verified = CASES.filter(
      ({ grpc, file, name }) => "verified" in grpc!.outcome && !(file === "realms" && name === "all of them ignored"),
    );
    expect(verified.length).to.be.above(50);
    for (const { token, file, name } of verified) {
      const tried = await Promise.all(
        keys.map((key) =>
          compactVerify(token, key).then(
            () => true,
            () => false,
          ),
        ),
      );
      expect(tried.includes(true), `${file}: ${name}`).to.equal(true);
    }
  });
});
