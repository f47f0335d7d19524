import { createHash, createHmac, createSecretKey } from "node:crypto";
import { expect } from "chai";
import { SelectorKind } from "../../gen/tokenverifier/v1/token_verifier.js";
import { selectorsOf, selectorTexts } from "../../src/client/selectors.js";
import type { Verified } from "../../src/contract/verifier.js";
import { VERIFIED } from "../grpc/harness.js";

const KEY = Buffer.alloc(32, "d");
const TOKEN = "header.payload.signature";

/** The text of a selector, made by hand. */
const text = (kind: SelectorKind, name: string, value: string): string =>
  selectorTexts(
    [{ kind, digest: createHmac("sha256", KEY).update(`${name}\n${value}`).digest().subarray(0, 16) }],
    1,
  )?.[0] ?? "";

function selectors(payload: string, changes: Partial<Verified> = {}): string[] {
  const verdict = { ...VERIFIED, ...changes, token: { ...VERIFIED.token, payload } };
  return selectorsOf(TOKEN, verdict, new Map([[1, createSecretKey(KEY)]]));
}

describe("what a watch may select a verdict by", () => {
  const CLAIMS: Readonly<Record<string, readonly [payload: string, kind: SelectorKind, name: string, value: string]>> =
    {
      "its jti": ['{"jti":"j"}', SelectorKind.SELECTOR_KIND_JTI, "JTI", "j"],
      "a number as its jti, digit by digit": [
        '{"jti":12345678901234567890}',
        SelectorKind.SELECTOR_KIND_JTI,
        "JTI",
        "12345678901234567890",
      ],
      "its sub": ['{"sub":"s"}', SelectorKind.SELECTOR_KIND_SUBJECT, "SUBJECT", "s"],
      "its session": ['{"sid":"s"}', SelectorKind.SELECTOR_KIND_SESSION, "SESSION", "s"],
      "its client_id": ['{"azp":"a","client_id":"c"}', SelectorKind.SELECTOR_KIND_CLIENT, "CLIENT", "c"],
      "its azp": ['{"azp":"a"}', SelectorKind.SELECTOR_KIND_CLIENT, "CLIENT", "a"],
      "its header and payload": [
        "{}",
        SelectorKind.SELECTOR_KIND_DIGEST,
        "DIGEST",
        createHash("sha256").update("header.payload").digest("base64url"),
      ],
    };
  for (const [what, [payload, kind, name, value]] of Object.entries(CLAIMS)) {
    it(what, () => expect(selectors(payload)).to.include(text(kind, name, value)));
  }

  it("the user that the verdict names comes before the token's sub, and has an instance", () => {
    const user = { id: "u", instanceId: "i", issuer: "" };
    const found = selectors('{"sub":"s"}', { principal: { user, client: undefined } });
    expect(found).to.include.members([
      text(SelectorKind.SELECTOR_KIND_SUBJECT, "SUBJECT", "u"),
      text(SelectorKind.SELECTOR_KIND_INSTANCE, "INSTANCE", "i"),
    ]);
    expect(found).not.to.include(text(SelectorKind.SELECTOR_KIND_SUBJECT, "SUBJECT", "s"));
  });

  it("the key that verified it, whatever the day", () => {
    const trustedKey = Buffer.alloc(16, "k");
    const evidence = { ...VERIFIED.evidence, trustedKey: trustedKey.toString("base64url") };
    const told = selectorTexts([{ kind: SelectorKind.SELECTOR_KIND_KEY, digest: trustedKey }], 99);
    expect(selectors("{}", { evidence })).to.include(told?.[0]);
  });

  it("everything, for all tokens and for a kind of a later version", () => {
    for (const kind of [SelectorKind.SELECTOR_KIND_ALL, 99 as SelectorKind]) {
      expect(selectorTexts([{ kind, digest: Buffer.alloc(0) }], 1)).to.equal(undefined);
    }
  });
});
