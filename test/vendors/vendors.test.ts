import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { expect } from "chai";
import { parse } from "yaml";
import { z } from "zod";
import { mint } from "../../src/cli/mint.js";
import { loadConfig, loadGatewayConfig } from "../../src/config/load.js";
import { facePresetSchema, genericSchema, presetSchema } from "../../src/config/realm-forms.js";
import type { Algorithm } from "../../src/jws/algorithms.js";
import { seedValues } from "../../src/server/development/values.js";
import { VENDORS } from "../../src/vendors/index.js";
import type { Vendor } from "../../src/vendors/vendor.js";
import { folderWith, wrongs } from "../config/harness.js";
import { readCases, readRows } from "../support/cases.js";
import { NOW } from "../support/clock.js";
import { configurationWith, type Deployment, deploy } from "../support/deployment.js";
import { exchange } from "../support/http.js";
import { KEYS, keyOf, secretOf } from "../support/keys.js";
import { exampleRequest, TEST_VENDORS } from "../support/vendors.js";

// Requirements on every vendor, and a check that a new vendor needs only its own file.

const duplicates = <T>(items: readonly T[]): T[] => items.filter((item, index) => items.indexOf(item) !== index);

/** The settings that every preset has. */
const COMMON = ["preset", "maxTokenLength", "explain", "watch", "staleFor", "keys"];

/** Returns the name of a test key for an algorithm. */
function keyFor(algorithm: Algorithm): string {
  const curves: Partial<Record<Algorithm, string>> = { ES256: "p256", ES384: "p384", ES512: "p521", EdDSA: "ed25519" };
  return curves[algorithm] ?? "rsa";
}

/** Returns a configuration with only this vendor's preset. */
function presetAlone({ name, keysOf, algorithms: [algorithm = "HS256"] }: Vendor): string {
  const key = algorithm.startsWith("HS")
    ? `{ secret: "${secretOf("integuru")}" }`
    : `{ pem: ${JSON.stringify(keyOf(keyFor(algorithm)).publicPem)} }`;
  const keys = keysOf === "instance" ? "" : `, keys: [${key}]`;
  return `masterKey: ${Buffer.alloc(32, 1).toString("base64")}\nrealms:\n  ${name}: { preset: ${name}${keys} }\n`;
}

const fileOf = (text: string): string => join(folderWith({ "verifier.yaml": text }), "verifier.yaml");

describe("vendors", () => {
  it("vendors have unique names that a configuration can use", () => {
    const names = TEST_VENDORS.map(({ name }) => name);
    expect(duplicates(names)).to.deep.equal([]);
    for (const name of names) expect(name).to.match(/^[a-z][a-z0-9-]*$/);
    // A row of test/cases/rows.yaml that begins with this word belongs to no vendor.
    expect(names).not.to.include("everything");
  });

  it("vendors have unique paths of plain characters", () => {
    expect(duplicates(TEST_VENDORS.map(({ path }) => path.toLowerCase()))).to.deep.equal([]);
    for (const { path } of TEST_VENDORS) expect(path).to.match(/^(\/[A-Za-z0-9._-]+)+$/);
  });

  it("each vendor has a file with its name and an entry in the list", () => {
    const files = readdirSync(new URL("../../src/vendors/", import.meta.url));
    const others = ["index.ts", "vendor.ts"];
    expect(files.filter((file) => !others.includes(file))).to.have.members(VENDORS.map(({ name }) => `${name}.ts`));
  });

  for (const vendor of TEST_VENDORS) {
    const { name, policySettings, faceSettings, keysOf, callers } = vendor;
    describe(name, () => {
      it("a vendor's settings have names that no other setting has", () => {
        const own = [...Object.keys(policySettings), ...Object.keys(faceSettings)];
        expect(duplicates([...own, ...COMMON])).to.deep.equal([]);
        expect(own.filter((key) => key in genericSchema.shape)).to.deep.equal([]);
        expect(Object.keys(presetSchema(vendor).shape)).to.have.members([...own, ...COMMON]);
        expect(Object.keys(facePresetSchema(vendor).shape)).to.have.members([
          ...Object.keys(faceSettings),
          "preset",
          "maxTokenLength",
        ]);
      });

      it("each of a vendor's settings has a default and a sentence", () => {
        for (const schema of [z.object(policySettings), z.object(faceSettings)]) {
          expect(schema.safeParse({}).success).to.equal(true);
          for (const [key, setting] of Object.entries(schema.shape)) {
            expect((setting as z.ZodType).description, key).to.match(/^\S.*\.$/);
          }
        }
      });

      it("a vendor can be configured with only its name and its keys", () => {
        const config = loadConfig(fileOf(presetAlone(vendor)), { env: {}, vendors: [vendor] });
        expect(config.faces.map((face) => [face.name, face.path, face.realm])).to.deep.equal([
          [name, vendor.path, name],
        ]);
        expect(config.realms[0]).to.include({ callers, keysOf, maxTokenLength: vendor.maxTokenLength });
      });

      it("a vendor with instance keys has instances as its callers", () => {
        if (keysOf === "instance") expect(callers).to.equal("instances");
      });

      it("verifier-other.yaml sets every setting of a vendor to another value, and other-settings.yaml has a case with them", () => {
        const { realms } = parse(configurationWith("verifier-other.yaml", "")) as { realms: Record<string, object> };
        const own = Object.values(realms).filter((realm) => (realm as { preset?: string }).preset === name);
        expect(own, `realms with preset: ${name}`).not.to.deep.equal([]);
        const usual = z.object({ ...policySettings, ...faceSettings }).parse({}) as Record<string, unknown>;
        const defaults: Record<string, unknown> = { ...usual, maxTokenLength: vendor.maxTokenLength };
        for (const [key, value] of Object.entries(defaults)) {
          const others = own.filter((realm) => key in realm && !isDeepStrictEqual(realm[key as never], value));
          expect(others, `${key} at another value than its default`).not.to.deep.equal([]);
        }
        const asked = readCases().filter(
          ({ file, rest }) => file === "other-settings" && rest?.request.target === vendor.path,
        );
        expect(asked, `a case of ${vendor.path}`).not.to.deep.equal([]);
      });

      it("a vendor has cases for the outcomes that every face can meet", () => {
        const rows = new Set(readCases().flatMap(({ covers }) => covers));
        for (const row of ["429", "500", "503"]) expect(rows).to.include(`${name} ${row}`);
        const ownRows = [...readRows().keys()].filter((row) => row.startsWith(`${name} `));
        expect(ownRows, `rows of ${name} in rows.yaml`).not.to.deep.equal([]);
        const own = readCases().filter(({ file }) => file === name);
        const isBoth = own.some(({ rest, grpc }) => rest !== undefined && grpc !== undefined);
        expect(isBoth, `a case of ${name} with an answer and an outcome`).to.equal(true);
      });
    });
  }
});

