import { expect } from "chai";
import fc from "fast-check";
import { failure } from "../../src/contract/verifier.js";
import { staticSource } from "../../src/keys/key-set.js";
import { Secret } from "../../src/util/secret.js";
import { decide } from "../../src/verifier/decide.js";
import type { View } from "../../src/verifier/decision-state.js";
import { FactCache } from "../../src/verifier/facts.js";
import { createRealm, type Realm } from "../../src/verifier/realm.js";
import { createRoute } from "../../src/verifier/route.js";
import { createVerifier } from "../../src/verifier/verify.js";
import { NOW } from "../support/clock.js";
import { makeToken } from "../support/token.js";
import { makeBench } from "../support/view.js";

// Decisions and explanations for tokens that a realm routes to another, and for tokens with an unknown key.

const bench = makeBench("verifier.yaml");
const explaining = (name: string): Realm => {
  const { policy, keys } = bench.realms.get(name) ?? expect.fail(name);
  return createRealm(name, { ...policy, explain: "anyone" }, keys);
};
const issuers = explaining("issuers");
const partner = explaining("partner");
const any = createRoute("any", new Map([["https://one.example", issuers]]));
const view = {
  ...bench.view(new FactCache(0)),
  realms: new Map([issuers, partner, any].map((realm) => [realm.name, realm])),
};
const asking = (realm: string, token: string, explain = true) => ({
  realm,
  token: new Secret(token),
  credential: undefined,
  explain,
});
const signed = (claims: object, header: object = {}): string =>
  makeToken({ key: "p256", header: { alg: "ES256", ...header }, claims: { exp: 1_800_003_600, ...claims } });

describe("a decision on a directory that is not read at the moment", () => {
  const strict = createRealm("strict", { ...issuers.policy, staleFor: 1_000 }, issuers.keys);
  const route = createRoute("route", new Map([["https://one.example", strict]]));
  const asked: (number | undefined)[] = [];
  let wasSuspended = false;
  const directory = {
    ...view.directory,
    isFresh: (_: number, staleFor?: number) => {
      asked.push(staleFor);
      return staleFor === undefined;
    },
    wasSuspended: () => wasSuspended,
  };
  const stale: View = {
    ...view,
    directory,
    realms: new Map([issuers, strict, route].map((realm) => [realm.name, realm])),
  };
  const token = signed({ iss: "https://one.example", aud: "us" });
  const said = (realm: string) => {
    const decision = decide(asking(realm, token, false), stale, NOW);
    return "reason" in decision ? decision.reason : decision.kind;
  };

  it("the staleFor of the realm that judges the token counts, also behind a route", () => {
    expect(said("strict")).to.equal("DIRECTORY_UNAVAILABLE");
    expect(said("route")).to.equal("DIRECTORY_UNAVAILABLE");
    expect(said("issuers")).not.to.equal("DIRECTORY_UNAVAILABLE");
    expect(asked).to.deep.equal([1_000, 1_000, undefined]);
  });

  it("after a suspension the feed is needed first", () => {
    wasSuspended = true;
    expect(decide(asking("issuers", token, false), stale, NOW)).to.deep.equal({
      kind: "needs",
      need: { kind: "feed" },
    });
  });
});

/** Returns the message of a token's one failed check. */
function failed(realm: string, token: string, realms: View["realms"] = view.realms): string {
  const decision = decide(asking(realm, token), { ...view, realms }, NOW);
  if (decision.kind !== "rejected") throw new Error(decision.kind);
  return decision.checks.find(({ reason }) => reason !== undefined)?.message ?? "";
}

