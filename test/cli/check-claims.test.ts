import { expect } from "chai";
import { CLAIM_RULES } from "../../src/cli/check/claim-rules.js";
import { applyRules } from "../../src/cli/check/findings.js";
import { load } from "../config/harness.js";
import { FILES, partner } from "../config/samples.js";

// What `check` says about claims, and what it leaves alone.

/** The findings about a realm with these settings, each as `name place: message`. */
function found(settings: string): string[] {
  const config = load(partner(`algorithms: [ES256], keys: [{ pemFile: ./p256.pem }], ${settings}`), FILES);
  return applyRules(CLAIM_RULES, "warning", config).map(({ check, place, message }) => `${check} ${place}: ${message}`);
}

const dotted = (place: string, name: string, pointer: string): string =>
  `claim-dotted realms.partner.${place}: is one member of the payload whose name is "${name}"; the path to a member within members is ${pointer}`;
const pattern = (place: string, value: string): string =>
  `claim-pattern realms.partner.claims.${place}: "${value}" is compared literally: * is not a wildcard`;
const open = (prefix: string): string =>
  `claim-prefix realms.partner.claims.sub: "${prefix}" also admits "${prefix}-evil": end it with the separator`;
const type = (place: string, given: string, usual: string): string =>
  `claim-type realms.partner.claims.${place}: is compared with ${given}, and issuers write ${usual}: the two are never equal`;

const ROWS: readonly (readonly [settings: string, ...findings: readonly string[]])[] = [
  [
    "claims: { realm_access.roles: { includes: admin } }",
    dotted('claims["realm_access.roles"]', "realm_access.roles", "/realm_access/roles"),
  ],
  [
    "claims: { $.realm_access.roles: x }",
    dotted('claims["$.realm_access.roles"]', "$.realm_access.roles", "/realm_access/roles"),
  ],
  [
    "claims: { realm_access/roles: x }",
    dotted('claims["realm_access/roles"]', "realm_access/roles", "/realm_access/roles"),
  ],
  [
    'claims: { "#/realm_access/roles": x }',
    dotted('claims["#/realm_access/roles"]', "#/realm_access/roles", "/realm_access/roles"),
  ],
  [
    "requiredClaims: [exp, kubernetes.io.namespace]",
    dotted("requiredClaims[1]", "kubernetes.io.namespace", "/kubernetes/io/namespace"),
  ],
  ["requiredClaims: [exp, /kubernetes.io/namespace], claims: { /realm_access/roles: x, /a.b: y }"],
  ["claims: { https://example.com/roles: x, 'urn:example:org.roles': y, 'cognito:groups': z, token_use: access }"],

  ['claims: { sub: "repo:acme/*" }', pattern("sub", "repo:acme/*")],
  ["claims: { sub: [a, 'b*', '*c'] }", pattern("sub", "b*"), pattern("sub", "*c")],
  ["claims: { groups: { includes: 'team-*' } }", pattern("groups", "team-*")],
  ["claims: { groups: { includesAny: [x, 'team-*'] } }", pattern("groups", "team-*")],
  ["claims: { sub: { prefix: 'repo:acme/*' } }", pattern("sub", "repo:acme/*")],

  ["claims: { sub: { prefix: 'repo:acme' } }", open("repo:acme")],
  ["claims: { sub: { prefix: ['repo:acme/', 'repo:acme@1001'] } }", open("repo:acme@1001")],
  ["claims: { sub: { prefix: 'größe' } }", open("größe")],
  ["claims: { sub: { prefix: ['repo:acme/', 'system:serviceaccount:', shop-, 'a@'] } }"],

  [
    "claims: { scopes: { includes: read } }",
    "claim-words realms.partner.claims.scopes: a text in it counts as one member: only scope and scp are read as words",
  ],
  [
    "claims: { /ext/granted_scopes: { includesAny: [read] } }",
    'claim-words realms.partner.claims["/ext/granted_scopes"]: a text in it counts as one member: only scope and scp are read as words',
  ],
  [
    "claims: { scope: { includes: read }, scp: { includesAny: [read] }, /a/scope: { includes: x }, scopes: read, groups: { includes: x } }",
  ],

  ["claims: { ref_protected: true }", type("ref_protected", "true", "a text")],
  ["claims: { project_id: [22, 23] }", type("project_id", "the number 22", "a text")],
  ['claims: { email_verified: "true" }', type("email_verified", 'the text "true"', "true or false")],
  [
    'claims: { /user/auth_time: "1" }',
    type('["/user/auth_time"]', 'the text "1"', "a number").replace(".claims.[", ".claims["),
  ],
  ['claims: { ref_protected: "true", project_id: "22", email_verified: true, updated_at: 3, level: "3", tier: 3 }'],
];

describe("what check says about claims", () => {
  for (const [settings, ...findings] of ROWS) {
    it(`${settings} gives ${findings.length === 0 ? "no warning" : findings.join("; ")}`, () => {
      expect(found(settings)).to.deep.equal(findings);
    });
  }

  it("a vendor's realm has no conditions to look at", () => {
    const config = load(
      "grpc: 127.0.0.1:0\nrealms:\n  integuru: { preset: integuru, userClaim: a.b, keys: [{ secretFile: ./secret.key }] }\n",
      FILES,
    );
    expect(applyRules(CLAIM_RULES, "warning", config)).to.deep.equal([]);
  });
});
