import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { FetchingService, SLOW } from "../e2e/fetching-service.js";
import { IssuerKey } from "../support/issuer-key.js";

// What one issuer of a realm may do to the tokens of another: nothing. Both publish their own keys under names of their own
// choosing, and a `kid` is no secret.

const A = "https://a.example";
const B = "https://b.example";
const EXP = 4_102_444_800;

const [first, next] = [new IssuerKey("1"), new IssuerKey("2")];
const ofB = new IssuerKey("2");
const sets: Record<string, readonly object[]> = {};
const server = createServer(({ url = "" }, res) => {
  res.setHeader("content-type", "application/json").end(JSON.stringify({ keys: sets[url] }));
});

describe("an issuer of a realm that has several", () => {
  const service = new FetchingService();
  const entry = (name: string, issuer: string): string =>
    `{ jwksUri: "http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}", issuer: "${issuer}", ${SLOW} }`;
  const token = (key: IssuerKey, iss: string, header: object = {}, claims: object = {}): string =>
    key.token({ iss, exp: EXP, ...claims }, header);

  before(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  beforeEach(async () => {
    sets["/a"] = [first.jwk];
    sets["/b"] = [ofB.jwk];
    // The keys of B come first, so that they are tried first.
    await service.start(
      `  both: { algorithms: [ES256], issuer: [${A}, ${B}], audience: null, keys: [${entry("b", B)}, ${entry("a", A)}] }\n`,
    );
    await service.until("both", token(first, A), "verified");
    await service.until("both", token(ofB, B), "verified");
  });
  afterEach(() => service.stop());
  after(async () => {
    await service.remove();
    server.close();
    server.closeAllConnections();
  });

  it("does not hide the other's new key behind a key of the same kid", async () => {
    sets["/a"] = [first.jwk, next.jwk];
    expect(await service.ask("both", token(next, A))).to.equal("verified");
    expect(await service.ask("both", token(ofB, B))).to.equal("verified");
  });

  it("keeps no token of the other out for longer than the other's keys are not fetched, by publishing its new key first", async () => {
    const third = new IssuerKey("3");
    sets["/b"] = [ofB.jwk, third.jwk];
    expect(await service.ask("both", token(third, B))).to.equal("verified");
    sets["/a"] = [first.jwk, third.jwk];
    const early = token(third, A);
    expect(await service.ask("both", early)).to.equal("rejected ISSUER_MISMATCH");
    service.ahead += 11 * 60_000;
    await service.until("both", token(first, A, { kid: "any" }), "rejected KEY_UNKNOWN");
    expect(await service.ask("both", early)).to.equal("verified");
  });

  it("does not hide the other's new key behind a key that is left out", async () => {
    sets["/b"] = [ofB.jwk, { ...ofB.jwk, kid: "3", y: "AA" }];
    const third = new IssuerKey("3");
    // Makes B's set be fetched again.
    expect(await service.ask("both", token(third, B))).to.equal("no verdict KEY_REFUSED");
    sets["/a"] = [first.jwk, third.jwk];
    service.ahead += 11 * 60_000;
    await service.until("both", token(third, A), "verified");
  });

  it("does not take a verdict from the other's forgeries with a key that is left out", async () => {
    sets["/b"] = [ofB.jwk, { ...ofB.jwk, kid: first.kid, y: "AA" }];
    const forger = new IssuerKey(first.kid);
    expect(await service.ask("both", token(forger, B, { kid: "any" }))).to.equal("rejected KEY_UNKNOWN");
    expect(await service.ask("both", token(forger, B))).to.equal("no verdict KEY_REFUSED");
    expect(await service.ask("both", token(forger, A))).to.equal("rejected SIGNATURE_INVALID");
  });

  it("does not crowd out the other's keys with many of the same kid, or many for tokens without one", async () => {
    sets["/b"] = [ofB.jwk, ...Array.from({ length: 20 }, () => new IssuerKey(first.kid).jwk)];
    expect(await service.ask("both", token(ofB, B, { kid: "any" }))).to.equal("rejected KEY_UNKNOWN");
    expect(await service.ask("both", token(first, A, {}, { sub: "again" }))).to.equal("verified");
    expect(await service.ask("both", token(first, A, { kid: undefined }))).to.equal("verified");
    const forger = new IssuerKey(first.kid);
    expect(await service.ask("both", token(forger, A))).to.equal("rejected SIGNATURE_INVALID");
    expect(await service.ask("both", token(forger, B))).to.equal("no verdict TOO_MANY_KEYS");
  });

  it("signs no token of the other by publishing the other's public key, and takes none from it", async () => {
    sets["/b"] = [first.jwk, ofB.jwk];
    expect(await service.ask("both", token(ofB, B, { kid: "any" }))).to.equal("rejected KEY_UNKNOWN");
    expect(await service.ask("both", token(first, A, {}, { sub: "other" }))).to.equal("verified");
    expect(await service.ask("both", token(ofB, A))).to.equal("rejected ISSUER_MISMATCH");
  });
});
