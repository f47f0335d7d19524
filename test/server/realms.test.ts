import { expect } from "chai";
import { type BuiltRealms, buildRealms, type RunningRealm } from "../../src/server/realms.js";
import type { RoutingRealm } from "../../src/verifier/route.js";
import { load } from "../config/harness.js";
import { keyOf } from "../support/keys.js";
import { STATIC_KEYS } from "../support/view.js";

// The realms and keys that stay the same objects over a reload, since facts are stored by the identity of these objects.

const SECRET = "a-secret-that-is-used-in-this-test-only";
const OTHER = "another-secret-used-in-this-test-only!!";

/** Realms by name, each in YAML's flow style. */
type Written = Readonly<Record<string, string>>;

/** Builds the realms of a configuration that replaces others. */
function renew(before: readonly RunningRealm[], written: Written): BuiltRealms {
  const { realms } = load(
    `grpc: 127.0.0.1:0\nrealms:\n${Object.entries(written)
      .map(([name, text]) => `  ${name}: { ${text} }\n`)
      .join("")}`,
    { "p256.pem": keyOf("p256").publicPem ?? "", "rsa.pem": keyOf("rsa").publicPem ?? "" },
  );
  return buildRealms(realms, STATIC_KEYS, before);
}

const realmsOf = (written: Written): readonly RunningRealm[] => renew([], written).realms;

const generic = (keys: string, more = ""): string =>
  `algorithms: [ES256, RS256, HS256], issuer: https://a.example, audience: null, keys: [${keys}]${more}`;
const P256 = "{ pemFile: ./p256.pem, kid: p }";
const RSA = "{ pemFile: ./rsa.pem, alg: RS256, kid: r }";
const HMAC = `{ secret: ${SECRET}, alg: HS256, kid: h }`;

