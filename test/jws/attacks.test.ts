import { constants, createHash, generateKeyPairSync, privateEncrypt, sign } from "node:crypto";
import { expect } from "chai";
import { type Algorithm, verifySignature } from "../../src/jws/algorithms.js";
import { pairOf, toBytes, toInteger } from "./signing.js";

// Signatures that some library has accepted; all are made with the real private key, or need none.

const INPUT = "eyJhbGciOiJ4In0.eyJzdWIiOiJzb21lb25lIn0";

const sha = (name: string, ...pieces: Buffer[]): Buffer => createHash(name).update(Buffer.concat(pieces)).digest();

describe("ECDSA", () => {
  const CURVES: [algorithm: Algorithm, hash: string, width: number, order: bigint][] = [
    ["ES256", "sha256", 32, 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n],
    [
      "ES384",
      "sha384",
      48,
      0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    ],
    [
      "ES512",
      "sha512",
      66,
      0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    ],
  ];

  for (const [algorithm, hash, width, n] of CURVES) {
    describe(algorithm, () => {
      const { publicKey, privateKey } = pairOf(algorithm);
      const good = sign(hash, Buffer.from(INPUT), { key: privateKey, dsaEncoding: "ieee-p1363" });
      const r = toInteger(good.subarray(0, width));
      const s = toInteger(good.subarray(width));
      const verifies = (bytes: Buffer): boolean => verifySignature(algorithm, publicKey, INPUT, bytes);
      const pair = (a: bigint, b: bigint, wide = width): Buffer => Buffer.concat([toBytes(a, wide), toBytes(b, wide)]);

      it("ECDSA verifies r and s as they were made", () => expect(verifies(pair(r, s))).to.equal(true));

      it("ECDSA verifies n - s too, so that a signature's bytes must not identify a token", () => {
        expect(verifies(pair(r, n - s))).to.equal(true);
      });

      const edges: Record<string, bigint> = { "0": 0n, "1": 1n, "n-1": n - 1n, n, "n+1": n + 1n, "2^m-1": -1n };
      for (const [first, a] of Object.entries(edges)) {
        for (const [second, b] of Object.entries(edges)) {
          it(`refuses r = ${first}, s = ${second}`, () => expect(verifies(pair(a, b))).to.equal(false));
        }
        it(`refuses r = ${first} beside the right s`, () => expect(verifies(pair(a, s))).to.equal(false));
        it(`refuses s = ${first} beside the right r`, () => expect(verifies(pair(r, a))).to.equal(false));
      }

      it("ECDSA refuses n - r, r and s swapped, and -s", () => {
        for (const bytes of [pair(n - r, s), pair(s, r), pair(r, -s)]) expect(verifies(bytes)).to.equal(false);
      });

      it("ECDSA refuses values that are not reduced", () => {
        // The number is the same modulo n only if it fits the width, as on P-521.
        for (const bytes of [pair(r + n, s), pair(r, s + n), pair(r + n, s + n)])
          expect(verifies(bytes)).to.equal(false);
      });

      it("ECDSA refuses r and s of other widths", () => {
        for (const wide of [width - 1, width + 1, width + 2, 2 * width]) {
          expect(verifies(pair(r, s, wide)), `${wide}`).to.equal(false);
        }
      });

      it("ECDSA refuses DER, even if it is as long as r and s", () => {
        const der = sign(hash, Buffer.from(INPUT), privateKey);
        expect(verifies(der)).to.equal(false);
        expect(verifies(der.subarray(0, 2 * width))).to.equal(false);
        const body = Buffer.concat([
          Buffer.from([2, 1, 1, 2, 2 * width - 7 > 127 ? 1 : 2 * width - 7]),
          Buffer.alloc(200, 1),
        ]);
        const short = Buffer.concat([Buffer.from([0x30, Math.min(127, 2 * width - 2)]), body]).subarray(0, 2 * width);
        expect(verifies(short)).to.equal(false);
      });

      it("ECDSA refuses a signature over another hash", () => {
        for (const other of ["sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256"].filter(
          (each) => each !== hash,
        )) {
          const bytes = sign(other, Buffer.from(INPUT), { key: privateKey, dsaEncoding: "ieee-p1363" });
          expect(verifies(bytes), other).to.equal(false);
        }
      });
    });
  }

  it("ES256 refuses a signature on another curve of the same width", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
    const bytes = sign("sha256", Buffer.from(INPUT), { key: privateKey, dsaEncoding: "ieee-p1363" });
    expect(verifySignature("ES256", pairOf("ES256").publicKey, INPUT, bytes)).to.equal(false);
  });
});

