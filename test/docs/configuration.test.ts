import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { coreSchema, gatewaySchema } from "../../src/config/schema.js";
import { readSeed } from "../../src/directory/transfer/seed.js";
import { ROOT } from "../cli/harness.js";
import { load, loadGateway } from "../config/harness.js";
import { keyOf } from "../support/keys.js";

// Checks that the examples of docs/configuration.md work; reference.test.ts checks that every key is documented.

const TEXT = readFileSync(join(ROOT, "docs/configuration.md"), "utf8");
const BLOCKS = Array.from(TEXT.matchAll(/^```yaml\n([\s\S]*?)^```/gm), ([, block]) => block ?? "");
const [BIG = "", EDITOR = "", SEED = "", GATEWAY = ""] = BLOCKS;

const ENV = { VERIFIER_MASTER_KEY: Buffer.alloc(32, 7).toString("base64"), INTEGURU_SIGNING_KEY: "x".repeat(32) };
const FILES = {
  "fiserv.pem": keyOf("fiserv").publicPem ?? "",
  "partner.pem": keyOf("rsa").publicPem ?? "",
  "directory.yaml": SEED,
};

describe("docs/configuration.md", () => {
  it("docs/configuration.md has four blocks: the configuration, the editor's line, the seed, the gateway", () => {
    expect(BLOCKS).to.have.length(4);
  });

  it("the documented configuration loads with the files and variables that it names", () => {
    const config = load(BIG, FILES, ENV);
    expect(config.realms.map(({ name }) => name)).to.deep.equal(["integuru", "clowk", "fiserv", "partner"]);
    expect(config.faces.map(({ name }) => name)).to.deep.equal(["integuru", "clowk", "fiserv"]);
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
