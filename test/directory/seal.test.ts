import { inspect } from "node:util";
import { expect } from "chai";
import * as fc from "fast-check";
import { SealError } from "../../src/directory/errors.js";
import { deriveMasterKeys, masterKeyOf, missingMasterKey } from "../../src/directory/master-keys.js";
import {
  clientSecretDigest,
  type NamedKey,
  type Place,
  type SealingKeys,
  sameDigest,
  seal,
  secretKeyDigest,
  unseal,
} from "../../src/directory/sealing.js";
import { Secret } from "../../src/util/secret.js";
import { masterKeys, masterKeyText, refusal } from "./support.js";

/** Keys by the numbers of master keys, the current one first. */
const namedKeys = (part: "sealKey" | "lookupKey", ...bytes: readonly number[]): readonly NamedKey[] =>
  masterKeys(...bytes).all.map((key) => ({ id: key.id, key: key[part] }));
const sealingKeys = (...bytes: readonly number[]): SealingKeys => {
  const all = namedKeys("sealKey", ...bytes);
  return { current: all[0] as NamedKey, byId: new Map(all.map((key) => [key.id, key])) };
};
const lookupKey = (byte: number): NamedKey => namedKeys("lookupKey", byte)[0] as NamedKey;

describe("master keys", () => {
  it("master keys are told apart by an id derived from them", () => {
    const keys = masterKeys(1, 2);
    expect(keys.current).to.equal(keys.all[0]);
    expect([...keys.byId.keys()]).to.deep.equal(keys.all.map(({ id }) => id));
    expect(keys.current.id).to.match(/^[0-9a-f]{16}$/);
    expect(masterKeys(1).current.id).to.equal(keys.current.id);
  });

  it("a master key derives a separate key for each purpose", () => {
    const { sealKey, lookupKey } = masterKeys(1).current;
    const bytes = [sealKey, lookupKey].map((key) => key.export().toString("hex"));
    expect(new Set([...bytes, Buffer.alloc(32, 1).toString("hex")]).size).to.equal(3);
    expect(bytes.map((hex) => hex.length)).to.deep.equal([64, 64]);
  });

  // Computed by another implementation (Python's hmac). A change here would make every store unreadable.
  it("a master key derives the same keys as in earlier releases", () => {
    const { id, sealKey, lookupKey } = masterKeys(1).current;
    expect([id, sealKey.export().toString("hex"), lookupKey.export().toString("hex")]).to.deep.equal(KNOWN_ANSWER);
  });

  const good = masterKeyText(7).reveal();
  for (const [what, text] of [
    ["nothing", ""],
    ["31 bytes", Buffer.alloc(31).toString("base64")],
    ["33 bytes", Buffer.alloc(33).toString("base64")],
    ["no padding", good.replace("=", "")],
    ["a line end", `${good}\n`],
    ["base64url", Buffer.alloc(32, 0xff).toString("base64url")],
    ["hexadecimal", Buffer.alloc(32, 7).toString("hex")],
    ["spare bits", `${good.slice(0, 42)}d=`],
  ] as const) {
    it(`a master key with ${what} is refused, naming its place and not its text`, async () => {
      const { message } = await refusal(
        () => deriveMasterKeys([masterKeyText(1), new Secret(text)]),
        "unusable",
        /^masterKeys\[1\] is not 32 bytes/,
      );
      if (text !== "") expect(message).not.to.include(text.trim());
    });
  }

  it("an empty list of master keys is refused", () =>
    refusal(() => deriveMasterKeys([]), "unusable", /no master key.*openssl rand/));
  it("a list with the same master key twice is refused", () => refusal(() => masterKeys(1, 2, 1), "unusable", /twice/));
});

const KNOWN_ANSWER = [
  "7b3ad562b8dfed98",
  "ecdf20981e7cf5315068c267aca9cc9740a0f12471d08da93cc9bf03704eb494",
  "24633de6ce30ae4c4ed75df3c3108418299544682741fdbff49d7df35079e97e",
];

