import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { CLAIM_RULES } from "../../src/cli/check/claim-rules.js";
import { applyRules } from "../../src/cli/check/findings.js";
import { coreSchema, gatewaySchema } from "../../src/config/schema.js";
import { readSeed } from "../../src/directory/transfer/seed.js";
import type { GenericSettings } from "../../src/verifier/generic.js";
import { ROOT } from "../cli/harness.js";
import { load, loadGateway } from "../config/harness.js";
import { keyOf } from "../support/keys.js";

// Checks that the examples of docs/configuration.md work; reference.test.ts checks that every key is documented.

const TEXT = readFileSync(join(ROOT, "docs/configuration.md"), "utf8");
const BLOCKS = Array.from(TEXT.matchAll(/^```yaml\n([\s\S]*?)^```/gm), ([, block]) => block ?? "");
const [BIG = "", EDITOR = "", PROFILE = "", CLAIMS = "", WEAK = "", SEED = "", GATEWAY = ""] = BLOCKS;

const ENV = { VERIFIER_MASTER_KEY: Buffer.alloc(32, 7).toString("base64"), INTEGURU_SIGNING_KEY: "x".repeat(32) };
const FILES = {
  "fiserv.pem": keyOf("fiserv").publicPem ?? "",
  "partner.pem": keyOf("rsa").publicPem ?? "",
  "directory.yaml": SEED,
};

describe("docs/configuration.md", () => {
  it("docs/configuration.md has seven blocks: the configuration, the editor's line, RFC 9068, conditions on claims, a weak secret, the seed, the gateway", () => {
    expect(BLOCKS).to.have.length(7);
  });

  it("the documented configuration loads with the files and variables that it names", () => {
    const config = load(BIG, FILES, ENV);
    expect(config.realms.map(({ name }) => name)).to.deep.equal(["integuru", "clowk", "fiserv", "partner"]);
    expect(config.faces.map(({ name }) => name)).to.deep.equal(["integuru", "clowk", "fiserv"]);
  });

  it("the documented conditions on claims load, in every form and without a warning", () => {
    const claims = CLAIMS.trimEnd().replaceAll("\n", "\n    ");
    const config = load(
      BIG.replace(/^ {4}claims: .*$/m, () => `    ${claims}`),
      FILES,
      ENV,
    );
    const { settings } = config.realms.at(-1) ?? expect.fail("no realm");
    const conditions = Object.values((settings as Partial<GenericSettings>).claims ?? {});
    const forms = new Set(conditions.flatMap(Object.keys));
    expect([...forms]).to.have.members(["oneOf", "includesAny", "includes", "prefix", "absent"]);
    expect(applyRules(CLAIM_RULES, "warning", config).map(({ place }) => place)).to.deep.equal([]);
  });

  it("the documented realm for access tokens of RFC 9068 loads", () => {
    expect(load(`grpc: 127.0.0.1:0\n${PROFILE}`).realms.map(({ name }) => name)).to.deep.equal(["partner"]);
  });

  it("the documented realm of a partner with a short secret loads", () => {
    const files = { "old-partner.secret": "a-secret-of-23-bytes-ab" };
    expect(() => load(`grpc: 127.0.0.1:0\n${WEAK.replace(", weak: true", "")}`, files)).to.throw("23 bytes");
    expect(load(`grpc: 127.0.0.1:0\n${WEAK}`, files).realms.map(({ name }) => name)).to.deep.equal(["old-partner"]);
  });

  it("the line for editors points to the schema in an installed package", () => {
    const [, path = ""] = /^# yaml-language-server: \$schema=node_modules\/token-verifier\/(\S+)\n$/.exec(EDITOR) ?? [];
    expect(path).not.to.equal("");
    expect(existsSync(join(ROOT, path)), path).to.equal(true);
    const { files } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { files: string[] };
    expect(files).to.include(path.split("/")[0]);
  });

  it("the documented configuration of a gateway loads", () => {
    expect(loadGateway(GATEWAY).faces).to.have.length(3);
  });

  it("docs/configuration.md lists exactly the keys that take effect at a start only", () => {
    const [, told = ""] = /These take effect at a start only: ([^;]*);/.exec(TEXT) ?? [];
    const known = Object.keys(coreSchema.shape).filter(
      (key) => !["realms", "masterKeyFile", "masterKeys"].includes(key),
    );
    expect(Array.from(told.matchAll(/`(\w+)`/g), ([, name]) => name)).to.have.members(known);
    const alone = Object.keys(gatewaySchema.shape).filter((key) => !(key in coreSchema.shape));
    expect(TEXT).to.include(`on a gateway on its own, \`${alone.join("`, `")}\` too`);
  });

  it("the documented seed can be read", () => expect(readSeed(SEED)).to.have.length(3));
});
