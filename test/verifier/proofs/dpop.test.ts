import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { expect } from "chai";
import { calculateJwkThumbprint, exportJWK, type JWK, SignJWT } from "jose";
import { type Algorithm, listAlgorithms } from "../../../src/jws/algorithms.js";
import { Secret } from "../../../src/util/secret.js";
import { checkDpop, type DpopContext, isFault } from "../../../src/verifier/proofs/dpop.js";
import { PROOF_ALGORITHMS, ProofKeys } from "../../../src/verifier/proofs/proof-key.js";
import { NOW } from "../../support/clock.js";
import { jwkOf, keyOf } from "../../support/keys.js";
import { makeProof, PROVEN, type ProofSpec, sha256, thumbprintOf } from "../../support/proofs.js";

const TOKEN = "a token";
const CONTEXT: DpopContext = {
  jkt: thumbprintOf("p256-other"),
  ath: sha256(TOKEN),
  seconds: NOW / 1000,
  algorithms: new Set<Algorithm>(PROOF_ALGORITHMS),
  keys: new ProofKeys(),
  acceptsNonce: (nonce) => nonce === "current",
};

type Given = Partial<typeof PROVEN> & { readonly nonceRequired?: boolean };

/** What is found wrong with a proof, as `REASON claim: why`; empty for a good one. */
function faultOf(proof: string, given: Given = {}, context: Partial<DpopContext> = {}): string {
  const asked = { ...PROVEN, nonceRequired: false, ...given, proof: new Secret(proof) };
  const found = checkDpop(asked, { ...CONTEXT, ...context });
  return isFault(found) ? `${found.reason} ${found.claim}: ${found.why}` : "";
}

const withJwk = (jwk: unknown): ProofSpec => ({ header: { jwk } });
const other = jwkOf("p256-other");
const rsaJwk = (bits: number, publicExponent = 65_537): JWK =>
  generateKeyPairSync("rsa", { modulusLength: bits, publicExponent }).publicKey.export({ format: "jwk" });
const jktOf = (jwk: JWK): Promise<string> => calculateJwkThumbprint(jwk);
const zero = (text: unknown): string =>
  Buffer.concat([Buffer.alloc(1), Buffer.from(String(text), "base64url")]).toString("base64url");

