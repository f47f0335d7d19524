import { createPublicKey, type JsonWebKey } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { calculateJwkThumbprint } from "jose";
import type { Algorithm } from "../../src/jws/algorithms.js";
import { loadJwk } from "../../src/keys/jwk.js";
import { loadJwks } from "../../src/keys/jwks.js";
import { keptKey } from "../../src/keys/key.js";
import { decodeBase64, withoutByteOrderMark } from "../../src/keys/spelling.js";
import { jwkOf } from "../support/keys.js";
import { onlyKey } from "./only-key.js";
import { refusal } from "./refusal.js";

// Published keys are read generously: a respelled key is the same key. Octet strings are not integers.

const KEYS: readonly (readonly [name: string, algorithm: Algorithm])[] = [
  ["rsa", "RS256"],
  ["p256", "ES256"],
  ["p256-short", "ES256"],
  ["p384", "ES384"],
  ["p521", "ES512"],
  ["ed25519", "EdDSA"],
];

const INTEGERS: Readonly<Record<string, readonly string[]>> = { RSA: ["n", "e"], EC: ["x", "y"], OKP: [] };
const OCTETS: Readonly<Record<string, readonly string[]>> = { RSA: [], EC: [], OKP: ["x"] };

interface Spelling {
  /** Zeros before an integer; undefined to leave out those that it has. */
  readonly zeros: number | undefined;
  readonly alphabet: "base64" | "base64url";
  readonly isPadded: boolean;
}

const spelling: fc.Arbitrary<Spelling> = fc.record({
  zeros: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }),
  alphabet: fc.constantFrom("base64", "base64url"),
  isPadded: fc.boolean(),
});

/** Spells bytes. */
function spell(bytes: Buffer, { alphabet, isPadded }: Spelling): string {
  const bare = bytes.toString(alphabet).replaceAll("=", "");
  return isPadded ? bare.padEnd(Math.ceil(bare.length / 4) * 4, "=") : bare;
}

/** Spells a key: each integer and each octet string by a spelling of its own, and some members as null. */
function respell(jwk: JsonWebKey, spellings: readonly Spelling[], nulls: readonly string[]): Record<string, unknown> {
  const members: Record<string, unknown> = { ...jwk };
  let at = 0;
  for (const name of INTEGERS[jwk.kty ?? ""] ?? []) {
    const how = spellings[at++] as Spelling;
    const bytes = Buffer.from(String(jwk[name]), "base64url");
    const digits = bytes.subarray(bytes.findIndex((byte) => byte !== 0));
    members[name] = spell(how.zeros === undefined ? digits : Buffer.concat([Buffer.alloc(how.zeros), digits]), how);
  }
  for (const name of OCTETS[jwk.kty ?? ""] ?? []) {
    members[name] = spell(Buffer.from(String(jwk[name]), "base64url"), spellings[at++] as Spelling);
  }
  for (const name of nulls) members[name] ??= null;
  return members;
}

const respelling = fc.tuple(
  fc.tuple(spelling, spelling),
  fc.subarray(["d", "p", "q", "dp", "dq", "qi", "oth", "k", "alg", "use", "key_ops", "kid", "x5t", "x5c", "x5u"]),
);

