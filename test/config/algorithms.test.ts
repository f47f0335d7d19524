import { generateKeyPairSync } from "node:crypto";
import { expect } from "chai";
import { unavailable } from "../../src/jws/algorithms.js";
import { keyOf } from "../support/keys.js";
import { load, wrongs } from "./harness.js";

// The names of algorithms in a configuration, and what the running Node lacks.

const FILES = { "ed25519.pem": keyOf("ed25519").publicPem ?? "", "p256.pem": keyOf("p256").publicPem ?? "" };

const realm = (algorithms: string, key: string): string =>
  `grpc: 127.0.0.1:0\nrealms:\n  r: { algorithms: [${algorithms}], issuer: null, audience: null, keys: [${key}] }\n`;

describe("the algorithms of a configuration", () => {
  for (const names of ["EdDSA", "Ed25519", "EdDSA, Ed25519", "Ed25519, EdDSA"]) {
    for (const alg of ["", ", alg: EdDSA", ", alg: Ed25519"]) {
      it(`[${names}] is one algorithm, and a key${alg} is for it`, () => {
        const { realms } = load(realm(names, `{ pemFile: ./ed25519.pem${alg} }`), FILES);
        expect(realms[0]?.algorithms).to.deep.equal(["EdDSA"]);
        expect(realms[0]?.keys.map(({ algorithm }) => algorithm)).to.deep.equal(["EdDSA"]);
      });
    }
  }

  it("[RS256, Ed25519, ES256, EdDSA] keeps the order of the names", () => {
    const { realms } = load(realm("RS256, Ed25519, ES256, EdDSA", "{ pemFile: ./p256.pem }"), FILES);
    expect(realms[0]?.algorithms).to.deep.equal(["RS256", "EdDSA", "ES256"]);
  });

  it("a key that does not fit is told all names of the realm's algorithms", () => {
    const [wrong] = wrongs(() => load(realm("EdDSA", "{ pemFile: ./p256.pem }"), FILES));
    expect(wrong).to.include("none of the realm's algorithms: EdDSA, Ed25519");
  });

  for (const name of ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"] as const) {
    it(`${name} loads where the running Node has it, and elsewhere the error says which Node is needed`, () => {
      if (unavailable(name) !== undefined) {
        const [wrong] = wrongs(() => load(realm(`ES256, ${name}`, "{ pemFile: ./p256.pem }"), FILES));
        expect(wrong).to.match(
          /^realms\.r\.algorithms\[1\]: ML-DSA-\d\d needs Node 24\.7 or later with OpenSSL 3\.5 or later; this is Node 22\./,
        );
        return;
      }
      const { publicKey } = generateKeyPairSync(name.toLowerCase() as "ed25519");
      const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
      const jwk = JSON.stringify({ ...publicKey.export({ format: "jwk" }), use: "sig", kid: "jwk" });
      const keys = `{ pemFile: ./pq.pem, kid: pem }, { jwk: ${jwk} }`;
      const { realms } = load(realm(`ES256, ${name}`, keys), { ...FILES, "pq.pem": pem });
      expect(realms[0]?.keys.map(({ algorithm, kid }) => [algorithm, kid])).to.deep.equal([
        [name, "pem"],
        [name, "jwk"],
      ]);
    });
  }
});
