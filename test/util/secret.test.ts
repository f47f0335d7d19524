import { hash } from "node:crypto";
import { format, inspect } from "node:util";
import { expect } from "chai";
import fc from "fast-check";
import { pino } from "pino";
import { Secret } from "../../src/util/secret.js";

const TEXT = "sk_live_0123456789abcdef";

describe("Secret", () => {
  const secret = new Secret(TEXT);

  it("a secret returns its text only from reveal", () => {
    expect(secret.reveal()).to.equal(TEXT);
    expect(secret.length).to.equal(TEXT.length);
    expect(secret.isEmpty).to.equal(false);
    expect(new Secret("").isEmpty).to.equal(true);
  });

  const logged = (): string => {
    let line = "";
    const log = pino(
      { level: "trace" },
      {
        write: (text: string) => {
          line += text;
        },
      },
    );
    log.info(
      {
        secret,
        deep: { list: [secret] },
        err: Object.assign(new Error("failed with ".concat(String(secret))), { secret }),
      },
      "said %s %o",
      secret,
      secret,
    );
    return line;
  };
  const printed: Record<string, () => string> = {
    "String()": () => String(secret),
    "a template": () => `${secret as unknown as number}`,
    "a sum": () => "".concat(secret as unknown as string),
    "toString()": () => secret.toString(),
    "JSON.stringify": () => JSON.stringify({ secret, list: [secret] }),
    "util.inspect": () => inspect({ secret }, { showHidden: true, depth: 9 }),
    "util.inspect without custom": () => inspect(secret, { customInspect: false, showHidden: true, depth: 9 }),
    "util.format": () => format("%s %o %O %j %d %i %f", secret, secret, secret, secret, secret, secret, secret),
    "its entries": () =>
      JSON.stringify([Object.entries(secret), Object.getOwnPropertyNames(secret), Object.assign({}, secret)]),
    structuredClone: () => JSON.stringify(structuredClone(secret)),
    "an error's cause": () => inspect(new Error("x", { cause: secret })),
    pino: logged,
  };
  for (const [what, print] of Object.entries(printed)) {
    it(`${what} shows nothing of a secret`, () => expect(print()).not.to.include(TEXT).and.not.to.include("sk_live"));
  }

  it("a secret has a fingerprint of eight hex digits", () => expect(String(secret)).to.match(/^secret:[0-9a-f]{8}$/));

  it("secrets have the same digest if text and scope are the same, and only then", () => {
    const scope = fc.option(fc.constantFrom("", "a", "1", "1:a", "\0"), { nil: undefined });
    const text = fc.constantFrom("", "a", "1:a", ":", "\0a", "0:\0a", "3:1:a\0");
    fc.assert(
      fc.property(scope, text, scope, text, (oneScope, one, otherScope, other) => {
        const digests = [new Secret(one).digest(oneScope), new Secret(other).digest(otherScope)];
        expect(digests[0] === digests[1]).to.equal(one === other && oneScope === otherScope);
      }),
      { numRuns: 500 },
    );
  });

  it("a secret's digest has 32 characters, is another in each scope in turn, and holds nothing of the text", () => {
    const [none, one, other] = [secret.digest(), secret.digest("a"), secret.digest("b")];
    expect([none, one, other].map((digest) => digest.length)).to.deep.equal([32, 32, 32]);
    expect(new Set([none, one, other])).to.have.length(3);
    expect([secret.digest(), secret.digest("a"), secret.digest("b")]).to.deep.equal([none, one, other]);
    expect(none).not.to.equal(hash("sha256", TEXT, "binary"));
  });

  it("secrets of the same text have the same fingerprint within a process", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        const [first, second] = [new Secret(a), new Secret(a)];
        expect(String(first)).to.equal(String(second));
        if (a !== b && String(new Secret(a)) === String(new Secret(b))) expect.fail("a collision of 32 bits");
      }),
      { numRuns: 50 },
    );
  });
});
