import { createPublicKey } from "node:crypto";
import { expect } from "chai";
import { compactVerify } from "jose";
import { namesOf } from "../../src/jws/algorithms.js";
import { NAMES, pairOf } from "../jws/signing.js";
import { type Ended, folderOf, run } from "./harness.js";

// `mint` makes tokens that its realm accepts, as judged by the service's own core.

const CONFIG = ["--config", "verifier.yaml"];

/** Requirements of realms on their tokens, by what the title calls them. */
const WANTS: Readonly<Record<string, string>> = {
  "a jti": "requiredClaims: [exp, jti]",
  "every time claim": "requiredClaims: [exp, iat, nbf]",
  "a sub": "requiredClaims: [sub]",
  "the claims that its configuration names":
    "requiredClaims: [iss, aud, scope, jti], claims: { scope: { includes: read } }",
  "conditions of every form":
    "claims: { /realm_access/roles: { includes: [a, b] }, groups: { includesAny: [c, d] }, sub: { prefix: 'repo:acme/' }, act: { absent: true }, /x/y: { absent: true }, level: [3, 4], scope: { includes: [read, write] } }",
  "a typ": "typ: [at+jwt, JWT], typRequired: true",
  "any typ": "typRequired: true",
  "a short lifetime": "maxLifetime: 10m",
  "a lifetime under a minute": "maxLifetime: 30s, clockTolerance: 5s",
  "all of these": "requiredClaims: [exp, jti, nbf], typ: [at+jwt], typRequired: true, maxLifetime: 5m",
};

const text = Object.entries({ ...WANTS, "a tenant": "requiredClaims: [exp, tenant, /org/id]" })
  .map(([, wants], index) => {
    const rest = "issuer: https://issuer.example, audience: https://api.example";
    return `  r${index}: { algorithms: [ES256], ${rest}, keys: [{ pemFile: ./partner.pem }], ${wants} }\n`;
  })
  .join("");
const TENANT = `r${Object.keys(WANTS).length}`;

describe("mint", () => {
  let folder: string;
  before(() => {
    folder = folderOf(`grpc: 127.0.0.1:0\nrealms:\n${text}`);
  });

  const mint = (realm: string, ...args: readonly string[]): Promise<Ended> =>
    run(["mint", "--realm", realm, ...CONFIG, ...args], folder);
  const verify = (realm: string, token: string): Promise<Ended> =>
    run(["verify", "--realm", realm, ...CONFIG, "-"], folder, token);
  const partOf = (token: string, part: number) =>
    JSON.parse(Buffer.from(token.split(".")[part] ?? "", "base64url").toString());

  for (const [index, what] of Object.keys(WANTS).entries()) {
    it(`a minted token is verified by a realm that requires ${what}`, async () => {
      const minted = await mint(`r${index}`);
      expect(minted.code, minted.stderr).to.equal(0);
      const { code, stdout } = await verify(`r${index}`, minted.stdout);
      expect(code, stdout).to.equal(0);
    });
  }

  const realmOf = (what: string): string => `r${Object.keys(WANTS).indexOf(what)}`;

  it("mint gives each token its own jti, and keeps a jti given with --claim", async () => {
    const [one, other] = [await mint(realmOf("a jti")), await mint(realmOf("a jti"))];
    expect(partOf(one.stdout, 1).jti).to.be.a("string").and.not.equal(partOf(other.stdout, 1).jti);
    expect(partOf((await mint(realmOf("a jti"), "--claim", "jti=mine")).stdout, 1).jti).to.equal("mine");
  });

  it("mint uses the first of a realm's several types as typ", async () =>
    expect(partOf((await mint(realmOf("a typ"))).stdout, 0).typ).to.equal("at+jwt"));

  it("a minted token lives an hour, or the realm's maxLifetime if that is shorter, unless --expires says otherwise", async () => {
    const life = async (what: string, ...args: readonly string[]): Promise<number> => {
      const { exp, iat } = partOf((await mint(realmOf(what), ...args)).stdout, 1);
      return exp - iat;
    };
    expect(await life("a jti")).to.equal(3600);
    expect(await life("a short lifetime")).to.equal(600);
    expect(await life("a short lifetime", "--expires", "1m")).to.equal(60);
    expect(await life("a short lifetime", "--expires", "2h")).to.equal(7200);
    const long = await mint(realmOf("a short lifetime"), "--expires", "2h");
    expect((await verify(realmOf("a short lifetime"), long.stdout)).stdout).to.match(/^rejected: /);
  });

  it("mint asks by name for required claims that have no default", async () => {
    expect(await mint(TENANT)).to.include({
      code: 2,
      stdout: "",
      stderr: `The realm ${TENANT} requires claims that mint has no default value for. Add --claim tenant=VALUE --claim /org/id=VALUE.\n`,
    });
    expect((await mint(TENANT, "--claim", "/org/id=x")).stderr).to.include("--claim tenant=VALUE.");
    const minted = await mint(TENANT, "--claim", "/org/id=x", "--claim", "tenant=acme");
    expect((await verify(TENANT, minted.stdout)).code, minted.stderr).to.equal(0);
    expect(partOf(minted.stdout, 1)).to.deep.include({ org: { id: "x" }, tenant: "acme" });
  });
});

