import { expect } from "chai";
import fc from "fast-check";
import {
  commonIssuer,
  hasForm,
  Issuers,
  type IssuerTemplate,
  issuerFault,
  meansIssuer,
  publishedIssuer,
  realmIssuer,
} from "../../src/keys/issuers.js";
import { areForSameIssuers, type KeyIssuers, mayVerify } from "../../src/keys/key-issuers.js";

const ENTRA = "https://login.microsoftonline.com/{tid}/v2.0";
const HOST = "https://{org}.example";

function template(text: string): IssuerTemplate {
  const issuer = realmIssuer(text);
  return typeof issuer === "object" ? issuer : expect.fail(text);
}

/** Whether a realm with one issuer admits a token. */
const admits = (issuer: string, claims: object): boolean => new Issuers([issuer]).find({ ...claims }) !== undefined;

/** Whether the template admits a token whose issuer and claim have the same value. */
const admitsValue = (issuer: string, value: unknown): boolean => {
  const { prefix, name, suffix } = template(issuer);
  return admits(issuer, { iss: `${prefix}${String(value)}${suffix}`, [name]: value });
};

const VALUE_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

describe("an issuer with a placeholder", () => {
  for (const [text, prefix, name, suffix] of [
    [ENTRA, "https://login.microsoftonline.com/", "tid", "/v2.0"],
    ["https://a.example/{t-1_X}", "https://a.example/", "t-1_X", ""],
    ["https://a.example/realm-{r}.v1/x?policy=b#c", "https://a.example/realm-", "r", ".v1/x?policy=b#c"],
    ["http://127.0.0.1:8080/{t}/", "http://127.0.0.1:8080/", "t", "/"],
    [HOST, "https://", "org", ".example"],
    ["https://sts.{region}.example:8443/x", "https://sts.", "region", ".example:8443/x"],
    ["https://{org}:8443", "https://", "org", ":8443"],
    ["https://a.{last}/x", "https://a.", "last", "/x"],
  ] as const) {
    it(`${text} has the placeholder {${name}}`, () => {
      expect(issuerFault(text)).to.equal(undefined);
      expect(realmIssuer(text)).to.deep.include({ text, prefix, name, suffix });
    });
  }

  for (const text of ["https://a.example", "urn:a", "", "{", "}", "}{", "https://a.example/{tid", "https://a/tid}"]) {
    it(`${JSON.stringify(text)} is exact`, () => {
      expect(issuerFault(text)).to.equal(undefined);
      expect(realmIssuer(text)).to.equal(text);
    });
  }

  for (const [text, words] of [
    ["https://a.example/{a}/{b}", /one placeholder/],
    ["https://a.example/{{a}}", /one placeholder/],
    ["https://a.example/{a}}", /one placeholder/],
    ["https://a.example/{{a}", /one placeholder/],
    ["https://a.example/{}", /letters, digits, _ and - only, such as \{tid\}, not "\{\}"/],
    ["https://a.example/{a b}", /letters, digits/],
    ["https://a.example/{/realm/t}", /letters, digits/],
    ["https://a.example/{ä}", /letters, digits/],
    ["https://a.example/x?t={tid}", /path or as a whole label/],
    ["https://a.example/x#{tid}", /path or as a whole label/],
    ["https://a.example?{tid}", /path or as a whole label/],
    ["https://a{org}.example", /path or as a whole label/],
    ["https://{org}a.example", /path or as a whole label/],
    ["https://{user}@a.example", /path or as a whole label/],
    ["https://{user}.example@b.example/", /path or as a whole label/],
    ["https://user@{org}.example", /path or as a whole label/],
    ["https://a.example:{port}", /path or as a whole label/],
    ["https://[{v6}]/", /path or as a whole label/],
    ["https:///{tid}", /path or as a whole label/],
    ["{scheme}://a.example", /path or as a whole label/],
    ["urn:a:{tid}", /path or as a whole label/],
    ["accounts.example/{tid}", /path or as a whole label/],
    ["{tid}", /path or as a whole label/],
  ] as const) {
    it(`${text} is refused with what is right`, () => {
      expect(issuerFault(text)).to.match(words);
      expect(realmIssuer(text)).to.equal(text);
    });
  }

  it("admits a token whose claim has the value in the issuer, and no other", () => {
    const tid = "11111111-2222-3333-4444-555555555555";
    const iss = `https://login.microsoftonline.com/${tid}/v2.0`;
    expect(admits(ENTRA, { iss, tid })).to.equal(true);
    expect(admits(ENTRA, { iss, tid: "other" })).to.equal(false);
    expect(admits(ENTRA, { iss, tid: tid.replace("1", "2") })).to.equal(false);
    expect(admits(ENTRA, { iss })).to.equal(false);
    expect(admits(ENTRA, { iss, tid: [tid] })).to.equal(false);
    expect(admits(ENTRA, { iss, TID: tid })).to.equal(false);
    expect(admits(ENTRA, { iss: [iss], tid })).to.equal(false);
    expect(admits(ENTRA, { tid })).to.equal(false);
    expect(admits(ENTRA, { iss: ENTRA, tid: "{tid}" })).to.equal(false);
    expect(admits(ENTRA, { iss: iss.replace(tid, "7"), tid: 7 })).to.equal(false);
  });

  for (const value of [
    "",
    ".",
    "..",
    "a/b",
    "a%2Fb",
    "a%2fb",
    "evil.com#",
    "a?x=",
    "a@b",
    "a\\b",
    "a:1",
    "a b",
    "a\n",
    "\na",
    "a\u0000",
    "a\u2028",
    "é",
    "ａ",
    "a\u0301",
    "a+b",
    "{tid}",
    "*",
    "a".repeat(129),
  ]) {
    it(`admits no value ${JSON.stringify(value).slice(0, 40)}`, () => {
      expect(admitsValue(ENTRA, value)).to.equal(false);
      expect(admitsValue(HOST, value)).to.equal(false);
    });
  }

  it("a value in a host has no dot, and in a path it may", () => {
    expect(admitsValue(HOST, "a")).to.equal(true);
    for (const value of ["evil.com", "a.", ".a"]) {
      expect(admitsValue(HOST, value), value).to.equal(false);
      expect(admitsValue(ENTRA, value), value).to.equal(true);
    }
  });

  it("folds no case, in the value or beside it", () => {
    expect(admitsValue(ENTRA, "Abc")).to.equal(true);
    expect(admits(ENTRA, { iss: "https://login.microsoftonline.com/ABC/v2.0", tid: "abc" })).to.equal(false);
    expect(admits(ENTRA, { iss: "https://LOGIN.microsoftonline.com/abc/v2.0", tid: "abc" })).to.equal(false);
    expect(admits(ENTRA, { iss: "https://login.microsoftonline.com/abc/V2.0", tid: "abc" })).to.equal(false);
  });

  it("the text before and after a value may not overlap", () => {
    expect(admits("https://a.example/a{t}a", { iss: "https://a.example/aa", t: "" })).to.equal(false);
    expect(hasForm(template("https://a.example/aa{t}aa"), "https://a.example/aaa")).to.equal(false);
  });

  it("admits exactly the issuers that are its text with a value of the grammar, for any template and any value", () => {
    const piece = fc.string({ unit: fc.constantFrom(..."ab.-/".split("")), maxLength: 6 });
    const anyTemplate = fc.oneof(
      fc.tuple(piece, piece).map(([before, after]) => `https://h.example/${before}{t}${after}`),
      fc
        .tuple(fc.constantFrom("", "a.", "a.b."), fc.constantFrom("", ".b", ":1", "/x"))
        .map((one) => `https://${one.join("{t}")}`),
    );
    const good = fc.string({ unit: fc.constantFrom(...VALUE_CHARS.split("")), minLength: 1, maxLength: 130 });
    const any = fc.oneof(
      good,
      fc.string({ unit: "binary", maxLength: 4 }),
      fc.constantFrom(".", "..", "", "...", "__proto__"),
    );
    fc.assert(
      fc.property(anyTemplate, any, any, fc.boolean(), (text, value, other, isSame) => {
        const { prefix, suffix, isInHost } = template(text);
        const iss = `${prefix}${isSame ? value : other}${suffix}`;
        const isGrammatical =
          value.length >= 1 &&
          value.length <= 128 &&
          value.split("").every((char) => VALUE_CHARS.includes(char)) &&
          ![".", ".."].includes(value) &&
          !(isInHost && value.includes("."));
        expect(admits(text, { iss, t: value })).to.equal(isGrammatical && iss === prefix + value + suffix);
        expect(hasForm(template(text), `${prefix}${value}${suffix}`)).to.equal(isGrammatical);
      }),
    );
  });

  it("a list of issuers admits an exact one without a claim, and knows whether it admits several", () => {
    const issuers = new Issuers(["https://a.example/exact", "https://a.example/{t}"]);
    expect(issuers.find({ iss: "https://a.example/exact" })).to.equal("https://a.example/exact");
    expect(issuers.find({ iss: "https://a.example/other" })).to.equal(undefined);
    expect(issuers.find({ iss: "https://a.example/other", t: "other" })).to.deep.include({ name: "t" });
    expect(issuers.includes("https://a.example/other")).to.equal(true);
    expect(issuers.includes("https://a.example/{t}")).to.equal(false);
    expect(new Issuers(["a", "a"]).areSeveral).to.equal(false);
    expect(new Issuers(["a", "b"]).areSeveral).to.equal(true);
    expect(new Issuers([HOST]).areSeveral).to.equal(true);
  });
});