describe("the realms after a reload", () => {
  it("a reload keeps the realms that did not change, however they are written", () => {
    const before = realmsOf({
      integuru: `preset: integuru, keys: [{ secret: ${SECRET} }]`,
      partner: generic(`${P256}, ${HMAC}`),
    });
    const renewal = renew(before, {
      partner: generic(`${P256}, ${HMAC}`, ", clockTolerance: 0s"),
      integuru: `preset: integuru, explain: false, keys: [{ secretBase64: ${Buffer.from(SECRET).toString("base64")} }]`,
    });
    expect(renewal).to.deep.include({ added: [], removed: [], changed: [] });
    expect(renewal.realms.map(({ realm }) => realm)).to.have.ordered.members([before[1]?.realm, before[0]?.realm]);
    expect(renewal.realms[0]?.configured.keys[0]).to.equal(before[1]?.configured.keys[0]);
  });

  it("a reload keeps the unchanged keys of a changed realm", () => {
    const [before] = [realmsOf({ partner: generic(`${P256}, ${HMAC}`) })];
    const settings = renew(before, { partner: generic(`${P256}, ${HMAC}`, ", clockTolerance: 5s") });
    expect(settings.changed).to.deep.equal(["partner"]);
    expect(settings.realms[0]?.realm).not.to.equal(before[0]?.realm);
    expect(settings.realms[0]?.realm.policy.clockTolerance).to.equal(5);
    expect(settings.realms[0]?.configured.keys).to.have.ordered.members([...(before[0]?.configured.keys ?? [])]);
    const added = renew(before, { partner: generic(`${RSA}, ${HMAC}, ${P256}`) });
    expect(added.changed).to.deep.equal(["partner"]);
    const [rsa, hmac, p256] = added.realms[0]?.configured.keys ?? [];
    expect([hmac, p256]).to.have.ordered.members([before[0]?.configured.keys[1], before[0]?.configured.keys[0]]);
    const trusted = added.realms[0]?.realm.keys.current(0);
    for (const key of [rsa, hmac, p256]) expect(key !== undefined && trusted?.trusts(key)).to.equal(true);
  });

  it("a reload treats a key with another value, kid or algorithm as a new key", () => {
    const before = realmsOf({ partner: generic(HMAC) });
    for (const other of [HMAC.replace(SECRET, OTHER), HMAC.replace("kid: h", "kid: i"), HMAC.replace(", kid: h", "")]) {
      const { realms, changed } = renew(before, { partner: generic(other) });
      expect(changed, other).to.deep.equal(["partner"]);
      expect(realms[0]?.configured.keys[0], other).not.to.equal(before[0]?.configured.keys[0]);
      const old = before[0]?.configured.keys[0];
      expect(old && realms[0]?.realm.keys.current(0)?.trusts(old), other).to.equal(false);
    }
    const rsa = realmsOf({ partner: generic(RSA).replace("ES256", "PS256") });
    const pss = { partner: generic(RSA.replace("RS256", "PS256")).replace("ES256", "PS256") };
    expect(renew(rsa, pss).realms[0]?.configured.keys[0]).not.to.equal(rsa[0]?.configured.keys[0]);
  });

  it("a reload starts fetched keys over if the value of a header changed, and not if nothing did", () => {
    const fetched = (value: string) => ({
      partner: generic(`{ jwksUri: "https://a.example/jwks", headers: { X-Api-Key: "${value}" } }`),
    });
    const before = realmsOf(fetched("one"));
    expect(renew(before, fetched("one")).changed).to.deep.equal([]);
    expect(renew(before, fetched("two")).changed).to.deep.equal(["partner"]);
  });

  it("a reload shares no key between realms, so that the key of a renamed realm is new", () => {
    const before = realmsOf({ partner: generic(P256) });
    const renewal = renew(before, { corp: generic(P256) });
    expect(renewal).to.deep.include({ added: ["corp"], removed: ["partner"], changed: [] });
    expect(renewal.realms[0]?.configured.keys[0]).not.to.equal(before[0]?.configured.keys[0]);
  });

  it("a reload notices a change of a preset's explain, of its settings, and of the preset itself", () => {
    const preset = (more: string): string => `preset: integuru, keys: [{ secret: ${SECRET} }]${more}`;
    const before = realmsOf({ r: preset("") });
    for (const other of [preset(", explain: anyone"), preset(", maxTokenLength: 600"), generic(HMAC)]) {
      expect(renew(before, { r: other }).changed, other).to.deep.equal(["r"]);
    }
  });

  describe("with routes", () => {
    const ROUTES = {
      any: "byIssuer: [partner, corp]",
      partner: generic(P256),
      corp: generic(RSA).replace("a.example", "b.example"),
    };
    const named = (realms: readonly RunningRealm[], name: string) =>
      realms.find(({ realm }) => realm.name === name)?.realm;
    const wayOf = (realms: readonly RunningRealm[], issuer: string) =>
      (named(realms, "any") as RoutingRealm).byIssuer.get(issuer);

    it("a reload keeps a route that did not change", () => {
      const before = realmsOf(ROUTES);
      const { realms, changed } = renew(before, { ...ROUTES, any: "byIssuer: [corp, partner]" });
      expect(changed).to.deep.equal([]);
      expect(named(realms, "any")).to.equal(named(before, "any"));
    });

    it("a route leads to kept realms and to new ones after a reload", () => {
      const before = realmsOf(ROUTES);
      const { realms, changed } = renew(before, { ...ROUTES, partner: generic(P256, ", clockTolerance: 5s") });
      expect(changed).to.have.members(["any", "partner"]);
      expect(wayOf(realms, "https://a.example")).to.equal(named(realms, "partner"));
      expect(wayOf(realms, "https://a.example")).not.to.equal(named(before, "partner"));
      expect(wayOf(realms, "https://b.example")).to.equal(named(before, "corp"));
    });

    it("a route no longer leads to a realm that it no longer names", () => {
      const { realms, changed } = renew(realmsOf(ROUTES), { ...ROUTES, any: "byIssuer: [corp]" });
      expect(changed).to.deep.equal(["any"]);
      expect(wayOf(realms, "https://a.example")).to.equal(undefined);
    });

    it("a reload notices a route that becomes an ordinary realm, and the reverse", () => {
      const turned = { ...ROUTES, any: generic(HMAC) };
      expect(renew(realmsOf(ROUTES), turned).changed).to.deep.equal(["any"]);
      expect(renew(realmsOf(turned), ROUTES).changed).to.deep.equal(["any"]);
    });
  });

  it("a reload finds no change in a realm that lists one key twice", () => {
    const twice = { partner: generic("{ pemFile: ./p256.pem }, { pemFile: ./p256.pem }") };
    expect(renew(realmsOf(twice), twice).changed).to.deep.equal([]);
  });
});
