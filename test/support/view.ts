import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Proof, VerificationRequest } from "../../src/contract/verifier.js";
import type { KnownDirectory } from "../../src/directory/directory.js";
import type { Client, Instance, User } from "../../src/directory/model.js";
import { readSeed } from "../../src/directory/transfer/seed.js";
import { staticSource } from "../../src/keys/key-set.js";
import { loadSecret } from "../../src/keys/secret.js";
import { buildRealms } from "../../src/server/realms.js";
import { Secret } from "../../src/util/secret.js";
import type { View } from "../../src/verifier/decision-state.js";
import { FactCache } from "../../src/verifier/facts.js";
import type { Realm } from "../../src/verifier/realm.js";
import type { Case } from "./cases.js";
import { type Folder, makeFolder } from "./deployment.js";
import type { Message } from "./grpc.js";
import { revocations } from "./revocations.js";
import { revokedBy } from "./revoke.js";

/** A directory that has every entry of a seed in memory. */
function knownDirectory(seed: string): KnownDirectory {
  const instances = new Map<string, Instance>();
  const clients = new Map<string, { client: Client; secret: string }>();
  const users = new Map<string, User>();
  for (const entry of readSeed(seed)) {
    if (entry.kind === "putInstance") {
      const keys = entry.secretKeys.map((one) => loadSecret(one.reveal(), { algorithm: "HS256", minBytes: 1 }));
      const instance: Instance = { id: entry.id, appId: entry.appId, keys };
      for (const one of entry.secretKeys) instances.set(one.reveal(), instance);
    } else if (entry.kind === "putClient") {
      clients.set(entry.clientId, { client: { clientId: entry.clientId }, secret: entry.clientSecret.reveal() });
    } else {
      users.set(JSON.stringify([entry.instanceId, entry.id]), entry);
    }
  }
  return {
    position: { number: 1, mark: "c2VlZHNlZWRzZWVkc2VlZA" },
    feedAge: () => 0,
    isFresh: () => true,
    wasSuspended: () => false,
    instance: (key) => instances.get(key.reveal()) ?? null,
    client: (id, secret) => (clients.get(id)?.secret === secret.reveal() ? clients.get(id)!.client : null),
    user: (instanceId, userId) => users.get(JSON.stringify([instanceId, userId])) ?? null,
    revocations: revokedBy(revocations()),
  };
}

/** Key sources that use only configured keys, and fetch none. */
export const STATIC_KEYS: Parameters<typeof buildRealms>[1] = {
  source: ({ configured, leftOut }) => staticSource(configured, leftOut),
  keepOnly: () => {},
};

/** The realms of a configuration of test/support, without a store. */
export interface Bench {
  readonly realms: ReadonlyMap<string, Realm>;
  readonly directory: KnownDirectory;
  /** Makes a view of the realms. @param facts the fact cache (default: an ordinary one) */
  view(facts?: FactCache): View;
}

/** Reads a configuration and its seed. */
export function makeBench(configuration: string): Bench {
  const folder: Folder = makeFolder(configuration);
  try {
    const realms = new Map(
      buildRealms(folder.config.realms, STATIC_KEYS).realms.map(({ realm }) => [realm.name, realm]),
    );
    const directory = knownDirectory(readFileSync(join(folder.path, "directory.yaml"), "utf8"));
    return { realms, directory, view: (facts = new FactCache(1024 ** 2)) => ({ realms, directory, facts }) };
  } finally {
    folder.remove();
  }
}

/** The core's form of a case's gRPC request. */
export function requestOf({ grpc, token }: Case): VerificationRequest {
  const proof = grpc!.request["proof"];
  const { realm, instance_secret_key: key, client_credentials: client, explain } = grpc!.request;
  const { client_id: id = "", client_secret: secret = "" } = (client ?? {}) as Record<string, string>;
  return {
    realm: String(realm),
    token: new Secret(token),
    credential:
      typeof key === "string"
        ? { kind: "instance", secretKey: new Secret(key) }
        : client === undefined
          ? undefined
          : { kind: "client", clientId: id, clientSecret: new Secret(secret) },
    explain: explain === true,
    proof: proof === undefined ? undefined : proofOf(proof as Message),
  };
}

function proofOf({ dpop, client_certificate: certificate }: Message): Proof {
  const { proof, method, url, nonce_required: nonceRequired = false } = (dpop ?? {}) as Message;
  const [form = "sha256", bytes = ""] = Object.entries((certificate ?? {}) as Message)[0] ?? [];
  return {
    dpop: dpop && {
      proof: new Secret(String(proof)),
      method: String(method),
      url: String(url),
      nonceRequired: Boolean(nonceRequired),
    },
    clientCertificate: certificate && { form: form as "sha256" | "der", bytes: Buffer.from(String(bytes), "base64") },
  } as Proof;
}
