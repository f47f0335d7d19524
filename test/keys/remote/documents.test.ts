import { expect } from "chai";
import { fetchKeySet, type Location, metadataUrls } from "../../../src/keys/remote/documents.js";
import { FetchError, type Fetched, type Get, type Validators } from "../../../src/keys/remote/fetch.js";

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
  const get: Get = async (url, last) => {
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

describe("metadataUrls", () => {
  for (const [issuer, ...want] of [
    [
      "https://a.example",
      "https://a.example/.well-known/openid-configuration",
      "https://a.example/.well-known/oauth-authorization-server",
    ],
    [
      "https://a.example/",
      "https://a.example/.well-known/openid-configuration",
      "https://a.example/.well-known/oauth-authorization-server",
    ],
    [
      "https://a.example:8443/x/y/",
      "https://a.example:8443/x/y/.well-known/openid-configuration",
      "https://a.example:8443/.well-known/oauth-authorization-server/x/y",
    ],
  ] as const) {
    it(`returns the metadata URLs of ${issuer}`, () => expect(metadataUrls(issuer)).to.deep.equal(want));
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
    expect(await failing(documents)).to.equal("it answered 503");
    expect(await failing({ ...documents, [OPENID]: new FetchError("no answer within 5 ms") })).to.include("no answer");
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
      expect(why).to.equal(`the metadata are another issuer's: their \`issuer\` is ${what}, not "${ISSUER}"`);
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
