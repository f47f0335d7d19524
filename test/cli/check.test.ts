import { createHash, createPublicKey } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect } from "chai";
import { CHECK_RULES } from "../../src/cli/check/check.js";
import { deriveMasterKeys } from "../../src/directory/master-keys.js";
import { sqlDirectory } from "../../src/directory/sql/directory.js";
import { openSqliteStore } from "../../src/directory/sqlite/store.js";
import { Secret } from "../../src/util/secret.js";
import { certificateOf, pemOf, spkiOf } from "../keys/der.js";
import { certify } from "../support/certificates.js";
import { jwkOf, keyOf } from "../support/keys.js";
import { CLIENT_SECRET, configuration, type Ended, folderOf, MASTER_KEY, ROOT, run, seeded } from "./harness.js";

// The findings of `check` in configurations that can be read, which docs/checks.md lists too.

type Files = Readonly<Record<string, string>>;

const REALM = `
    algorithms: [ES256]
    issuer: https://issuer.example
    audience: https://api.example
    keys: [{ pemFile: ./partner.pem }]
`;
/** A configuration of one generic realm. @param more keys of the realm, which replace its own of the same name */
const generic = (top = "grpc: 127.0.0.1:0", more: Files = {}): string => {
  const lines = REALM.split("\n").filter((line) => !Object.hasOwn(more, line.trim().split(":")[0] ?? ""));
  const added = Object.entries(more).map(([name, value]) => `    ${name}: ${value}`);
  return `${top}\nrealms:\n  partner:${[...lines.filter((line) => line !== "" || lines[0] === line), ...added].join("\n")}\n`;
};

/** A list of `count` keys without a `kid`, for a realm. */
const secrets = (count: number): string =>
  `[${Array.from({ length: count }, (_, n) => `{ secretBase64: ${createHash("sha256").update(`${n}`).digest("base64")} }`).join(", ")}]`;

const RSA = `[{ jwk: ${JSON.stringify({ ...jwkOf("rsa"), kid: "main" })} }]`;
const EXPIRED = pemOf(
  certificateOf(spkiOf(createPublicKey(keyOf("p256").publicPem ?? "")), { until: new Date("2021-06-05T00:00:00Z") }),
  "CERTIFICATE",
);

const DAY = 86_400_000;
const withCertificate = generic(
  "grpc: { address: 127.0.0.1:0, tls: { certFile: ./server.pem, keyFile: ./server.key } }",
);
/** The files of a port's certificate. @param from its first day, counted from today @param to its last day, counted likewise */
function certificate(from: number, to: number): Files {
  const { cert, key } = certify("server", { from: Date.now() + from * DAY, to: Date.now() + to * DAY });
  return { "server.pem": cert, "server.key": key };
}