describe("a sealed value", () => {
  const place: Place = { table: "t", row: ["r", "s"], column: "c" };

  it("a sealed value opens at its own place, whatever its text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(unseal(sealingKeys(1), seal(sealingKeys(1), new Secret(text), place), place).reveal()).to.equal(text);
      }),
    );
  });

  it("a sealed value consists of version, key id, nonce, ciphertext and tag", () => {
    const [version, keyId, ...parts] = seal(sealingKeys(1), new Secret("text"), place).split(".");
    expect([version, keyId]).to.deep.equal(["v1", masterKeys(1).current.id]);
    expect(parts.map((part) => Buffer.from(part, "base64url").length)).to.deep.equal([12, 4, 16]);
  });

  it("sealing the same text twice gives different values", () => {
    const sealed = Array.from({ length: 100 }, () => seal(sealingKeys(1), new Secret("text"), place));
    expect(new Set(sealed).size).to.equal(100);
  });

  it("a sealed value does not open at another place, even one whose parts concatenate to the same text", async () => {
    const sealed = seal(sealingKeys(1), new Secret("text"), place);
    for (const other of [
      { ...place, table: "u" },
      { ...place, column: "d" },
      { ...place, row: ["r"] },
      { ...place, row: ["s", "r"] },
      { ...place, row: ["r,s"] },
      { ...place, row: ["rs"] },
      { ...place, row: ['r","s'] },
      { table: "tr", row: ["s"], column: "c" },
    ]) {
      await refusal(() => unseal(sealingKeys(1), sealed, other), "unusable", /does not open: it was altered, or moved/);
    }
  });

  it("a sealed value does not open if any character is changed", async () => {
    const sealed = seal(sealingKeys(1), new Secret("text"), place);
    for (let at = 0; at < sealed.length; at++) {
      const altered = `${sealed.slice(0, at)}${sealed[at] === "A" ? "B" : "A"}${sealed.slice(at + 1)}`;
      let opened: string | undefined;
      try {
        opened = unseal(sealingKeys(1), altered, place).reveal();
      } catch (error) {
        expect(error).to.be.instanceOf(SealError);
      }
      // The last character of a part may have spare bits; changing only those changes neither the bytes nor the text.
      if (opened !== undefined) expect(opened).to.equal("text");
    }
  });

  it("a sealed value does not open if it is cut, empty or has a shorter tag", async () => {
    const parts = seal(sealingKeys(1), new Secret("text"), place).split(".");
    const short = [
      ...parts.slice(0, 4),
      Buffer.from(parts[4] ?? "", "base64url")
        .subarray(0, 4)
        .toString("base64url"),
    ];
    for (const sealed of [
      "",
      "v1",
      "....",
      "v1....",
      parts.slice(0, 4).join("."),
      short.join("."),
      [...parts, ""].join("."),
      ["v2", ...parts.slice(1)].join("."),
    ]) {
      const error = await refusal(() => unseal(sealingKeys(1), sealed, place), "unusable", /is not of the form v1/);
      expect((error as SealError).keyId).to.equal(undefined);
    }
  });

  it("a sealed value opens under a previous key and under no unrelated one", async () => {
    const sealed = seal(sealingKeys(1), new Secret("text"), place);
    expect(unseal(sealingKeys(2, 1), sealed, place).reveal()).to.equal("text");
    const error = await refusal(
      () => unseal(sealingKeys(2, 3), sealed, place),
      "unusable",
      /in t is .* an unknown key/,
    );
    expect((error as SealError).keyId).to.equal(masterKeys(1).current.id);
  });

  it("the error of a store that needs another master key names that one and the configured ones", () => {
    const { message } = missingMasterKey(masterKeys(2, 3), [masterKeys(1).current.id]);
    expect(message).to.match(/Add that key to masterKeys/);
    for (const byte of [1, 2, 3]) expect(message).to.include(masterKeys(byte).current.id);
  });

  it("sealing uses the current master key", () => {
    const sealed = seal(sealingKeys(2, 1), new Secret("text"), place);
    expect(unseal(sealingKeys(2), sealed, place).reveal()).to.equal("text");
  });

  it("a sealed value does not open under a key that only has its id", async () => {
    const sealed = seal(sealingKeys(1), new Secret("text"), place).replace(
      masterKeys(1).current.id,
      masterKeys(2).current.id,
    );
    await refusal(() => unseal(sealingKeys(2), sealed, place), "unusable", /does not open/);
  });

  it("neither a sealed value nor its text appears in an error", async () => {
    const sealed = seal(sealingKeys(1), new Secret("text"), place);
    for (const keys of [sealingKeys(1), sealingKeys(2)]) {
      const error = await refusal(() => unseal(keys, sealed, { ...place, table: "u" }), "unusable", /./);
      expect(inspect(error)).not.to.include(sealed.split(".")[3]);
    }
  });
});

describe("a digest", () => {
  const secret = new Secret("the secret");

  it("a digest has 32 bytes, is the same each time, and differs for another key or another secret", () => {
    const digest = secretKeyDigest(lookupKey(1), secret);
    expect(digest).to.have.length(32);
    expect(sameDigest(digest, secretKeyDigest(lookupKey(1), secret))).to.equal(true);
    expect(sameDigest(digest, secretKeyDigest(lookupKey(2), secret))).to.equal(false);
    expect(sameDigest(digest, secretKeyDigest(lookupKey(1), new Secret("The secret")))).to.equal(false);
    expect(sameDigest(digest, digest.subarray(1))).to.equal(false);
  });

  it("digests of the same secret differ by kind and by client", () => {
    const key = lookupKey(1);
    const text = fc.string({ unit: "binary", maxLength: 8 });
    fc.assert(
      fc.property(text, text, text, text, (id, one, otherId, other) => {
        const same = id === otherId && one === other;
        const digests = [
          clientSecretDigest(key, id, new Secret(one)),
          clientSecretDigest(key, otherId, new Secret(other)),
        ] as const;
        expect(sameDigest(...digests)).to.equal(same);
        expect(sameDigest(digests[0], secretKeyDigest(key, new Secret(one)))).to.equal(false);
      }),
    );
    expect(clientSecretDigest(key, "a", new Secret("bc"))).not.to.deep.equal(
      clientSecretDigest(key, "ab", new Secret("c")),
    );
  });

  it("a digest under a master key that is not configured is an error that names the key", () =>
    refusal(
      () => masterKeyOf(masterKeys(1), "0123456789abcdef"),
      "unusable",
      /under the master key 0123456789abcdef, which is not configured/,
    ));
});
