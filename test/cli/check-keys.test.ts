import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { KEY_ADVICE } from "../../src/cli/check/advice-keys.js";
import { reachKeys } from "../../src/cli/check/reach-keys.js";
import { loadConfig } from "../../src/config/load.js";
import { loadPublished } from "../../src/keys/remote/published.js";
import { folderOf } from "./harness.js";

// What `check` says of keys that issuers publish.

const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" });

describe("a set without a usable key", () => {
  it("is told in the words of the log", async () => {
    const server = createServer((_req, res) => res.end(JSON.stringify({ keys: [weak] })));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const jwksUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      const folder = folderOf(
        `grpc: 127.0.0.1:0\nrealms:\n  r: { algorithms: [RS256], issuer: null, audience: null, keys: [{ jwksUri: "${jwksUri}", insecure: true }] }\n`,
      );
      const [reached] = await reachKeys(loadConfig(`${folder}/verifier.yaml`, { env: {} }));
      expect(() => loadPublished({ keys: [weak] }, ["RS256"])).to.throw(reached?.set as string);
      expect(reached?.set).to.include("1024 bits");
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});

describe("keys-insecure", () => {
  const find = KEY_ADVICE.find(({ name }) => name === "keys-insecure")?.find ?? expect.fail();
  const saidOf = (location: string): string | undefined =>
    find({ realms: [], reached: [{ realm: "r", location, insecure: true, set: "" }] })[0]?.message;

  it("says of plain http that keys can be put in", () => {
    expect(saidOf("http://issuer.example/jwks")).to.include("whoever is on the way can put in keys");
  });

  it("says of https that private addresses are admitted, and that the certificate counts", () => {
    expect(saidOf("https://issuer.example/jwks"))
      .to.include("not public")
      .and.include("certificate is checked")
      .and.not.include("put in");
  });
});
