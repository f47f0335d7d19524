import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { KEY_RULES } from "../../src/cli/check/key-rules.js";
import { fetchSets } from "../../src/cli/check/subject.js";
import { loadConfig } from "../../src/config/load.js";
import { loadPublishedKeys } from "../../src/keys/jwks.js";
import { jwkOf } from "../support/keys.js";
import { folderOf, run } from "./harness.js";

// The messages of `check` about keys that issuers publish.

const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" });

describe("check of a set without a usable key", () => {
  it("check gives the same reason as the log for a set without a usable key", async () => {
    const server = createServer((_req, res) => res.end(JSON.stringify({ keys: [weak] })));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const jwksUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      const folder = folderOf(
        `grpc: 127.0.0.1:0\nrealms:\n  r: { algorithms: [RS256], issuer: null, audience: null, keys: [{ jwksUri: "${jwksUri}", insecure: true }] }\n`,
      );
      const [fetched] = await fetchSets(loadConfig(`${folder}/verifier.yaml`, { env: {} }));
      expect(() => loadPublishedKeys({ keys: [weak] }, { algorithms: ["RS256"] })).to.throw(fetched?.set as string);
      expect(fetched?.set).to.include("1024 bits");
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});

describe("check of a set with keys that are not used", () => {
  it("key-refused gives the cause of each key at fault, and none of a key that is set aside", () => {
    const find = KEY_RULES.find(({ name }) => name === "key-refused")?.find ?? expect.fail();
    const good = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "jwk" });
    const set = loadPublishedKeys(
      { keys: [good, weak, { kty: "RSA" }, { ...good, use: "enc" }] },
      { algorithms: ["RS256"] },
    );
    const fetches = [{ realm: "r", location: "https://issuer.example/jwks", asked: [], insecure: false, set }];
    const said = find({ now: 0, realms: [], setsUnopened: [], fetches }).map(({ message }) => message);
    expect(said).to.have.length(2);
    expect(said[0]).to.match(/^https:\/\/issuer\.example\/jwks: keys\[1\], weak: .*1024 bits/);
    expect(said[1]).to.match(/: keys\[2\], malformed: /);
  });
});

describe("check of fetched keys", () => {
  it("check prints each URL that it asked, what it found, and why a key is not used, without queries", async () => {
    let origin = "";
    const good = jwkOf("p256");
    const answers: Readonly<Record<string, () => object>> = {
      "/t/.well-known/openid-configuration?p=hidden": () => ({
        issuer: "https://issuer.example",
        jwks_uri: `${origin}/moved?key=hidden`,
      }),
      "/jwks": () => ({
        keys: [
          { ...good, kid: "good" },
          { ...good, kid: "enc", use: "enc" },
          { ...good, kid: "broken", x: "AQ!" },
        ],
      }),
    };
    const server = createServer(({ url = "" }, res) => {
      if (url === "/moved?key=hidden") res.writeHead(302, { Location: "/jwks" }).end();
      else res.end(JSON.stringify(answers[url]?.() ?? {}));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const folder = folderOf(
        `grpc: 127.0.0.1:0\nrealms:\n  r: { algorithms: [ES256], issuer: https://issuer.example, audience: null, keys: [{ discovery: "${origin}/t?p=hidden", insecure: true }] }\n`,
      );
      const { code, stdout } = await run(["check", "--config", "verifier.yaml"], folder);
      expect(code).to.equal(0);
      expect(stdout).to.include(`  keys from ${origin}/t?…: 1 usable, 1 refused, 1 for something else
    asked ${origin}/t/.well-known/openid-configuration?…
    asked ${origin}/moved?…
    asked ${origin}/jwks
`);
      expect(stdout).to.match(/not used: .*: keys\[1\] \(kid "enc"\): .*"enc"/);
      expect(stdout).to.match(/: keys\[2\] \(kid "broken"\), malformed: .*\(key-refused\)/);
      expect(stdout).not.to.include("hidden");
      const { realms } = JSON.parse((await run(["check", "--config", "verifier.yaml", "--json"], folder)).stdout);
      expect(realms[0].fetchedFrom[0].found).to.deep.equal({ keys: 1, refused: 1, setAside: 1 });
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});

describe("check's warning keys-insecure", () => {
  const find = KEY_RULES.find(({ name }) => name === "keys-insecure")?.find ?? expect.fail();
  const saidOf = (location: string): string | undefined =>
    find({
      now: 0,
      realms: [],
      setsUnopened: [],
      fetches: [{ realm: "r", location, asked: [], insecure: true, set: "" }],
    })[0]?.message;

  it("keys-insecure warns that plain http lets others substitute keys", () => {
    expect(saidOf("http://issuer.example/jwks")).to.include("substitute keys");
  });

  it("keys-insecure says that an https source may have a private address and that its certificate is still checked", () => {
    expect(saidOf("https://issuer.example/jwks"))
      .to.include("private addresses")
      .and.include("certificate is still checked")
      .and.not.include("substitute");
  });
});
