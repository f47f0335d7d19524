// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a configuration names its variables
import { dirname, join } from "node:path";
import { expect } from "chai";
import { exportJWK } from "jose";
import { loadConfig } from "../../src/config/load.js";
import { jwkOf, KEYS, keyOf } from "../support/keys.js";
import { folderWith, load } from "./harness.js";
import { FILES, GOOD, issued, MASTER, partner, pem, SECRET, withKey } from "./samples.js";

describe("a good configuration", () => {
  it("a configuration gets exactly the documented defaults", () => {
    const { file, realms, ...others } = load(GOOD, FILES);
    expect(others).to.deep.equal({
      grpc: { address: "127.0.0.1:0", tls: undefined },
      http: undefined,
      admin: undefined,
      metrics: undefined,
      store: {
        address: { engine: "sqlite", file: join(dirname(file), "data/verifier.db") },
        staleFor: 60_000,
        maxClockOffset: 30_000,
      },
      log: { level: "info", format: "json", calls: "rejected" },
      limits: {
        body: 65_536,
        headers: 16_384,
        message: 4_194_304,
        batch: 1000,
        streams: 100,
        watches: 10_000,
        connections: 10_000,
        perAddress: 1000,
        idle: 300_000,
        connectionAge: 1_800_000,
        request: 10_000,
      },
      failures: { perClient: { count: 20, window: 60_000 }, perAddress: { count: 100, window: 60_000 } },
      trustedProxies: [],
      cache: { facts: 67_108_864 },
      proofs: { max: 1_000_000 },
      revocations: { max: 10_000_000 },
      drain: { delay: 5000, timeout: 5000 },
      faces: [],
      masterKeys: [],
      proxies: {},
      directory: undefined,
    });
    expect(realms).to.have.length(1);
    expect(realms[0]?.settings).to.deep.equal({
      algorithms: ["ES256"],
      issuer: null,
      audience: null,
      typRequired: false,
      requiredClaims: ["exp"],
      claims: {},
      lenient: [],
      clockTolerance: 0,
      maxTokenLength: 16_384,
      ignoreHeaders: [],
      bound: "refuse",
      proofAlgorithms: ["ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
      callers: "anyone",
      explain: false,
    });
  });

  it("a realm gets the defaults of its preset", () => {
    const { realms, faces } = load(
      `http: 127.0.0.1:0\nmasterKeyFile: ./master.key\nrealms:\n  integuru: { preset: integuru, keys: [{ secretFile: ./secret.key }] }\n` +
        "  clowk: { preset: clowk }\n  fiserv: { preset: fiserv, keys: [{ pemFile: ./rsa.pem }] }\n",
      FILES,
    );
    expect(Object.fromEntries(realms.map(({ name, settings }) => [name, settings]))).to.deep.equal({
      integuru: {
        preset: "integuru",
        maxTokenLength: 16_384,
        userClaim: "taiki_user_id",
        members: { taiki_user: "taiki_user_id", client: "client_app_id" },
      },
      clowk: { preset: "clowk", maxTokenLength: 16_384, users: "directory" },
      fiserv: { preset: "fiserv", maxTokenLength: 600 },
    });
    expect(faces.map(({ name, realm, path }) => [name, realm, path])).to.deep.equal([
      ["integuru", "integuru", "/api/verify-token"],
      ["clowk", "clowk", "/api/v1/tokens/verify"],
      ["fiserv", "fiserv", "/v1/api/oauth/validateToken"],
    ]);
  });

  it("relative paths start from the folder of the configuration", () => {
    const folder = folderWith({
      ...FILES,
      "verifier.yaml": `${GOOD}masterKeyFile: ./master.key\ndirectory: seeds/directory.yaml\nstore: sqlite:x.db\n`,
    });
    const config = loadConfig(join(folder, "verifier.yaml"), { env: {} });
    expect(config.store.address).to.deep.equal({ engine: "sqlite", file: `${folder}/x.db` });
    expect(config.directory).to.equal(`${folder}/seeds/directory.yaml`);
    expect(config.masterKeys.map((key) => key.reveal())).to.deep.equal([MASTER]);
    expect(JSON.stringify(config)).not.to.include(MASTER);
  });

  it("absolute paths stay as they are", () => {
    const { store } = load(`${GOOD}store: sqlite:/var/lib/verifier.db\n`, FILES);
    expect(store.address).to.deep.equal({ engine: "sqlite", file: "/var/lib/verifier.db" });
  });

  it("variables are replaced once, and $${ gives a literal ${", () => {
    const config = load(
      partner(
        'algorithms: [ES256], issuer: "${ISSUER}/${PATH_}", audience: "$${X} $$ $ {}", keys: [{ pemFile: "./${KEY}.pem" }]',
      ).replace("issuer: null, audience: null, ", ""),
      FILES,
      {
        ISSUER: "https://a",
        PATH_: "${KEY}",
        KEY: "p256",
      },
    );
    expect(config.realms[0]?.settings).to.deep.include({ issuer: ["https://a/${KEY}"], audience: ["${X} $$ $ {}"] });
  });

  it("a variable may be empty", () => {
    expect(load(`${GOOD}directory: "\${D}."\nmasterKeyFile: ./master.key\n`, FILES, { D: "" }).directory).to.match(
      /token-verifier-/,
    );
  });

  for (const [written, read] of [
    ["127.0.0.1:0", "127.0.0.1:0"],
    ["localhost:65535", "localhost:65535"],
    ['"[::1]:8080"', "[::1]:8080"],
    ["unix:/run/verifier.sock", "unix:/run/verifier.sock"],
    ["{ address: 127.0.0.1:0 }", "127.0.0.1:0"],
  ] as const) {
    it(`every port accepts the address ${written}`, () => {
      const config = load(
        `${GOOD.replace("grpc: 127.0.0.1:0", `grpc: ${written}`)}admin: ${written}\nhttp: ${written}\n`,
        FILES,
      );
      expect([config.grpc?.address, config.admin?.address, config.http?.address]).to.deep.equal([read, read, read]);
    });
  }

  it("a key may be given in each of its forms", async () => {
    const jwk = JSON.stringify(await exportJWK(keyOf("p256").signer).then(({ d: _d, ...others }) => others));
    const files = { ...FILES, "key.jwk": jwk, "keys.jwks": `{"keys":[${jwk}]}` };
    for (const entry of [
      `{ pem: ${JSON.stringify(pem("p256"))} }`,
      "{ pemFile: ./p256.pem, alg: ES256, kid: a }",
      `{ jwk: ${jwk} }`,
      "{ jwkFile: ./key.jwk }",
      `{ jwks: { keys: [${jwk}] } }`,
      "{ jwksFile: ./keys.jwks }",
    ]) {
      expect(load(withKey(entry), files).realms[0]?.keys[0]?.algorithm, entry).to.equal("ES256");
    }
    const marked = {
      ...files,
      "key.jwk": `\ufeff${jwk}`,
      "keys.jwks": `\ufeff{"keys":[${jwk}]}`,
      "p256.pem": `\ufeff${pem("p256")}`,
    };
    for (const entry of ["{ jwkFile: ./key.jwk }", "{ jwksFile: ./keys.jwks }", "{ pemFile: ./p256.pem }"]) {
      expect(load(withKey(entry), marked).realms[0]?.keys, `${entry} after a byte order mark`).to.have.length(1);
    }
    const secrets = [
      `{ secret: ${SECRET} }`,
      `{ secretBase64: ${Buffer.from(SECRET).toString("base64")} }`,
      `{ secretBase64: "${Buffer.from(SECRET).toString("base64url")}" }`,
      `{ secretBase64: "${Buffer.from(SECRET).toString("base64").replace(/.{20}/g, "$&\\n")}\\n" }`,
      `{ secretBase64: "${Buffer.from(SECRET).toString("base64").replaceAll("=", "")}" }`,
      "{ secretFile: ./secret.key }",
    ];
    const loaded = secrets.map((entry) => load(withKey(entry, "HS256"), files).realms[0]?.keys[0]?.key);
    for (const key of loaded) expect(key?.export().toString()).to.equal(SECRET);
  });

  it("a key without alg verifies each algorithm of the realm that it fits", () => {
    const { realms } = load(withKey("{ pemFile: ./rsa.pem, kid: a }", "PS512, ES256, RS256"), FILES);
    expect(realms[0]?.keys.map(({ algorithm, kid }) => [algorithm, kid])).to.deep.equal([
      ["PS512", "a"],
      ["RS256", "a"],
    ]);
  });

  it("a secret of 8 bytes may be used with weak: true", () => {
    const files = { ...FILES, "secret.key": "12345678\n" };
    for (const entry of [
      "{ secret: '12345678', weak: true }",
      "{ secretBase64: MTIzNDU2Nzg, weak: true }",
      "{ secretFile: ./secret.key, weak: true }",
    ]) {
      expect(load(withKey(entry, "HS512"), files).realms[0]?.keys[0]?.key.symmetricKeySize, entry).to.equal(8);
    }
  });

  it("use names the keys of a set that are taken, and none stands for an absent use", () => {
    const jwks = JSON.stringify({
      keys: [
        { ...jwkOf("p256"), use: "jwt-svid", kid: "a" },
        { ...jwkOf("p256-other"), use: "x509-svid" },
        { ...jwkOf("p256-other"), kid: "c" },
        { ...jwkOf("p256"), use: "sig", kid: "d" },
      ],
    });
    const taken = (use: string) => {
      const { realms } = load(withKey(`{ jwks: ${jwks}${use} }`), FILES);
      return realms.map(({ keys, leftOut, uses }) => [keys.map(({ kid }) => kid), leftOut.length, uses])[0];
    };
    expect(taken("")).to.deep.equal([["c", "d"], 2, []]);
    expect(taken(", use: [jwt-svid]")).to.deep.equal([["a"], 3, ["jwt-svid"]]);
    expect(taken(", use: [jwt-svid, none]")).to.deep.equal([["a", "c"], 2, ["jwt-svid", "none"]]);
  });

  it("keys may share a kid", () => {
    const { realms } = load(
      withKey("{ pemFile: ./p256.pem, kid: a }, { pemFile: ./rsa.pem, kid: a }", "ES256, RS256"),
      FILES,
    );
    expect(realms[0]?.keys.map(({ kid }) => kid)).to.deep.equal(["a", "a"]);
  });

  it("keys of a set for other algorithms are left out and reported", () => {
    const { realms } = load(
      withKey(`{ jwks: { keys: [${JSON.stringify(jwkOf("rsa"))}, ${JSON.stringify(jwkOf("p256"))}] } }`),
      FILES,
    );
    expect(realms[0]?.keys).to.have.length(1);
    expect(realms[0]?.leftOut).to.have.length(1);
    expect(realms[0]?.leftOut[0]).to.include({ index: 0, kind: "set aside" });
  });

  it("realms and routes keep the order of the file", () => {
    const { realms } = load(
      `realms:\n  any: { byIssuer: [two, one] }\n  two: ${issued("[https://two.example, https://three.example]")}\n  one: ${issued("https://one.example")}\n`,
      FILES,
    );
    expect(realms.map(({ name }) => name)).to.deep.equal(["any", "two", "one"]);
    expect([...(realms[0]?.byIssuer ?? [])]).to.deep.equal([
      ["https://two.example", "two"],
      ["https://three.example", "two"],
      ["https://one.example", "one"],
    ]);
    expect(realms.map(({ byIssuer }) => byIssuer?.size)).to.deep.equal([3, undefined, undefined]);
  });

  it("http serves no RPC without http.rpc", () => {
    const rpcOf = (http: string): unknown[] => {
      const { http: { rpc, cors } = expect.fail("no http") } = load(GOOD.replace(/^/, `http: ${http}\n`), FILES);
      return [rpc, cors];
    };
    expect(rpcOf("127.0.0.1:0")).to.deep.equal([[], undefined]);
    expect(rpcOf("{ address: 127.0.0.1:0 }")).to.deep.equal([[], undefined]);
    expect(rpcOf("{ address: 127.0.0.1:0, rpc: [partner] }")).to.deep.equal([["partner"], undefined]);
    expect(
      rpcOf('{ address: 127.0.0.1:0, rpc: [partner], cors: { origins: [https://app.example, "*"] } }'),
    ).to.deep.equal([["partner"], { origins: ["https://app.example", "*"], maxAge: 600_000 }]);
  });

  it("a face may be bound to a realm of another name", () => {
    const text = `http: { address: 127.0.0.1:0, faces: { integuru: mine } }\nrealms:\n  mine: { preset: integuru, keys: [{ secretFile: ./secret.key }] }\n`;
    expect(load(text, FILES).faces.map(({ name, realm }) => [name, realm])).to.deep.equal([["integuru", "mine"]]);
  });

  it("a realm with a vendor's name but without its preset gets no face", () => {
    expect(load(GOOD.replace("partner:", "clowk:").replace("grpc", "http"), FILES).faces).to.deep.equal([]);
  });

  it("the test keys are loaded", () => expect(KEYS.size).to.be.above(5));
});
