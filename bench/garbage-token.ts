import { generateKeyPairSync, type JsonWebKey, randomBytes } from "node:crypto";
import { pino } from "pino";
import { loadConfig } from "../src/config/load.js";
import { MAX_KEYS } from "../src/keys/jwks.js";
import { rsaFault } from "../src/keys/weak-keys.js";
import { openCore } from "../src/server/core.js";
import { deploy } from "./deployment.js";
import { LENGTHS, tellCost } from "./largest-token.js";

// The most that a token can cost that anybody can make: one without a `kid` and with a signature of the right form, which
// is tried against as many keys as any token is (src/keys/key-set.ts), of each kind, in a realm with as many keys as a set may hold.

/** A modulus that nothing is wrong with at first sight: nobody has to know its factors for this. */
function rsaModulus(): string {
  for (;;) {
    const n = randomBytes(8192 / 8);
    n[0] = 0xff;
    if (rsaFault(BigInt(`0x${n.toString("hex")}`), 65537n) === undefined) return n.toString("base64url");
  }
}

/** Makes keys of one modulus, each with another exponent: one modulus takes as long to look at as all the checks. */
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
  /** Bytes of a signature. */
  readonly width: number;
}

/** By algorithm. */
const KINDS: Readonly<Record<string, Kind>> = {
  RS512: { about: "RSA of 8192 bits", key: rsaKey, width: 1024 },
  PS512: { about: "RSA-PSS of 8192 bits", key: rsaKey, width: 1024 },
  ES256: { about: "P-256", key: () => ecKey("P-256"), width: 64 },
  ES384: { about: "P-384", key: () => ecKey("P-384"), width: 96 },
  ES512: { about: "P-521", key: () => ecKey("P-521"), width: 132 },
  EdDSA: { about: "Ed25519", key: edKey, width: 64 },
};

const encode = (bytes: string | Buffer): string => Buffer.from(bytes).toString("base64url");

/** A token of nearly so many characters, whose signature is in range and nobody's. */
function garbage(algorithm: string, width: number, length: number): string {
  // Both halves of an ECDSA signature, S of Ed25519 and the number of RSA are less than what they must be less than.
  const signature = randomBytes(width);
  signature[0] = 0;
  signature[width / 2] = 0;
  signature[width - 1] = 0;
  const filler = "x".repeat(Math.floor(((length - 100 - width * 1.5) * 3) / 4));
  const payload = `{"jti":"${encode(randomBytes(16))}","a":"${filler.slice(60)}"}`;
  return `${encode(`{"alg":"${algorithm}"}`)}.${encode(payload)}.${encode(signature)}`;
}

/** Measures them, each kind of key for itself. */
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
