import { expect } from "chai";
import { type BuiltRealms, buildRealms, type RunningRealm } from "../../src/server/realms.js";
import type { RoutingRealm } from "../../src/verifier/route.js";
import { load } from "../config/harness.js";
import { keyOf } from "../support/keys.js";
import { STATIC_KEYS } from "../support/view.js";

// What stays the same object when a configuration is read again: facts go by the identity of realms and keys.

const SECRET = "a-secret-that-is-used-in-this-test-only";
const OTHER = "another-secret-used-in-this-test-only!!";

/** Realms by name, each in the flow style of YAML. */
type Written = Readonly<Record<string, string>>;

/** Builds the realms of a configuration in the place of others. */
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

describe("the realms of a configuration that follows another", () => {
  it("keeps the realms about which nothing changed, however they are written", () => {
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

  it("keeps the keys that did not change in a realm that did", () => {
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

  it("takes another key, another kid or another algorithm for another key", () => {
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

  it("shares no key between realms: the same key under another name is new", () => {
    const before = realmsOf({ partner: generic(P256) });
    const renewal = renew(before, { corp: generic(P256) });
    expect(renewal).to.deep.include({ added: ["corp"], removed: ["partner"], changed: [] });
    expect(renewal.realms[0]?.configured.keys[0]).not.to.equal(before[0]?.configured.keys[0]);
  });

  it("sees each change: of a preset's explain, of its settings, and of a preset for none", () => {
    const preset = (more: string): string => `preset: integuru, keys: [{ secret: ${SECRET} }]${more}`;
    const before = realmsOf({ r: preset("") });
    for (const other of [preset(", explain: anyone"), preset(", maxTokenLength: 600"), generic(HMAC)]) {
      expect(renew(before, { r: other }).changed, other).to.deep.equal(["r"]);
    }
  });

  describe("of realms that hand tokens on", () => {
    const ROUTES = {
      any: "byIssuer: [partner, corp]",
      partner: generic(P256),
      corp: generic(RSA).replace("a.example", "b.example"),
    };
    const named = (realms: readonly RunningRealm[], name: string) =>
      realms.find(({ realm }) => realm.name === name)?.realm;
    const wayOf = (realms: readonly RunningRealm[], issuer: string) =>
      (named(realms, "any") as RoutingRealm).byIssuer.get(issuer);

    it("keeps one about which nothing changed", () => {
      const before = realmsOf(ROUTES);
      const { realms, changed } = renew(before, { ...ROUTES, any: "byIssuer: [corp, partner]" });
      expect(changed).to.deep.equal([]);
      expect(named(realms, "any")).to.equal(named(before, "any"));
    });

    it("leads to the realms that are kept, and to those that are new", () => {
      const before = realmsOf(ROUTES);
      const { realms, changed } = renew(before, { ...ROUTES, partner: generic(P256, ", clockTolerance: 5s") });
      expect(changed).to.have.members(["any", "partner"]);
      expect(wayOf(realms, "https://a.example")).to.equal(named(realms, "partner"));
      expect(wayOf(realms, "https://a.example")).not.to.equal(named(before, "partner"));
      expect(wayOf(realms, "https://b.example")).to.equal(named(before, "corp"));
    });

    it("leads no longer to what it names no longer", () => {
      const { realms, changed } = renew(realmsOf(ROUTES), { ...ROUTES, any: "byIssuer: [corp]" });
      expect(changed).to.deep.equal(["any"]);
      expect(wayOf(realms, "https://a.example")).to.equal(undefined);
    });

    it("becomes a realm like others, and one of those becomes a route", () => {
      const turned = { ...ROUTES, any: generic(HMAC) };
      expect(renew(realmsOf(ROUTES), turned).changed).to.deep.equal(["any"]);
      expect(renew(realmsOf(turned), ROUTES).changed).to.deep.equal(["any"]);
    });
  });

  it("finds a key that stands in a list twice unchanged", () => {
    const twice = { partner: generic("{ pemFile: ./p256.pem }, { pemFile: ./p256.pem }") };
    expect(renew(realmsOf(twice), twice).changed).to.deep.equal([]);
  });
});