describe("a decision of a routing realm", () => {
  const good = signed({ iss: "https://one.example", sub: "somebody" });

  it("a routed decision names the realm that judged, if it is another realm", () => {
    expect(decide(asking("any", good, false), view, NOW)).to.include({ kind: "verified", target: "issuers" });
    expect(decide(asking("any", `${good}A`, false), view, NOW)).to.include({ kind: "rejected", target: "issuers" });
    expect(decide(asking("issuers", good, false), view, NOW)).not.to.have.property("target");
    const nobodys = signed({ iss: "https://three.example" });
    expect(decide(asking("any", nobodys, false), view, NOW)).not.to.have.property("target");
  });

  it("a routed decision names the target realm if a load for it fails", async () => {
    const cold: Realm = { ...issuers, keys: { ...issuers.keys, current: () => undefined, answers: () => false } };
    const realms = new Map([["any", createRoute("any", new Map([["https://one.example", cold]]))]]);
    const context = { requestId: "r", address: "", deadline: Number.POSITIVE_INFINITY };
    const ask = (load: () => Promise<ReturnType<typeof failure> | undefined>, deadline = context.deadline) =>
      createVerifier({ view: { ...view, realms } }, () => NOW, load).verify(asking("any", good, false), {
        ...context,
        deadline,
      });
    for (const [outcome, reason] of [
      [ask(async () => failure("KEYS_UNAVAILABLE")), "KEYS_UNAVAILABLE"],
      [ask(async () => undefined, NOW), "TIMED_OUT"],
      [ask(async () => undefined), "NO_VERDICT"],
    ] as const) {
      expect(await outcome).to.include({ kind: "failure", reason, target: "issuers" });
    }
  });

  it("the explanation of an unknown issuer lists the known issuers, and not the unsigned one", () => {
    expect(failed("any", signed({ iss: "https://three.example" }))).to.equal(
      "The issuer ('iss') is not one of this realm. Admitted: \"https://one.example\".",
    );
  });

  it("the explanation of an unknown issuer lists the first of many known issuers", () => {
    const many = Array.from({ length: 60 }, (_, number) => [`https://${number}.example`, issuers] as const);
    const realms = new Map([["any", createRoute("any", new Map(many))]]);
    const said = failed("any", signed({ iss: "https://three.example" }), realms);
    expect(said).to.match(/Admitted: "https:\/\/0\.example", .*"https:\/\/49\.example" and 10 more\.$/);
  });
});

