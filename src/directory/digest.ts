import { createHmac, timingSafeEqual } from "node:crypto";
import type { Secret } from "../util/secret.js";
import type { MasterKey, MasterKeys } from "./master-keys.js";

// A scope stands before the secret, so that a digest of one kind, or of one client, is of no use as another's. JSON
// holds no raw NUL: no scope and secret read as another scope and secret.
const SECRET_KEY_SCOPE = '["secret key"]\0';
const clientScope = (clientId: string): string => `${JSON.stringify(["client", clientId])}\0`;

/** The HMAC-SHA-256, under one master key's look-up key, that an instance's secret key is found by. */
export function secretKeyDigest(key: MasterKey, secretKey: Secret): Buffer {
  return digest(key, SECRET_KEY_SCOPE, secretKey);
}

/** The digests of an instance's secret key under all master keys, the current one's first: it may be stored under any. */
export function secretKeyDigests(keys: MasterKeys, secretKey: Secret): Buffer[] {
  return keys.all.map((key) => secretKeyDigest(key, secretKey));
}

/** The HMAC-SHA-256 that a client's secret is checked by; clients with the same secret have different ones. */
export function clientSecretDigest(key: MasterKey, clientId: string, clientSecret: Secret): Buffer {
  return digest(key, clientScope(clientId), clientSecret);
}

/** Compares digests in constant time. */
export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function digest({ lookupKey }: MasterKey, scope: string, secret: Secret): Buffer {
  return createHmac("sha256", lookupKey)
    .update(scope + secret.reveal())
    .digest();
}