/** The realm of an algorithm and the files of its development keys. */
function developmentRealm(algorithm: (typeof NAMES)[number]): { text: string; files: Record<string, string> } {
  const { publicKey, privateKey } = pairOf(algorithm);
  const settings = `algorithms: [${algorithm}], issuer: https://issuer.example, audience: https://api.example`;
  if (publicKey.type === "secret") {
    const entry = `{ secretFile: ./${algorithm}.key, kid: dev }`;
    const files = { [`${algorithm}.key`]: publicKey.export().toString() };
    return { text: `  ${algorithm}: { ${settings}, keys: [${entry}] }\n`, files };
  }
  return {
    text: `  ${algorithm}: { ${settings}, keys: [{ pemFile: ./${algorithm}.pem, kid: dev }] }\n`,
    files: {
      [`${algorithm}.pem`]: publicKey.export({ type: "spki", format: "pem" }).toString(),
      [`${algorithm}.private.pem`]: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    },
  };
}

describe("mint, for each algorithm", () => {
  let folder: string;
  before(() => {
    const realms = NAMES.map(developmentRealm);
    const text = `grpc: 127.0.0.1:0\nrealms:\n${realms.map(({ text }) => text).join("")}`;
    folder = folderOf(text, Object.assign({}, ...realms.map(({ files }) => files)) as Record<string, string>);
  });

  for (const algorithm of NAMES) {
    for (const name of namesOf(algorithm)) {
      it(`a token that mint signed with ${name} is verified by its realm and by jose`, async () => {
        const minted = await run(["mint", "--realm", algorithm, ...CONFIG, "--alg", name], folder);
        expect(minted).to.include({ code: 0, stderr: "" });
        const verified = await run(["verify", "--realm", algorithm, ...CONFIG, "--json", "-"], folder, minted.stdout);
        expect(verified.code, verified.stdout).to.equal(0);
        expect(JSON.parse(verified.stdout)).to.have.nested.property("verified.token.algorithm", name);
        const { publicKey } = pairOf(algorithm);
        const { protectedHeader } = await compactVerify(
          minted.stdout.trim(),
          publicKey.type === "secret" ? publicKey : createPublicKey(publicKey.export({ type: "spki", format: "pem" })),
        );
        expect(protectedHeader).to.deep.equal({ alg: name, kid: "dev" });
      });
    }
  }

  it("mint --alg refuses an algorithm that the realm does not take, and lists those that it takes", async () => {
    const refused = await run(["mint", "--realm", "EdDSA", ...CONFIG, "--alg", "ES256"], folder);
    expect(refused).to.include({ code: 2, stdout: "", stderr: "--alg ES256: the realm EdDSA takes EdDSA, Ed25519.\n" });
  });
});