describe("the route cache", () => {
  const ISSUERS = ["https://one.example", "https://two.example"];
  const other = createRealm("other", { ...issuers.policy, maxTokenLength: 300 }, issuers.keys);
  const ways = (first: Realm, second: Realm) => new Map([first, second].map((realm, at) => [ISSUERS[at] ?? "", realm]));
  const among = (route: Realm): View => ({ ...view, realms: new Map([["any", route]]) });

  it("a token verified before is routed by its digest, and any other token is read each time", () => {
    let looked = 0;
    class Counted extends Map<string, Realm> {
      override get(issuer: string): Realm | undefined {
        looked++;
        return super.get(issuer);
      }
    }
    const route = createRoute("any", new Counted(ways(issuers, other)));
    const lookups = (token: string): number => {
      looked = 0;
      for (let turn = 0; turn < 3; turn++) decide(asking("any", token, false), among(route), NOW);
      return looked;
    };
    const good = signed({ iss: ISSUERS[0], sub: "x" });
    expect(lookups(good)).to.equal(1);
    expect(lookups(good)).to.equal(0);
    // Tokens that anyone can make evict nothing.
    expect(lookups(`${good}A`)).to.equal(3);
    expect(lookups(signed({ iss: ISSUERS[0], exp: 1 }))).to.equal(3);
    expect(lookups(signed({ iss: "https://three.example" }))).to.equal(3);
  });

  it("the route cache changes no decision", () => {
    const [one, two] = ISSUERS;
    const tokens = [
      ...[one, two, "https://three.example", 1, undefined].map((iss) => signed({ iss, sub: "x" })),
      signed({ iss: one, exp: 1_800_000_002 }),
      signed({ iss: two, pad: "x".repeat(200) }),
      signed({ iss: one, pad: "x".repeat(200) }),
      `${signed({ iss: one, sub: "x" })}A`,
      makeToken({
        key: "p256",
        header: { alg: "ES256" },
        claims: {},
        payload: '{"iss":"https://one.example","iss":"x","exp":1800003600}',
      }),
      "",
      "a.b.c",
      "\ud800.e30.",
      "\ud801.e30.",
      `a.${"x".repeat(20_000)}.c`,
    ];
    const steps = fc.array(fc.record({ token: fc.constantFrom(...tokens), wait: fc.nat(500), explain: fc.boolean() }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, (all) => {
        const facts = new FactCache(1024 ** 2);
        const route = createRoute("any", ways(issuers, other));
        let now = NOW;
        for (const { token, wait, explain } of all) {
          now += wait;
          const request = asking("any", token, explain);
          const fresh = createRoute("any", ways(issuers, other));
          expect(decide(request, { ...among(route), facts }, now)).to.deep.equal(
            decide(request, { ...among(fresh), facts: new FactCache(0) }, now),
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  it("a cached route does not outlive a reload that changes the realms", () => {
    const token = signed({ iss: ISSUERS[0], sub: "x" });
    const route = createRoute("any", ways(issuers, other));
    const target = (by: Realm) => decide(asking("any", token, false), among(by), NOW);
    for (let turn = 0; turn < 2; turn++) expect(target(route)).to.include({ kind: "verified", target: "issuers" });
    const changed = createRealm("issuers", { ...issuers.policy, maxTokenLength: 10 }, issuers.keys);
    expect(target(createRoute("any", ways(changed, other)))).to.include({ reason: "TOKEN_TOO_LARGE" });
    expect(target(createRoute("any", ways(other, issuers)))).to.include({ kind: "verified", target: "other" });
    expect(target(route)).to.include({ kind: "verified", target: "issuers" });
  });
});

describe("an explanation of an unknown key", () => {
  const rsa = (kid: string): string =>
    makeToken({
      key: "rsa",
      header: { alg: "RS256", typ: "JWT", kid },
      claims: {
        iss: "https://issuer.example",
        aud: "https://api.example",
        sub: "somebody",
        iat: 1_800_000_000,
        exp: 1_800_003_600,
      },
    });

  it("the explanation of an unknown key shows the token's kid and the known ones", () => {
    expect(failed("partner", rsa("other"))).to.match(/'kid' is "other"; known: "rsa"(, "[^"]+")*\.$/);
  });

  it("the explanation of an unknown key shows the beginning of a long kid", () => {
    expect(failed("partner", rsa("k".repeat(500)))).to.include(`'kid' is "${"k".repeat(99)}…; known: `);
  });

  /** Returns the explanation if the realm has keys of another algorithm with these kids. */
  function failedAmong(kids: readonly (string | undefined)[]): string {
    const [key] = issuers.keys.current(NOW)?.keys ?? expect.fail();
    const realm: Realm = {
      ...issuers,
      keys: staticSource(kids.map((kid) => ({ ...key!, kid, algorithm: "ES384" }))),
    };
    const token = signed({ iss: "https://one.example" }, { kid: "some" });
    return failed("issuers", token, new Map([["issuers", realm]]));
  }

  it("the explanation of an unknown key says if no key has a kid", () => {
    expect(failedAmong([undefined])).to.match(/'kid' is "some"; no key has one\.$/);
  });

  it("the explanation of an unknown key lists at most sixteen kids", () => {
    const kids = Array.from({ length: 40 }, (_, number) => `k${number}`);
    expect(failedAmong(kids)).to.match(/known: "k0", .*"k15" and 24 more\.$/);
  });

  it("the known kids are shown only in a requested explanation", () => {
    const decision = decide(asking("partner", rsa("other"), false), view, NOW);
    expect(decision).to.include({ reason: "KEY_UNKNOWN", kid: "other" }).and.not.have.property("hint");
    expect(decision).to.have.property("checks").that.deep.equals([]);
  });
});
