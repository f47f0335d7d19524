import { expect } from "chai";
import { deriveMasterKeys } from "../../../src/directory/master-keys.js";
import { Secret } from "../../../src/util/secret.js";
import { Nonces } from "../../../src/verifier/proofs/nonces.js";
import { NOW } from "../../support/clock.js";

const MINUTE = 60_000;
const keysOf = (...names: readonly string[]) =>
  deriveMasterKeys(names.map((name) => new Secret(Buffer.alloc(32, name).toString("base64")))).all.map(
    ({ nonceKey }) => nonceKey,
  );

describe("DPoP nonces", () => {
  it("a nonce counts in its minute and the two after it", () => {
    const nonces = new Nonces(keysOf("a"));
    const nonce = nonces.current("r", NOW);
    const counts = [-1, 0, MINUTE - 1, MINUTE, 3 * MINUTE - 1, 3 * MINUTE].map((later) =>
      nonces.accepts("r", nonce, NOW + later),
    );
    // NOW is the beginning of a minute.
    expect(counts).to.deep.equal([false, true, true, true, true, false]);
  });

  it("a nonce counts in its own realm, and for holders of its key alone", () => {
    const nonce = new Nonces(keysOf("a")).current("r", NOW);
    expect(new Nonces(keysOf("a")).accepts("r", nonce, NOW)).to.equal(true);
    expect(new Nonces(keysOf("a")).accepts("s", nonce, NOW)).to.equal(false);
    expect(new Nonces(keysOf("b")).accepts("r", nonce, NOW)).to.equal(false);
    expect(new Nonces().accepts("r", nonce, NOW)).to.equal(false);
    expect(new Nonces(keysOf("a")).accepts("r", "", NOW)).to.equal(false);
  });

  it("a nonce under any of the keys counts, and new ones are made under the first", () => {
    const [before, after] = [new Nonces(keysOf("old")), new Nonces(keysOf("new", "old"))];
    expect(after.accepts("r", before.current("r", NOW), NOW)).to.equal(true);
    expect(after.current("r", NOW)).to.equal(new Nonces(keysOf("new")).current("r", NOW));
  });

  it("without a key, a nonce counts in the object that made it", () => {
    const [one, other] = [new Nonces(), new Nonces()];
    expect(one.accepts("r", one.current("r", NOW), NOW)).to.equal(true);
    expect(other.accepts("r", one.current("r", NOW), NOW)).to.equal(false);
  });

  it("a nonce has characters that a header may have (RFC 9449, section 8.1)", () => {
    expect(new Nonces(keysOf("a")).current("r", NOW)).to.match(/^[\w-]{43}$/);
  });
});
