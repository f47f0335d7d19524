import { createHmac, createSecretKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { expect } from "chai";
import * as fc from "fast-check";
import {
  ALGORITHM_NAMES,
  ALGORITHMS,
  type Algorithm,
  algorithmOf,
  fitsAlgorithm,
  listAlgorithms,
  namesOf,
  unavailable,
  verifySignature,
} from "../../src/jws/algorithms.js";
import { joseVerifies, NAMES, newPair, pairOf, parts, signedByJose } from "./signing.js";

/** Returns another key that fits the algorithm; for RSA it is a sibling algorithm's, since RSA keys are slow to make. */
function otherThan(algorithm: Algorithm): KeyObject {
  if (pairOf(algorithm).publicKey.asymmetricKeyType !== "rsa") return newPair(algorithm).publicKey;
  return pairOf(algorithm === "RS256" ? "PS256" : "RS256").publicKey;
}

const PAYLOAD = JSON.stringify({ sub: "someone", exp: 4_102_444_800 });

describe("ALGORITHMS", () => {
  const families = ["HS", "RS", "PS", "ES"].flatMap((name) => [256, 384, 512].map((bits) => `${name}${bits}`));
  const ML_DSA = ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"] satisfies Algorithm[];

  it("the algorithms are those of RFC 7518 section 3.1 without none, EdDSA, and ML-DSA", () => {
    expect(Object.keys(ALGORITHMS)).to.deep.equal([...families, "EdDSA", ...ML_DSA]);
  });

  it("every algorithm has its own name, and EdDSA is Ed25519 as well (RFC 9864)", () => {
    expect(ALGORITHM_NAMES).to.deep.equal([...families, "EdDSA", "Ed25519", ...ML_DSA]);
    for (const name of ALGORITHM_NAMES) {
      expect(algorithmOf(name)).to.equal(name === "Ed25519" ? "EdDSA" : name);
      expect(namesOf(algorithmOf(name)!)).to.include(name);
    }
    expect(listAlgorithms(["RS256", "EdDSA"])).to.equal("RS256, EdDSA, Ed25519");
  });

  it("ML-DSA is there from Node 24 on; Node 22 lacks it, and the message says which Node has it", () => {
    const lacks = Number.parseInt(process.versions.node, 10) < 24;
    for (const name of ML_DSA) {
      if (lacks) expect(unavailable(name)).to.match(/^needs Node 24\.7 or later.*; this is Node 22\./);
      else expect(unavailable(name)).to.equal(undefined);
    }
    for (const name of NAMES) expect(unavailable(name)).to.equal(undefined);
  });

  const NONE = [
    "none",
    "None",
    "NONE",
    "nOnE",
    "",
    "hs256",
    "Hs256",
    "RS256 ",
    "RS256\0",
    "ES256K",
    "ES512K",
    "RS1",
    "HS1",
  ];
  const PROTOTYPE = ["constructor", "__proto__", "toString", "hasOwnProperty", "treeValue"];
  for (const name of [
    ...NONE,
    ...PROTOTYPE,
    "ed25519",
    "Ed448",
    "eddsa",
    "ML-DSA",
    "ml-dsa-44",
    "ESP256",
    "HashML-DSA-44",
    "RSA-OAEP",
    "dir",
    "A128GCM",
  ]) {
    it(`${JSON.stringify(name)} is not an algorithm`, () => expect(algorithmOf(name)).to.equal(undefined));
  }

  for (const value of [undefined, null, 256, true, {}, ["HS256"], new String("HS256"), { toString: () => "HS256" }]) {
    it(`a value of type ${typeof value} is not an algorithm (${JSON.stringify(value)})`, () =>
      expect(algorithmOf(value)).to.equal(undefined));
  }
});

describe("verifySignature", () => {
  for (const algorithm of NAMES) {
    describe(algorithm, () => {
      const { publicKey, privateKey } = pairOf(algorithm);
      let token: string;
      let input: string;
      let signature: Buffer;
      const verifies = (bytes: Buffer, text = input): boolean => verifySignature(algorithm, publicKey, text, bytes);

      before(async () => {
        token = await signedByJose(algorithm, PAYLOAD, { typ: "JWT" });
        ({ input, signature } = parts(token));
      });

      it("verifies a signature that jose made", () => expect(verifies(signature)).to.equal(true));

      it("verifying returns true or false", () => {
        expect([verifies(signature), verifies(Buffer.alloc(3))]).to.deep.equal([true, false]);
      });

      it("refuses an empty signature", () => expect(verifies(Buffer.alloc(0))).to.equal(false));

      it("refuses every shorter signature", () => {
        for (let length = 0; length < signature.length; length++) {
          expect(verifies(signature.subarray(0, length)), `first ${length}`).to.equal(false);
          expect(verifies(signature.subarray(signature.length - length)), `last ${length}`).to.equal(false);
        }
      });

      it("refuses a lengthened signature", () => {
        for (const extra of [Buffer.alloc(1), Buffer.alloc(16), Buffer.from([1]), signature]) {
          expect(verifies(Buffer.concat([signature, extra]))).to.equal(false);
          expect(verifies(Buffer.concat([extra, signature]))).to.equal(false);
        }
      });

      it("refuses signatures of constant bytes, of the right length and others", () => {
        for (const length of [1, 32, 64, signature.length - 1, signature.length, signature.length + 1, 2_000]) {
          for (const fill of [0, 1, 0xff]) expect(verifies(Buffer.alloc(length, fill))).to.equal(false);
        }
      });

      it("refuses a signature with any one bit flipped", () => {
        for (let bit = 0; bit < signature.length * 8; bit += 5) {
          const flipped = Buffer.from(signature);
          flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
          expect(verifies(flipped), `bit ${bit}`).to.equal(false);
        }
      });

      it("refuses random bytes of the right length without throwing", () => {
        const noise = fc.uint8Array({ minLength: signature.length, maxLength: signature.length });
        fc.assert(fc.property(noise, (bytes) => !verifies(Buffer.from(bytes))));
      });

      it("refuses the signature for another text", () => {
        const [header = "", payload = ""] = input.split(".");
        const others = [`${input}A`, input.slice(1), `${payload}.${header}`, `${header}.`, "", `${header}.${payload}.`];
        for (const other of others) expect(verifies(signature, other)).to.equal(false);
      });

      it("refuses the signature of another key", () => {
        const other = algorithm.startsWith("HS") ? createSecretKey(Buffer.alloc(64, "another")) : otherThan(algorithm);
        expect(verifySignature(algorithm, other, input, signature)).to.equal(false);
      });

      it("refuses the signature under any other algorithm, and fits only keys of its own kind", () => {
        for (const other of NAMES.filter((name) => name !== algorithm)) {
          expect(verifySignature(other, publicKey, input, signature), other).to.equal(false);
          expect(verifySignature(algorithm, pairOf(other).publicKey, input, signature), other).to.equal(false);
          const { keyType, curve } = ALGORITHMS[other] as { keyType: string; curve?: string };
          const mine = ALGORITHMS[algorithm] as { keyType: string; curve?: string };
          expect(fitsAlgorithm(other, publicKey), other).to.equal(keyType === mine.keyType && curve === mine.curve);
        }
      });

      it("refuses a signature that any other algorithm made", async () => {
        for (const other of NAMES.filter((name) => name !== algorithm)) {
          const foreign = parts(await signedByJose(other, PAYLOAD));
          expect(verifies(foreign.signature, foreign.input), other).to.equal(false);
        }
      });

      it("fits no private key", () => {
        if (!algorithm.startsWith("HS")) expect(fitsAlgorithm(algorithm, privateKey)).to.equal(false);
      });

      it("agrees with jose on signatures with one byte changed", async () => {
        const change = fc.tuple(fc.nat(signature.length - 1), fc.integer({ min: 0, max: 255 }));
        await fc.assert(
          fc.asyncProperty(change, async ([at, byte]) => {
            const bytes = Buffer.from(signature);
            bytes[at] = byte;
            const ours = verifies(bytes);
            expect(ours).to.equal(bytes.equals(signature));
            const changed = `${input}.${bytes.toString("base64url")}`;
            expect(await joseVerifies(changed, algorithm, publicKey)).to.equal(ours);
          }),
          { numRuns: 25 },
        );
      });
    });
  }

  it("verifies signing inputs of any length, one after the other, by all of their characters", () => {
    const signers: Partial<Record<Algorithm, (input: Buffer, key: KeyObject) => Buffer>> = {
      HS256: (input, key) => createHmac("sha256", key).update(input).digest(),
      RS256: (input, key) => sign("sha256", input, key),
      ES256: (input, key) => sign("sha256", input, { key, dsaEncoding: "ieee-p1363" }),
      EdDSA: (input, key) => sign(null, input, key),
    };
    for (const [name, signer] of Object.entries(signers)) {
      const algorithm = name as Algorithm;
      const { publicKey, privateKey } = pairOf(algorithm);
      for (const length of [16_383, 3, 16_384, 16_385, 1, 100_000, 2]) {
        const input = "x".repeat(length);
        const signature = signer(Buffer.from(input), privateKey);
        expect(verifySignature(algorithm, publicKey, input, signature), `${name} ${length}`).to.equal(true);
        for (const other of [`${input}x`, input.slice(1), `y${input.slice(1)}`, `${input.slice(1)}y`]) {
          expect(verifySignature(algorithm, publicKey, other, signature), `${name} ${length}`).to.equal(false);
        }
      }
    }
  });

  it("verifies with long RSA keys, also of a length that is not whole bytes", () => {
    for (const [modulusLength, bytes] of [
      [2050, 257],
      [3072, 384],
    ] as const) {
      const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength });
      const signature = sign("sha256", Buffer.from("a.b"), privateKey);
      expect(signature).to.have.length(bytes);
      expect(verifySignature("RS256", publicKey, "a.b", signature), `${modulusLength}`).to.equal(true);
    }
  });

  it("fits no key of the type RSA-PSS, whose parameters would choose the hash", () => {
    const { publicKey, privateKey } = generateKeyPairSync("rsa-pss", { modulusLength: 2048 });
    const signature = sign("sha256", Buffer.from("a.b"), privateKey);
    for (const name of ["PS256", "PS384", "PS512", "RS256"] satisfies Algorithm[]) {
      expect(fitsAlgorithm(name, publicKey)).to.equal(false);
      expect(verifySignature(name, publicKey, "a.b", signature)).to.equal(false);
    }
  });

  it("fits no key on an unsupported curve", () => {
    const k256 = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey;
    for (const name of NAMES) {
      expect(fitsAlgorithm(name, k256), name).to.equal(false);
      expect(fitsAlgorithm(name, generateKeyPairSync("ed448").publicKey), name).to.equal(false);
      expect(fitsAlgorithm(name, generateKeyPairSync("x25519").publicKey), name).to.equal(false);
    }
  });

  it("never verifies an HMAC with a public key as its secret", async () => {
    for (const name of ["HS256", "HS384", "HS512"] satisfies Algorithm[]) {
      const { input, signature } = parts(await signedByJose(name, PAYLOAD));
      for (const other of NAMES.filter((each) => !each.startsWith("HS"))) {
        expect(verifySignature(name, pairOf(other).publicKey, input, signature)).to.equal(false);
      }
    }
  });
});
