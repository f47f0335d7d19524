import { expect } from "chai";
import type { Selector } from "../../src/directory/revocation.js";
import { staticSource } from "../../src/keys/key-set.js";
import { createRealm } from "../../src/verifier/realm.js";
import { tokenContentDigest } from "../../src/verifier/revocation.js";
import {
  makeRevocation,
  makeSelector,
  type RevocationRequest,
  RevocationRequestError,
  revocableRealms,
} from "../../src/verifier/revocation-request.js";
import { createRoute } from "../../src/verifier/route.js";
import { NOW } from "../support/clock.js";
import { plainPolicy } from "../support/plain-policy.js";
import { makeToken } from "../support/token.js";
import { makeBench } from "../support/view.js";

const T = NOW / 1000;
const realm = (name: string, settings: Parameters<typeof plainPolicy>[0]) =>
  createRealm(name, plainPolicy(settings), staticSource([]));
const partner = realm("partner", { issuer: ["https://a.example"] });
const ahead = realm("ahead", { issuer: ["https://a.example"] });
ahead.skew.note(300, NOW);
const vendors = ["integuru", "clowk", "fiserv"].map((name) => makeBench("verifier.yaml").realms.get(name)!);
const REALMS = revocableRealms(
  [
    partner,
    ahead,
    realm("several", { issuer: ["https://a.example", "https://b.example"] }),
    realm("unchecked", {}),
    realm("hourly", { issuer: ["https://a.example"], maxLifetime: 3_600_000, clockTolerance: 30_000 }),
    createRoute("any", new Map([["https://a.example", partner]])),
    ...vendors,
  ],
  NOW,
);

const tokenWith = (claims: object): string =>
  makeToken({ key: "p256", header: { alg: "ES256" }, claims: { iss: "https://a.example", ...claims } });
const TOKEN = tokenWith({ exp: T + 3600.5 });
const DIGEST = tokenContentDigest(TOKEN);
const PARTNER = { realm: "partner" };
const JTI = { ...PARTNER, kind: "jti", value: "j" } as const;
const SUBJECT = { ...PARTNER, kind: "subject", value: "jane" } as const;

interface Made {
  /** Default: what the request says. */
  readonly selector?: Selector;
  readonly issuedBefore?: number | null;
  readonly exp?: number | null;
  readonly acceptedFrom?: number | null;
}

const GOOD: readonly (readonly [what: string, request: RevocationRequest, made: Made])[] = [
  ["a jti", JTI, {}],
  ["a jti with its exp, rounded up", { ...JTI, exp: T + 10.2 }, { exp: T + 11 }],
  [
    "a token, by its digest, with its exp",
    { ...PARTNER, kind: "token", value: TOKEN },
    { selector: { realm: "partner", kind: "digest", value: DIGEST }, exp: T + 3601 },
  ],
  [
    "a token without exp",
    { ...PARTNER, kind: "token", value: tokenWith({}) },
    { selector: { realm: "partner", kind: "digest", value: tokenContentDigest(tokenWith({})) } },
  ],
  [
    "a token in every realm",
    { realm: "", kind: "token", value: TOKEN },
    { selector: { realm: "", kind: "digest", value: DIGEST }, exp: T + 3601 },
  ],
  ["a digest", { ...PARTNER, kind: "digest", value: DIGEST, exp: T + 5 }, { exp: T + 5 }],
  ["a subject, until now", SUBJECT, { issuedBefore: T, acceptedFrom: T + 1 }],
  [
    "a subject until a time, rounded down",
    { ...SUBJECT, issuedBefore: T - 100.5 },
    { issuedBefore: T - 101, acceptedFrom: T - 100 },
  ],
  [
    "a subject until a minute from now",
    { ...SUBJECT, issuedBefore: T + 60 },
    { issuedBefore: T + 60, acceptedFrom: T + 61 },
  ],
  [
    "a subject until now by an issuer's clock that is ahead",
    { ...SUBJECT, realm: "ahead" },
    { issuedBefore: T + 300, acceptedFrom: T + 301 },
  ],
  ["a banned subject", { ...SUBJECT, ban: true }, {}],
  ["a banned session", { ...PARTNER, kind: "session", value: "s", ban: true }, {}],
  ["a banned client", { ...PARTNER, kind: "client", value: "c", ban: true }, {}],
  ["a banned instance", { realm: "clowk", kind: "instance", value: "i", ban: true }, {}],
  [
    "an instance, until now",
    { realm: "clowk", kind: "instance", value: "i" },
    { issuedBefore: T, acceptedFrom: T + 1 },
  ],
  ["a key", { ...PARTNER, kind: "key", value: "kid" }, {}],
  ["all", { ...PARTNER, kind: "all", value: "" }, { issuedBefore: T, acceptedFrom: T + 1 }],
  ["a jti of all instances", { ...JTI, realm: "clowk" }, {}],
  ["a jti of an instance", { ...JTI, realm: "clowk", instance: "i" }, {}],
  ["a jti of an issuer", { ...JTI, realm: "several", issuer: "https://b.example" }, {}],
  ["a jti of tokens without an issuer", { ...JTI, realm: "unchecked", issuer: "" }, {}],
  [
    "a jti of the only issuer",
    { ...JTI, issuer: "https://a.example" },
    { selector: { realm: "partner", kind: "jti", value: "j" } },
  ],
  ["a key for all issuers", { realm: "several", kind: "key", value: "kid" }, {}],
  ["a client of all issuers", { realm: "several", kind: "client", value: "c", ban: true }, {}],
  [
    "a time after which tokens may be good",
    { ...SUBJECT, realm: "hourly", issuedBefore: T - 3_680 },
    { issuedBefore: T - 3_680, acceptedFrom: T - 3_679 },
  ],
];

