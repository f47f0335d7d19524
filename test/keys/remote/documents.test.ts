import { expect } from "chai";
import { FetchError, type Fetched, type Validators } from "../../../src/keys/remote/answer.js";
import { fetchKeySet } from "../../../src/keys/remote/documents.js";
import type { Get } from "../../../src/keys/remote/fetch.js";
import { issuersAt, type Location, metadataUrls, printableUrl } from "../../../src/keys/remote/location.js";

const ISSUER = "https://issuer.example/tenant";
const OPENID = `${ISSUER}/.well-known/openid-configuration`;
const OAUTH = "https://issuer.example/.well-known/oauth-authorization-server/tenant";
const JWKS = "https://keys.example/jwks";
const AT: Location = { discovery: ISSUER, issuers: [ISSUER] };
const SET = { keys: [] };
const validators: Validators = { etag: '"1"', lastModified: null };

const document = (value: unknown): Fetched => ({ kind: "document", value, validators, lifetime: 60 });
const metadata = document({ issuer: ISSUER, jwks_uri: JWKS });

/** Returns a function that serves these documents by URL, and the list of its calls. */
function fetching(documents: Readonly<Record<string, Fetched | FetchError>>) {
  const asked: [url: string, last: Validators | undefined][] = [];
  const get: Get = async (url, _wanted, last) => {
    asked.push([url, last]);
    const found = documents[url] ?? new FetchError("it answered 404", 404);
    if (found instanceof FetchError) throw found;
    return found;
  };
  return { get, asked };
}

async function failing(documents: Readonly<Record<string, Fetched | FetchError>>, location = AT): Promise<string> {
  const ended = await fetchKeySet(location, fetching(documents).get, undefined).catch((error: unknown) => error);
  if (!(ended instanceof FetchError)) throw new Error(`did not fail: ${JSON.stringify(ended)}`);
  return ended.message;
}

const OPENID_PATH = "/.well-known/openid-configuration";
const OAUTH_PATH = "/.well-known/oauth-authorization-server";

describe("metadataUrls", () => {
  for (const [discovery, ...want] of [
    ["https://a.example", `https://a.example${OPENID_PATH}`, `https://a.example${OAUTH_PATH}`],
    ["https://a.example/", `https://a.example${OPENID_PATH}`, `https://a.example${OAUTH_PATH}`],
    ["HTTPS://A.Example:443/T/", `https://a.example/T${OPENID_PATH}`, `https://a.example${OAUTH_PATH}/T`],
    [
      "https://a.example:8443/x/y/",
      `https://a.example:8443/x/y${OPENID_PATH}`,
      `https://a.example:8443${OAUTH_PATH}/x/y`,
    ],
    [
      "https://a.example/aad?appid=b",
      `https://a.example/aad${OPENID_PATH}?appid=b`,
      `https://a.example${OAUTH_PATH}/aad?appid=b`,
    ],
    [`https://a.example${OPENID_PATH}`, `https://a.example${OPENID_PATH}`],
    [
      `https://A.example/t.onmicrosoft.com/v2.0${OPENID_PATH}?p=b2c_1_in`,
      `https://a.example/t.onmicrosoft.com/v2.0${OPENID_PATH}?p=b2c_1_in`,
    ],
    [`https://a.example/x${OPENID_PATH}/`, `https://a.example/x${OPENID_PATH}`],
    [`https://a.example${OPENID_PATH}/x`, `https://a.example${OPENID_PATH}/x`],
    [`https://a.example${OAUTH_PATH}/x/y/`, `https://a.example${OAUTH_PATH}/x/y`],
    [`https://a.example/x${OAUTH_PATH}`, `https://a.example/x${OAUTH_PATH}`],
  ] as const) {
    it(`the metadata of ${discovery} are asked for at ${want.join(", then ")}`, () =>
      expect(metadataUrls(discovery)).to.deep.equal(want));
  }
});

