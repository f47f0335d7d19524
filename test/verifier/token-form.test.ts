import { expect } from "chai";
import type { Rejected } from "../../src/contract/verifier.js";
import { Secret } from "../../src/util/secret.js";
import { type Decision, decide } from "../../src/verifier/decide.js";
import { FactCache } from "../../src/verifier/facts.js";
import { createRealm, type Policy } from "../../src/verifier/realm.js";
import { NOW } from "../support/clock.js";
import { makeToken } from "../support/token.js";
import { makeBench } from "../support/view.js";

// What a decision says of a token's form, and the bound on members and elements that follows `maxTokenLength`.

const bench = makeBench("verifier.yaml");
const { policy, keys } = bench.realms.get("es256")!;

/** Decides on tokens in a realm whose policy is changed. */
function decider(changes: Partial<Policy>, explain = false): (token: string) => Decision {
  const realm = createRealm("r", { ...policy, ...changes }, keys);
  const view = { ...bench.view(new FactCache(64 * 1024 ** 2)), realms: new Map([["r", realm]]) };
  return (token) => decide({ realm: "r", token: new Secret(token), credential: undefined, explain }, view, NOW);
}

const tokenOf = (claims: Readonly<Record<string, unknown>>): string =>
  makeToken({ key: "p256", header: { alg: "ES256" }, claims });
const groups = (count: number): string => tokenOf({ groups: Array.from({ length: count }, (_, n) => n % 10) });
const KiB = 1024;

describe("the bound on members and elements", () => {
  const ROWS: readonly (readonly [what: string, maxTokenLength: number, token: string, form: string | undefined])[] = [
    ["2,047 groups and their member", 16 * KiB, groups(2047), undefined],
    ["2,048 groups and their member", 16 * KiB, groups(2048), "too many items"],
    ["1,999 groups and their member where tokens are short", 6 * KiB, groups(1999), undefined],
    ["2,000 groups and their member where tokens are short", 6 * KiB, groups(2000), "too many items"],
    ["2,500 groups", 256 * KiB, groups(2500), undefined],
    ["32,767 groups and their member", 256 * KiB, groups(32_767), undefined],
    ["32,768 groups and their member", 256 * KiB, groups(32_768), "too many items"],
    [
      "2,500 objects of two members",
      256 * KiB,
      tokenOf({ roles: Array.from({ length: 2500 }, (_, n) => ({ app: `app-${n}`, role: "reader" })) }),
      undefined,
    ],
  ];
  for (const [what, maxTokenLength, token, form] of ROWS) {
    it(`a token of ${what} is ${form === undefined ? "verified" : "malformed"} with a maxTokenLength of ${maxTokenLength}`, () => {
      const decided = decider({ maxTokenLength });
      for (const decision of [decided(token), decided(token)]) {
        if (form === undefined) expect(decision.kind).to.equal("verified");
        else expect(decision).to.deep.include({ kind: "rejected", reason: "TOKEN_MALFORMED", form });
      }
    });
  }
});

describe("an explanation of a malformed token", () => {
  it("an explanation tells the form in the check of the shape, and nothing of the token", () => {
    const explained = decider({ explain: "anyone" }, true)(`Bearer ${tokenOf({ sub: "secret-subject" })}`);
    const { checks } = explained as Rejected;
    expect(checks.map(({ name, result }) => [name, result]).slice(0, 3)).to.deep.equal([
      ["caller", "passed"],
      ["shape", "failed"],
      ["key", "skipped"],
    ]);
    expect(checks[1]?.message).to.equal(
      "An authorization scheme precedes the token. Send what comes after `Bearer` or `DPoP`.",
    );
    expect(JSON.stringify(checks)).to.not.include("eyJ");
  });

  it("an explanation says that a time reads like milliseconds only after the signature verified", () => {
    const explain = decider({ explain: "anyone" }, true);
    const token = tokenOf({ exp: NOW + 3_600_000 });
    const messageOf = (decision: Decision): string | undefined =>
      (decision as Rejected).checks.find(({ name }) => name === "exp type")?.message;
    expect(messageOf(explain(token))).to.include("'exp' reads like milliseconds (2027-01-15T09:00:00.000Z)");
    const forged = `${token.slice(0, -8)}AAAAAAAA`;
    expect(explain(forged)).to.deep.include({ kind: "rejected", reason: "SIGNATURE_INVALID" });
    expect(messageOf(explain(forged))).to.equal("An earlier check failed.");
  });
});
