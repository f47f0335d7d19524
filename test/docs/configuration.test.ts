import { readFileSync } from "node:fs";
import { expect } from "chai";
import { parse } from "yaml";
import type { z } from "zod";
import { coreSchema, gatewaySchema, genericSchema, keyForms, presetSchemas } from "../../src/config/schema.js";
import { readSeed } from "../../src/directory/seed.js";
import { load, loadGateway } from "../config/harness.js";
import { keyOf } from "../support/keys.js";

// docs/configuration.md against the schema: what one knows, the other knows.

const TEXT = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
const BLOCKS = Array.from(TEXT.matchAll(/^```yaml\n([\s\S]*?)^```/gm), ([, block]) => block ?? "");
const [BIG = "", SEED = "", GATEWAY = ""] = BLOCKS;
const DOCUMENTED = parse(BIG) as Record<string, unknown> & { realms: Record<string, Record<string, unknown>> };

const ENV = { VERIFIER_MASTER_KEY: Buffer.alloc(32, 7).toString("base64"), INTEGURU_SIGNING_KEY: "x".repeat(32) };
const FILES = {
  "fiserv.pem": keyOf("fiserv").publicPem ?? "",
  "partner.pem": keyOf("rsa").publicPem ?? "",
  "directory.yaml": SEED,
};

/** The mapping that a schema stands for, under defaults, alternatives and the like; undefined where it is none. */
function shapeOf(schema: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> | undefined {
  const def = schema._zod.def as {
    shape?: Record<string, z.core.$ZodType>;
    innerType?: z.core.$ZodType;
    in?: z.core.$ZodType;
    options?: z.core.$ZodType[];
  };
  if (def.shape !== undefined) return def.shape;
  if (def.innerType !== undefined) return shapeOf(def.innerType);
  if (def.in !== undefined) return shapeOf(def.in);
  const shapes = (def.options ?? []).map(shapeOf).filter((shape) => shape !== undefined);
  return shapes.length === 0 ? undefined : Object.assign({}, ...shapes);
}

/** All keys that a schema admits, each with its place. */
function keysOf(schema: z.core.$ZodType, place = ""): string[] {
  return Object.entries(shapeOf(schema) ?? {}).flatMap(([name, inner]) => [
    `${place}${name}`,
    ...keysOf(inner, `${place}${name}.`),
  ]);
}

/** All keys of a value, each with its place. */
function keysIn(value: unknown, place = ""): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) => [`${place}${name}`, ...keysIn(inner, `${place}${name}.`)]);
}