describe("an issuer as a document of its own names it", () => {
  const means = (published: string, issuer: string): boolean =>
    meansIssuer(publishedIssuer(published), realmIssuer(issuer));
  const tenant = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0";
  const published = "https://login.microsoftonline.com/{tenantid}/v2.0";

  for (const [one, issuer, isMeant] of [
    [tenant, tenant, true],
    [published, ENTRA, true],
    [published, tenant, true],
    ["https://login.microsoftonline.com/{}/v2.0", ENTRA, true],
    ["https://login.microsoftonline.com/{tenant id}/v2.0", tenant, true],
    ["https://{anything}.example", HOST, true],
    ["https://{anything}.example", "https://acme.example", true],
    ["https://{anything}.example", "https://a.b.example", false],
    // A tenant's own document speaks for that tenant alone.
    [tenant, ENTRA, false],
    ["https://acme.example", HOST, false],
    [`${tenant}/`, tenant, false],
    [published, `${tenant}/`, false],
    ["https://login.microsoftonline.com/{tenantid}", ENTRA, false],
    ["https://sts.windows.net/{tenantid}/v2.0", tenant, false],
    ["https://login.microsoftonline.com/{a}/{b}", tenant, false],
    ["https://login.microsoftonline.com/{tenantid}/v2.0", "https://login.microsoftonline.com/a/b/v2.0", false],
    ["{everything}", tenant, false],
    ["{everything}", "issuer", false],
    ["https://{host}/v2.0", "https://evil.example/v2.0", false],
    ["https://{host}", "https://evil.example", false],
  ] as const) {
    it(`${one} is ${isMeant ? "" : "not "}${issuer}`, () => expect(means(one, issuer)).to.equal(isMeant));
  }
});

