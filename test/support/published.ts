import { genericSchema } from "../../src/config/realm-forms.js";
import type { Verifier } from "../../src/contract/verifier.js";
import { noDirectory } from "../../src/directory/directory.js";
import { loadPublishedKeys } from "../../src/keys/jwks.js";
import { staticSource } from "../../src/keys/key-set.js";
import { FactCache } from "../../src/verifier/facts.js";
import { genericPolicy } from "../../src/verifier/generic.js";
import { createRealm } from "../../src/verifier/realm.js";
import { createVerifier } from "../../src/verifier/verify.js";
import { NOW } from "./clock.js";
import { jwkOf, keyOf } from "./keys.js";

// A realm whose issuer publishes good keys beside odd ones.

/** The policy of the realm: every setting that makes a certain rejection, and a condition, which makes none. */
export const PUBLISHED_POLICY = genericPolicy(
  genericSchema.parse({
    algorithms: ["ES256", "RS256"],
    issuer: "https://issuer.example",
    audience: "https://api.example",
    typ: ["JWT"],
    requiredClaims: ["exp", "sub", "tenant"],
    claims: { role: "admin", jti: "one" },
    clockTolerance: "30s",
    maxLifetime: "24h",
    explain: "anyone",
    keys: [{}],
  }),
);

const NO_POINT = { ...jwkOf("p256"), y: jwkOf("p256-other")["y"] };
const LARGE = { kty: "RSA", n: Buffer.alloc(1100, 255).toString("base64url"), e: "AQAB" };
const SMALL = { kty: "RSA", n: Buffer.alloc(128, 255).toString("base64url"), e: "AQAB" };

/** The keys that the issuer publishes. */
export const PUBLISHED: readonly object[] = [
  { ...jwkOf("p256"), kid: "good", alg: "ES256" },
  { ...NO_POINT, kid: "malformed" },
  { ...NO_POINT, kid: 7 },
  { ...jwkOf("p256-other"), kid: "contradictory", use: "enc", alg: "ES256" },
  { ...LARGE, kid: "unsupported", alg: "RS256" },
  { ...jwkOf("rsa"), kid: "enc", use: "enc" },
  { ...jwkOf("rsa"), kid: "oaep", use: "enc", alg: "RSA-OAEP-256" },
  { ...jwkOf("rsa"), kid: "rs512", alg: "RS512" },
  { kty: "EC", crv: "secp256k1", kid: "k1", x: "AA", y: "AA" },
  { ...SMALL, kid: "small" },
  { ...keyOf("p256-other").signer.export({ format: "jwk" }), kid: "private" },
  { kty: "oct", k: "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlYw", kid: "oct" },
  { ...jwkOf("p256"), kid: "good and malformed", alg: "ES256" },
  { ...NO_POINT, kid: "good and malformed" },
  { ...jwkOf("p256"), kid: "good and for encryption", alg: "ES256" },
  { ...jwkOf("p256-other"), kid: "good and for encryption", use: "enc" },
  { ...jwkOf("rsa"), kid: "weak and malformed", d: "AQAB" },
  { kty: "RSA", kid: "weak and malformed" },
];

/** A source of these keys. */
export function publishedSource(...jwks: readonly object[]) {
  const { keys, leftOut } = loadPublishedKeys({ keys: jwks }, { algorithms: ["ES256", "RS256"] });
  return staticSource(keys, leftOut);
}

/** A verifier that has this realm alone, under the name `published`. */
export function publishedVerifier(): Verifier {
  const realm = createRealm("published", PUBLISHED_POLICY, publishedSource(...PUBLISHED));
  const view = { realms: new Map([["published", realm]]), directory: noDirectory, facts: new FactCache(1024 ** 2) };
  return createVerifier(
    { view },
    () => NOW,
    () => Promise.resolve(undefined),
  );
}
