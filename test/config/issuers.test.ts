import { expect } from "chai";
import { load, wrongs } from "./harness.js";

// Issuers of realms, of entries of keys, and of routes, as they are configured.

const SECRET = "n8Jm2hVb5Qw7Xc4Lp9Rt6Yk3Zd1Fg0Hs";
const key = (more = ""): string => `{ secret: ${SECRET}${more} }`;
const realm = (name: string, issuer: string, keys = key()): string =>
  `  ${name}: { algorithms: [HS256], issuer: ${issuer}, audience: null, keys: [${keys}] }\n`;
const text = (...realms: readonly string[]): string => `grpc: 127.0.0.1:0\nrealms:\n${realms.join("")}`;
const wrong = (...realms: readonly string[]): string[] => wrongs(() => load(text(...realms)));

const AB = "[https://a.example, https://b.example]";

describe("the configuration of issuers", () => {
  it("an issuer may have a placeholder", () => {
    const issuer = '"https://login.example/{tid}/v2.0"';
    expect(load(text(realm("r", issuer))).realms[0]?.settings["issuer"]).to.deep.equal([JSON.parse(issuer)]);
  });

  it("a placeholder that cannot be used is an error that says what is right", () => {
    for (const [issuer, words] of [
      ["https://a.example/{a}/{b}", "may have one placeholder such as {tid}, and no other brace"],
      ["https://a.example/{a b}", 'letters, digits, _ and - only, such as {tid}, not "{a b}"'],
      ["https://a{b}.example", "in its path or as a whole label of its host, such as https://login.example/{tid}"],
    ] as const) {
      for (const written of [`"${issuer}"`, `[https://ok.example, "${issuer}"]`]) {
        const [issue, ...more] = wrong(realm("r", written));
        expect(more).to.deep.equal([]);
        expect(issue)
          .to.match(/^realms\.r\.issuer: /)
          .and.include(words);
      }
    }
  });

  it("the keys of an entry may be for some of the realm's issuers", () => {
    const keysOf = (keys: string, issuer = AB) => load(text(realm("r", issuer, keys))).realms[0];
    const of = (keys: string, issuer?: string) =>
      keysOf(keys, issuer)?.keys.map((one) => one.issuers?.configured?.texts);
    const a = ["https://a.example"];
    expect(of(key())).to.deep.equal([undefined]);
    expect(of(key(", issuer: https://a.example"))).to.deep.equal([a]);
    expect(of(`${key(", kid: x, issuer: https://a.example")}, ${key(`, kid: y, issuer: ${AB}`)}`)).to.deep.equal([
      a,
      ["https://a.example", "https://b.example"],
    ]);
    const template = '"https://a.example/{t}"';
    expect(of(key(`, issuer: ${template}`), template)).to.deep.equal([["https://a.example/{t}"]]);
  });

  it("fetched keys of an entry are for its issuers, and so are its metadata", () => {
    const keys = `{ discovery: "https://a.example", issuer: https://a.example }, { jwksUri: "https://b.example/jwks", issuer: [https://b.example] }`;
    const { remotes } = load(text(realm("r", AB, keys).replace("HS256", "ES256"))).realms[0] ?? expect.fail();
    expect(remotes.map(({ location, issuers }) => ({ location, issuers }))).to.deep.equal([
      { location: { discovery: "https://a.example", issuers: ["https://a.example"] }, issuers: ["https://a.example"] },
      { location: { jwksUri: "https://b.example/jwks" }, issuers: ["https://b.example"] },
    ]);
  });

  it("each of several entries of a realm of several issuers must say whose keys they are", () => {
    const listed = '"https://a.example", "https://b.example"';
    const missing = (index: number): string =>
      `realms.r.keys[${index}].issuer: is missing: the realm has several issuers and several entries of keys, so say whose tokens these keys verify: one or more of ${listed}`;
    expect(wrong(realm("r", AB, `${key()}, ${key()}`))).to.deep.equal([missing(0), missing(1)]);
    expect(wrong(realm("r", AB, `${key(", issuer: https://a.example")}, ${key()}`))).to.deep.equal([missing(1)]);
    for (const issuer of [
      "null",
      "https://a.example",
      '"https://a.example/{t}"',
      "[https://a.example, https://a.example]",
    ]) {
      expect(load(text(realm("r", issuer, `${key()}, ${key()}`))).realms).to.have.length(1);
    }
  });

  it("an entry's issuer must be one of the realm's", () => {
    for (const [issuer, own, words] of [
      [AB, "https://c.example", 'must be of the realm\'s issuers: "https://a.example", "https://b.example"'],
      [AB, "[https://a.example, https://c.example]", "must be of the realm's issuers"],
      ['"https://a.example/{t}"', "https://a.example/one", 'must be of the realm\'s issuers: "https://a.example/{t}"'],
      ["null", "https://a.example", "leave it out: the realm lists no issuers"],
      [AB, "[]", "must not be empty"],
      [AB, "7", "must be a text or a list of texts"],
    ] as const) {
      const [issue, ...more] = wrong(realm("r", issuer, key(`, issuer: ${own}`)));
      expect(more).to.deep.equal([]);
      expect(issue)
        .to.match(/^realms\.r\.keys\[0\]\.issuer: /)
        .and.include(words);
    }
    const preset = `  integuru: { preset: integuru, keys: [${key(", issuer: x")}] }\n`;
    expect(wrong(preset)).to.deep.equal(["realms.integuru.keys[0].issuer: leave it out: the realm lists no issuers"]);
  });

  it("issuers of keys are not judged by a realm whose own issuers are wrong", () => {
    const [issue, ...more] = wrong(realm("r", "7", `${key(", issuer: x")}, ${key()}`));
    expect(more).to.deep.equal([]);
    expect(issue).to.match(/^realms\.r\.issuer: /);
  });

  it("two realms of a route must not have templates that one issuer fits", () => {
    const route = "  any: { byIssuer: [one, two] }\n";
    const routed = (one: string, two: string) => text(realm("one", one), realm("two", two), route);
    expect(wrongs(() => load(routed('"https://a.example/{t}/x"', '"https://a.example/b/{u}"')))).to.deep.equal([
      "realms.any.byIssuer[1]: has the issuer https://a.example/b/{u} and one has https://a.example/{t}/x, and both fit https://a.example/b/x: a token must have one target",
    ]);
    for (const [one, two] of [
      ['"https://a.example/{t}/x"', "https://a.example/b/x"],
      ['"https://a.example/{t}/x"', '"https://a.example/{t}/y"'],
      ['["https://a.example/{t}", "https://a.example/b-{t}"]', "https://b.example"],
    ] as const) {
      expect(load(routed(one, two)).realms, one).to.have.length(3);
    }
  });
});
