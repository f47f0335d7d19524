import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Issuer } from "./issuer.js";

// The configurations of a run, and the directory that it begins with.

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

/** The key that signs Fiserv's tokens, and its public half. */
export const FISERV_KEY: KeyObject = privateKey;
export const FISERV_PEM = publicKey.export({ type: "spki", format: "pem" }).toString();

/** The secret that signs Integuru's tokens. */
export const INTEGURU_SECRET = "a-secret-of-the-chaos-run-with-32-bytes";

/** The master keys, of which the second takes the first one's place in a rotation. */
export const MASTER_KEYS = ["first chaos key ", "second chaos key"].map((text) =>
  Buffer.alloc(32, text).toString("base64"),
);

/** The number of Clowk's instances, and of users of each. */
export const INSTANCES = 4;
const USERS = 25;

/** The client of the realm `fiserv`. */
export const CLIENT = { clientId: "chaos-client", clientSecret: "a-secret-of-the-chaos-run" };

/** What changes of users and secrets concern, and the good tokens of a run do not. */
export const RESERVED = {
  usersOf: [0],
  users: [20, 21, 22, 23, 24],
  instance: INSTANCES - 1,
  client: { clientId: "chaos-client-that-changes", clientSecret: "another-secret-of-the-chaos-run-0" },
} as const;

/** The id, secret keys and users of the directory. */
export const instanceId = (instance: number): string => `chaos_${instance}`;
export const secretKeyOf = (instance: number): string => `sk_live_of_the_chaos_run_${instance}`;
export const userId = (user: number): string => `00000000-0000-4000-8000-${String(user).padStart(12, "0")}`;
export const emailOf = (instance: number, user: number, version = 0): string =>
  `user${user}.${version}@instance${instance}.example`;

/** Writes the seed, and returns its file. */
export function writeSeed(folder: string): string {
  const instances = Array.from({ length: INSTANCES }, (_, instance) => ({
    id: instanceId(instance),
    appId: "app_chaos",
    secretKeys: [secretKeyOf(instance)],
    users: Array.from({ length: USERS }, (_none, user) => ({
      id: userId(user),
      email: emailOf(instance, user),
      name: `User ${user}`,
      provider: "google",
    })),
  }));
  const file = join(folder, "directory.yaml");
  // JSON is YAML too.
  writeFileSync(file, JSON.stringify({ instances, clients: [CLIENT, RESERVED.client] }));
  return file;
}

/** What a replica's configuration says. */
export interface ReplicaConfig {
  readonly grpc: string;
  readonly http: string;
  readonly metrics: string;
  readonly store: string;
  readonly staleFor: number;
  readonly workers: number;
  readonly masterKeys: readonly string[];
  readonly seed: string;
  readonly issuer: Issuer;
}

/** Failures of credentials are part of the load, and must not shut it out. */
const NO_SHUT_OUT = "failures: { perClient: 1000000/1m, perAddress: 1000000/1m }";

/** Returns a replica's configuration. */
export function configOf(config: ReplicaConfig): string {
  const { grpc, http, metrics, store, staleFor, workers, masterKeys, seed, issuer } = config;
  return `grpc: ${grpc}
http: ${http}
metrics: ${metrics}
${workers > 0 ? `workers: ${workers}\n` : ""}store: { url: "${store}", staleFor: ${staleFor}s }
masterKeys: [${masterKeys.join(", ")}]
directory: ${seed}
log: { level: warn, calls: none }
drain: { delay: 1s, timeout: 5s }
limits: { request: 5s }
${NO_SHUT_OUT}
realms:
  integuru: { preset: integuru, keys: [{ secret: ${INTEGURU_SECRET} }] }
  clowk: { preset: clowk }
  fiserv: { preset: fiserv, keys: [{ pemFile: ./fiserv.pem }] }
  issuer:
    algorithms: [ES256]
    issuer: ${issuer.iss}
    audience: null
    keys: [{ jwksUri: ${issuer.jwksUri}, insecure: true, refreshMin: 5s, refreshMax: 5s, cooldown: 1s, timeout: 1s }]
`;
}

/** Returns a gateway's configuration. */
export function gatewayConfigOf(config: {
  readonly http: string;
  readonly metrics: string;
  readonly upstream: string;
}): string {
  return `http: ${config.http}
metrics: ${config.metrics}
upstream: ${config.upstream}
log: { level: warn, calls: none }
limits: { request: 5s }
realms:
  integuru: { preset: integuru }
  clowk: { preset: clowk }
  fiserv: { preset: fiserv }
`;
}
