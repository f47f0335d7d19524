import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { expect } from "chai";
import { parse } from "yaml";
import { configuration, ROOT } from "../cli/harness.js";

// Validates configurations with their JSON Schema, as an editor does.

const validate = new Ajv({ allErrors: true, strict: true, strictRequired: false, allowUnionTypes: true }).compile(
  JSON.parse(readFileSync(join(ROOT, "docs/reference/configuration.schema.json"), "utf8")) as object,
);
const isGood = (text: string): boolean => validate(parse(text));

/** The configurations in documents: YAML blocks that have realms. */
const pages = readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".md"),
);
const shown = ["README.md", ...pages.map((name) => join("docs", name))].flatMap((name) =>
  Array.from(readFileSync(join(ROOT, name), "utf8").matchAll(/^```yaml\n([\s\S]*?)^```/gm), ([, block = ""]) => block)
    .filter((block) => /^realms:/m.test(block))
    .map((block) => [name, block] as const),
);

const SERVICE = `grpc: 127.0.0.1:50051
limits: { idle: 5m, body: 64KiB, batch: 10 }
realms:
  partner:
    algorithms: [ES256]
    issuer: https://issuer.example
    audience: null
    maxTokenLength: 600
    keys: [{ pemFile: ./partner.pem }]
  clowk: { preset: clowk }
  fiserv: { preset: fiserv, keys: [{ jwks: { keys: [] } }] }
  access: { preset: rfc9068, algorithms: [ES256], issuer: https://as.example, audience: api, keys: [{ pem: x }] }
`;
const GATEWAY = `http: 0.0.0.0:8080
upstream: unix:/run/verifier.sock
realms:
  clowk: { preset: clowk }
`;

describe("docs/reference/configuration.schema.json", () => {
  it("the schema accepts the configurations in documents", () => {
    expect(shown.map(([name]) => name)).to.include.members(["README.md", "docs/configuration.md"]);
    for (const [name, block] of shown)
      expect(isGood(block), `${name}: ${JSON.stringify(validate.errors)}`).to.equal(true);
  });

  for (const [what, text] of [
    [
      "the configuration of the command line's tests",
      configuration("log: { level: debug, calls: all }\ndrain: { delay: 0s }"),
    ],
    ["a service", SERVICE],
    ["a standalone gateway", GATEWAY],
    [
      "every long form",
      SERVICE.replace(
        "grpc: 127.0.0.1:50051",
        'grpc: { address: "[::1]:0" }\nhttp: { address: unix:/x, faces: { clowk: mine } }\nstore: { url: "sqlite:x", staleFor: 1d }',
      ),
    ],
    [
      "environment variables in place of texts",
      SERVICE.replace("127.0.0.1:50051", `"\${HOST}:1"`)
        .replace("idle: 5m", `idle: "\${IDLE}"`)
        .replace("[ES256]", `["\${ALG}"]`),
    ],
  ] as const) {
    it(`the schema accepts ${what}`, () => expect(isGood(text), JSON.stringify(validate.errors)).to.equal(true));
  }

  for (const [what, from, to] of [
    ["an unknown key", "grpc:", "grcp:"],
    ["an unknown key of a section", "batch:", "batches:"],
    ["an unknown key of a realm", "issuer:", "isuer:"],
    ["a realm without an issuer", "    issuer: https://issuer.example\n", ""],
    ["a realm without keys", "    keys: [{ pemFile: ./partner.pem }]\n", ""],
    ["an unknown preset", "preset: clowk", "preset: clock"],
    ["a key for a preset whose instances have their own", "preset: clowk }", "preset: clowk, keys: [{ secret: x }] }"],
    ["a preset without the keys that it needs", ", keys: [{ jwks: { keys: [] } }]", ""],
    ["access tokens without an audience", "https://as.example, audience: api", "https://as.example"],
    ["access tokens whose audience is not checked", "audience: api", "audience: null"],
    ["a setting of another preset", "preset: clowk", "preset: clowk, userClaim: x"],
    ["an algorithm that does not exist", "ES256", "ES257"],
    ["algorithms that are not a list", "[ES256]", "ES256"],
    ["an empty list of keys", "[{ pemFile: ./partner.pem }]", "[]"],
    ["two forms in one key", "{ pemFile:", "{ secret: x, pemFile:"],
    ["an unknown form of a key", "{ pemFile:", "{ pemfile:"],
    ["a port alone", "127.0.0.1:50051", "50051"],
    ["a duration without a unit", "idle: 5m", "idle: 300"],
    ["a duration in words", "idle: 5m", "idle: 5 minutes"],
    ["a size with a wrong unit", "64KiB", "64KB"],
    ["a number out of its limits", "batch: 10", "batch: 0"],
    ["a name of a realm with a space", "  partner:", "  the partner:"],
    ["missing realms", /realms:[\s\S]*/, ""],
    ["a store in a gateway", "grpc: 127.0.0.1:50051", "upstream: 127.0.0.1:1\nstore: sqlite:x"],
  ] as const) {
    it(`the schema refuses ${what}`, () => {
      const text = SERVICE.replace(from, to);
      expect(text).not.to.equal(SERVICE);
      expect(isGood(text)).to.equal(false);
    });
  }

  it("the schema refuses a setting of a service in a standalone gateway", () => {
    expect(isGood(GATEWAY.replace("preset: clowk", "preset: clowk, explain: anyone"))).to.equal(false);
  });

  it("the schema gives an editor the description and the default of a key", () => {
    const { else: core } = validate.schema as { else: { properties: Record<string, Record<string, any>> } };
    expect(core.properties["limits"]?.["properties"].idle).to.deep.include({
      description: "How long a connection may have no call, and a stream no message.",
      default: "5m",
    });
    expect(core.properties["store"]?.["default"]).to.deep.equal({ url: "sqlite:./data/verifier.db", staleFor: "1m" });
  });
});
