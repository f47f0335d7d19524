import { generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { VENDORS } from "../vendors/index.js";
import type { Vendor } from "../vendors/vendor.js";
import type { Config } from "../config/load.js";
import { PLACEHOLDERS, seedValues } from "./example-values.js";
import { mint } from "./mint.js";

// The newcomer's path: what `serve` makes for itself when nobody gave it a configuration.

/** Development keys, by the first letters of their algorithm: what is made, and in which files. */
const KEY_KINDS: Readonly<Record<string, { readonly entry: (name: string) => string; readonly files: (name: string) => Files }>> = {
  HS: {
    entry: (name) => `{ secretFile: ./${name}.key }`,
    files: (name) => ({ [`${name}.key`]: `${randomBytes(64).toString("hex")}\n` }),
  },
  RS: {
    entry: (name) => `{ pemFile: ./${name}.pem }`,
    files: (name) => {
      const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
      return {
        [`${name}.pem`]: publicKey.export({ type: "spki", format: "pem" }).toString(),
        [`${name}.private.pem`]: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      };
    },
  },
};

type Files = Readonly<Record<string, string>>;

/** A vendor's policy with nothing configured. */
const defaultPolicy = (vendor: Vendor) => vendor.policy(z.object(vendor.policySettings).parse({}));

const keyKind = (vendor: Vendor) => {
  const { keysOf, algorithms } = defaultPolicy(vendor);
  return keysOf === "realm" ? KEY_KINDS[algorithms[0]?.slice(0, 2) ?? ""] : undefined;
};

const configYaml = (): string => `# Made by \`token-verifier serve\` for development, with keys made on this machine.
# docs/configuration.md explains every key.
grpc: 127.0.0.1:50051
http: 127.0.0.1:8080
store: sqlite:./verifier.db
masterKeyFile: ./master.key
directory: ./directory.yaml
log: { format: pretty }

realms:
${VENDORS.map(realmYaml).join("")}`;

function realmYaml(vendor: Vendor): string {
  const { name } = vendor;
  const keys = keyKind(vendor);
  const lines = [
    `  ${name}:`,
    `    preset: ${name}`,
    ...(keys === undefined ? [] : [`    keys: [${keys.entry(name)}]`]),
    `    explain: ${defaultPolicy(vendor).callers}`,
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
    ...VENDORS.map((vendor) => keyKind(vendor)?.files(vendor.name) ?? {}),
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

/** One request for each face and one over gRPC, with tokens that are good for an hour. @param now milliseconds since 1970 */
export async function exampleRequests(
  config: Config,
  addresses: Readonly<Record<string, string>>,
  now: number,
): Promise<ExampleRequest[]> {
  const values = { ...(seedValues(config.directory) ?? PLACEHOLDERS), now: Math.floor(now / 1000) };
  const requests: ExampleRequest[] = [];
  let overGrpc: { realm: string; token: string } | undefined;
  for (const { realm, path } of config.faces) {
    const vendor = config.realms.find((one) => one.realm.name === realm)?.vendor;
    if (vendor === undefined) continue;
    const token = await mint(config, { realm, claim: [], expires: "1h" }, now);
    const { headers, body } = vendor.example.request(token, values);
    const args = Object.entries(headers).map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`);
    if (body !== undefined) args.push(`-d ${quote(body)}`);
    requests.push({
      title: `${vendor.name}: the vendor's endpoint`,
      command: `curl -i -X POST http://${addresses["http"] ?? ""}${path} ${args.join(" ")}`,
    });
    overGrpc ??= { realm, token };
  }
  requests.push({
    title: "gRPC, by reflection",
    command:
      `npx buf curl --protocol grpc --http2-prior-knowledge -d ${quote(JSON.stringify(overGrpc))} ` +
      `http://${addresses["grpc"] ?? ""}/tokenverifier.v1.TokenVerifier/VerifyToken`,
  });
  return requests;
}

/** A text as one word of a POSIX shell. */
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
