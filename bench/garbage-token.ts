import { generateKeyPairSync, type JsonWebKey, randomBytes } from "node:crypto";
import { pino } from "pino";
import { loadConfig } from "../src/config/load.js";
import { MAX_KEYS } from "../src/keys/jwks.js";
import { rsaFault } from "../src/keys/weak-keys.js";
import { openCore } from "../src/server/core.js";
import { deploy } from "./deployment.js";
import { LENGTHS, tellCost } from "./largest-token.js";

// The maximum cost of a token that anyone can make: it has no `kid` and a signature of the right form, so that it is tried
// against as many keys of a kind as any token is (src/keys/key-set.ts), in a realm with as many keys as a set may have.

/** Returns a modulus in which the checks find no fault; its factors are not needed. */
function rsaModulus(): string {
  for (;;) {
    const n = randomBytes(8192 / 8);
    n[0] = 0xff;
    if (rsaFault(BigInt(`0x${n.toString("hex")}`), 65537n) === undefined) return n.toString("base64url");
  }
}

/** Makes keys with one modulus and different exponents, since checking a new modulus would take long. */
function rsaKeys(): () => JsonWebKey {
  const n = rsaModulus();
  let e = 0xffffffff + 2;
  return () => {
    e -= 2;
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(e);
    return { kty: "RSA", n, e: bytes.toString("base64url") };
  };
}
const rsaKey = rsaKeys();
const ecKey = (namedCurve: string): JsonWebKey =>
  generateKeyPairSync("ec", { namedCurve }).publicKey.export({ format: "jwk" });
const edKey = (): JsonWebKey => generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });

interface Kind {
  readonly about: string;
  readonly key: () => JsonWebKey;
  /** The length of a signature in bytes. */
  readonly width: number;
}

/** The kinds of keys, by algorithm. */
const KINDS: Readonly<Record<string, Kind>> = {
  RS512: { about: "RSA of 8192 bits", key: rsaKey, width: 1024 },
  PS512: { about: "RSA-PSS of 8192 bits", key: rsaKey, width: 1024 },
  ES256: { about: "P-256", key: () => ecKey("P-256"), width: 64 },
  ES384: { about: "P-384", key: () => ecKey("P-384"), width: 96 },
  ES512: { about: "P-521", key: () => ecKey("P-521"), width: 132 },
  EdDSA: { about: "Ed25519", key: edKey, width: 64 },
};

const encode = (bytes: string | Buffer): string => Buffer.from(bytes).toString("base64url");

/** Returns a token of nearly this many characters, whose signature is in range and no key's. */
function garbage(algorithm: string, width: number, length: number): string {
  // Both halves of an ECDSA signature, S of Ed25519 and the integer of RSA are below their limits.
  const signature = randomBytes(width);
  signature[0] = 0;
  signature[width / 2] = 0;
  signature[width - 1] = 0;
  const filler = "x".repeat(Math.floor(((length - 100 - width * 1.5) * 3) / 4));
  const payload = `{"jti":"${encode(randomBytes(16))}","a":"${filler.slice(60)}"}`;
  return `${encode(`{"alg":"${algorithm}"}`)}.${encode(payload)}.${encode(signature)}`;
}

/** Measures garbage tokens for each kind of key. */
export async function garbageToken(): Promise<void> {
  const realms = Object.entries(KINDS).map(([algorithm, { key }]) => {
    const jwks = JSON.stringify({ keys: Array.from({ length: MAX_KEYS }, key) });
    return (
      `  ${algorithm}: { algorithms: [${algorithm}], issuer: null, audience: null, requiredClaims: [], explain: anyone, ` +
      `maxTokenLength: 1MiB, keys: [{ jwks: ${jwks} }] }\n`
    );
  });
  const deployment = deploy(`grpc: 127.0.0.1:0\nrealms:\n${realms.join("")}`);
  const log = pino({ level: "silent" });
  const core = await openCore(loadConfig(deployment.config, { env: {} }), { clock: Date.now, log });
  try {
    for (const [about, length] of Object.entries(LENGTHS)) {
      console.log(`garbage where a realm has ${MAX_KEYS} keys (${about}): CPU of one, median and most`);
      for (const [algorithm, { about: kind, width }] of Object.entries(KINDS)) {
        await tellCost(core.verifier, algorithm, kind, () => garbage(algorithm, width, length));
      }
    }
  } finally {
    await core.close();
    deployment.remove();
  }
}