describe("the issuers of a key", () => {
  const bound = (configured: string[] | undefined, stated?: string): KeyIssuers => ({
    configured: configured && new Issuers(configured),
    stated: stated === undefined ? undefined : publishedIssuer(stated),
  });
  const realm = new Issuers([ENTRA, "https://a.example", "https://b.example"]);
  const token = (tid: string, claim = tid) => ({ iss: `https://login.microsoftonline.com/${tid}/v2.0`, tid: claim });

  it("a key of an entry for one issuer verifies no token of the realm's others", () => {
    const key = bound(["https://a.example"]);
    expect(mayVerify(key, { iss: "https://a.example" }, realm)).to.equal(true);
    expect(mayVerify(key, { iss: "https://b.example" }, realm)).to.equal(false);
    expect(mayVerify(key, token("t"), realm)).to.equal(false);
    expect(mayVerify(key, {}, realm)).to.equal(false);
  });

  it("a key of an entry for a template verifies its tenants' tokens", () => {
    const key = bound([ENTRA]);
    expect(mayVerify(key, token("t"), realm)).to.equal(true);
    expect(mayVerify(key, token("t", "u"), realm)).to.equal(false);
    expect(mayVerify(key, { iss: "https://a.example" }, realm)).to.equal(false);
  });

  it("a published key that names one tenant verifies that tenant's tokens only", () => {
    const key = bound(undefined, token("t").iss);
    expect(mayVerify(key, token("t"), realm)).to.equal(true);
    expect(mayVerify(key, token("u"), realm)).to.equal(false);
    expect(mayVerify(key, token("t", "u"), realm)).to.equal(false);
    expect(mayVerify(key, token("t"), undefined)).to.equal(true);
    expect(mayVerify(key, { iss: 1 }, undefined)).to.equal(false);
  });

  it("the placeholder of a published key stands for the very value of the realm's", () => {
    const key = bound(undefined, "https://login.microsoftonline.com/{tenantid}/v2.0");
    expect(mayVerify(key, token("t"), realm)).to.equal(true);
    expect(mayVerify(key, { iss: "https://a.example" }, realm)).to.equal(false);
    expect(mayVerify(key, token("t"), new Issuers([token("t").iss]))).to.equal(true);
    expect(mayVerify(key, token("t"), new Issuers([token("u").iss]))).to.equal(false);
    const other = bound(undefined, "https://login.microsoftonline.com/x-{tenantid}/v2.0");
    expect(mayVerify(other, token("x-t"), realm)).to.equal(false);
    expect(mayVerify(other, token("x-t"), new Issuers([token("x-t").iss]))).to.equal(true);
    expect(mayVerify(other, token("x-t"), undefined)).to.equal(true);
  });

  it("a published key's own issuer narrows that of its entry, and never widens it", () => {
    const key = bound(["https://a.example"], "https://b.example");
    for (const iss of ["https://a.example", "https://b.example"])
      expect(mayVerify(key, { iss }, realm)).to.equal(false);
  });

  it("issuers are the same if they are written the same", () => {
    const same = (issuers: KeyIssuers | undefined, other: KeyIssuers | undefined): boolean =>
      areForSameIssuers({ issuers }, { issuers: other });
    expect(same(undefined, undefined)).to.equal(true);
    expect(same(bound(["a"]), bound(["a"]))).to.equal(true);
    expect(same(bound(["a"]), undefined)).to.equal(false);
    expect(same(bound(["a"]), bound(["b"]))).to.equal(false);
    expect(same(bound(undefined, "a"), bound(["a"]))).to.equal(false);
    expect(same(bound(undefined, ENTRA), bound(undefined, ENTRA))).to.equal(true);
    expect(areForSameIssuers({}, { ignoresIssuer: true })).to.equal(false);
  });
});