/** For each finding, a configuration that causes it and the place where it is found. */
const MADE: Readonly<Record<string, readonly [place: string, text: string, files?: Files]>> = {
  "nothing-listens": ["grpc", generic("metrics: 127.0.0.1:0")],
  "same-address": ["metrics", generic("grpc: 0.0.0.0:50051\nmetrics: 127.0.0.1:50051")],
  "admin-exposed": [
    "admin",
    generic(
      'grpc: 127.0.0.1:0\nadmin: { address: "0.0.0.0:0", keys: [{ name: deploy, file: ./deploy.key, role: write }] }',
    ),
    { "deploy.key": "a key of an operator, no less".replaceAll(" ", "-").padEnd(32, "-") },
  ],
  "metrics-exposed": ["metrics", generic('grpc: 127.0.0.1:0\nmetrics: "[::]:0"')],
  "everybody-trusted": [
    "trustedProxies[1]",
    generic("grpc: 127.0.0.1:0\ntrustedProxies: [10.0.0.0/8, 0.0.0.0/0, 192.0.2.1]"),
  ],
  "no-face": ["http", generic("grpc: 127.0.0.1:0\nhttp: 127.0.0.1:0")],
  "certificate-expired": ["grpc.tls", withCertificate, certificate(-9, -1)],
  "certificate-early": ["grpc.tls", withCertificate, certificate(1, 30)],
  "certificate-expiring": ["grpc.tls", withCertificate, certificate(-9, 6)],
  "no-realm": ["realms", "grpc: 127.0.0.1:0\nrealms: {}\n"],
  "realm-unreachable": ["realms.partner", generic("http: 127.0.0.1:0")],
  "face-not-shown": [
    "realms.mine",
    "grpc: 127.0.0.1:0\nhttp: 127.0.0.1:0\nrealms:\n  mine: { preset: integuru, keys: [{ secretFile: ./integuru.key }] }\n",
  ],
  "issuer-unchecked": ["realms.partner.issuer", generic(undefined, { issuer: "null" })],
  "audience-unchecked": ["realms.partner.audience", generic(undefined, { audience: "null" })],
  "never-expires": ["realms.partner.requiredClaims", generic(undefined, { requiredClaims: "[sub]" })],
  "tolerance-wide": ["realms.partner.clockTolerance", generic(undefined, { clockTolerance: "301s" })],
  "nonces-unshared": ["realms.partner.bound", generic(undefined, { bound: "require" })],
  "token-exceeds-limits": [
    "realms.partner.maxTokenLength",
    generic("http: { address: 127.0.0.1:0, rpc: [partner] }", { maxTokenLength: "65KiB" }),
  ],
  "issuer-open": ["realms.partner.issuer", generic(undefined, { issuer: "https://login.example/{tid}/v2.0" })],
  "issuer-tenantid": [
    "realms.partner.issuer",
    generic(undefined, { issuer: "https://login.example/{tenantid}", claims: "{ tenantid: [a, b] }" }),
  ],
  "issuer-alias": [
    "realms.partner.issuer",
    generic(undefined, { issuer: "https://login.microsoftonline.com/common/v2.0", claims: "{ scp: a }" }),
  ],
  "claim-slashes": [
    "realms.partner.claims",
    generic(undefined, { claims: '{ "/resource_access/https://app.example/roles": { includes: a } }' }),
  ],
  "issuer-literal": ["realms.partner.issuer", generic(undefined, { issuer: "https://*.example" })],
  "key-issuer-ignored": [
    "realms.partner.keys",
    generic(undefined, { keys: `[{ jwk: ${JSON.stringify({ ...jwkOf("p256"), issuer: ["x"] })} }]` }),
  ],
  "recipe-incomplete": ["realms.partner.claims", generic(undefined, { issuer: "https://gitlab.com" })],
  "key-shared": ["realms.second.keys", `${generic()}  second:${REALM}`],
  "claim-dotted": [
    "realms.partner.requiredClaims[1]",
    generic(undefined, { requiredClaims: "[exp, realm_access.roles]" }),
  ],
  "claim-pattern": ["realms.partner.claims.sub", generic(undefined, { claims: '{ sub: "repo:acme/*" }' })],
  "claim-prefix": ["realms.partner.claims.sub", generic(undefined, { claims: '{ sub: { prefix: "repo:acme" } }' })],
  "claim-words": ["realms.partner.claims.scopes", generic(undefined, { claims: "{ scopes: { includes: read } }" })],
  "claim-type": ["realms.partner.claims.ref_protected", generic(undefined, { claims: "{ ref_protected: true }" })],
  "keys-unreachable": [
    "realms.partner.keys",
    generic(undefined, { keys: '[{ jwksUri: "ISSUER/nothing", insecure: true }]' }),
  ],
  "key-refused": ["realms.partner.keys", generic(undefined, { keys: '[{ jwksUri: "ISSUER/keys", insecure: true }]' })],
  "key-algorithms": ["realms.partner.keys", generic(undefined, { algorithms: "[RS256, PS256]", keys: RSA })],
  "key-expired": [
    "realms.partner.keys",
    generic(undefined, { keys: "[{ pemFile: ./old.pem }]" }),
    { "old.pem": EXPIRED },
  ],
  "svid-issuer": [
    "realms.partner.issuer",
    generic(undefined, {
      keys: `[{ jwks: { keys: [${JSON.stringify({ ...jwkOf("p256"), use: "jwt-svid" })}] }, use: [jwt-svid] }]`,
    }),
  ],
  "keys-many": ["realms.partner.keys", generic(undefined, { algorithms: "[HS256]", keys: secrets(17) })],
  "keys-insecure": [
    "realms.partner.keys",
    generic(undefined, { keys: '[{ jwksUri: "ISSUER/keys", insecure: true }]' }),
  ],
  "secret-published": [
    "realms.partner.keys",
    generic(undefined, { algorithms: "[HS256]", keys: "[{ secretFile: ./secret.key }]" }),
    { "secret.key": "a-string-secret-at-least-256-bits-long" },
  ],
  "secret-weak": [
    "the seed's client c",
    configuration(),
    { "directory.yaml": "clients: [{ clientId: c, clientSecret: Xk29-vbQz, weak: true }]\n" },
  ],
  "secret-readable": [
    "verifier.yaml",
    configuration().replace("masterKeyFile: ./master.key", `masterKey: ${MASTER_KEY}`),
  ],
  "seed-ignored": ["directory", configuration()],
  "store-absent": ["store", configuration()],
  "key-set-sealed": [
    "realms.partner.keys",
    generic("grpc: 127.0.0.1:0\nmasterKeyFile: ./master.key\nstore: sqlite:./verifier.db", {
      keys: '[{ jwksUri: "ISSUER/keys", insecure: true }]',
    }),
  ],
};

