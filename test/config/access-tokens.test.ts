import { expect } from "chai";
import { load, wrongs } from "./harness.js";

// The preset for access tokens of RFC 9068: any issuer's settings, with what the profile fixes.

const SECRET = "n8Jm2hVb5Qw7Xc4Lp9Rt6Yk3Zd1Fg0Hs";
const text = (settings: string): string => `grpc: 127.0.0.1:0
realms:
  r: { preset: rfc9068, algorithms: [HS256], ${settings}, keys: [{ secret: ${SECRET} }] }
`;
const NAMED = "issuer: https://issuer.example, audience: api";
const wrong = (settings: string): string[] => wrongs(() => load(text(settings)));

describe("the configuration of access tokens", () => {
  it("the type and seven claims are required, and further ones may be", () => {
    const [plain] = load(text(NAMED)).realms;
    expect(plain?.settings).to.include({ preset: "rfc9068", typRequired: true });
    expect(plain?.settings["typ"]).to.deep.equal(["at+jwt"]);
    const claims = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"];
    expect(plain?.settings["requiredClaims"]).to.deep.equal(claims);
    const [more] = load(text(`${NAMED}, requiredClaims: [exp, scope]`)).realms;
    expect(more?.settings["requiredClaims"]).to.deep.equal([...claims, "scope"]);
  });

  it("RS256 is the algorithm of a realm that names none", () => {
    const named = text(NAMED)
      .replace("algorithms: [HS256], ", "")
      .replace(`secret: ${SECRET}`, "jwksUri: https://a.example/jwks");
    expect(load(named).realms[0]?.algorithms).to.deep.equal(["RS256"]);
  });

  it("settings that say the same are taken, and so are those that the preset leaves open", () => {
    for (const more of [
      "typ: [at+jwt], typRequired: true",
      "typ: [application/AT+JWT]",
      "claims: { scope: { includes: read } }, maxLifetime: 1h, clockTolerance: 30s, bound: require, ignoreHeaders: [jku]",
      "lenient: [nullClaims], explain: anyone, maxTokenLength: 1MiB, proofAlgorithms: [ES256]",
    ]) {
      expect(load(text(`${NAMED}, ${more}`)).realms, more).to.have.length(1);
    }
    const template = '"https://login.example/{tid}/v2.0"';
    expect(load(text(`issuer: ${template}, audience: [a, b]`)).realms).to.have.length(1);
  });

  const WRONG: Readonly<Record<string, readonly [settings: string, ...issues: string[]]>> = {
    "checks nothing": [
      "issuer: null, audience: null",
      "realms.r.issuer: must not be null: RFC 9068, section 4, requires this check",
      "realms.r.audience: must not be null: RFC 9068, section 4, requires this check",
    ],
    "names no issuer": ["audience: api", "realms.r.issuer: is missing: give a text or a list of texts"],
    "names no audience": ["issuer: https://a.example", "realms.r.audience: is missing: give a text or a list of texts"],
    "has another type": [`${NAMED}, typ: [JWT]`, "realms.r.typ[0]: must be at+jwt, which the preset rfc9068 fixes"],
    "has its type as a text": [`${NAMED}, typ: at+jwt`, "realms.r.typ: must be at+jwt, which the preset rfc9068 fixes"],
    "has no type": [`${NAMED}, typ: []`, "realms.r.typ: must be at+jwt, which the preset rfc9068 fixes"],
    "makes the type optional": [`${NAMED}, typRequired: false`, "realms.r.typRequired: must be true"],
    "ignores the type": [`${NAMED}, ignoreHeaders: [jku, typ]`, "realms.r.ignoreHeaders: must not name typ"],
    "wants a required claim absent": [
      `${NAMED}, claims: { client_id: { absent: true } }`,
      "realms.r.claims.client_id: must be absent and is required, by the preset rfc9068",
    ],
    "has a wrong placeholder": [
      'issuer: "https://a.example/{a}/{b}", audience: api',
      "realms.r.issuer: may have one placeholder such as {tid}",
    ],
    "has a face's setting": [`${NAMED}, users: token`, "realms.r.users: is not a key that exists here"],
  };
  for (const [what, [settings, ...issues]] of Object.entries(WRONG)) {
    it(`a realm that ${what} is refused`, () => {
      const found = wrong(settings);
      expect(found).to.have.length(issues.length);
      for (const [at, issue] of issues.entries()) expect(found[at]).to.include(issue);
    });
  }

  it("a misspelt name is answered with the right one", () => {
    const found = wrongs(() => load(text(NAMED).replace("rfc9068", "rfc9086")));
    expect(found).to.deep.equal([
      "realms.r.preset: must be one of integuru, clowk, fiserv, rfc9068; leave it out for a realm of any other issuer - did you mean rfc9068?",
    ]);
  });

  it("a route may lead to such a realm, and no face may", () => {
    expect(load(`${text(NAMED)}  any: { byIssuer: [r] }\n`).realms).to.have.length(2);
    const http = `http: { address: 127.0.0.1:0, faces: { clowk: r } }\n`;
    expect(wrongs(() => load(http + text(NAMED))).join()).to.include("http.faces.clowk");
  });
});
