import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { expect } from "chai";
import { calculateJwkThumbprint } from "jose";
import { type Algorithm, unavailable } from "../../src/jws/algorithms.js";
import { loadJwk } from "../../src/keys/jwk.js";
import { loadJwks } from "../../src/keys/jwks.js";
import { mostTried } from "../../src/keys/key-set.js";
import { loadPem } from "../../src/keys/pem.js";
import { jwkOf } from "../support/keys.js";
import { refusal } from "./refusal.js";

const ED = jwkOf("ed25519");

describe("keys of Ed25519, by the names EdDSA and Ed25519", () => {
  for (const alg of ["EdDSA", "Ed25519", undefined]) {
    it(`a JWK with alg ${alg} is bound to one algorithm, and has one label`, () => {
      const key = loadJwk({ ...ED, ...(alg !== undefined && { alg }) }, { algorithms: ["ES256", "EdDSA"] });
      const [bare] = loadJwk(ED, { algorithms: ["EdDSA"] });
      expect(key).to.have.length(1);
      expect(key[0]).to.include({ algorithm: "EdDSA", label: bare?.label });
    });
  }

  it("a configured alg agrees with either name in the JWK", () => {
    for (const alg of ["EdDSA", "Ed25519"]) {
      expect(loadJwk({ ...ED, alg }, { algorithms: ["EdDSA"], alg: "EdDSA" })[0]?.algorithm).to.equal("EdDSA");
    }
    const other = refusal(() => loadJwk({ ...ED, alg: "Ed25519" }, { algorithms: ["EdDSA", "ES256"], alg: "ES256" }));
    expect(other.message).to.include('"alg" is "Ed25519", but ES256 is configured');
  });

  it("a key for Ed25519 in a realm without it is set aside, and the realm's algorithms are listed by all of their names", () => {
    const { leftOut } = loadJwks({ keys: [{ ...ED, alg: "Ed25519" }] }, { algorithms: ["ES256"] });
    expect(leftOut).to.have.length(1);
    expect(leftOut[0]).to.include({ kind: "set aside", alg: "EdDSA" });
    expect(refusal(() => loadJwk(jwkOf("p256"), { algorithms: ["EdDSA"] })).message).to.include("EdDSA, Ed25519");
  });

  it("a set with one key under both names holds it once", () => {
    const keys = ["EdDSA", "Ed25519"].map((alg) => ({ ...ED, alg, kid: "one" }));
    expect(loadJwks({ keys }, { algorithms: ["EdDSA"] }).keys).to.have.length(1);
  });
});

/** The thumbprints of the keys whose seed is 32 zero bytes, as the examples of RFC 9964 have them, and their sizes. */
const OF_ZERO_SEED: Readonly<Record<string, readonly [oid: string, thumbprint: string, bytes: number]>> = {
  "ML-DSA-44": ["11", "T4xl70S7MT6Zeq6r9V9fPJGVn76wfnXJ21-gyo0Gu6o", 1312],
  "ML-DSA-65": ["12", "Suiu29qbfuaBaR4Ats-c6XQBePB_OpAxAwcTR_0KXVM", 1952],
  "ML-DSA-87": ["13", "tRn1JNIkgMsABVQBlXeDHxAIcclh-2IX0UdDEzPt5XU", 2592],
};

