import { createPrivateKey, createSecretKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { isSameKey, KeyUses } from "../../src/keys/key.js";
import { NOW } from "../support/clock.js";

const ec = (namedCurve: string): { publicKey: KeyObject; privateKey: KeyObject } =>
  generateKeyPairSync("ec", { namedCurve });

const p256 = ec("P-256");
const pem = p256.privateKey.export({ type: "pkcs8", format: "pem" });
const KEYS: Readonly<Record<string, KeyObject>> = {
  "P-256": p256.publicKey,
  "another P-256": ec("P-256").publicKey,
  "P-384": ec("P-384").publicKey,
  RSA: generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey,
  Ed25519: generateKeyPairSync("ed25519").publicKey,
  "the private half": p256.privateKey,
  secret: createSecretKey(Buffer.alloc(32, 1)),
  "another secret": createSecretKey(Buffer.alloc(32, 2)),
};

describe("isSameKey", () => {
  for (const [name, key] of Object.entries(KEYS)) {
    it(`${name} equals only itself, and comparing it leaves OpenSSL able to read a private key`, () => {
      for (const [other, one] of Object.entries(KEYS)) {
        expect(isSameKey(key, one), other).to.equal(name === other);
        expect(() => createPrivateKey(pem), `after ${other}`).not.to.throw();
      }
    });
  }
});

const MINUTE = 60_000;
const START = NOW - (NOW % MINUTE);

describe("KeyUses", () => {
  it("counts 0 without uses", () => expect(new KeyUses().lastHour(NOW)).to.equal(0));

  it("counts this minute and the 59 before it", () => {
    const uses = new KeyUses();
    uses.note(START);
    uses.note(START + 59 * MINUTE);
    expect(uses.lastHour(START + 60 * MINUTE - 1)).to.equal(2);
    expect(uses.lastHour(START + 60 * MINUTE)).to.equal(1);
    expect(uses.lastHour(START + 119 * MINUTE)).to.equal(0);
  });

  it("forgets all uses if the clock is set back", () => {
    const uses = new KeyUses();
    uses.note(START);
    uses.note(START - 30 * MINUTE);
    expect(uses.lastHour(START - 30 * MINUTE)).to.equal(1);
  });

  it("counts the same as a list of all times", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 * MINUTE }), { maxLength: 60 }), (steps) => {
        const uses = new KeyUses();
        const times: number[] = [];
        let now = START;
        for (const step of steps) {
          now += step;
          uses.note(now);
          times.push(now);
          const first = Math.floor(now / MINUTE) - 59;
          expect(uses.lastHour(now)).to.equal(times.filter((time) => Math.floor(time / MINUTE) >= first).length);
        }
      }),
    );
  });
});
