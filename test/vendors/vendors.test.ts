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

// What every vendor must have, and that a new one needs only its own file.

const duplicates = <T>(items: readonly T[]): T[] => items.filter((item, index) => items.indexOf(item) !== index);

/** The settings that every preset has. */
const COMMON = ["preset", "maxTokenLength", "explain", "keys"];

/** A test key's name for an algorithm. */
function keyFor(algorithm: Algorithm): string {
  const curves: Partial<Record<Algorithm, string>> = { ES256: "p256", ES384: "p384", ES512: "p521", EdDSA: "ed25519" };
  return curves[algorithm] ?? "rsa";
}

/** A configuration of this vendor's preset and nothing more. */
function presetAlone({ name, keysOf, algorithms: [algorithm = "HS256"] }: Vendor): string {
  const key = algorithm.startsWith("HS")
    ? `{ secret: "${secretOf("integuru")}" }`
    : `{ pem: ${JSON.stringify(keyOf(keyFor(algorithm)).publicPem)} }`;
  const keys = keysOf === "instance" ? "" : `, keys: [${key}]`;
  return `masterKey: ${Buffer.alloc(32, 1).toString("base64")}\nrealms:\n  ${name}: { preset: ${name}${keys} }\n`;
}

const fileOf = (text: string): string => join(folderWith({ "verifier.yaml": text }), "verifier.yaml");

describe("vendors", () => {
  it("have unique names that a configuration can use", () => {
    const names = TEST_VENDORS.map(({ name }) => name);
    expect(duplicates(names)).to.deep.equal([]);
    for (const name of names) expect(name).to.match(/^[a-z][a-z0-9-]*$/);
    // A row of test/cases/rows.yaml that begins with this word belongs to none of them.
    expect(names).not.to.include("everything");
  });

  it("have unique paths of plain characters", () => {
    expect(duplicates(TEST_VENDORS.map(({ path }) => path.toLowerCase()))).to.deep.equal([]);
    for (const { path } of TEST_VENDORS) expect(path).to.match(/^(\/[A-Za-z0-9._-]+)+$/);
  });

  it("have a file each, named like the vendor, and an entry in the list", () => {
    const files = readdirSync(new URL("../../src/vendors/", import.meta.url));
    const others = ["index.ts", "vendor.ts"];
    expect(files.filter((file) => !others.includes(file))).to.have.members(VENDORS.map(({ name }) => `${name}.ts`));
  });

  for (const vendor of TEST_VENDORS) {
    const { name, policySettings, faceSettings, keysOf, callers } = vendor;
    describe(name, () => {
      it("has settings with names that no other setting has", () => {
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

      it("has a default and a sentence for each setting", () => {
        for (const schema of [z.object(policySettings), z.object(faceSettings)]) {
          expect(schema.safeParse({}).success).to.equal(true);
          for (const [key, setting] of Object.entries(schema.shape)) {
            expect((setting as z.ZodType).description, key).to.match(/^\S.*\.$/);
          }
        }
      });

      it("can be configured by its name and its keys alone", () => {
        const config = loadConfig(fileOf(presetAlone(vendor)), { env: {}, vendors: [vendor] });
        expect(config.faces.map((face) => [face.name, face.path, face.realm])).to.deep.equal([
          [name, vendor.path, name],
        ]);
        expect(config.realms[0]).to.include({ callers, keysOf, maxTokenLength: vendor.maxTokenLength });
      });

      it("takes the keys of instances from instances alone", () => {
        if (keysOf === "instance") expect(callers).to.equal("instances");
      });

      it("has a realm in verifier-other.yaml with every setting at another value, and a case with them in other-settings.yaml", () => {
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

      it("has cases for what every face can meet", () => {
        const rows = new Set(readCases().flatMap(({ covers }) => covers));
        for (const row of ["429", "500", "503"]) expect(rows).to.include(`${name} ${row}`);
        expect([...readRows().keys()].filter((row) => row.startsWith(`${name} `))).not.to.deep.equal([]);
        const own = readCases().filter(({ file }) => file === name);
        expect(own.some(({ rest, grpc }) => rest !== undefined && grpc !== undefined)).to.equal(true);
      });
    });
  }
});

describe("a vendor's example", () => {
  let deployment: Deployment;
  before(async () => {
    deployment = await deploy("verifier.yaml");
    // Where `mint` looks for them.
    for (const { name, publicPem, signer } of KEYS.values()) {
      if (publicPem === undefined) continue;
      const pem = signer.export({ type: "pkcs8", format: "pem" });
      writeFileSync(join(deployment.folder.path, `${name}.private.pem`), pem);
    }
  });
  after(() => deployment.close());

  for (const vendor of TEST_VENDORS) {
    it(`of ${vendor.name} is a token that its policy verifies, in a request that its face answers`, async () => {
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

describe("a configuration with one vendor more", () => {
  const text = configurationWith("verifier.yaml", "");

  it("has its preset and its face", async () => {
    const deployment = await deploy(text);
    try {
      expect(deployment.config.faces.map(({ name }) => name)).to.deep.equal(TEST_VENDORS.map(({ name }) => name));
    } finally {
      await deployment.close();
    }
  });

  const acme = "realms:\n  acme: { preset: acme }\n";

  it("is refused if there is no such vendor, and says which there are", () => {
    const there = VENDORS.map(({ name }) => name).join(", ");
    const is = `realms.acme.preset: must be one of ${there}; leave it out for a realm of any other issuer`;
    expect(wrongs(() => loadConfig(fileOf(acme), { env: {} }))).to.deep.equal([is]);
    expect(wrongs(() => loadConfig(fileOf(acme), { env: {}, vendors: TEST_VENDORS }))[0]).not.to.equal(is);
  });

  it("is good for a gateway on its own", () => {
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
