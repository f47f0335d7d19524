import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";

/** A key of test/support/keys.json. */
export interface TestKey {
  readonly name: string;
  /** The private key or the secret that signs. */
  readonly signer: KeyObject;
  /** The public key in PEM, undefined for a secret. */
  readonly publicPem: string | undefined;
  /** The text of the secret, undefined for a key pair. */
  readonly secret: string | undefined;
}

interface Entry {
  readonly private?: string;
  readonly public?: string;
  readonly secret?: string;
}

const file = JSON.parse(readFileSync(new URL("./keys.json", import.meta.url), "utf8")) as {
  readonly keys: Readonly<Record<string, Entry>>;
};

/** All test keys by name, made once so that a token with the same claims is always the same. */
export const KEYS: ReadonlyMap<string, TestKey> = new Map(
  Object.entries(file.keys).map(([name, { private: pem, public: publicPem, secret }]) => [
    name,
    {
      name,
      signer: pem === undefined ? createSecretKey(Buffer.from(secret ?? "")) : createPrivateKey(pem),
      publicPem,
      secret,
    },
  ]),
);

/** Returns the key of a name. */
export function keyOf(name: string): TestKey {
  const key = KEYS.get(name);
  if (key === undefined) throw new Error(`there is no test key ${name}`);
  return key;
}

/** Returns the secret of a name. */
export function secretOf(name: string): string {
  const { secret } = keyOf(name);
  if (secret === undefined) throw new Error(`the test key ${name} is no secret`);
  return secret;
}

/** Returns the public JWK of a name. */
export function jwkOf(name: string): Readonly<Record<string, unknown>> {
  return { ...createPublicKey(keyOf(name).publicPem ?? "").export({ format: "jwk" }) };
}
