import { createPrivateKey, createSecretKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { expect } from "chai";
import { isSameKey } from "../../src/keys/same-key.js";

const ec = (namedCurve: string): { publicKey: KeyObject; privateKey: KeyObject } =>
  generateKeyPairSync("ec", { namedCurve });

const p256 = ec("P-256");
const pem = p256.privateKey.export({ type: "pkcs8", format: "pem" });
const KEYS: Readonly<Record<string, KeyObject>> = {
  "P-256": p256.publicKey,
  "another P-256": ec("P-256").publicKey,
  "P-384": ec("P-384").publicKey,
  RSA: generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey,
  Ed25519: generateKeyPairSync("ed25519").publicKey,
  "the private half": p256.privateKey,
  secret: createSecretKey(Buffer.alloc(32, 1)),
  "another secret": createSecretKey(Buffer.alloc(32, 2)),
};

describe("isSameKey", () => {
  for (const [name, key] of Object.entries(KEYS)) {
    it(`${name} is itself alone, and the next private key can be read`, () => {
      for (const [other, one] of Object.entries(KEYS)) {
        expect(isSameKey(key, one), other).to.equal(name === other);
        expect(() => createPrivateKey(pem), `after ${other}`).not.to.throw();
      }
    });
  }
});