/** Applies the RSA private key to an unpadded block. */
const raw = (algorithm: Algorithm, block: Buffer): Buffer =>
  privateEncrypt({ key: pairOf(algorithm).privateKey, padding: constants.RSA_NO_PADDING }, block);

const modulusOf = (algorithm: Algorithm): bigint =>
  toInteger(Buffer.from(pairOf(algorithm).publicKey.export({ format: "jwk" }).n ?? "", "base64url"));

describe("RSASSA-PKCS1-v1_5", () => {
  const verifies = (bytes: Buffer): boolean => verifySignature("RS256", pairOf("RS256").publicKey, INPUT, bytes);
  const digest = sha("sha256", Buffer.from(INPUT));
  const SHA256 = "608648016503040201";
  const info = (hex: string): Buffer => Buffer.concat([Buffer.from(hex, "hex"), digest]);
  const prefix = info(`3031300d0609${SHA256}05000420`);

  /** Returns 00 01 FF..FF 00 and the content, in 256 bytes; `behind` follows the content in place of as many FFs. */
  const block = (content: Buffer, { type = 1, fill = 0xff, behind = Buffer.alloc(0), mark = 0 } = {}): Buffer => {
    const ffs = Buffer.alloc(256 - 3 - content.length - behind.length, fill);
    return Buffer.concat([Buffer.from([0, type]), ffs, Buffer.from([mark]), content, behind]);
  };

  it("PKCS#1 v1.5 verifies the block of RFC 8017 section 9.2", () =>
    expect(verifies(raw("RS256", block(prefix)))).to.equal(true));

  const withHole = block(prefix);
  withHole[40] = 0xfe;
  const firstByte = block(prefix);
  firstByte[0] = 0x01;
  firstByte[1] = 0x00;
  const LOOSE: Record<string, Buffer> = {
    "block type 0": block(prefix, { type: 0, fill: 0 }),
    "block type 2": block(prefix, { type: 2, fill: 0x55 }),
    "padding of zeros": block(prefix, { fill: 0 }),
    "one byte of padding changed": withHole,
    "another first byte": firstByte,
    "no byte between padding and content": block(prefix, { mark: 0xff }),
    "bytes behind, as Bleichenbacher left them in 2006": block(prefix, { behind: Buffer.alloc(180, 0x55) }),
    "zeros behind": block(prefix, { behind: Buffer.alloc(20) }),
    "eight bytes of padding alone": block(prefix, { behind: Buffer.alloc(256 - 3 - prefix.length - 8, 1) }),
    "no padding": block(prefix, { behind: Buffer.alloc(256 - 3 - prefix.length, 1) }),
    "DigestInfo without NULL": block(info(`302f300b0609${SHA256}0420`)),
    "DigestInfo with parameters": block(info(`3033300f0609${SHA256}040200000420`)),
    "DigestInfo with a long length": block(info(`308131300d0609${SHA256}05000420`)),
    "DigestInfo that names SHA-1": block(info("3021300906052b0e03021a05000420")),
    "DigestInfo that names SHA-512": block(info("3031300d060960864801650304020305000420")),
    "the digest without DigestInfo": block(digest),
    "DigestInfo and nothing": block(Buffer.from(`3031300d0609${SHA256}05000420`, "hex")),
    "a digest cut short": block(prefix.subarray(0, prefix.length - 1)),
    "the digest of something else": block(Buffer.concat([prefix.subarray(0, 19), sha("sha256", Buffer.from("x"))])),
  };
  for (const [name, bytes] of Object.entries(LOOSE)) {
    it(`PKCS#1 v1.5 refuses ${name}`, () => {
      expect(bytes).to.have.length(256);
      // A block that is not below the modulus cannot be signed, and serves as the signature itself.
      const signature = bytes[0] === 0 ? raw("RS256", bytes) : bytes;
      expect(verifies(signature)).to.equal(false);
    });
  }

  it("PKCS#1 v1.5 refuses other hashes", () => {
    for (const hash of ["md5", "sha1", "sha224", "sha384", "sha512", "sha512-256"]) {
      expect(verifies(sign(hash, Buffer.from(INPUT), pairOf("RS256").privateKey)), hash).to.equal(false);
    }
  });

  it("PKCS#1 v1.5 refuses a PSS signature", () => {
    const key = { key: pairOf("RS256").privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    expect(verifies(sign("sha256", Buffer.from(INPUT), key))).to.equal(false);
  });
});

describe("RSA values", () => {
  for (const algorithm of ["RS256", "PS256"] satisfies Algorithm[]) {
    it(`${algorithm}: refuses a signature plus the modulus`, () => {
      const n = modulusOf(algorithm);
      const { publicKey, privateKey } = pairOf(algorithm);
      const padding = algorithm === "RS256" ? constants.RSA_PKCS1_PADDING : constants.RSA_PKCS1_PSS_PADDING;
      let tried = 0;
      for (let number = 0; tried < 3; number++) {
        const input = `${INPUT}${number}`;
        const signature = sign("sha256", Buffer.from(input), { key: privateKey, padding, saltLength: 32 });
        const more = toInteger(signature) + n;
        if (more >= 2n ** 2048n) continue; // does not fit into 256 bytes: try the next text
        tried++;
        expect(verifySignature(algorithm, publicKey, input, signature)).to.equal(true);
        expect(verifySignature(algorithm, publicKey, input, toBytes(more, 256))).to.equal(false);
      }
    });

    it(`${algorithm}: refuses 0, 1, n - 1, n and n + 1`, () => {
      const n = modulusOf(algorithm);
      for (const value of [0n, 1n, n - 1n, n, n + 1n]) {
        expect(verifySignature(algorithm, pairOf(algorithm).publicKey, INPUT, toBytes(value, 256))).to.equal(false);
      }
    });
  }
});

describe("RSASSA-PSS", () => {
  const { publicKey, privateKey } = pairOf("PS256");
  const verifies = (bytes: Buffer): boolean => verifySignature("PS256", publicKey, INPUT, bytes);
  const signed = (hash: string, saltLength: number): Buffer =>
    sign(hash, Buffer.from(INPUT), { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });

  for (const saltLength of [0, 1, 20, 31, 33, 48, 64, constants.RSA_PSS_SALTLEN_MAX_SIGN]) {
    it(`PSS refuses a salt of ${saltLength} bytes`, () =>
      expect(verifies(signed("sha256", saltLength))).to.equal(false));
  }

  for (const hash of ["sha1", "sha224", "sha384", "sha512", "sha512-256"]) {
    it(`PSS refuses the hash ${hash}`, () => expect(verifies(signed(hash, 32))).to.equal(false));
  }

  it("PSS refuses a PKCS#1 v1.5 signature", () => {
    expect(verifies(sign("sha256", Buffer.from(INPUT), privateKey))).to.equal(false);
  });

  const mgf1 = (hash: string, seed: Buffer, length: number): Buffer => {
    const blocks: Buffer[] = [];
    for (let counter = 0; blocks.length * 20 < length; counter++)
      blocks.push(sha(hash, seed, toBytes(BigInt(counter), 4)));
    return Buffer.concat(blocks).subarray(0, length);
  };

  interface Encoding {
    readonly mgf?: string;
    readonly trailer?: number;
    readonly mark?: number;
    readonly padding?: number;
    readonly prefix?: number;
    readonly salt?: number;
  }

  /** Encodes EMSA-PSS (RFC 8017 section 9.1.1) for 2048 bits, with the given deviations. */
  const encode = ({
    mgf = "sha256",
    trailer = 0xbc,
    mark = 1,
    padding = 0,
    prefix = 0,
    salt = 32,
  }: Encoding): Buffer => {
    const bytes = Buffer.alloc(salt, 7);
    const digest = sha("sha256", Buffer.alloc(8, prefix), sha("sha256", Buffer.from(INPUT)), bytes);
    const db = Buffer.concat([Buffer.alloc(256 - 32 - 2 - salt, padding), Buffer.from([mark]), bytes]);
    const mask = mgf1(mgf, digest, db.length);
    const masked = Buffer.from(db.map((byte, at) => byte ^ (mask[at] ?? 0)));
    masked.writeUInt8(masked.readUInt8(0) & 0x7f, 0);
    return Buffer.concat([masked, digest, Buffer.from([trailer])]);
  };

  it("PSS verifies the encoding that these tests make", () =>
    expect(verifies(raw("PS256", encode({})))).to.equal(true));

  const LOOSE: Record<string, Encoding> = {
    "a mask by SHA-1": { mgf: "sha1" },
    "a mask by SHA-512": { mgf: "sha512" },
    "the trailer of ISO 9796-2": { trailer: 0xcc },
    "no trailer": { trailer: 0 },
    "padding that is not zero": { padding: 0x11 },
    "another mark before the salt": { mark: 2 },
    "no mark before the salt": { mark: 0 },
    "a prefix that is not zero": { prefix: 1 },
    "no salt": { salt: 0 },
    "a salt one byte too long": { salt: 33 },
  };
  for (const [name, parts] of Object.entries(LOOSE)) {
    it(`PSS refuses ${name}`, () => expect(verifies(raw("PS256", encode(parts)))).to.equal(false));
  }

  it("PSS refuses a block whose highest bit is set", () => {
    const block = encode({});
    block.writeUInt8(block.readUInt8(0) | 0x80, 0);
    // Neither the block itself nor its signature may pass, whether or not it is below the modulus.
    if (toInteger(block) < modulusOf("PS256")) expect(verifies(raw("PS256", block))).to.equal(false);
    expect(verifies(block)).to.equal(false);
  });
});

describe("Ed25519", () => {
  const { publicKey, privateKey } = pairOf("EdDSA");
  const L = 2n ** 252n + 27742317777372353535851937790883648493n;
  const good = sign(null, Buffer.from(INPUT), privateKey);
  const little = (integer: bigint): Buffer => toBytes(integer, 32).reverse();
  const s = toInteger(Buffer.from(good.subarray(32)).reverse());
  const verifies = (bytes: Buffer): boolean => verifySignature("EdDSA", publicKey, INPUT, bytes);

  it("Ed25519 verifies S as it was made", () => {
    expect(verifies(Buffer.concat([good.subarray(0, 32), little(s)]))).to.equal(true);
  });

  for (const times of [1n, 2n, 3n, 7n, 8n, 15n]) {
    it(`Ed25519 refuses S + ${times}L`, () => {
      expect(verifies(Buffer.concat([good.subarray(0, 32), little(s + times * L)]))).to.equal(false);
    });
  }

  it("Ed25519 refuses S = 0, L, -S, and R replaced by a point of small order", () => {
    for (const value of [0n, L, L - s, L - 1n]) {
      expect(verifies(Buffer.concat([good.subarray(0, 32), little(value)]))).to.equal(false);
    }
    for (const point of [0n, 1n, 2n ** 255n - 20n, 2n ** 255n - 19n]) {
      expect(verifies(Buffer.concat([little(point), little(s)]))).to.equal(false);
      expect(verifies(Buffer.concat([little(point), little(0n)]))).to.equal(false);
    }
  });

  it("Ed25519 refuses R and S swapped, and Ed25519ph", () => {
    expect(verifies(Buffer.concat([good.subarray(32), good.subarray(0, 32)]))).to.equal(false);
    expect(verifies(sign(null, sha("sha512", Buffer.from(INPUT)), privateKey))).to.equal(false);
  });
});

describe("HMAC", () => {
  const FAMILY: [Algorithm, string][] = [
    ["HS256", "sha256"],
    ["HS384", "sha384"],
    ["HS512", "sha512"],
  ];
  for (const [algorithm, hash] of FAMILY) {
    it(`${algorithm}: refuses a hash of the text alone or with the secret, and the secret itself`, () => {
      const { publicKey } = pairOf(algorithm);
      const secret = publicKey.export();
      const text = Buffer.from(INPUT);
      for (const bytes of [sha(hash, text), sha(hash, secret, text), sha(hash, text, secret), secret]) {
        expect(verifySignature(algorithm, publicKey, INPUT, bytes)).to.equal(false);
      }
    });
  }
});