describe("issuersAt", () => {
  for (const [discovery, ...want] of [
    ["https://a.example/x", "https://a.example/x", "https://a.example/x/"],
    [`https://a.example/x${OPENID_PATH}`, "https://a.example/x", "https://a.example/x/"],
    [`https://a.example/x${OPENID_PATH}/?p=secret`, "https://a.example/x", "https://a.example/x/"],
    [`https://a.example${OAUTH_PATH}/x/y`, "https://a.example/x/y", "https://a.example/x/y/"],
    ["https://A.Example", "https://a.example", "https://a.example/"],
  ] as const) {
    it(`metadata at ${discovery.replace("secret", "…")} may be those of ${want[0]}, with or without a slash`, () =>
      expect(issuersAt(discovery)).to.deep.equal([discovery, ...want.filter((one) => one !== discovery)]));
  }
});

describe("printableUrl", () => {
  for (const [url, want] of [
    ["https://a.example/x?p=secret&q", "https://a.example/x?…"],
    ["https://user:secret@a.example/x", "https://…@a.example/x"],
    ["https://a.example/?u=https://x:y@z/", "https://a.example/?…"],
    [`https://a.example/${"x".repeat(1000)}`, `https://a.example/${"x".repeat(282)}…`],
  ] as const) {
    it(`a message shows ${url.slice(0, 50)} without query, credentials and great length`, () =>
      expect(printableUrl(url)).to.equal(want));
  }
});