describe("a respelled key", () => {
  for (const [name, algorithm] of KEYS) {
    const jwk = jwkOf(name) as JsonWebKey;
    it(`is the same key as ${name}, by its thumbprint and by OpenSSL, however it is spelt`, async () => {
      const label = await calculateJwkThumbprint(jwk);
      const whole = createPublicKey({ key: jwk, format: "jwk" });
      fc.assert(
        fc.property(respelling, ([spellings, nulls]) => {
          const key = onlyKey(loadJwk(respell(jwk, spellings, nulls), { algorithms: [algorithm] }));
          expect(key.label).to.equal(label);
          expect(key.kid).to.equal(undefined);
          expect(key.key.equals(whole)).to.equal(true);
        }),
        { numRuns: 60 },
      );
    });
  }

  it("keeps its key object and its facts when an issuer publishes it in another spelling", () => {
    const algorithms = [...new Set(KEYS.map(([, algorithm]) => algorithm))];
    fc.assert(
      fc.property(fc.array(respelling, { minLength: KEYS.length, maxLength: KEYS.length }), (all) => {
        const before = loadJwks({ keys: KEYS.map(([name]) => ({ ...jwkOf(name), kid: name })) }, { algorithms }).keys;
        const again = KEYS.map(([name], at) => {
          const [spellings, nulls] = all[at] ?? expect.fail();
          return respell({ ...jwkOf(name), kid: name }, spellings, nulls);
        });
        const { keys, leftOut } = loadJwks({ keys: again }, { algorithms });
        expect(leftOut).to.deep.equal([]);
        expect(keys).to.have.length(before.length);
        for (const [index, key] of keys.entries()) expect(keptKey(before, index, key)).to.equal(before[index]);
      }),
      { numRuns: 30 },
    );
  });

  it("is refused if an octet string has a byte more or less: that is another key", () => {
    const x = Buffer.from(String(jwkOf("ed25519")["x"]), "base64url");
    for (const bytes of [Buffer.concat([Buffer.alloc(1), x]), Buffer.concat([x, Buffer.alloc(1)]), x.subarray(1)]) {
      const jwk = { ...jwkOf("ed25519"), x: bytes.toString("base64url") };
      expect(refusal(() => loadJwk(jwk, { algorithms: ["EdDSA"] })).message).to.include("it must have 32");
    }
    const [one, other] = [Buffer.alloc(40, 7), Buffer.concat([Buffer.alloc(1), Buffer.alloc(40, 7)])].map((bytes) =>
      onlyKey(loadJwk({ kty: "oct", k: bytes.toString("base64") }, { algorithms: ["HS256"] })),
    );
    expect(one?.key.symmetricKeySize).to.equal(40);
    expect(other?.key.symmetricKeySize, "a zero is a part of a secret").to.equal(41);
  });

  it("has no purpose and no algorithm where libraries write them as empty", () => {
    const jwk = { ...jwkOf("p256"), use: "", alg: "", key_ops: [], x5c: [] };
    const key = onlyKey(loadJwk(jwk, { algorithms: ["ES256"] }));
    expect(key.label).to.equal(onlyKey(loadJwk(jwkOf("p256"), { algorithms: ["ES256"] })).label);
  });

  it("is refused if a private member is anything but null", () => {
    for (const value of ["", "AA", 0, false, [], {}]) {
      for (const name of ["d", "p", "k", "oth"]) {
        const error = refusal(() => loadJwk({ ...jwkOf("p256"), [name]: value }, { algorithms: ["ES256"] }));
        expect(error).to.include({ kind: "worthless", cause: "weak" });
      }
    }
  });
});

describe("decodeBase64", () => {
  it("decodes every text that Node writes, in both alphabets, padded or not", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), spelling, (array, how) => {
        const bytes = Buffer.from(array);
        expect(decodeBase64(spell(bytes, how))?.equals(bytes)).to.equal(true);
      }),
    );
  });

  it("refuses a mix of alphabets, white space, wrong padding, impossible lengths and spare bits", () => {
    for (const text of [
      "+_==",
      "-/AA",
      "A A=",
      "AAA=\n",
      " AAAA",
      "AAA",
      "A",
      "AAAAA",
      "AA=",
      "AAA==",
      "AAAA=",
      "AAAA====",
      "=",
      "AB==",
      "AAB=",
      "A=AA",
      "ÄAAA",
    ]) {
      const isWhole = text === "AAA";
      expect(decodeBase64(text) !== undefined, JSON.stringify(text)).to.equal(isWhole);
    }
    expect(decodeBase64("")?.length).to.equal(0);
  });

  it("takes time in proportion to the text", () => {
    expect(decodeBase64(`${"A".repeat(1_000_000)}*`)).to.equal(undefined);
    expect(decodeBase64("=".repeat(1_000_000))).to.equal(undefined);
  });
});

describe("withoutByteOrderMark", () => {
  it("drops one byte order mark of UTF-8, and nothing else", () => {
    for (const [text, bare] of [
      ["\ufeff{}", "{}"],
      ["{}", "{}"],
      ["\ufeff\ufeff{}", "\ufeff{}"],
      [" \ufeff{}", " \ufeff{}"],
      ["\ufeff", ""],
      ["", ""],
    ] as const) {
      expect(withoutByteOrderMark(Buffer.from(text)).toString()).to.equal(bare);
    }
  });
});
