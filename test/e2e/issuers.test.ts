import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { IssuerKey } from "../support/issuer-key.js";
import { FetchingService, SLOW } from "./fetching-service.js";

// Issuers of many tenants and realms of several issuers, with keys and metadata as such issuers publish them.

const ENTRA = "https://login.microsoftonline.com";
const T1 = "11111111-2222-3333-4444-555555555555";
const T2 = "99999999-2222-3333-4444-555555555555";
const EXP = 4_102_444_800;

const tenantsKey = new IssuerKey("tenants");
const t1Key = new IssuerKey("t1");
const ownKey = new IssuerKey("own");
const oddKey = new IssuerKey("odd");
const [aKey, bKey] = [new IssuerKey("same"), new IssuerKey("same")];
const [issuer1, issuer2] = [`${ENTRA}/${T1}/v2.0`, `${ENTRA}/${T2}/v2.0`];

/** Documents by path; the metadata name the key set of the last segment. */
const KEYS: Readonly<Record<string, readonly object[]>> = {
  entra: [
    { ...tenantsKey.jwk, issuer: `${ENTRA}/{tenantid}/v2.0` },
    { ...t1Key.jwk, issuer: issuer1 },
    // One key, listed for each of two issuers.
    { ...ownKey.jwk, issuer: issuer1 },
    { ...ownKey.jwk, issuer: issuer2 },
    { ...oddKey.jwk, issuer: ["x"] },
  ],
  plain: [tenantsKey.jwk],
  a: [aKey.jwk],
  b: [bKey.jwk],
};
const ISSUERS: Readonly<Record<string, string>> = {
  "/common/v2.0/entra": `${ENTRA}/{tenantid}/v2.0`,
  "/organizations/v2.0/plain": `${ENTRA}/{tenantid}/v2.0`,
  "/b2c/plain": "https://acme.b2clogin.com/{policy id}/v2.0/",
  "/hosts/plain": "https://{tenant}.example",
  "/a": "https://a.example",
  "/b": "https://b.example",
};
const server = createServer(({ url = "" }, res) => {
  const path = url.replace("/.well-known/openid-configuration", "");
  const [, name = ""] = /([^/]*)$/.exec(path) ?? [];
  const keys = { jwks_uri: `${origin()}/jwks/${name}` };
  const document = path.startsWith("/jwks/") ? { keys: KEYS[name] } : { issuer: ISSUERS[path], ...keys };
  res.setHeader("content-type", "application/json").end(JSON.stringify(document));
});
const origin = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const entry = (location: string, more = ""): string => `{ ${location}, ${SLOW}${more} }`;
const discovery = (path: string, more = ""): string => entry(`discovery: "${origin()}${path}"`, more);
const realm = (name: string, issuer: string, keys: string, claims = "{}"): string =>
  `  ${name}: { algorithms: [ES256, RS256], issuer: ${issuer}, audience: null, claims: ${claims}, keys: [${keys}] }\n`;

const entra = (tid: string): object => ({ iss: `${ENTRA}/${tid}/v2.0`, tid, exp: EXP });