/** Faults in the order in which they are looked for. */
const FAULTS: readonly (readonly [what: string, fault: string, spec: ProofSpec, given?: Given])[] = [
  ["more than 8 KiB", "PROOF_INVALID : The proof is longer than 8192 characters.", { claims: { x: "x".repeat(8192) } }],
  [
    "no JWT",
    "PROOF_INVALID : The proof is not one well-formed JWT in the compact serialization.",
    { tamper: ["four segments"] },
  ],
  [
    "padding",
    "PROOF_INVALID : The proof is not one well-formed JWT in the compact serialization.",
    { tamper: ["pad header"] },
  ],
  [
    "a member twice",
    "PROOF_INVALID : The proof is not one well-formed JWT in the compact serialization.",
    { payload: '{"jti":"a","jti":"a"}' },
  ],
  ...["crit", "b64", "zip", "jku", "x5u", "x5c"].map(
    (name) =>
      [
        `a header ${name}`,
        `PROOF_INVALID : The header holds '${name}', which is refused.`,
        { header: { [name]: [] } },
      ] as const,
  ),
  ["no typ", "PROOF_INVALID : 'typ' is not dpop+jwt.", { withoutHeader: ["typ"] }],
  ["typ in another case", "PROOF_INVALID : 'typ' is not dpop+jwt.", { header: { typ: "DPoP+jwt" } }],
  ["a token's typ", "PROOF_INVALID : 'typ' is not dpop+jwt.", { header: { typ: "JWT" } }],
  ...["none", "HS256", "ES256K", 1, null].map(
    (alg) =>
      [
        `alg ${alg}`,
        `PROOF_INVALID : 'alg' is not one of the algorithms accepted: ${listAlgorithms(PROOF_ALGORITHMS)}.`,
        { alg: "ES256", header: { alg } },
      ] as const,
  ),
  ["no jwk", "PROOF_INVALID : 'jwk' is not an object.", { withoutHeader: ["jwk"] }],
  ["a list as jwk", "PROOF_INVALID : 'jwk' is not an object.", withJwk([])],
  ...["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"].map(
    (name) =>
      [
        `a private member ${name}`,
        "PROOF_INVALID : 'jwk' holds a private or secret member.",
        withJwk({ ...other, [name]: null }),
      ] as const,
  ),
  ["a symmetric key", "PROOF_INVALID : 'jwk' holds a private or secret member.", withJwk({ kty: "oct", k: "AAAA" })],
  ...[
    { kty: "oct" },
    { ...other, crv: "secp256k1" },
    { kty: "OKP", crv: "X25519", x: "AA" },
    { kty: {} },
    { kty: "EC P-256", x: other["x"], y: other["y"] },
    {},
  ].map(
    (jwk, index) =>
      [
        `another kind of key (${index})`,
        "PROOF_INVALID : 'jwk' is not a key of one of the kinds RSA, EC P-256, EC P-384, EC P-521, OKP Ed25519.",
        withJwk(jwk),
      ] as const,
  ),
  [
    "a coordinate with padding",
    "PROOF_INVALID : 'x' of 'jwk' is not base64url of the right length.",
    withJwk({ ...other, x: `${String(other["x"])}=` }),
  ],
  [
    "a coordinate with a zero before it",
    "PROOF_INVALID : 'y' of 'jwk' is not base64url of the right length.",
    withJwk({ ...other, y: zero(other["y"]) }),
  ],
  [
    "a modulus with a zero before it",
    "PROOF_INVALID : 'n' of 'jwk' is not base64url of the right length.",
    { header: { jwk: { ...jwkOf("rsa"), n: zero(jwkOf("rsa")["n"]) } } },
  ],
  [
    "a number as coordinate",
    "PROOF_INVALID : 'x' of 'jwk' is not base64url of the right length.",
    withJwk({ ...other, x: 1 }),
  ],
  ["no jti", "PROOF_INVALID : 'jti' is not a text of 1 to 256 bytes.", { without: ["jti"] }],
  ["an empty jti", "PROOF_INVALID : 'jti' is not a text of 1 to 256 bytes.", { claims: { jti: "" } }],
  [
    "a jti of 258 bytes",
    "PROOF_INVALID : 'jti' is not a text of 1 to 256 bytes.",
    { claims: { jti: "é".repeat(129) } },
  ],
  ["a number as jti", "PROOF_INVALID : 'jti' is not a text of 1 to 256 bytes.", { claims: { jti: 1 } }],
  ["no htm", "PROOF_INVALID : 'htm' is not a text.", { without: ["htm"] }],
  ["no htu", "PROOF_INVALID : 'htu' is not a text.", { without: ["htu"] }],
  ["a text as iat", "PROOF_INVALID : 'iat' is not a time.", { claims: { iat: "1800000000" } }],
  ["a negative iat", "PROOF_INVALID : 'iat' is not a time.", { claims: { iat: -1 } }],
  ["no ath", "PROOF_INVALID : 'ath' is not a text.", { without: ["ath"] }],
  ["a number as nonce", "PROOF_INVALID : 'nonce' is not a text.", { claims: { nonce: 1 } }],
  ["another key", "PROOF_MISMATCH cnf: The thumbprint of 'jwk' is not the token's 'cnf.jkt'.", { key: "p256" }],
  ["another method", "PROOF_MISMATCH htm: 'htm' is not the request's method.", { claims: { htm: "get" } }],
  [
    "a request without a URL",
    "PROOF_INVALID : The request's `url` is not an absolute http or https URI.",
    {},
    { url: "/orders" },
  ],
  ["a relative htu", "PROOF_INVALID : 'htu' is not an absolute http or https URI.", { claims: { htu: "/orders" } }],
  [
    "another path",
    "PROOF_MISMATCH htu: 'htu' differs from the request's URL in its path.",
    { claims: { htu: `${PROVEN.url}/` } },
  ],
  [
    "another token",
    "PROOF_MISMATCH ath: 'ath' is not the token's SHA-256 in base64url.",
    { claims: { ath: `${sha256(TOKEN)}=` } },
  ],
  [
    "a time 61 s ago",
    "PROOF_MISMATCH iat: 'iat' is 61 seconds ago; at most 60 are admitted.",
    { claims: { iat: NOW / 1000 - 61 } },
  ],
  [
    "a time 60.5 s ahead",
    "PROOF_MISMATCH iat: 'iat' is 61 seconds ahead; at most 60 are admitted.",
    { claims: { iat: NOW / 1000 + 60.5 } },
  ],
  ["no nonce", "PROOF_MISMATCH nonce: There is no 'nonce'.", {}, { nonceRequired: true }],
  [
    "a stale nonce",
    "PROOF_MISMATCH nonce: 'nonce' is not a current one.",
    { claims: { nonce: "stale" } },
    { nonceRequired: true },
  ],
  [
    "another's signature",
    "PROOF_INVALID : The signature does not verify under 'jwk'.",
    { key: "p256", header: { jwk: other } },
  ],
  [
    "a signature by another algorithm",
    "PROOF_INVALID : The signature does not verify under 'jwk'.",
    { header: { alg: "RS256" }, alg: "ES256" },
  ],
];