describe("two templates", () => {
  for (const [one, other, common] of [
    [ENTRA, "https://login.microsoftonline.com/{other}/v2.0", "https://login.microsoftonline.com/a/v2.0"],
    ["https://a.example/x{t}", "https://a.example/{u}y", "https://a.example/xy"],
    ["https://a.example/{t}/b/c", "https://a.example/foo/{u}/c", "https://a.example/foo/b/c"],
    ["https://a.example/{t}", "https://a.example/x-{u}-y", "https://a.example/x-a-y"],
    ["https://{t}.example/a", "https://a.example/{u}", "https://a.example/a"],
    [ENTRA, "https://login.microsoftonline.com/{tid}/v1.0", undefined],
    ["https://a.example/{t}", "https://b.example/{t}", undefined],
    ["https://a.example/{t}", "https://a.example/x/{u}", undefined],
    ["https://{t}.example", "https://a.{u}.example", undefined],
    [`https://a.example/${"x".repeat(128)}{t}`, "https://a.example/{u}", undefined],
  ] as const) {
    it(`${one.slice(0, 60)} and ${other} have ${common ?? "no issuer"} in common`, () => {
      const pair = [template(one), template(other)] as const;
      expect(commonIssuer(...pair)).to.equal(common);
      expect(commonIssuer(pair[1], pair[0]) === undefined).to.equal(common === undefined);
    });
  }

  it("two templates have an issuer in common if some issuer has the form of both", () => {
    const piece = fc.string({ unit: fc.constantFrom("a", "/"), maxLength: 3 });
    const any = fc.tuple(piece, piece).map(([before, after]) => template(`https://h/${before}{t}${after}`));
    const few = fc.string({ unit: fc.constantFrom("a", "."), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(any, any, few, (one, other, text) => {
        const issuer = `${one.prefix}${text}${one.suffix}`;
        if (hasForm(one, issuer) && hasForm(other, issuer)) expect(commonIssuer(one, other)).not.to.equal(undefined);
      }),
      { numRuns: 500 },
    );
  });
});
