import { createPublicKey, generateKeyPairSync, type JsonWebKey, sign } from "node:crypto";
import { expect } from "chai";
import { calculateJwkThumbprint } from "jose";
import { ALGORITHMS, type Algorithm, verifySignature } from "../../src/jws/algorithms.js";
import { KeyError } from "../../src/keys/key.js";
import { loadPem } from "../../src/keys/pem.js";
import { NAMES, pairOf, parts, signedByJose } from "../jws/signing.js";
import { AT_INFINITY, certificateOf } from "./der.js";
import { onlyKey } from "./only-key.js";
import { refusal } from "./refusal.js";

const PUBLIC = NAMES.filter((name) => !name.startsWith("HS"));
const pemOf = (algorithm: Algorithm): string =>
  pairOf(algorithm).publicKey.export({ type: "spki", format: "pem" }).toString();
const wrap = (der: Buffer, label = "PUBLIC KEY"): string =>
  `-----BEGIN ${label}-----\n${der.toString("base64")}\n-----END ${label}-----\n`;

const CERTIFICATE = wrap(Buffer.alloc(300, 0x30), "CERTIFICATE");

const derOf = (algorithm: Algorithm): Buffer => pairOf(algorithm).publicKey.export({ type: "spki", format: "der" });
const labelOf = (pem: string): string => onlyLoaded(pem, { algorithms: ["ES256"] }).label;
const onlyLoaded = (...args: Parameters<typeof loadPem>) => onlyKey(loadPem(...args));