/** Steps that cause a finding that a configuration alone cannot cause. */
const PREPARE: Readonly<Record<string, (folder: string, issuer: string) => Promise<unknown>>> = {
  "secret-readable": async (folder) => chmodSync(join(folder, "verifier.yaml"), 0o644),
  "seed-ignored": async (folder) => {
    const lines = `${JSON.stringify({ client: { clientId: "vision-api-user", clientSecret: "another-secret-0123" } })}\n`;
    expect((await run(["import", "-", ...CONFIG], folder, lines)).code).to.equal(0);
  },
  "key-set-sealed": async (folder, issuer) => {
    const before = sqlDirectory(
      await openSqliteStore({
        path: join(folder, "verifier.db"),
        masterKeys: deriveMasterKeys([MASTER_KEY].map((text) => new Secret(text))),
        clock: Date.now,
      }),
    );
    for (const realm of ["partner", "gone"]) {
      await before.saveKeySet({ realm, location: `${issuer}/keys`, document: "{}", fetchedAt: 0, trust: "" });
    }
    await before.close();
    const db = new Database(join(folder, "verifier.db"));
    db.exec("UPDATE key_sets SET sealed = 'v1.x.y.z.altered'");
    db.close();
  },
};

const CONFIG = ["--config", "verifier.yaml"];

interface Finding {
  readonly check: string;
  readonly place: string;
  readonly message: string;
  readonly fix: string;
}

const warningsOf = ({ stdout }: Ended): Finding[] => JSON.parse(stdout).warnings;

/** The exit codes of findings, 0 if absent. */
const CODES: Readonly<Record<string, number>> = { "keys-unreachable": 3 };

