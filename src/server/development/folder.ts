import { generateKeyPairSync, type KeyPairKeyObjectResult, randomBytes, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ALGORITHMS, type AlgorithmRow } from "../../jws/algorithms.js";
import { VENDORS } from "../../vendors/index.js";
import type { Vendor } from "../../vendors/vendor.js";

// The folder that `serve` makes when it is started without a configuration.

/** Text of files, by name. */
type FileTexts = Readonly<Record<string, string>>;

/** Makes a key pair for development. @param keyType not that of a secret */
function keyPair({ keyType, curve }: AlgorithmRow): KeyPairKeyObjectResult {
  if (keyType === "rsa") return generateKeyPairSync("rsa", { modulusLength: 2048 });
  if (curve !== undefined) return generateKeyPairSync("ec", { namedCurve: curve });
  // @types/node describes Node 22, which does not have ML-DSA.
  return generateKeyPairSync(keyType as "ed25519");
}

/** The `keys` entry of a vendor's realm and the files that it names; undefined if instances sign. */
function developmentKeys({
  name,
  keysOf,
  algorithms,
}: Vendor): { readonly entry: string; readonly files: () => FileTexts } | undefined {
  if (keysOf === "instance") return undefined;
  const [algorithm = "HS256"] = algorithms;
  const row: AlgorithmRow = ALGORITHMS[algorithm];
  if (row.keyType === "secret") {
    return {
      entry: `{ secretFile: ./${name}.key }`,
      files: () => ({ [`${name}.key`]: `${randomBytes(64).toString("hex")}\n` }),
    };
  }
  const files = (): FileTexts => {
    const { publicKey, privateKey } = keyPair(row);
    return {
      [`${name}.pem`]: publicKey.export({ type: "spki", format: "pem" }).toString(),
      [`${name}.private.pem`]: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    };
  };
  return { entry: `{ pemFile: ./${name}.pem }`, files };
}

const configYaml = (): string => `# Made by \`token-verifier serve\` for development, with keys made on this machine.
# docs/configuration.md explains how; docs/reference/configuration.md has every key.
grpc: 127.0.0.1:50051
http: { address: 127.0.0.1:8080, rpc: [${VENDORS.map(({ name }) => name).join(", ")}] }
store: sqlite:./verifier.db
masterKeyFile: ./master.key
directory: ./directory.yaml
log: { format: pretty }
drain: { delay: 0s }

realms:
${VENDORS.map(realmYaml).join("")}`;

function realmYaml(vendor: Vendor): string {
  const { name, callers } = vendor;
  const keys = developmentKeys(vendor);
  const lines = [
    `  ${name}:`,
    `    preset: ${name}`,
    ...(keys === undefined ? [] : [`    keys: [${keys.entry}]`]),
    `    explain: ${callers}`,
  ];
  return `${lines.join("\n")}\n`;
}

const directoryYaml = (): string => `# The seed of the directory: loaded once, into an empty store.
instances:
  - id: inst_dev
    appId: app_dev
    secretKeys: [sk_dev_${randomBytes(24).toString("hex")}]
    users:
      - { id: ${randomUUID()}, email: jane@example.com, name: Jane Doe, avatarUrl: "https://example.com/jane.png", provider: google }
clients:
  - { clientId: vision-api-user, clientSecret: ${randomBytes(24).toString("hex")} }
`;

/** Name of the development folder, in the working directory. */
export const DEVELOPMENT_FOLDER = "data";

/** Name of the development configuration in its folder. */
export const DEVELOPMENT_FILE = "verifier.yaml";

/**
 * Makes a development folder: a configuration, keys, and a directory with an instance, a user and a client. Existing
 * files stay as they are.
 *
 * @returns the configuration's file, and whether this call made it
 */
export function prepareDevelopment(folder: string): { readonly file: string; readonly made: boolean } {
  const file = path.join(folder, DEVELOPMENT_FILE);
  if (existsSync(file)) return { file, made: false };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const groups: readonly FileTexts[] = [
    { "master.key": `${randomBytes(32).toString("base64")}\n` },
    ...VENDORS.map((vendor) => developmentKeys(vendor)?.files() ?? {}),
    { "directory.yaml": directoryYaml() },
    // Last, so that a folder with a configuration is complete.
    { [DEVELOPMENT_FILE]: configYaml() },
  ];
  for (const group of groups) {
    // Both halves of a key pair are made together, or neither.
    if (Object.keys(group).every((name) => existsSync(path.join(folder, name)))) continue;
    for (const [name, text] of Object.entries(group)) writeFileSync(path.join(folder, name), text, { mode: 0o600 });
  }
  return { file, made: true };
}