const BAD: readonly (readonly [what: string, request: RevocationRequest, member: string, words: string])[] = [
  [
    "an unknown realm",
    { ...JTI, realm: "nope" },
    "realm",
    'There is no realm "nope". Give one of: partner, ahead, several',
  ],
  [
    "a routing realm",
    { ...JTI, realm: "any" },
    "realm",
    "only routes tokens to other realms; it has no tokens or keys of its own. Choose one of: partner",
  ],
  ["every realm, by jti", { ...JTI, realm: "" }, "realm", "There is no realm"],
  ["no value", { ...JTI, value: "" }, "value", "Give the jti"],
  ["all with a value", { ...PARTNER, kind: "all", value: "x" }, "value", "Leave it out"],
  [
    "a text that is no token",
    { ...PARTNER, kind: "token", value: "a.b.c" },
    "value",
    "This is no token. Give three parts",
  ],
  [
    "a token of another issuer",
    { ...PARTNER, kind: "token", value: tokenWith({ iss: "x" }) },
    "realm",
    "admits no tokens of this token's issuer",
  ],
  [
    "an expired token",
    { ...PARTNER, kind: "token", value: tokenWith({ exp: T - 61 }) },
    "exp",
    "it is refused without a revocation",
  ],
  [
    "a jti that has expired",
    { ...JTI, exp: T - 60 },
    "exp",
    "The token expired at 2027-01-15T07:59:00Z: it is refused",
  ],
  [
    "a jti that has expired, beyond the tolerance",
    { ...JTI, realm: "hourly", exp: T - 90 },
    "exp",
    "the realm's clockTolerance of 30s is over",
  ],
  ["a digest that is none", { ...PARTNER, kind: "digest", value: "abc" }, "value", "Give its 43 characters"],
  [
    "a token with an instance",
    { realm: "clowk", kind: "token", value: TOKEN, instance: "i" },
    "instance",
    "A token already names its issuer and its instance",
  ],
  [
    "a token with an exp",
    { ...PARTNER, kind: "token", value: TOKEN, exp: T },
    "exp",
    "A token says itself when it expires",
  ],
  ["a subject with an exp", { ...SUBJECT, exp: T + 10 }, "exp", "An expiry goes with a jti only"],
  [
    "a jti with a time",
    { ...JTI, issuedBefore: T },
    "issuedBefore",
    "refuses every such token, whenever it was issued. Leave the time out",
  ],
  ["a key with a time", { ...PARTNER, kind: "key", value: "k", issuedBefore: T }, "issuedBefore", "Leave the time out"],
  ["a banned token", { ...PARTNER, kind: "token", value: TOKEN, ban: true }, "ban", "Leave the ban out"],
  ["a ban with a time", { ...SUBJECT, ban: true, issuedBefore: T }, "ban", "Give either a ban or a time"],
  ["a ban of all", { ...PARTNER, kind: "all", value: "", ban: true }, "ban", "would close the realm"],
  [
    "a time ahead",
    { ...SUBJECT, issuedBefore: T + 61 },
    "issuedBefore",
    "2027-01-15T08:01:01Z, is more than a minute ahead of now (2027-01-15T08:00:00Z)",
  ],
  ["a time beyond all", { ...SUBJECT, issuedBefore: 1e300 }, "issuedBefore", "more than a minute ahead"],
  [
    "a time whose tokens have all expired",
    { ...SUBJECT, realm: "hourly", issuedBefore: T - 3_690 },
    "issuedBefore",
    "admits at most 1h from iat to exp. Give a later time",
  ],
  [
    "an instance, where none signs",
    { ...PARTNER, kind: "instance", value: "i" },
    "instance",
    "Instances do not sign the tokens of this realm",
  ],
  ["a scope of an instance, where none signs", { ...JTI, instance: "i" }, "instance", "Leave the instance out"],
  [
    "an instance of an instance",
    { realm: "clowk", kind: "instance", value: "i", instance: "i" },
    "instance",
    "Name it once",
  ],
  [
    "an issuer of a preset",
    { ...JTI, realm: "integuru", issuer: "x" },
    "issuer",
    "has a preset, and its tokens one issuer",
  ],
  [
    "an issuer that is not admitted",
    { ...JTI, issuer: "https://c.example" },
    "issuer",
    'it admits "https://a.example"',
  ],
  [
    "a jti, where issuers are several",
    { ...JTI, realm: "several" },
    "issuer",
    'admits "https://a.example", "https://b.example", and two issuers may use the same jti. Give the issuer too',
  ],
  [
    "a subject, where any issuer is admitted",
    { ...SUBJECT, realm: "unchecked" },
    "issuer",
    "admits any issuer, and two issuers may use the same subject",
  ],
  [
    "a session, where issuers are several",
    { realm: "several", kind: "session", value: "s" },
    "issuer",
    "the same session",
  ],
  [
    "a subject, where tokens name no user",
    { ...SUBJECT, realm: "fiserv" },
    "kind",
    "The tokens of the realm fiserv name no user",
  ],
  ["a key of instances", { realm: "clowk", kind: "key", value: "k" }, "kind", "Revoke by instance"],
];

