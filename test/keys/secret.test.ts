import { createHmac, randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { expect } from "chai";
import { type Algorithm, verifySignature } from "../../src/jws/algorithms.js";
import { loadSecret } from "../../src/keys/secret.js";
import { NAMES, pairOf } from "../jws/signing.js";
import { certificateOf, spkiOf } from "./der.js";
import { refusal } from "./refusal.js";

const LEAST: [Algorithm, string, number][] = [
  ["HS256", "sha256", 32],
  ["HS384", "sha384", 48],
  ["HS512", "sha512", 64],
];

describe("loadSecret", () => {
  for (const [algorithm, hash, least] of LEAST) {
    it(`accepts ${least} bytes for ${algorithm}, as text or as bytes, and verifies with them`, () => {
      for (const secret of ["ä".repeat(least / 2), Buffer.alloc(least, 0xff)]) {
        const key = loadSecret(secret, { algorithm });
        const mac = createHmac(hash, secret).update("a.b").digest();
        expect(key).to.include({ algorithm, kid: undefined, label: `secret of ${least} bytes` });
        expect(verifySignature(algorithm, key.key, "a.b", mac)).to.equal(true);
      }
    });

    it(`refuses ${least - 1} bytes for ${algorithm} and says how many are needed`, () => {
      const error = refusal(() => loadSecret("x".repeat(least - 1), { algorithm }));
      expect(error.message).to.equal(
        `the secret has ${least - 1} bytes, ${algorithm} needs at least ${least}: try openssl rand -base64 ${least}, or add weak: true beside "secret" if another party chose it`,
      );
      expect(error.cause).to.equal("weak");
    });
  }

  it("accepts a shorter secret if the caller allows it, but never an empty one", () => {
    expect(loadSecret("sk_live_short", { algorithm: "HS256", minBytes: 8 }).label).to.equal("secret of 13 bytes");
    expect(refusal(() => loadSecret("1234567", { algorithm: "HS256", minBytes: 8 })).message).to.include("at least 8");
    for (const minBytes of [0, -1, undefined]) {
      expect(refusal(() => loadSecret("", { algorithm: "HS256", minBytes })).message).to.include("has 0 bytes");
    }
  });

  it("measures a secret in bytes and not in characters", () => {
    expect(loadSecret("€".repeat(11), { algorithm: "HS256" }).label).to.equal("secret of 33 bytes");
  });

  it("keeps its own copy of the bytes", () => {
    const bytes = Buffer.alloc(32, 7);
    const { key } = loadSecret(bytes, { algorithm: "HS256" });
    bytes.fill(0);
    expect(key.export()).to.deep.equal(Buffer.alloc(32, 7));
  });

  it("takes the configured kid, and refuses an empty one", () => {
    const secret = "x".repeat(32);
    expect(loadSecret(secret, { algorithm: "HS256", kid: "one" }).kid).to.equal("one");
    expect(refusal(() => loadSecret(secret, { algorithm: "HS256", kid: "" })).message).to.include('"kid" is empty');
  });

  for (const algorithm of NAMES.filter((name) => !name.startsWith("HS"))) {
    it(`refuses a secret for ${algorithm}`, () => {
      const error = refusal(() => loadSecret("x".repeat(64), { algorithm }));
      expect(error.message).to.include(`${algorithm} takes a public key, not a secret`);
    });
  }

  describe("a secret made of a public key", () => {
    for (const name of ["RS256", "ES256", "ES512", "EdDSA"] satisfies Algorithm[]) {
      const { publicKey, privateKey } = pairOf(name);
      const spki = publicKey.export({ type: "spki", format: "pem" }).toString();
      const TEXTS: Record<string, [secret: string | Buffer, cure: string]> = {
        PEM: [spki, 'give a public key as "pem"'],
        "PEM with other line ends, behind a text": [`my key\r\n${spki.replaceAll("\n", "\r\n")}`, 'as "pem"'],
        "PEM in one line": [spki.replaceAll("\n", ""), 'as "pem"'],
        "PEM as bytes": [Buffer.from(spki), 'as "pem"'],
        "PEM of a private key": [privateKey.export({ type: "pkcs8", format: "pem" }).toString(), 'as "pem"'],
        DER: [publicKey.export({ type: "spki", format: "der" }), "public key in DER"],
        JWK: [JSON.stringify(publicKey.export({ format: "jwk" })), 'give it as "jwk"'],
        "PEM in base64": [Buffer.from(spki).toString("base64"), 'as "pem"'],
        "DER in base64": [publicKey.export({ type: "spki", format: "der" }).toString("base64"), "public key in DER"],
        "DER in base64, in lines": [spki.replace(/-----.*-----\n/g, ""), "public key in DER"],
        "DER in hex": [publicKey.export({ type: "spki", format: "der" }).toString("hex"), "public key in DER"],
        "DER in base64, in quotes": [
          `"${publicKey.export({ type: "spki", format: "der" }).toString("base64")}"`,
          "public key in DER",
        ],
        "a certificate in DER": [certificateOf(spkiOf(publicKey)), "certificate in DER"],
        "a certificate in base64, as in x5c": [
          certificateOf(spkiOf(publicKey)).toString("base64"),
          "certificate in DER",
        ],
        "a certificate in hex": [certificateOf(spkiOf(publicKey)).toString("hex"), "certificate in DER"],
        "JWK in base64url": [
          Buffer.from(JSON.stringify(publicKey.export({ format: "jwk" }))).toString("base64url"),
          'give it as "jwk"',
        ],
        "JWK behind a byte order mark": [`\ufeff${JSON.stringify(publicKey.export({ format: "jwk" }))}`, 'as "jwk"'],
        "JWK in a list": [JSON.stringify([publicKey.export({ format: "jwk" })]), 'give it as "jwk"'],
        "JWK Set": [JSON.stringify({ keys: [publicKey.export({ format: "jwk" })] }, null, 2), 'give it as "jwk"'],
      };
      for (const [form, [secret, cure]] of Object.entries(TEXTS)) {
        it(`refuses a secret that is the public key ${name}: ${form}`, () => {
          expect(refusal(() => loadSecret(secret, { algorithm: "HS256" })).message).to.include(cure);
        });
      }
    }

    it("refuses a secret that is the public key RSA: DER of PKCS#1", () => {
      const der = pairOf("RS256").publicKey.export({ type: "pkcs1", format: "der" });
      expect(refusal(() => loadSecret(der, { algorithm: "HS256" })).message).to.include("public key in DER");
    });

    it("accepts a secret that only resembles an encoded key", () => {
      const random = randomBytes(300);
      for (const secret of [
        random.toString("base64"),
        random.toString("hex"),
        `0${"x".repeat(63)}`,
        `{${"x".repeat(63)}`,
        `-----${"x".repeat(60)}`,
      ]) {
        expect(loadSecret(secret, { algorithm: "HS256" }).label).to.equal(`secret of ${secret.length} bytes`);
      }
    });
  });

  it("shows nothing of a secret in errors or in a printed key", () => {
    const secret = "correct horse battery staple, and some more of it";
    const errors = [
      refusal(() => loadSecret(secret, { algorithm: "HS512" })),
      refusal(() => loadSecret(secret, { algorithm: "RS256" })),
      refusal(() => loadSecret(`-----BEGIN ${secret}`, { algorithm: "HS256" })),
    ];
    const key = loadSecret(secret, { algorithm: "HS256" });
    const hex = Buffer.from(secret).toString("hex");
    for (const shown of [...errors.map((error) => inspect(error)), inspect(key, { depth: 9 }), JSON.stringify(key)]) {
      expect(shown).to.not.include("horse").and.to.not.include(hex.slice(0, 12));
    }
  });
});