describe("the findings of check", () => {
  /** The key set of the server that replaces ISSUER above, served at /keys only: a good key and a private one. */
  const set = { keys: [jwkOf("p256"), { ...jwkOf("p256-other"), d: "c2VjcmV0" }] };
  const issuer = http.createServer(({ url }, res) => {
    if (url === "/keys") res.end(JSON.stringify(set));
    else if (url === "/certificates") res.end(JSON.stringify({ old: certify("old", { to: Date.now() - DAY }).cert }));
    else res.writeHead(404).end();
  });
  let address: string;
  before(async () => {
    issuer.listen(0, "127.0.0.1");
    await once(issuer, "listening");
    address = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
  });
  after(() => {
    issuer.close();
    issuer.closeAllConnections();
  });

  it("check finds nothing but the missing store in a clean configuration, and nothing once the store exists", async () => {
    const whole = configuration("admin: 127.0.0.1:0\nmetrics: 127.0.0.1:0\ntrustedProxies: [10.0.3.0/24]");
    for (const text of [configuration(), whole]) {
      const folder = folderOf(text);
      const found = async () => warningsOf(await run(["check", ...CONFIG, "--json"], folder)).map(({ check }) => check);
      expect(await found()).to.deep.equal(["store-absent"]);
      await seeded(folder);
      expect(await found()).to.deep.equal([]);
    }
  });

  it("every finding of check has a configuration here that causes it", () =>
    expect(Object.keys(MADE)).to.have.members(CHECK_RULES.map(({ name }) => name)));

  for (const { name, level, fix } of CHECK_RULES) {
    it(`check reports ${name} at its place, with its fix`, async () => {
      const [place, text, files] = MADE[name] ?? expect.fail(name);
      const folder = folderOf(text.replace("ISSUER", address), files);
      await PREPARE[name]?.(folder, address);
      const ended = await run(["check", ...CONFIG, "--json"], folder);
      if (level === "error") {
        expect(ended).to.include({ code: 2, stdout: "" });
        const { error } = JSON.parse(ended.stderr);
        expect(error.issues).to.have.length(1);
        expect(error.issues[0].place).to.equal(place);
        expect(error.issues[0].message)
          .to.match(/^\S.*\. [A-Z]/)
          .and.include(fix);
        return;
      }
      expect(ended.code, ended.stderr).to.equal(CODES[name] ?? 0);
      const [found, ...more] = warningsOf(ended).filter(({ check }) => check === name);
      expect(more).to.deep.equal([]);
      expect(found).to.include({ place, fix });
      expect(found?.message).to.match(/\S/);
      for (const secret of [MASTER_KEY, CLIENT_SECRET]) expect(ended.stdout).not.to.include(secret);
      const shown = (await run(["check", ...CONFIG], folder)).stdout;
      expect(shown).to.include(`(${name})`).and.include(`Fix: ${fix}`);
    });
  }

  it("check counts a realm under http.rpc, and the realms that it routes to, as reachable, and lists both", async () => {
    const text = generic("http: { address: 127.0.0.1:0, rpc: [any] }", { issuer: "https://issuer.example" });
    const folder = folderOf(`${text}  any: { byIssuer: [partner] }\n`);
    const ended = await run(["check", ...CONFIG, "--json"], folder);
    expect(warningsOf(ended).map(({ check }) => check)).not.to.include.members(["no-face"]);
    expect(warningsOf(ended).map(({ check }) => check)).not.to.include.members(["realm-unreachable"]);
    const { rpc, realms } = JSON.parse(ended.stdout);
    expect(rpc).to.deep.equal(["any"]);
    expect(realms[1]).to.deep.include({ name: "any", byIssuer: { "https://issuer.example": "partner" } });
    const { stdout } = await run(["check", ...CONFIG], folder);
    expect(stdout).to.match(/^realm any: by issuer, callers: anyone\n {2}https:\/\/issuer\.example: realm partner$/m);
    expect(stdout).to.match(/^rpc \/tokenverifier\.v1\.TokenVerifier\/VerifyToken: realms any$/m);
  });

  it("check lists the realms that a standalone gateway serves over RPC", async () => {
    const folder = folderOf("http: { address: 127.0.0.1:0, rpc: [partner] }\nupstream: 127.0.0.1:50051\nrealms: {}\n");
    const { stdout, stderr } = await run(["check", "--only", "http", ...CONFIG], folder);
    expect(stdout, stderr).to.match(/^rpc \/tokenverifier\.v1\.TokenVerifier\/VerifyToken: realms partner$/m);
  });

  it("check does not report a seed that the store holds unchanged, or that is not loaded yet", async () => {
    const folder = folderOf();
    const found = async () => warningsOf(await run(["check", ...CONFIG, "--json"], folder)).map(({ check }) => check);
    expect(await found()).not.to.include("seed-ignored");
    await seeded(folder);
    expect(await found()).to.deep.equal([]);
    expect(existsSync(join(folder, "verifier.db"))).to.equal(true);
  });

  it("check makes no store", async () => {
    const folder = folderOf();
    await run(["check", ...CONFIG], folder);
    expect(existsSync(join(folder, "verifier.db"))).to.equal(false);
  });

  it("check fails for a master key that does not open the store", async () => {
    const folder = folderOf();
    await seeded(folder);
    writeFileSync(join(folder, "master.key"), Buffer.alloc(32, "another key").toString("base64"));
    const { code, stderr } = await run(["check", ...CONFIG], folder);
    expect(code).to.equal(2);
    expect(stderr).to.match(/^The store opens under the master key [0-9a-f]{16}, which is not configured .*masterKeys/);
  });

  it("check does not call a port exposed if it requires client certificates, or is the operators' and has TLS", async () => {
    const tls = "tls: { certFile: ./server.pem, keyFile: ./server.key";
    const keys = "keys: [{ name: deploy, file: ./deploy.key, role: write }]";
    const ports = (more: string): string =>
      generic(
        `grpc: 127.0.0.1:0\nadmin: { address: "0.0.0.0:0", ${keys}, ${tls}${more} } }\nmetrics: { address: "0.0.0.0:0", ${tls}${more} } }`,
      );
    const files = certificate(-1, 30);
    const check = async (more: string): Promise<readonly string[]> => {
      const all = { ...files, "ca.pem": files["server.pem"] ?? "", "deploy.key": "k".repeat(32) };
      return warningsOf(await run(["check", ...CONFIG, "--json"], folderOf(ports(more), all))).map((one) => one.check);
    };
    expect(await check("")).to.deep.equal(["metrics-exposed"]);
    expect(await check(", clientCaFile: ./ca.pem")).to.deep.equal([]);
  });

  it("check of a standalone gateway reports findings about listeners and certificates", async () => {
    const text =
      "http: 127.0.0.1:7001\nmetrics: 0.0.0.0:0\nupstream: 127.0.0.1:50051\nrealms: { clowk: { preset: clowk } }\n";
    const check = (config: string): Promise<Ended> =>
      run(["check", "--only", "http", ...CONFIG, "--json"], folderOf(config));
    expect(warningsOf(await check(text)).map(({ check: name }) => name)).to.deep.equal(["metrics-exposed"]);
    expect((await check(text.replace("0.0.0.0:0", "127.0.0.1:7001"))).code).to.equal(2);
    const tls = "tls: { caFile: ./server.pem, certFile: ./server.pem, keyFile: ./server.key }";
    const secured = text.replace("upstream: 127.0.0.1:50051", `upstream: { address: "127.0.0.1:50051", ${tls} }`);
    const ended = await run(
      ["check", "--only", "http", ...CONFIG, "--json"],
      folderOf(secured.replace("0.0.0.0", "127.0.0.1"), certificate(-9, -1)),
    );
    expect(warningsOf(ended)).to.have.length(1);
    expect(warningsOf(ended)[0]).to.include({ check: "certificate-expired", place: "upstream.tls" });
    const report = JSON.parse(ended.stdout);
    expect(report.upstream).to.equal("127.0.0.1:50051");
    expect(report.transport).to.deep.equal({ http: "plain", metrics: "plain" });
  });
});

describe("docs/checks.md", () => {
  it("docs/checks.md lists exactly the findings of check, with their fixes", () => {
    const text = readFileSync(join(ROOT, "docs/checks.md"), "utf8");
    const rows = Array.from(
      text.matchAll(/^\| `([a-z-]+)` \| (error|warning) \| [^|]+ \| ([^|]+) \|$/gm),
      ([, ...row]) => row,
    );
    expect(rows).to.deep.equal(CHECK_RULES.map(({ name, level, fix }) => [name, level, fix]));
  });
});