describe("keys of ML-DSA (RFC 9964)", () => {
  before(function () {
    if (unavailable("ML-DSA-44") !== undefined) this.skip();
  });

  for (const [name, [oid, thumbprint, bytes]] of Object.entries(OF_ZERO_SEED)) {
    const algorithm = name as Algorithm;
    const algorithms: Algorithm[] = ["ES256", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"];
    const pem = (): string => {
      const der = `3034020100300b06096086480165030403${oid}04228020${"00".repeat(32)}`;
      const key = createPrivateKey({ key: Buffer.from(der, "hex"), format: "der", type: "pkcs8" });
      return createPublicKey(key).export({ type: "spki", format: "pem" }).toString();
    };
    const jwk = (): Record<string, unknown> => ({ ...createPublicKey(pem()).export({ format: "jwk" }) });

    it(`${name}: the JWK and the PEM of RFC 9964's example are one key, labelled by its thumbprint, which holds alg`, async () => {
      for (const keys of [loadJwk(jwk(), { algorithms }), loadPem(pem(), { algorithms })]) {
        expect(keys.map((key) => [key.algorithm, key.label])).to.deep.equal([[algorithm, thumbprint]]);
      }
      expect(await calculateJwkThumbprint(jwk())).to.equal(thumbprint);
    });

    it(`${name}: a key without alg is refused, also where the configuration names one`, () => {
      const { alg: _alg, ...bare } = jwk();
      for (const options of [{ algorithms }, { algorithms, alg: algorithm }, { algorithms: [algorithm] }]) {
        expect(refusal(() => loadJwk(bare, options)).message).to.include('no member "alg"');
      }
      const { leftOut } = loadJwks({ keys: [bare] }, { algorithms });
      expect(leftOut[0]).to.deep.include({ kind: "refused", algorithms: ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"] });
    });

    it(`${name}: pub has exactly ${bytes} bytes: its octets are no integer`, () => {
      const pub = Buffer.from(String(jwk()["pub"]), "base64url");
      expect(pub).to.have.length(bytes);
      for (const wrong of [pub.subarray(1), Buffer.concat([Buffer.alloc(1), pub]), Buffer.alloc(0)]) {
        const { message } = refusal(() => loadJwk({ ...jwk(), pub: wrong.toString("base64url") }, { algorithms }));
        expect(message).to.match(/"pub"/);
      }
    });

    it(`${name}: a key of another parameter set's name or kty is refused`, () => {
      const other = name === "ML-DSA-44" ? "ML-DSA-65" : "ML-DSA-44";
      expect(refusal(() => loadJwk({ ...jwk(), alg: other }, { algorithms })).message).to.include('"pub"');
      expect(refusal(() => loadJwk({ ...jwk(), alg: "ES256" }, { algorithms })).kind).to.equal("set aside");
      expect(refusal(() => loadJwk({ ...jwk(), kty: "OKP" }, { algorithms })).message).to.include('no member "crv"');
      expect(refusal(() => loadJwk({ ...jwk(), kty: `AKP ${name}` }, { algorithms })).kind).to.equal("set aside");
    });

    it(`${name}: a private key is worthless, and a realm without the algorithm sets the key aside`, () => {
      const priv = { ...jwk(), priv: "AAAA", kid: "p" };
      expect(refusal(() => loadJwk(priv, { algorithms })).message).to.include('the private member "priv"');
      expect(loadJwks({ keys: [priv] }, { algorithms }).leftOut[0]).to.include({ kind: "worthless", kid: "p" });
      expect(loadJwks({ keys: [jwk()] }, { algorithms: ["ES256"] }).leftOut[0]).to.deep.include({
        kind: "set aside",
        alg: algorithm,
        algorithms: [algorithm],
      });
    });
  }

  it("a key of ML-KEM or SLH-DSA is set aside: no algorithm here takes it", () => {
    for (const alg of ["ML-KEM-768", "SLH-DSA-SHA2-128s"]) {
      expect(refusal(() => loadJwk({ kty: "AKP", alg, pub: "AAAA" }, { algorithms: ["ML-DSA-44"] })).kind).to.equal(
        "set aside",
      );
    }
    const slh = generateKeyPairSync("slh-dsa-sha2-128f" as "ed25519").publicKey;
    const pem = slh.export({ type: "spki", format: "pem" }).toString();
    expect(refusal(() => loadPem(pem, { algorithms: ["ML-DSA-44"] })).kind).to.equal("set aside");
  });

  it("one token is tried against at most 4 keys of ML-DSA", () => {
    expect(["ML-DSA-44", "ML-DSA-65", "ML-DSA-87", "EdDSA"].map((name) => mostTried(name as Algorithm))).to.deep.equal([
      4, 4, 4, 16,
    ]);
  });
});