describe("a request to revoke", () => {
  for (const [what, request, made] of GOOD) {
    it(`${what} is accepted`, () => {
      const { kind, value, instance, issuer } = request;
      const selector = made.selector ?? {
        realm: request.realm,
        kind: kind as Selector["kind"],
        value,
        ...(instance !== undefined && { instance }),
        ...(issuer !== undefined && { issuer }),
      };
      const { issuedBefore = null, exp = null, acceptedFrom = null } = made;
      expect(makeRevocation(request, REALMS, NOW)).to.deep.equal({
        revocation: { selector, issuedBefore, exp },
        acceptedFrom,
      });
    });
  }

  for (const [what, request, member, words] of BAD) {
    it(`${what} is refused, and the message says what to do`, () => {
      try {
        makeRevocation(request, REALMS, NOW);
        expect.fail("it was accepted");
      } catch (error) {
        if (!(error instanceof RevocationRequestError)) throw error;
        expect(error.member).to.equal(member);
        expect(error.message).to.include(words);
      }
    });
  }

  it("a revocation from before a realm had several issuers can be named, to take it back", () => {
    expect(makeSelector({ ...JTI, realm: "several" }, REALMS)).to.deep.equal({
      realm: "several",
      kind: "jti",
      value: "j",
    });
  });
});