describe("docs/configuration.md", () => {
  it("has the three blocks: the configuration, the seed, the gateway", () => expect(BLOCKS).to.have.length(3));

  it("its big block loads as it stands, with the files and variables that it names", () => {
    const config = load(BIG, FILES, ENV);
    expect(config.realms.map(({ realm }) => realm.name)).to.deep.equal(["integuru", "clowk", "fiserv", "partner"]);
    expect(config.faces.map(({ name }) => name)).to.deep.equal(["integuru", "clowk", "fiserv"]);
  });

  it("the values that it shows are the defaults, for all that has one", () => {
    const told = load(BIG, FILES, ENV);
    const { realms } = DOCUMENTED;
    const bare = load(
      `grpc: 127.0.0.1:50051\nmasterKeyFile: ./master.key\nrealms:\n  integuru: { preset: integuru, keys: [{ secret: ${"x".repeat(32)} }] }\n` +
        "  clowk: { preset: clowk }\n  fiserv: { preset: fiserv, keys: [{ pemFile: ./fiserv.pem }] }\n" +
        `  partner: { algorithms: [RS256], issuer: null, audience: null, keys: [{ pemFile: ./partner.pem }] }\n`,
      { ...FILES, "master.key": ENV.VERIFIER_MASTER_KEY },
    );
    for (const name of ["log", "limits", "failures", "trustedProxies", "cache", "drain"] as const) {
      expect(told[name], name).to.deep.equal(bare[name]);
    }
    expect(told.store.staleFor).to.equal(bare.store.staleFor);
    expect(told.store.url.endsWith("/data/verifier.db") && bare.store.url.endsWith("/data/verifier.db")).to.equal(true);
    const settings = (config: typeof told, name: string) => config.realms.find(({ realm }) => realm.name === name);
    for (const name of ["integuru", "clowk", "fiserv"]) {
      expect(settings(told, name)?.settings, name).to.deep.equal(settings(bare, name)?.settings);
      expect(settings(told, name)?.realm.policy.explain, name).to.equal(settings(bare, name)?.realm.policy.explain);
    }
    // What the realm `partner` shows as an example and not as its default.
    const examples = ["algorithms", "issuer", "audience", "typ", "requiredClaims", "claims", "maxLifetime"];
    for (const key of Object.keys(realms["partner"] ?? {})) {
      if (key === "keys" || examples.includes(key)) continue;
      expect(settings(told, "partner")?.settings[key], key).to.deep.equal(settings(bare, "partner")?.settings[key]);
    }
  });

  it("names every key of the schema, and none that does not exist", () => {
    const documented = keysIn({ ...DOCUMENTED, realms: {} });
    // Keys that stand in prose or in a comment beside the block's own form.
    const elsewhere: Record<string, RegExp> = {
      "grpc.address": /long form \{address, faces, tls\}/,
      "admin.address": /long form \{address, faces, tls\}/,
      "metrics.address": /long form \{address, faces, tls\}/,
      "http.address": /long form \{address, faces, tls\}/,
      ...Object.fromEntries(
        ["grpc", "http", "admin", "metrics"].flatMap((port) =>
          ["tls", "tls.certFile", "tls.keyFile", "tls.clientCaFile"].map((key) => [
            `${port}.${key}`,
            /\*\*tls\*\*, at grpc, http, admin and metrics: `\{ certFile, keyFile, clientCaFile \}`/,
          ]),
        ),
      ),
      "http.faces": /\*\*http\.faces\*\*/,
      "store.url": /long form \{url, staleFor: 60s\}/,
      "store.staleFor": /\*\*store\.staleFor\*\*/,
      masterKeyFile: /or masterKeyFile: FILE/,
      masterKeys: /or masterKeys: \[current, previous, \.\.\.\]/,
    };
    const known = keysOf(coreSchema);
    expect(documented.filter((key) => !known.includes(key))).to.deep.equal([]);
    expect(known.filter((key) => !documented.includes(key) && elsewhere[key]?.test(TEXT) !== true)).to.deep.equal([]);
  });

  it("names every key of a realm, and none that does not exist", () => {
    const { partner, ...presets } = DOCUMENTED.realms;
    const known = Object.keys(genericSchema.shape);
    expect(Object.keys(partner ?? {}).sort()).to.deep.equal(known.sort());
    for (const [name, realm] of Object.entries(presets)) {
      const keys = Object.keys(presetSchemas.get(name)?.shape ?? {}).filter(
        (key) => name !== "clowk" || key !== "keys",
      );
      expect(Object.keys(realm).sort(), name).to.deep.equal(keys.sort());
    }
    expect(Object.keys(presets).sort()).to.deep.equal([...presetSchemas.keys()].sort());
  });

  it("names every form of a key, and none that does not exist", () => {
    const table = TEXT.slice(TEXT.indexOf("| form |"), TEXT.indexOf("with `alg` and `kid`"));
    const told = Array.from(table.matchAll(/^\| ([^|]*) \|/gm), ([, cell = ""]) =>
      Array.from(cell.matchAll(/`(\w+)`/g), ([, name]) => name),
    ).flat();
    expect(told).to.have.members(Object.keys(keyForms));
  });

  it("names every key of a gateway's configuration", () => {
    const told = [
      ...Object.keys(parse(GATEWAY) as object),
      ...(/^`limits`, `log`, `drain`, `metrics` and `trustedProxies` are as above/m.test(TEXT)
        ? ["limits", "log", "drain", "metrics", "trustedProxies"]
        : []),
    ];
    expect([...new Set(told)].sort()).to.deep.equal(Object.keys(gatewaySchema.shape).sort());
    expect(loadGateway(GATEWAY).faces).to.have.length(3);
  });

  it("says of every key whether it takes effect at a start only", () => {
    const [, told = ""] = /These take effect at a start only: ([^;]*);/.exec(TEXT) ?? [];
    const known = Object.keys(coreSchema.shape).filter(
      (key) => !["realms", "masterKeyFile", "masterKeys"].includes(key),
    );
    expect(Array.from(told.matchAll(/`(\w+)`/g), ([, name]) => name)).to.have.members(known);
    const alone = Object.keys(gatewaySchema.shape).filter((key) => !(key in coreSchema.shape));
    expect(TEXT).to.include(`on a gateway on its own, \`${alone.join("`, `")}\` too`);
  });

  it("shows a seed that can be read", () => expect(readSeed(SEED)).to.have.length(3));

  it("lists what every choice may be", () => {
    for (const word of [
      "trace",
      "debug",
      "info",
      "warn",
      "error",
      "fatal",
      "silent",
      "json",
      "pretty",
      "none",
      "rejected",
      "all",
      "anyone",
      "instances",
      "clients",
      "directory",
      "token",
    ]) {
      expect(TEXT, word).to.match(new RegExp(`\\b${word}\\b`));
    }
    const ignorable = (
      genericSchema.shape.ignoreHeaders._zod.def.innerType as unknown as { element: { options: readonly string[] } }
    ).element.options;
    expect(BIG).to.include(ignorable.join(", "));
  });
});
