import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { expect } from "chai";
import type { Algorithm } from "../../src/jws/algorithms.js";
import { verifySignature } from "../../src/jws/algorithms.js";
import { loadCertificateMap } from "../../src/keys/certificate-map.js";
import { loadJwks } from "../../src/keys/jwks.js";
import { pairOf, parts, signedByJose } from "../jws/signing.js";
import { AT_INFINITY, certificateOf, pemOf, pssSpki, rsaSpki, spkiOf } from "./der.js";
import { refusal } from "./refusal.js";

const ALGORITHMS: readonly Algorithm[] = ["RS256", "ES256"];
const certificate = (spki: Buffer, options = {}): string => pemOf(certificateOf(spki, options), "CERTIFICATE");
const of = (algorithm: Algorithm): string => certificate(spkiOf(pairOf(algorithm).publicKey));
const load = (map: unknown, algorithms = ALGORITHMS) => loadCertificateMap(map, { algorithms });

describe("loadCertificateMap", () => {
  it("loads the keys of certificates, RSA and EC, each under its member's name, and they verify what jose signed", async () => {
    const { keys, leftOut } = load({ rsa: of("RS256"), ec: of("ES256") });
    expect(keys.map(({ kid, algorithm }) => [kid, algorithm])).to.deep.equal([
      ["rsa", "RS256"],
      ["ec", "ES256"],
    ]);
    expect(leftOut).to.deep.equal([]);
    for (const { algorithm, key } of keys) {
      const { input, signature } = parts(await signedByJose(algorithm, "{}"));
      expect(verifySignature(algorithm, key, input, signature), algorithm).to.equal(true);
    }
  });

  it("loads a key once for each algorithm of the realm that it fits", () => {
    const { keys } = load({ a: of("RS256") }, ["PS256", "RS256", "ES256"]);
    expect(keys.map(({ algorithm }) => algorithm)).to.deep.equal(["PS256", "RS256"]);
  });

  it("labels a key as a JWK Set labels it, so that moving from one form to the other keeps its name", () => {
    const jwk = pairOf("RS256").publicKey.export({ format: "jwk" });
    expect(load({ a: of("RS256") }).keys[0]?.label).to.equal(
      loadJwks({ keys: [jwk] }, { algorithms: ALGORITHMS }).keys[0]?.label,
    );
  });

  it("takes an expired certificate, and says when a certificate expires", () => {
    const until = new Date("2021-06-05T04:03:02Z");
    const { keys } = load({ old: certificate(spkiOf(pairOf("ES256").publicKey), { until }), new: of("RS256") });
    expect(keys.map(({ expires }) => expires)).to.deep.equal([until.getTime(), Date.parse("2100-01-01T00:00:00Z")]);
  });

  it("takes a certificate whose dates cannot be read, since they do not count", () => {
    const until = new Date(Number.NaN);
    const spki = spkiOf(pairOf("ES256").publicKey);
    const { keys } = load({ a: certificate(spki, { until }) });
    expect(keys[0]?.expires).to.equal(undefined);
  });

  it("takes certificates of every version, whoever issued them, and public keys in PEM", () => {
    const spki = spkiOf(pairOf("ES256").publicKey);
    const { keys, leftOut } = load({
      v1: certificate(spki, { version: 0 }),
      foreign: certificate(spki, { issuer: "somebody" }),
      bare: pemOf(spki, "PUBLIC KEY"),
    });
    expect(leftOut).to.deep.equal([]);
    expect(new Set(keys.map(({ label }) => label)).size).to.equal(1);
    expect("expires" in (keys[2] ?? {})).to.equal(false);
  });

  it("names keys by any text, also a number and the names of prototypes' members", () => {
    const map = JSON.parse(`{"17": ${JSON.stringify(of("ES256"))}, "__proto__": ${JSON.stringify(of("ES256"))}}`);
    expect(load(map).keys.map(({ kid }) => kid)).to.deep.equal(["17", "__proto__"]);
  });

  const small = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
  const LEFT_OUT: Record<string, [pem: unknown, cause: string, algorithms: string, why: string]> = {
    "no text": [17, "malformed", "", "is not a text"],
    null: [null, "malformed", "", "is not a text"],
    "another text": ["hello", "malformed", "", "not a PEM text"],
    "a certificate cut short": [of("RS256").slice(0, 400), "malformed", "", "cannot be read"],
    "bytes that are no certificate": [pemOf(Buffer.alloc(99, 0x30), "CERTIFICATE"), "malformed", "", "cannot be read"],
    "a certificate with a key that is none": [
      certificate(rsaSpki(Buffer.alloc(0)).subarray(0, 20)),
      "malformed",
      "",
      "",
    ],
    "the point at infinity": [certificate(AT_INFINITY), "unsupported", "", "not a point on P-256"],
    "a private key": [
      pairOf("RS256").privateKey.export({ type: "pkcs8", format: "pem" }),
      "weak",
      "",
      "this is a private key",
    ],
    "a short RSA key": [certificate(spkiOf(small)), "weak", "RS256 RS384 RS512 PS256 PS384 PS512", "1024 bits"],
    "an RSA key of 80,000 bits": [
      certificate(rsaSpki(Buffer.alloc(10_000, 0xff))),
      "unsupported",
      "RS256 RS384 RS512 PS256 PS384 PS512",
      "80000 bits",
    ],
    "a key for another algorithm": [of("ES384"), "set aside", "ES384", "fits none"],
    "a key typed as RSA-PSS": [certificate(pssSpki()), "unsupported", "", "typed RSA-PSS"],
    "a certificate of more than 64 KiB": [of("RS256") + " ".repeat(65_536), "unsupported", "", "65536 characters"],
  };
  for (const [name, [pem, cause, algorithms, why]] of Object.entries(LEFT_OUT)) {
    it(`leaves out only the member at fault: ${name}`, () => {
      const { keys, leftOut } = load({ good: of("ES256"), bad: pem });
      expect(keys.map(({ kid }) => kid)).to.deep.equal(["good"]);
      expect(leftOut).to.have.length(1);
      expect(leftOut[0]).to.include({ index: 1, kid: "bad", cause });
      expect(leftOut[0]?.algorithms.join(" ")).to.equal(algorithms);
      expect(leftOut[0]?.why).to.include(why);
    });
  }

  it("refuses what is no map of certificates, with what it found", () => {
    const message = (value: unknown): string => refusal(() => load(value)).message;
    for (const value of [null, [], "x", 1, undefined]) expect(message(value)).to.include("not a map of certificates");
    expect(message({ keys: [] })).to.equal("this is a JWK Set, not a map of certificates: give its URL as jwksUri");
    expect(message({})).to.include("no usable key for RS256, ES256 (it is empty");
    expect(message({ a: of("ES384") })).to.include('no usable key for RS256, ES256 (keys[0] (kid "a"): ');
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`k${n}`, ""]));
    expect(message(many)).to.include("the map has 101 certificates, more than 100");
  });

  it("is named by the loader of JWK Sets, which says to write x509Uri", () => {
    const options = { algorithms: ALGORITHMS };
    expect(refusal(() => loadJwks({ a: of("RS256"), b: `\n${of("ES256")}` }, options)).message).to.equal(
      "this is a map of kid to certificate, not a JWK Set: give its URL as x509Uri",
    );
    expect(refusal(() => loadJwks({ a: of("RS256"), b: 1 }, options)).message).to.include(
      "not a JWK Set: give an object",
    );
  });

  it("reads what OpenSSL reads from a certificate", () => {
    for (const algorithm of ["RS256", "ES256", "ES384", "ES512", "EdDSA"] as const) {
      const [key] = load({ a: of(algorithm) }, [algorithm]).keys;
      expect(key?.key.equals(createPublicKey(of(algorithm))), algorithm).to.equal(true);
    }
  });
});