describe("a DPoP proof", () => {
  it("a DPoP proof that fits is good", () => {
    expect(faultOf(makeProof(TOKEN))).to.equal("");
    const jti = "é".repeat(128);
    expect(
      faultOf(makeProof(TOKEN, { claims: { jti, iat: NOW / 1000 + 60, more: [] }, header: { kid: "x" } })),
    ).to.equal("");
    expect(faultOf(makeProof(TOKEN, { claims: { nonce: "current" } }), { nonceRequired: true })).to.equal("");
    expect(faultOf(makeProof(TOKEN, { claims: { nonce: "another service's" } }))).to.equal("");
    const ed25519 = { key: "ed25519", alg: "EdDSA", header: { alg: "Ed25519" } };
    expect(faultOf(makeProof(TOKEN, ed25519), {}, { jkt: thumbprintOf("ed25519") })).to.equal("");
  });

  for (const [what, fault, spec, given] of FAULTS) {
    it(`a DPoP proof is refused for ${what}`, () => {
      expect(faultOf(makeProof(TOKEN, spec), given)).to.equal(fault);
    });
  }

  it("of several faults, the one that is looked for first is found", () => {
    // Each kind of fault in the order of the checks, and all that come after it at once.
    const kinds: readonly (readonly [ProofSpec, Given, string])[] = [
      [{ header: { typ: "JWT" } }, {}, "PROOF_INVALID : 'typ'"],
      [{ key: "p256" }, {}, "PROOF_MISMATCH cnf"],
      [{ claims: { htm: "PUT" } }, {}, "PROOF_MISMATCH htm"],
      [{ claims: { htu: "https://x" } }, {}, "PROOF_MISMATCH htu"],
      [{ claims: { ath: "x" } }, {}, "PROOF_MISMATCH ath"],
      [{ claims: { iat: 1 } }, {}, "PROOF_MISMATCH iat"],
      [{}, { nonceRequired: true }, "PROOF_MISMATCH nonce"],
      [{ tamper: ["flip signature"] }, {}, "PROOF_INVALID : The signature"],
    ];
    for (const [index, [, , fault]] of kinds.entries()) {
      let [spec, given]: [ProofSpec, Given] = [{}, {}];
      for (const [more, asked] of kinds.slice(index)) {
        spec = {
          ...spec,
          ...more,
          header: { ...spec.header, ...more.header },
          claims: { ...spec.claims, ...more.claims },
        };
        given = { ...given, ...asked };
      }
      expect(faultOf(makeProof(TOKEN, spec), given)).to.include(fault);
    }
  });

  for (const [what, jwk, why] of [
    ["RSA of 1024 bits", rsaJwk(1024), "The RSA key of 'jwk' does not have 2048 to 4096 bits."],
    [
      "RSA of 2047 bits",
      { ...rsaJwk(2048), n: Buffer.concat([Buffer.from([0x7f]), Buffer.alloc(255, 1)]).toString("base64url") },
      "The RSA key of 'jwk' does not have 2048 to 4096 bits.",
    ],
    [
      "RSA of 4104 bits",
      { kty: "RSA", e: "AQAB", n: Buffer.alloc(513, 0xff).toString("base64url") },
      "The RSA key of 'jwk' does not have 2048 to 4096 bits.",
    ],
    ["RSA with the exponent 3", rsaJwk(2048, 3), "The RSA key of 'jwk' has another exponent than 65537."],
    [
      "a point that is not on its curve",
      { ...other, x: Buffer.alloc(32, 1).toString("base64url") },
      "The members of 'jwk' do not make a key.",
    ],
    [
      "a point of small order",
      { kty: "OKP", crv: "Ed25519", x: Buffer.alloc(32).toString("base64url") },
      "The key of 'jwk' is a point of small order.",
    ],
  ] as const) {
    it(`a DPoP proof is refused for a key that is ${what}`, async () => {
      const proof = makeProof(TOKEN, { header: { jwk } });
      expect(faultOf(proof, {}, { jkt: await jktOf(jwk) })).to.equal(`PROOF_INVALID : ${why}`);
    });
  }

  for (const [alg, name] of [
    ["ES256", "p256"],
    ["ES384", "p384"],
    ["ES512", "p521"],
    ["EdDSA", "ed25519"],
    ["RS256", "rsa"],
    ["RS384", "rsa"],
    ["RS512", "rsa"],
    ["PS256", "rsa"],
    ["PS384", "rsa"],
    ["PS512", "rsa"],
  ] as const) {
    it(`a DPoP proof that jose signed with ${alg} is good`, async () => {
      const { signer } = keyOf(name);
      const jwk = await exportJWK(createPublicKey(signer));
      const proof = await new SignJWT({ jti: "j", htm: PROVEN.method, htu: PROVEN.url, ath: sha256(TOKEN) })
        .setProtectedHeader({ typ: "dpop+jwt", alg, jwk: { ...jwk, alg, use: "sig", key_ops: ["verify"], ext: true } })
        .setIssuedAt(NOW / 1000)
        .sign(signer);
      expect(faultOf(proof, {}, { jkt: await jktOf(jwk) })).to.equal("");
      expect(faultOf(proof, {}, { jkt: await jktOf(jwk), algorithms: new Set(["HS256"] as const) })).to.include(
        "PROOF_INVALID",
      );
    });
  }

  it("the request's URL is told only if the proof's signature verifies, and without its query", () => {
    const hint = (spec: ProofSpec): string | undefined => {
      const given = { ...PROVEN, url: `http://api.example/orders?secret=1`, nonceRequired: false };
      const found = checkDpop({ ...given, proof: new Secret(makeProof(TOKEN, spec)) }, CONTEXT);
      return isFault(found) ? found.hint : expect.fail();
    };
    expect(hint({})).to.equal("The request is to http://api.example/orders; 'htu' of the proof differs in its scheme.");
    expect(hint({ tamper: ["flip signature"] })).to.equal(undefined);
  });
});

describe("the example of RFC 9449, section 7.1", () => {
  const TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
  const PROOF =
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
  const context = { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", ath: sha256(TOKEN), seconds: 1_562_262_618 };
  const given = { method: "GET", url: "https://resource.example.org/protectedresource" };

  it("the RFC's proof is good for its token, its request and its time", () => {
    expect(faultOf(PROOF, given, context)).to.equal("");
  });

  it("the RFC's proof is refused at any other time, and for any other token, key and request", () => {
    expect(faultOf(PROOF, given, { ...context, seconds: 1_562_262_679 })).to.include("iat");
    expect(faultOf(PROOF, given, { ...context, ath: sha256("another") })).to.include("ath");
    expect(faultOf(PROOF, given, { ...context, jkt: thumbprintOf("p256") })).to.include("cnf");
    expect(faultOf(PROOF, { ...given, url: "https://resource.example.org/" }, context)).to.include("htu");
    expect(faultOf(PROOF, { ...given, method: "POST" }, context)).to.include("htm");
  });
});
