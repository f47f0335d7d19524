import { generateKeyPairSync, generatePrimeSync } from "node:crypto";
import { expect } from "chai";
import { examinePublished, loadPublished } from "../../../src/keys/remote/published.js";
import { jwkOf } from "../../support/keys.js";

const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" });

/** What an error says; empty for none. */
function said(run: () => unknown): string {
  try {
    run();
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

describe("a set as an issuer publishes it", () => {
  it("gives its usable keys", () => {
    expect(loadPublished({ keys: [jwkOf("p256"), weak] }, ["ES256"]).keys).to.have.length(1);
  });

  it("without a usable key says of one why", () => {
    expect(said(() => loadPublished({ keys: [] }, ["RS256"]))).to.equal(
      "the set has no usable key for RS256 (it is empty)",
    );
    expect(said(() => loadPublished({ keys: [jwkOf("p256"), weak] }, ["RS256"]))).to.match(/\(number 1: .*1024 bits/);
  });

  describe("looked at beside the event loop", () => {
    const published = () => ({
      keys: [generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "jwk" }), weak],
    });

    it("has nothing left to look at the second time", async () => {
      const set = published();
      const looking = examinePublished(set);
      expect(looking).to.be.instanceOf(Promise);
      await looking;
      expect(examinePublished(set)).to.equal(undefined);
      expect(examinePublished(published())).to.be.instanceOf(Promise);
      expect(loadPublished(set, ["RS256"]).keys).to.have.length(1);
    });

    it("is refused a prime for a modulus", async () => {
      const n = Buffer.from(generatePrimeSync(2048)).toString("base64url");
      const set = { keys: [{ kty: "RSA", e: "AQAB", n }] };
      await examinePublished(set);
      expect(said(() => loadPublished(set, ["RS256"]))).to.include("the RSA key's modulus is a prime");
    });

    it("may be anything", () => {
      const long = "A".repeat(1367);
      const odd = [
        null,
        1,
        "RSA",
        [],
        { kty: "RSA" },
        { kty: "RSA", n: 1 },
        { kty: "RSA", n: "" },
        { kty: "RSA", n: "=" },
      ];
      const others = [
        { kty: "RSA", n: long },
        { kty: "EC", n: "AQAB" },
      ];
      for (const value of [undefined, null, 1, "keys", [], {}, { keys: 1 }, { keys: [...odd, ...others] }]) {
        expect(examinePublished(value)).to.equal(undefined);
      }
      expect(examinePublished({ keys: Array.from({ length: 101 }, () => weak) })).to.equal(undefined);
    });
  });
});