describe("loadPem", () => {
  for (const algorithm of PUBLIC) {
    it(`loads a key for ${algorithm}, which verifies what jose signed`, async () => {
      const key = onlyLoaded(pemOf(algorithm), { algorithms: [algorithm] });
      const { input, signature } = parts(await signedByJose(algorithm, "{}"));
      expect(verifySignature(key.algorithm, key.key, input, signature)).to.equal(true);
      expect(key.algorithm).to.equal(algorithm);
      expect(key.kid).to.equal(undefined);
    });

    it(`labels a key for ${algorithm} by its thumbprint (RFC 7638)`, async () => {
      const jwk = pairOf(algorithm).publicKey.export({ format: "jwk" });
      expect(onlyLoaded(pemOf(algorithm), { algorithms: [algorithm] }).label).to.equal(
        await calculateJwkThumbprint(jwk),
      );
    });
  }

  it("accepts lines of any length and ending, and text around the block", () => {
    const pem = pemOf("ES256");
    for (const text of [
      pem.trim(),
      pem.replaceAll("\n", "\r\n"),
      `made by me\n${pem}\nthe end\n`,
      wrap(derOf("ES256")),
    ]) {
      expect(onlyLoaded(text, { algorithms: ["ES256"] }).label).to.equal(
        onlyLoaded(pem, { algorithms: ["ES256"] }).label,
      );
    }
  });

  it("accepts a compressed point", () => {
    const point = Buffer.from(pairOf("ES256").publicKey.export({ format: "jwk" }).x ?? "", "base64url");
    const y = Buffer.from(pairOf("ES256").publicKey.export({ format: "jwk" }).y ?? "", "base64url");
    const der = Buffer.concat([
      Buffer.from("3039301306072a8648ce3d020106082a8648ce3d030107032200", "hex"),
      Buffer.from([2 + (y.readUInt8(31) & 1)]),
      point,
    ]);
    const key = onlyLoaded(wrap(der), { algorithms: ["ES256"] });
    expect(key.label).to.equal(onlyLoaded(pemOf("ES256"), { algorithms: ["ES256"] }).label);
    expect(verifySignature("ES256", key.key, "a.b", signedBy("ES256"))).to.equal(true);
  });

  it("reads a line end written out, as files of environment variables have it", () => {
    const pem = pemOf("ES256");
    for (const text of [
      pem.replaceAll("\n", "\\n"),
      pem.replaceAll("\n", "\\r\\n"),
      `${pem.trim().replaceAll("\n", "\\n")}\n`,
      // Escaped twice, by a template within JSON.
      pem.replaceAll("\n", "\\\\n"),
      // A variable that was not quoted, and one whose quotes are part of it.
      pem.trim().replaceAll("\n", " "),
      `"${pem.replaceAll("\n", "\\n")}"`,
    ]) {
      expect(labelOf(text), text.slice(0, 40)).to.equal(labelOf(pem));
    }
  });

  it("reads the bare base64 of an SPKI, in lines or not", () => {
    const bare = derOf("ES256").toString("base64");
    for (const text of [
      bare,
      bare.replaceAll("=", ""),
      ` ${bare.replace(/.{64}/g, "$&\n")}\n`,
      bare.replace(/.{64}/, "$&\\n"),
    ]) {
      expect(labelOf(text)).to.equal(labelOf(pemOf("ES256")));
    }
  });

  it("reads the bare base64 of a certificate and of PKCS#1, and of an SPKI in quotes", () => {
    const certificate = certificateOf(derOf("ES256"), { subject: "a", issuer: "a" }).toString("base64");
    const spki = derOf("ES256").toString("base64");
    for (const text of [certificate, certificate.replace(/.{64}/g, "$&\r\n"), `"${spki}"`, `'${spki}'`]) {
      expect(labelOf(text)).to.equal(labelOf(pemOf("ES256")));
    }
    const pkcs1 = pairOf("RS256").publicKey.export({ type: "pkcs1", format: "der" });
    expect(onlyLoaded(pkcs1.toString("base64"), { algorithms: ["RS256"] }).label).to.equal(
      onlyLoaded(pemOf("RS256"), { algorithms: ["RS256"] }).label,
    );
  });

  it("reads a block by what it holds: the labels of RSA keys are easily confused", () => {
    const pkcs1 = pairOf("RS256").publicKey.export({ type: "pkcs1", format: "der" });
    const label = onlyLoaded(pemOf("RS256"), { algorithms: ["RS256"] }).label;
    for (const text of [wrap(pkcs1, "PUBLIC KEY"), wrap(derOf("RS256"), "RSA PUBLIC KEY")]) {
      expect(onlyLoaded(text, { algorithms: ["RS256"] }).label).to.equal(label);
    }
  });

  it("reads a public key in PKCS#1", () => {
    const pem = pairOf("RS256").publicKey.export({ type: "pkcs1", format: "pem" }).toString();
    expect(onlyLoaded(pem, { algorithms: ["RS256"] }).label).to.equal(
      onlyLoaded(pemOf("RS256"), { algorithms: ["RS256"] }).label,
    );
  });

  describe("of a certificate", () => {
    const until = new Date("2021-06-05T04:03:02Z");
    const leaf = wrap(certificateOf(derOf("ES256"), { subject: "leaf", issuer: "middle", until }), "CERTIFICATE");
    const middle = wrap(certificateOf(derOf("ES384"), { subject: "middle", issuer: "root" }), "CERTIFICATE");
    const root = wrap(certificateOf(derOf("ES512"), { subject: "root", issuer: "root" }), "CERTIFICATE");

    it("takes the public key, even if it has expired, and says when that was", () => {
      const key = onlyLoaded(leaf, { algorithms: ["ES256"] });
      expect(key.label).to.equal(labelOf(pemOf("ES256")));
      expect(key.expires).to.equal(until.getTime());
      expect("expires" in onlyLoaded(pemOf("ES256"), { algorithms: ["ES256"] })).to.equal(false);
    });

    it("takes the first certificate of a chain, which the next ones issued", () => {
      expect(labelOf(leaf + middle)).to.equal(labelOf(leaf));
      expect(labelOf(leaf + middle + root)).to.equal(labelOf(leaf));
    });

    it("refuses a chain of more than 16 certificates, none of which it reads", () => {
      expect(labelOf(leaf + middle + root.repeat(14))).to.equal(labelOf(leaf));
      expect(refusal(() => loadPem(leaf + middle + root.repeat(15), { algorithms: PUBLIC })).message).to.include(
        "holds 17 blocks",
      );
    });

    it("refuses certificates that are no chain, or one in another order: it cannot tell which key is meant", () => {
      for (const text of [
        leaf + root,
        middle + leaf,
        leaf + middle + leaf,
        leaf + pemOf("RS256"),
        pemOf("ES256") + leaf,
      ]) {
        expect(refusal(() => loadPem(text, { algorithms: PUBLIC })).message).to.match(
          /holds [23] blocks: give one public key/,
        );
      }
    });

    it("refuses a certificate beside a private key", () => {
      const pem = leaf + pairOf("ES256").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
      expect(refusal(() => loadPem(pem, { algorithms: PUBLIC })).message).to.include("this is a private key");
    });

    it("refuses a certificate with the point at infinity, at which Node 22 aborts", () => {
      const pem = wrap(certificateOf(AT_INFINITY), "CERTIFICATE");
      expect(refusal(() => loadPem(pem, { algorithms: PUBLIC })).message).to.include("not a point on P-256");
    });

    it("refuses bytes cut or changed anywhere, or reads the same key, and never throws anything else", () => {
      const der = certificateOf(derOf("ES256"));
      const label = labelOf(pemOf("ES256"));
      for (let at = 0; at < der.length; at++) {
        const changed = Buffer.from(der);
        changed.writeUInt8(changed.readUInt8(at) ^ 0x85, at);
        for (const bytes of [changed, der.subarray(0, at)]) {
          try {
            const key = onlyLoaded(wrap(bytes, "CERTIFICATE"), { algorithms: ["ES256"] });
            if (!changed.includes(derOf("ES256"))) expect(key.label).to.not.equal(label);
          } catch (error) {
            if (!(error instanceof KeyError)) throw error;
          }
        }
      }
    });
  });

  const signedBy = (algorithm: Algorithm): Buffer =>
    sign(ALGORITHMS[algorithm].hash, Buffer.from("a.b"), {
      key: pairOf(algorithm).privateKey,
      dsaEncoding: "ieee-p1363",
    });

  const rsa = pairOf("RS256");
  const ec = pairOf("ES256");
  const explicit = generateKeyPairSync("ec", { namedCurve: "P-256", paramEncoding: "explicit" });
  const offCurve = Buffer.from(derOf("ES256"));
  offCurve.writeUInt8(offCurve.readUInt8(offCurve.length - 1) ^ 1, offCurve.length - 1);

  const REFUSED: Record<string, [pem: string, message: string]> = {
    "the empty text": ["", "this is not a PEM text: give the whole text, from -----BEGIN PUBLIC KEY----- on"],
    "base64 of something else": [Buffer.from("a secret that is not DER").toString("base64"), "not a PEM text"],
    "base64 that was cut short": [derOf("RS256").subarray(0, 200).toString("base64"), "the base64 cannot be read"],
    "a JWK": [JSON.stringify(ec.publicKey.export({ format: "jwk" })), "not a PEM text"],
    "a URL": ["https://issuer.example/key.pem", "this is a URL, not a PEM text"],
    "the base64 of a PEM text": [Buffer.from(pemOf("ES256")).toString("base64"), "decode it first"],
    "the base64 of a private key": [
      ec.privateKey.export({ type: "pkcs8", format: "der" }).toString("base64"),
      "this is a private key",
    ],
    "a path": ["./key.pem", "not a PEM text"],
    "a private key (PKCS#8)": [
      rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      "this is a private key: give the public key: openssl pkey -in KEY -pubout",
    ],
    "a private key (PKCS#1)": [rsa.privateKey.export({ type: "pkcs1", format: "pem" }).toString(), "-pubout"],
    "a private key (SEC 1)": [ec.privateKey.export({ type: "sec1", format: "pem" }).toString(), "-pubout"],
    "an encrypted private key": [
      ec.privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-128-cbc", passphrase: "x" }).toString(),
      "-pubout",
    ],
    "a private key behind a public one": [
      pemOf("ES256") + ec.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      "this is a private key",
    ],
    "a certificate that is none": [CERTIFICATE, "cannot be read as a public key"],
    "a trusted certificate": [
      CERTIFICATE.replaceAll("CERTIFICATE", "TRUSTED CERTIFICATE"),
      "give a block PUBLIC KEY or CERTIFICATE",
    ],
    "a certificate request": [wrap(Buffer.alloc(9), "CERTIFICATE REQUEST"), "holds no public key"],
    "an SSH key": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me@host", "not a PEM text"],
    "two public keys": [pemOf("ES256") + pemOf("ES256"), "holds 2 blocks: give one public key for each entry"],
    "no end": [pemOf("ES256").split("-----END")[0] ?? "", "cannot be read as a public key"],
    "another end": [pemOf("ES256").replace("END PUBLIC", "END PRIVATE"), "cannot be read as a public key"],
    "an empty block": ["-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", "cannot be read as a public key"],
    "other characters": [pemOf("ES256").replace(/\n(.)/, "\n*"), "cannot be read as a public key"],
    "headers in the block": [pemOf("ES256").replace("\n", "\nProc-Type: 4,ENCRYPTED\n\n"), "cannot be read"],
    "bytes that are no key": [wrap(Buffer.alloc(91, 0x30)), "cannot be read as a public key"],
    "a key cut short": [wrap(derOf("ES256").subarray(0, 90)), "cannot be read as a public key"],
    "a point off its curve": [wrap(offCurve), "a point not on its curve"],
    "the point at infinity": [
      wrap(Buffer.from("3019301306072a8648ce3d020106082a8648ce3d03010703020000", "hex")),
      "not a point on P-256, P-384 or P-521, given by name",
    ],
    "a curve whose parameters are spelt out": [
      explicit.publicKey.export({ type: "spki", format: "pem" }).toString(),
      "not a point on P-256, P-384 or P-521, given by name",
    ],
    secp256k1: [
      generateKeyPairSync("ec", { namedCurve: "secp256k1" })
        .publicKey.export({ type: "spki", format: "pem" })
        .toString(),
      "not a point on P-256, P-384 or P-521, given by name",
    ],
  };
  for (const [name, [pem, message]] of Object.entries(REFUSED)) {
    it(`refuses ${name} and says how to correct it`, () => {
      const error = refusal(() => loadPem(pem, { algorithms: PUBLIC }));
      expect(error.message).to.include(message);
      expect(error.kind).to.not.equal("set aside");
      const line = pem.split("\n").find((each) => each.length > 40 && !each.includes("-----"));
      if (line !== undefined) expect(error.message).to.not.include(line.slice(0, 20));
    });
  }

  it("refuses an RSA-PSS-typed key, with or without parameters", () => {
    const parameters = { hashAlgorithm: "sha256", mgf1HashAlgorithm: "sha256" };
    const pairs = [
      generateKeyPairSync("rsa-pss", { modulusLength: 2048 }),
      generateKeyPairSync("rsa-pss", { modulusLength: 2048, ...parameters }),
    ];
    for (const { publicKey } of pairs) {
      const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
      expect(refusal(() => loadPem(pem, { algorithms: ["PS256"] })).message).to.include("give it as a plain RSA key");
    }
  });

  it("refuses RSA under 2048 bits", () => {
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
    const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
    expect(refusal(() => loadPem(pem, { algorithms: ["RS256"] })).message).to.equal(
      "the RSA key has 1024 bits: make one of at least 2048",
    );
  });

  it("refuses RSA with the exponent 1", () => {
    const jwk: JsonWebKey = { ...rsa.publicKey.export({ format: "jwk" }), e: "AQ" };
    const pem = createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "pem" }).toString();
    expect(refusal(() => loadPem(pem, { algorithms: ["RS256"] })).message).to.include(
      "exponent is even or less than 3",
    );
  });

  it("refuses Ed25519 points of small order, which OpenSSL would accept", () => {
    const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), Buffer.alloc(32)]);
    expect(refusal(() => loadPem(wrap(der), { algorithms: ["EdDSA"] })).message).to.include("a point of small order");
  });

  describe("the algorithm of a PEM key", () => {
    const rsaPem = pemOf("RS256");

    it("takes the only algorithm that fits the type and the curve", () => {
      for (const [algorithm, curve] of [
        ["ES256", "ES256"],
        ["ES384", "ES384"],
        ["EdDSA", "EdDSA"],
      ] as const) {
        expect(
          onlyLoaded(pemOf(curve), { algorithms: ["HS256", "RS256", "ES256", "ES384", "EdDSA"] }).algorithm,
        ).to.equal(algorithm);
      }
    });

    it("refuses a key that none of the realm's algorithms fits, and names them", () => {
      const error = refusal(() => loadPem(pemOf("ES384"), { algorithms: ["RS256", "ES256"] }));
      expect(error.message).to.equal(
        "a key of type ec on the curve secp384r1 fits none of the realm's algorithms: RS256, ES256",
      );
      expect(error.kind).to.equal("set aside");
      expect(refusal(() => loadPem(rsaPem, { algorithms: ["HS256"] })).message).to.include("fits none");
    });

    it("loads a key that several algorithms fit once for each, with the same key object and label", () => {
      const keys = loadPem(rsaPem, { algorithms: ["ES256", "PS256", "RS256"] });
      expect(keys.map(({ algorithm }) => algorithm)).to.deep.equal(["PS256", "RS256"]);
      expect(new Set(keys.map(({ key }) => key)).size).to.equal(1);
      expect(new Set(keys.map(({ label }) => label)).size).to.equal(1);
      expect(new Set(keys.map(({ uses }) => uses)).size, "each counts for itself").to.equal(2);
    });

    it("takes the configured algorithm if it is the realm's and fits", () => {
      expect(onlyLoaded(rsaPem, { algorithms: ["PS256", "RS256"], alg: "RS256" }).algorithm).to.equal("RS256");
      const foreign = refusal(() => loadPem(rsaPem, { algorithms: ["PS256", "RS256"], alg: "RS512" }));
      expect(foreign.message).to.equal(
        'the key is for "RS512", which is not among the realm\'s algorithms: PS256, RS256',
      );
      expect(refusal(() => loadPem(rsaPem, { algorithms: ["ES256"], alg: "ES256" })).message).to.equal(
        'ES256 does not take a key of type rsa: correct "alg", or give a key of its kind',
      );
      expect(refusal(() => loadPem(pemOf("ES384"), { algorithms: ["ES256"], alg: "ES256" })).message).to.include(
        "on the curve secp384r1",
      );
    });

    it("never uses a public key as the secret of an HMAC", () => {
      expect(refusal(() => loadPem(rsaPem, { algorithms: ["HS256"], alg: "HS256" })).message).to.include(
        "HS256 does not take a key of type rsa",
      );
    });
  });

  it("takes the configured kid, and refuses an empty one", () => {
    expect(onlyLoaded(pemOf("ES256"), { algorithms: ["ES256"], kid: "a" }).kid).to.equal("a");
    expect(refusal(() => loadPem(pemOf("ES256"), { algorithms: ["ES256"], kid: "" })).message).to.include("empty");
  });
});
