import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect } from "chai";
import type { Algorithm } from "../../src/jws/algorithms.js";
import { JWKS, keyMutantOf, type Mutant, signatureOf } from "./mutants.js";
import { askJose, askUs, isMisread, newTally, STRICTNESS, strictness, tryMutants } from "./oracle.js";
import { NAMES } from "./signing.js";

// Compares our check with jose's; `npm run fuzz` does the same for any length of time, on every core.

/** The number of mutants for each seed. */
const COUNT = 3_000;

/** One fixed seed, and one that changes daily; `npm run fuzz -- --seed N` repeats a failure. */
const SEEDS = [20_270_115, Date.now() % 1_000_000_000];

const NODE = Number.parseInt(process.versions.node, 10);

const encode = (text: string | Buffer): string => Buffer.from(text).toString("base64url");

function signed(header: string, payload: string | Buffer, algorithm: Algorithm = "HS256", secret?: Buffer): string {
  const input = `${header}.${encode(payload)}`;
  const signature =
    secret === undefined ? signatureOf(algorithm, input) : createHmac("sha256", secret).update(input).digest();
  return `${input}.${encode(signature)}`;
}

/** A secret that is shorter than its hash. */
const SHORT = Buffer.alloc(31, 7);

const HEADER = encode('{"alg":"HS256"}');
const GOOD = signed(HEADER, '{"sub":"a"}');
const OKP = { ...JWKS.EdDSA };
const EDDSA = signed(encode('{"alg":"EdDSA"}'), "{}", "EdDSA");
const RS256 = signed(encode('{"alg":"RS256"}'), "{}", "RS256");

type Example = Pick<Mutant, "token"> & Partial<Mutant>;

/** An example for each name of strictness, which jose verifies and we refuse. */
const EXAMPLES: Readonly<Record<string, Example>> = {
  base64url: { token: `${GOOD}=` },
  "utf-8": { token: signed(HEADER, '\ufeff{"sub":"a"}') },
  payload: { token: signed(HEADER, "hello") },
  duplicates: { token: signed(HEADER, '{"sub":"a","s\\u0075b":"b"}') },
  numbers: { token: signed(HEADER, '{"exp":1e999}') },
  surrogates: { token: signed(HEADER, '{"sub":"\\ud800"}') },
  size: { token: signed(HEADER, `{"a":${"[".repeat(128)}${"]".repeat(128)}}`) },
  "header refused": { token: signed(encode('{"alg":"HS256","jku":"https://x"}'), "{}") },
  "header types": { token: signed(encode('{"alg":"HS256","kid":7}'), "{}") },
  "key private": { token: EDDSA, algorithm: "EdDSA", jwk: { ...OKP, k: "AA" } },
  "key purpose": { token: EDDSA, algorithm: "EdDSA", jwk: { ...OKP, alg: "ES256" } },
  "key members": { token: EDDSA, algorithm: "EdDSA", jwk: { ...OKP, crv: ["Ed25519"] } },
  "key kid": { token: EDDSA, algorithm: "EdDSA", jwk: { ...OKP, kid: "" } },
  "key base64": { token: EDDSA, algorithm: "EdDSA", jwk: { ...OKP, x: `${String(OKP["x"])}==` } },
  "key strength": { token: signed(HEADER, "{}", "HS256", SHORT), jwk: { kty: "oct", k: encode(SHORT) } },
};

describe("our check and jose's", () => {
  for (const seed of SEEDS) {
    it(`we and jose agree on ${COUNT} mutants of the seed ${seed}, except for named strictness`, async () => {
      const tally = newTally();
      await tryMutants(seed, COUNT, 4, tally);
      expect(tally.faults, `npm run fuzz -- --seed ${seed}`).to.deep.equal([]);
      expect(tally.mutants).to.equal(COUNT);
      expect(tally.verified, "some are good").to.be.above(50);
      expect(tally.asked, "some are not").to.be.above(200);
      expect(Object.keys(tally.refused)).to.include.members(["TOKEN_MALFORMED", "HEADER_REFUSED", "alg", "signature"]);
    });
  }

  for (const seed of SEEDS) {
    it(`jose verifies by every changed key that we take of the seed ${seed}, however it is spelt`, async () => {
      const tally = newTally();
      await tryMutants(seed, 1_000, 1, tally, keyMutantOf);
      expect(tally.faults).to.deep.equal([]);
      expect(tally.verified, "some keys are only respelled").to.be.above(200);
      expect(tally.refused["key"], "some are refused").to.be.above(200);
    });
  }

  for (const algorithm of NAMES) {
    it(`we and jose verify ${algorithm} to the same payload, and refuse a changed signature`, async () => {
      const token = signed(encode(`{"alg":"${algorithm}"}`), '{"a" : "\\u00e9"}', algorithm);
      const mutant: Mutant = { token, algorithm, kind: "ofBytes" };
      expect(askUs(mutant)).to.deep.equal({ payload: '{"a" : "\\u00e9"}' });
      expect((await askJose(mutant))?.toString()).to.equal('{"a" : "\\u00e9"}');
      const forged = { ...mutant, token: token.replace(/.{4}$/, (end) => (end === "AAAA" ? "BAAA" : "AAAA")) };
      expect(askUs(forged)).to.deep.equal({ refused: "signature" });
      expect(await askJose(forged)).to.equal(undefined);
    });
  }
});

describe("a header whose names are escaped, once JSON.parse has seen a name that ends in a backslash", () => {
  const token = signed(encode('{"typ":"JWT","al\\u0067":"HS256"}'), '{"sub":"a"}');
  const mutant: Mutant = { token, algorithm: "HS256", kind: "ofJson" };

  it("an escaped header name is read by us, and by jose if JSON.parse reads it right", async () => {
    expect(askUs(mutant)).to.deep.equal({ payload: '{"sub":"a"}' });
    JSON.parse('{"typ":"x","al\\\\":0}');
    const misread = isMisread(token);
    expect(misread, "the defect came with V8 12.8, in Node 24").to.equal(NODE >= 24);
    expect((await askJose(mutant)) === undefined).to.equal(misread);
    expect(askUs(mutant)).to.deep.equal({ payload: '{"sub":"a"}' });
  });
});

describe("where we are stricter than jose", () => {
  for (const [name, example] of Object.entries(EXAMPLES)) {
    it(`${name}: jose verifies the example, we refuse it`, async () => {
      const mutant: Mutant = { algorithm: "HS256", kind: "ofBytes", ...example };
      const ours = askUs(mutant);
      if (!("refused" in ours)) throw new Error("we verify it");
      expect(await askJose(mutant), "jose").to.not.equal(undefined);
      expect(strictness(mutant, ours.refused)).to.equal(name);
    });
  }

  it("every name of strictness has an example, and every example has a name", () => {
    expect(Object.keys(EXAMPLES)).to.have.members(STRICTNESS);
  });

  it("a refusal for an algorithm or a signature has no name of strictness", () => {
    for (const refused of ["alg", "signature"]) {
      expect(strictness({ token: `${RS256}=`, algorithm: "RS256", kind: "ofBytes" }, refused)).to.equal(undefined);
    }
  });

  it("docs/strictness.md lists the names of strictness", () => {
    const text = readFileSync(new URL("../../docs/strictness.md", import.meta.url), "utf8");
    const [, section = ""] = text.split("## Beside jose");
    const names = Array.from(
      section.split("\n## ")[0]!.matchAll(/^\| ([a-z][a-z0-9 -]*) \| (?!what)/gm),
      ([, name]) => name,
    );
    expect(names).to.have.members(STRICTNESS);
  });
});
