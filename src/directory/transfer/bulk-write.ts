import type { MasterKeys } from "../master-keys.js";
import { sealClientDigest, sealSecretKey } from "./bulk-secrets.js";
import type { StoredEntry } from "./import.js";

/** Writes an entry as a line of an export, which an import takes back under the same master keys; without its end. */
export function writeBulkLine(entry: StoredEntry, keys: MasterKeys): string {
  return JSON.stringify(memberOf(entry, keys));
}

function memberOf(entry: StoredEntry, keys: MasterKeys): object {
  switch (entry.kind) {
    case "putInstance": {
      const { id, appId, secretKeys } = entry;
      return { instance: { id, appId, secretKeys: secretKeys.map((one) => sealSecretKey(keys, id, one)) } };
    }
    case "putUser": {
      const { instanceId, id, email, name, avatarUrl, provider } = entry;
      const described = Object.entries({ email, name, avatarUrl, provider }).filter(([, text]) => text !== null);
      return { user: { instance: instanceId, id, ...Object.fromEntries(described) } };
    }
    case "putClientDigest":
      return { client: { clientId: entry.clientId, clientSecret: sealClientDigest(keys, entry) } };
  }
}
