import { generateKeyPairSync, type KeyPairKeyObjectResult, randomBytes, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { CommandError } from "../cli/errors.js";
import { mint } from "../cli/token/mint.js";
import type { Config } from "../config/load.js";
import type { Algorithm } from "../jws/algorithms.js";
import { VENDORS } from "../vendors/index.js";
import type { Vendor } from "../vendors/vendor.js";
import { PLACEHOLDERS, seedValues } from "./example-values.js";

// The newcomer's path: what `serve` makes for itself when nobody gave it a configuration.

type Files = Readonly<Record<string, string>>;

/** Key pairs for development, by the algorithms that they are for. */
const KEY_PAIRS: Readonly<Partial<Record<Algorithm, () => KeyPairKeyObjectResult>>> = {
  RS256: rsaPair,
  RS384: rsaPair,
  RS512: rsaPair,
  PS256: rsaPair,
  PS384: rsaPair,
  PS512: rsaPair,
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  ES384: () => generateKeyPairSync("ec", { namedCurve: "P-384" }),
  ES512: () => generateKeyPairSync("ec", { namedCurve: "P-521" }),
  EdDSA: () => generateKeyPairSync("ed25519"),
};

function rsaPair(): KeyPairKeyObjectResult {
  return generateKeyPairSync("rsa", { modulusLength: 2048 });
}

/** What the realm of a vendor's preset has for keys, and the files that hold them; nothing where instances bring theirs. */
function developmentKeys({
  name,
  keysOf,
  algorithms,
}: Vendor): { readonly entry: string; readonly files: () => Files } | undefined {
  if (keysOf === "instance") return undefined;
  const pair = algorithms[0] && KEY_PAIRS[algorithms[0]];
  if (pair === undefined) {
    return {
      entry: `{ secretFile: ./${name}.key }`,
      files: () => ({ [`${name}.key`]: `${randomBytes(64).toString("hex")}\n` }),
    };
  }
  const files = (): Files => {
    const { publicKey, privateKey } = pair();
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

/** The folder that `serve` makes for itself where it is given no configuration. */
export const DEVELOPMENT_FOLDER = "data";

/** The file of the development configuration within its folder. */
export const DEVELOPMENT_FILE = "verifier.yaml";

/**
 * Makes a development folder where there is none: a configuration, keys, a directory with an instance, a user and a
 * client. What is there is left as it is.
 *
 * @returns the configuration's file, and whether anything was made
 */
export function prepareDevelopment(folder: string): { readonly file: string; readonly made: boolean } {
  const file = path.join(folder, DEVELOPMENT_FILE);
  if (existsSync(file)) return { file, made: false };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const groups: readonly Files[] = [
    { "master.key": `${randomBytes(32).toString("base64")}\n` },
    ...VENDORS.map((vendor) => developmentKeys(vendor)?.files() ?? {}),
    { "directory.yaml": directoryYaml() },
    // Last: a folder with a configuration in it is whole.
    { [DEVELOPMENT_FILE]: configYaml() },
  ];
  for (const group of groups) {
    // The halves of a key pair are made together, or left as they are.
    if (Object.keys(group).every((name) => existsSync(path.join(folder, name)))) continue;
    for (const [name, text] of Object.entries(group)) writeFileSync(path.join(folder, name), text, { mode: 0o600 });
  }
  return { file, made: true };
}

/** A request that works, ready to paste as one line. */
export interface ExampleRequest {
  readonly title: string;
  readonly command: string;
}

/**
 * One request for each face and one over gRPC, with tokens that are good for an hour. A realm for which no token can be
 * made is left out.
 *
 * @param now milliseconds since 1970
 */
export async function exampleRequests(
  config: Config,
  addresses: Readonly<Record<string, string>>,
  now: number,
): Promise<ExampleRequest[]> {
  const values = { ...(seedValues(config.directory) ?? PLACEHOLDERS), now: Math.floor(now / 1000) };
  const requests: ExampleRequest[] = [];
  const tokens = new Map<string, string>();
  for (const { name } of config.realms) {
    try {
      tokens.set(name, await mint(config, { realm: name, claim: [], expires: "1h" }, now));
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
    }
  }
  for (const { realm, path } of config.faces) {
    const vendor = config.realms.find(({ name }) => name === realm)?.vendor;
    const token = tokens.get(realm);
    if (vendor === undefined || token === undefined || addresses["http"] === undefined) continue;
    const { headers, body } = vendor.example.request(token, values);
    const args = Object.entries(headers).map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`);
    if (body !== undefined) args.push(`-d ${quote(body)}`);
    requests.push({
      title: `${vendor.name}: the vendor's endpoint`,
      command: `curl -i -X POST http://${addresses["http"]}${path} ${args.join(" ")}`,
    });
  }
  const open = config.realms.find(({ name, callers }) => callers === "anyone" && tokens.has(name))?.name;
  if (open !== undefined && addresses["grpc"] !== undefined) {
    const data = JSON.stringify({ realm: open, token: tokens.get(open) });
    requests.push({
      title: "gRPC, by reflection",
      command:
        `npx buf curl --protocol grpc --http2-prior-knowledge -d ${quote(data)} ` +
        `http://${addresses["grpc"]}/tokenverifier.v1.TokenVerifier/VerifyToken`,
    });
  }
  return requests;
}

/** A text as one word of a POSIX shell. */
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