describe("fetchKeySet", () => {
  it("a configured URL is fetched with the validators remembered for it", async () => {
    const { get, asked } = fetching({ [JWKS]: document(SET) });
    const location = { jwksUri: JWKS };
    const memory = { jwksUri: JWKS, validators };
    expect(await fetchKeySet(location, get, undefined)).to.deep.equal({
      kind: "document",
      value: SET,
      memory,
      lifetime: 60,
    });
    await fetchKeySet(location, get, memory);
    expect(asked).to.deep.equal([
      [JWKS, undefined],
      [JWKS, validators],
    ]);
  });

  it("discovery asks for OpenID Connect's metadata, and for no other if they exist", async () => {
    const { get, asked } = fetching({ [OPENID]: metadata, [JWKS]: document(SET) });
    await fetchKeySet(AT, get, undefined);
    expect(asked.map(([url]) => url)).to.deep.equal([OPENID, JWKS]);
  });

  it("discovery asks for OAuth's metadata if OpenID Connect's do not exist", async () => {
    const { get, asked } = fetching({ [OAUTH]: metadata, [JWKS]: document(SET) });
    await fetchKeySet(AT, get, undefined);
    expect(asked.map(([url]) => url)).to.deep.equal([OPENID, OAUTH, JWKS]);
  });

  it("discovery does not ask for OAuth's metadata if OpenID Connect's are unavailable for now", async () => {
    const documents = { [OPENID]: new FetchError("it answered 503", 503), [OAUTH]: metadata, [JWKS]: document(SET) };
    expect(await failing(documents)).to.equal(`the metadata at ${OPENID}: it answered 503`);
    expect(await failing({ ...documents, [OPENID]: new FetchError("no answer within 5 ms") })).to.include("no answer");
  });

  it("discovery keeps a query, and asks at a whole metadata URL only there", async () => {
    const url = `${OPENID}?p=b2c_1_in`;
    const { get, asked } = fetching({ [url]: metadata, [JWKS]: document(SET) });
    for (const discovery of [`${ISSUER}?p=b2c_1_in`, url]) {
      asked.splice(0);
      await fetchKeySet({ discovery, issuers: [ISSUER] }, get, undefined);
      expect(asked.map(([one]) => one)).to.deep.equal([url, JWKS]);
    }
    expect(await failing({}, { discovery: OPENID, issuers: [ISSUER] })).to.equal(
      `the metadata at ${OPENID}: it answered 404`,
    );
  });

  it("a failure names every document that was asked for, without the values of a query", async () => {
    expect(await failing({}, { discovery: `${ISSUER}?key=hidden`, issuers: [ISSUER] })).to.equal(
      `the metadata at ${OPENID}?…: it answered 404; the metadata at ${OAUTH}?…: it answered 404`,
    );
    const keys = `${JWKS}?key=hidden`;
    const documents = { [OPENID]: document({ issuer: ISSUER, jwks_uri: keys }) };
    expect(await failing(documents)).to.equal(`the keys at ${JWKS}?…: it answered 404`);
  });

  it("a key set that moved to another URL is fetched without validators", async () => {
    const { get, asked } = fetching({ [OPENID]: metadata, [JWKS]: document(SET) });
    await fetchKeySet(AT, get, { jwksUri: "https://keys.example/old", validators });
    expect(asked.at(-1)).to.deep.equal([JWKS, undefined]);
    await fetchKeySet(AT, get, { jwksUri: JWKS, validators });
    expect(asked.at(-1)).to.deep.equal([JWKS, validators]);
    expect(asked.at(-2), "the metadata are always asked whole").to.deep.equal([OPENID, undefined]);
  });

  for (const [issuer, what] of [
    ["https://evil.example", "another"],
    [`${ISSUER}/`, "one with a slash"],
    ["https://ISSUER.example/tenant", "one of another case"],
    [[ISSUER], "a list"],
    [undefined, "none"],
  ] as const) {
    it(`metadata are refused if their issuer is ${what}`, async () => {
      const value = document({ ...(issuer !== undefined && { issuer }), jwks_uri: JWKS });
      expect(await failing({ [OPENID]: value, [JWKS]: document(SET) })).to.include("another issuer's");
    });
  }

  for (const [issuer, what] of [
    [`${ISSUER}/`, `"${ISSUER}/"`],
    [undefined, "absent"],
    [[ISSUER], "no text"],
    [`https://${"e".repeat(5000)}`, `"https://${"e".repeat(192)}…"`],
    ["https://\u009b2J\u202e", '"https://\\u009b2J\\u202e"'],
  ] as const) {
    it(`the error names both issuers if the metadata's issuer is ${what.slice(0, 40)}`, async () => {
      const value = document({ ...(issuer !== undefined && { issuer }), jwks_uri: JWKS });
      const why = await failing({ [OPENID]: value });
      expect(why).to.equal(
        `the metadata at ${OPENID} are another issuer's: their \`issuer\` is ${what}, not "${ISSUER}"`,
      );
    });
  }

  it("the error names the first three of the configured issuers", async () => {
    const issuers = [1, 2, 3, 4].map((number) => `https://${number}.example`);
    const why = await failing({ [OPENID]: metadata }, { discovery: ISSUER, issuers });
    expect(why).to.include(', not "https://1.example" or "https://2.example" or "https://3.example" or another');
  });

  it("metadata may name any of the realm's issuers", async () => {
    const location = { discovery: "https://discovery.example", issuers: ["https://first.example", ISSUER] };
    const { get } = fetching({
      "https://discovery.example/.well-known/openid-configuration": metadata,
      [JWKS]: document(SET),
    });
    expect(await fetchKeySet(location, get, undefined)).to.include({ kind: "document" });
  });

  for (const value of [null, "text", 5, [], {}]) {
    it(`metadata are refused if they are ${JSON.stringify(value)}`, async () => {
      expect(await failing({ [OPENID]: document(value) })).to.match(/metadata/);
    });
  }

  for (const uri of [undefined, 5, "", "jwks", "//keys"]) {
    it(`metadata are refused if their jwks_uri is ${JSON.stringify(uri)}`, async () => {
      expect(await failing({ [OPENID]: document({ issuer: ISSUER, jwks_uri: uri }) })).to.include("jwks_uri");
    });
  }
});