describe("a vendor's example", () => {
  let deployment: Deployment;
  before(async () => {
    deployment = await deploy("verifier.yaml");
    // `mint` looks for private keys in this folder.
    for (const { name, publicPem, signer } of KEYS.values()) {
      if (publicPem === undefined) continue;
      const pem = signer.export({ type: "pkcs8", format: "pem" });
      writeFileSync(join(deployment.folder.path, `${name}.private.pem`), pem);
    }
  });
  after(() => deployment.close());

  for (const vendor of TEST_VENDORS) {
    it(`the example of ${vendor.name} is a token that its policy verifies, in a request that its face answers`, async () => {
      const { config, inProcess } = deployment;
      const values = { ...seedValues(config.directory), now: NOW / 1000 };
      const ask = async (...claim: string[]): Promise<{ status: number; body: string }> => {
        const token = await mint(config, { realm: vendor.name, claim, expires: "1h" }, NOW);
        const { status, body } = await exchange(inProcess, exampleRequest(vendor, token, values));
        return { status, body };
      };
      const good = await ask();
      expect(good.status, good.body).to.equal(200);
      expect(await ask("exp=1")).not.to.deep.equal(good);
    });
  }
});

describe("a configuration with an additional vendor", () => {
  const text = configurationWith("verifier.yaml", "");

  it("a configuration with an additional vendor has its preset and its face", async () => {
    const deployment = await deploy(text);
    try {
      expect(deployment.config.faces.map(({ name }) => name)).to.deep.equal(TEST_VENDORS.map(({ name }) => name));
    } finally {
      await deployment.close();
    }
  });

  const acme = "realms:\n  acme: { preset: acme }\n";

  it("a configuration with an unknown vendor is refused, and the error lists the known ones", () => {
    const there = VENDORS.map(({ name }) => name).join(", ");
    const is = `realms.acme.preset: must be one of ${there}, rfc9068; leave it out for a realm of any other issuer`;
    expect(wrongs(() => loadConfig(fileOf(acme), { env: {} }))).to.deep.equal([is]);
    expect(wrongs(() => loadConfig(fileOf(acme), { env: {}, vendors: TEST_VENDORS }))[0]).not.to.equal(is);
  });

  it("a gateway's configuration may have an additional vendor", () => {
    const gateway = fileOf(
      `http: { address: 127.0.0.1:0, faces: { acme: other } }\nupstream: 127.0.0.1:1\n${acme.replace("acme:", "other:")}`,
    );
    const { faces } = loadGatewayConfig(gateway, { env: {}, vendors: TEST_VENDORS });
    expect(faces.map(({ name, realm }) => [name, realm])).to.deep.equal([["acme", "other"]]);
    expect(wrongs(() => loadGatewayConfig(gateway, { env: {} }))).to.include(
      `http.faces.acme: is not a vendor's face: there are ${VENDORS.map(({ name }) => name).join(", ")}`,
    );
  });
});
