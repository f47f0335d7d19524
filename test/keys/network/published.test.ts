import { generateKeyPairSync } from "node:crypto";
import { expect } from "chai";
import { loadPublished } from "../../../src/keys/network/published.js";
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
});
