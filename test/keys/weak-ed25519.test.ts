import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { expect } from "chai";
import { verifySignature } from "../../src/jws/algorithms.js";
import { ed25519Fault } from "../../src/keys/weak-keys.js";

// The curve of RFC 8032 section 5.1, computed by its addition law, as an oracle for the source, which derives it another way.
const P = 2n ** 255n - 19n;
const mod = (a: bigint): bigint => ((a % P) + P) % P;
const power = (base: bigint, exponent: bigint): bigint => {
  if (exponent === 0n) return 1n;
  const half = power(mod(base * base), exponent >> 1n);
  return exponent & 1n ? mod(half * base) : half;
};
const inverse = (a: bigint): bigint => power(a, P - 2n);
const D = mod(-121665n * inverse(121666n));

type Point = readonly [x: bigint, y: bigint];

const add = ([x1, y1]: Point, [x2, y2]: Point): Point => {
  const product = mod(D * mod(x1 * x2) * mod(y1 * y2));
  return [mod((x1 * y2 + x2 * y1) * inverse(mod(1n + product))), mod((y1 * y2 + x1 * x2) * inverse(mod(1n - product)))];
};
const times = (scalar: bigint, point: Point): Point => {
  let sum: Point = [0n, 1n];
  for (const bit of scalar.toString(2)) {
    sum = add(sum, sum);
    if (bit === "1") sum = add(sum, point);
  }
  return sum;
};
const root = (a: bigint): bigint | undefined => {
  const candidate = power(a, (P + 3n) / 8n);
  return [candidate, mod(candidate * power(2n, (P - 1n) / 4n))].find((each) => mod(each * each) === a);
};
const withY = (y: bigint): Point | undefined => {
  const x = root(mod(mod(y * y - 1n) * inverse(mod(D * y * y + 1n))));
  return x === undefined ? undefined : [x, mod(y)];
};
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

const encode = (y: bigint, sign: bigint): Buffer =>
  Buffer.from(((sign << 255n) | y).toString(16).padStart(64, "0"), "hex").reverse();

/** The eight points of small order: the multiples of L times a point, if that has order 8. */
const torsion = (): Point[] => {
  for (let y = 2n; ; y++) {
    const point = withY(y);
    if (point === undefined) continue;
    const generator = times(L, point);
    if (times(4n, generator)[1] === 1n) continue;
    return Array.from({ length: 8 }, (_, n) => times(BigInt(n), generator));
  }
};

const faultOf = (bytes: Buffer): string | undefined => ed25519Fault(bytes)?.message;

describe("ed25519Fault", () => {
  const points = torsion();

  it("there are eight points of small order", () => {
    expect(new Set(points.map(String)).size).to.equal(8);
    for (const point of points) expect(times(8n, point)).to.deep.equal([0n, 1n]);
  });

  // y, and y + p if it fits in 255 bits, each with both signs: 14 encodings, some of which only lax decoders accept.
  const encodings = [...new Set(points.map(([, y]) => y))]
    .flatMap((y) => [y, y + P].filter((each) => each < 2n ** 255n))
    .flatMap((y) => [encode(y, 0n), encode(y, 1n)]);

  it("the points of small order have fourteen encodings", () => expect(encodings).to.have.length(14));

  for (const bytes of encodings) {
    it(`refuses the point of small order ${bytes.toString("hex")}`, () => {
      expect(faultOf(bytes)).to.equal(
        "the Ed25519 key is a point of small order, by which anyone can sign: make a new key",
      );
    });
  }

  it("only Node 22 verifies a forged signature under a point of small order", () => {
    const identity = encode(1n, 0n);
    const key = createPublicKey({
      key: { kty: "OKP", crv: "Ed25519", x: identity.toString("base64url") },
      format: "jwk",
    });
    const forged = Buffer.concat([identity, Buffer.alloc(32)]);
    const isNode22 = process.versions.node.startsWith("22.");
    expect(verifySignature("EdDSA", key, "whatever.you like", forged)).to.equal(isNode22);
  });

  it("refuses every other unreduced encoding", () => {
    for (let y = P + 2n; y < 2n ** 255n; y++) {
      for (const sign of [0n, 1n]) {
        expect(faultOf(encode(y, sign))).to.equal("the Ed25519 key is not in its canonical form: export the key again");
      }
    }
  });

  it("tells points of the curve from other bytes", () => {
    for (let y = 2n; y < 60n; y++) {
      const fault =
        withY(y) === undefined ? "the Ed25519 key is not a point of the curve: export the key again" : undefined;
      expect(faultOf(encode(y, 0n)), `y = ${y}`).to.equal(fault);
      expect(faultOf(encode(y, 1n)), `y = ${y}`).to.equal(fault);
    }
  });

  it("accepts keys that OpenSSL made", () => {
    for (let round = 0; round < 50; round++) {
      const { x } = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });
      expect(faultOf(Buffer.from(x ?? "", "base64url"))).to.equal(undefined);
    }
  });

  it("refuses a point of another length", () => {
    for (const length of [0, 31, 33, 57]) {
      expect(faultOf(Buffer.alloc(length, 3))).to.equal(`the Ed25519 key has ${length} bytes: it must have 32`);
    }
  });

  it("leaves the checked bytes as they were", () => {
    const bytes = encode(4n, 1n);
    const before = bytes.toString("hex");
    ed25519Fault(bytes);
    expect(bytes.toString("hex")).to.equal(before);
  });
});