describe("issuers of many tenants, and several issuers in one realm", () => {
  const service = new FetchingService();
  const exact = (keysOfA: string): string =>
    realm(
      "a-and-b",
      "[https://a.example, https://b.example]",
      `${keysOfA}, ${discovery("/b", ", issuer: https://b.example")}`,
    );
  const common = (): string =>
    realm("common", `"${ENTRA}/{tid}/v2.0"`, discovery("/common/v2.0/entra")) +
    realm("listed", `"${ENTRA}/{tid}/v2.0"`, discovery("/common/v2.0/entra"), `{ tid: [${T1}] }`) +
    realm("exact", `["${issuer1}"]`, discovery("/common/v2.0/entra")) +
    realm("unchecked", "null", entry(`jwksUri: "${origin()}/jwks/entra"`)) +
    realm("organizations", `"${ENTRA}/{tid}/v2.0"`, discovery("/organizations/v2.0/plain")) +
    realm("b2c", '"https://acme.b2clogin.com/{tid}/v2.0/"', discovery("/b2c/plain")) +
    realm("hosts", '"https://{org}.example"', discovery("/hosts/plain")) +
    realm("foreign", '"https://{org}.other.example"', discovery("/hosts/plain"));
  const ofA = (issuer: string): string => entry(`jwksUri: "${origin()}/jwks/a"`, `, issuer: ${issuer}`);

  before(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    await service.start(common() + exact(ofA("https://a.example")));
  });
  after(async () => {
    await service.remove();
    server.close();
    server.closeAllConnections();
  });

  /** Asks twice, since the second answer may come from a cached fact. */
  async function ask(name: string, token: string): Promise<string> {
    const [first, second] = [await service.ask(name, token), await service.ask(name, token)];
    expect(second).to.equal(first);
    return first;
  }

  for (const [name, tid, want] of [
    ["common", T1, "verified"],
    ["common", T2, "verified"],
    ["listed", T1, "verified"],
    ["listed", T2, "rejected CLAIM_MISMATCH"],
    ["exact", T1, "verified"],
    ["exact", T2, "rejected ISSUER_MISMATCH"],
    ["organizations", T2, "verified"],
  ] as const) {
    it(`the realm ${name}, whose metadata have {tenantid}, answers ${want} to a token of ${tid}`, async () => {
      expect(await ask(name, tenantsKey.token(entra(tid)))).to.equal(want);
    });
  }

  it("metadata may have a placeholder of any name, in the path or in the host", async () => {
    const b2c = { iss: `https://acme.b2clogin.com/${T1}/v2.0/`, tid: T1, exp: EXP };
    expect(await ask("b2c", tenantsKey.token(b2c))).to.equal("verified");
    expect(await ask("hosts", tenantsKey.token({ iss: "https://acme.example", org: "acme", exp: EXP }))).to.equal(
      "verified",
    );
  });

  it("metadata of another text around the placeholder are another issuer's, and both are named in the log", async () => {
    expect(await ask("foreign", tenantsKey.token({ iss: "https://a.other.example", org: "a", exp: EXP }))).to.match(
      /^no verdict/,
    );
    const [line] = service.lines("keys cannot be fetched");
    expect(line?.["why"]).to.include('"https://{tenant}.example"').and.include('"https://{org}.other.example"');
  });

  it("a published key that names one tenant verifies no other tenant's tokens", async () => {
    for (const name of ["common", "unchecked"]) {
      expect(await ask(name, t1Key.token(entra(T1))), name).to.equal("verified");
      expect(await ask(name, t1Key.token(entra(T2))), name).to.equal("rejected ISSUER_MISMATCH");
    }
  });

  it("a published key of a template verifies tokens of its form only, in a realm that checks no issuer too", async () => {
    expect(await ask("unchecked", tenantsKey.token(entra(T2)))).to.equal("verified");
    expect(await ask("unchecked", tenantsKey.token({ iss: "https://sts.example", exp: EXP }))).to.equal(
      "rejected ISSUER_MISMATCH",
    );
    expect(await ask("unchecked", tenantsKey.token({ exp: EXP }))).to.equal("rejected ISSUER_MISMATCH");
  });

  it("one key that is published for two issuers verifies the tokens of both, and of no third", async () => {
    expect(await ask("common", ownKey.token(entra(T1)))).to.equal("verified");
    expect(await ask("common", ownKey.token(entra(T2)))).to.equal("verified");
    expect(await ask("common", ownKey.token(entra("third")))).to.equal("rejected ISSUER_MISMATCH");
  });

  it("an issuer of a published key that is no text is ignored, and the log says so", async () => {
    expect(await ask("common", oddKey.token(entra(T2)))).to.equal("verified");
    const lines = service.lines("issuers of keys ignored");
    expect(lines.map((line) => line["realm"])).to.include("common");
    expect(lines[0])
      .to.include({ level: "warn" })
      .and.deep.include({ added: ["odd"] });
  });

  it("an issuer of a realm signs no tokens of the other, though their keys have one kid", async () => {
    const token = (key: IssuerKey, issuer: string): string => key.token({ iss: issuer, exp: EXP });
    expect(await ask("a-and-b", token(aKey, "https://a.example"))).to.equal("verified");
    expect(await ask("a-and-b", token(bKey, "https://b.example"))).to.equal("verified");
    expect(await ask("a-and-b", token(bKey, "https://a.example"))).to.equal("rejected ISSUER_MISMATCH");
    expect(await ask("a-and-b", token(aKey, "https://b.example"))).to.equal("rejected ISSUER_MISMATCH");
  });

  it("cached verdicts end when a reload binds the key to another issuer", async () => {
    const token = aKey.token({ iss: "https://a.example", exp: EXP, sub: "cached" });
    expect(await ask("a-and-b", token)).to.equal("verified");
    service.reload(common() + exact(ofA("https://b.example")));
    await service.until("a-and-b", token, "rejected ISSUER_MISMATCH");
    service.reload(common() + exact(ofA("[https://a.example, https://b.example]")));
    await service.until("a-and-b", token, "verified");
  });

  it("the user of a token names the token's issuer", async () => {
    const { principal } = await service.verified("common", tenantsKey.token({ ...entra(T2), sub: "admin" }));
    expect(principal?.user).to.include({ id: "admin", issuer: issuer2 });
  });

  const FIELD = new URL("../../../shared/field/", import.meta.url);
  it("the token and keys of a real multi-tenant issuer are verified by a template and by the exact issuer", async function () {
    if (!existsSync(FIELD)) this.skip();
    const read = (name: string): string => readFileSync(new URL(name, FIELD), "utf8").trim();
    const set = `jwks: ${read("05.jwks.json").replace(/\s+/g, " ")}`;
    const claims = `{ tid: [${T2}] }`;
    service.reload(
      realm("template", `"${ENTRA}/{tid}/v2.0"`, `{ ${set} }`) +
        realm("exact", `["${issuer1}"]`, `{ ${set} }`) +
        realm("other", `"${ENTRA}/{tid}/v2.0"`, `{ ${set} }`, claims),
    );
    const token = read("17-azure-common.token");
    await service.until("template", token, "verified");
    expect(await ask("exact", token)).to.equal("verified");
    expect(await ask("other", token)).to.equal("rejected CLAIM_MISMATCH");
  });
});
