import { expect } from "chai";
import {
  printable,
  printableAscii,
  printableJson,
  printableList,
  quote,
  redactName,
  truncate,
} from "../../src/util/printable.js";

describe("truncate", () => {
  it("truncate keeps a short text and marks a cut", () => {
    expect(truncate("abc", 3)).to.equal("abc");
    expect(truncate("abcd", 3)).to.equal("abc…");
  });

  it("truncate does not split a surrogate pair", () => {
    expect(truncate("ab😀d", 3)).to.equal("ab…");
    expect(truncate("ab😀d", 4)).to.equal("ab😀…");
  });
});

describe("values printed in a message or a log", () => {
  it("a quoted text is written as in JSON and truncated", () => {
    expect(quote('a"\n')).to.equal('"a\\"\\n"');
    expect(quote("x".repeat(65))).to.equal(`"${"x".repeat(64)}…"`);
    expect(quote("abc", 2)).to.equal('"ab…"');
  });

  it("a printable text has no control characters, and a printable ASCII text only ASCII", () => {
    expect(printable("é\u001b[2J\u0085")).to.equal("é\\u001b[2J\\u0085");
    expect(printableAscii("é\u001b…")).to.equal("\\u00e9\\u001b…");
  });

  it("a printable value is its JSON, or `absent`", () => {
    expect(printableJson(undefined)).to.equal("absent");
    expect(printableJson({ a: [null] })).to.equal('{"a":[null]}');
    expect(printableJson("x".repeat(200))).to.equal(`"${"x".repeat(99)}…`);
  });

  it("a printable list counts the elements it leaves out", () => {
    expect(printableList(["a", 1], 2)).to.equal('"a", 1');
    expect(printableList(["a", 1, true], 1)).to.equal('"a" and 2 more');
  });
});

describe("redactName", () => {
  for (const [name, shown] of [
    ["clientSecrt", "clientSecrt"],
    ["client_secret-key", "client_secret-key"],
    ["clientSecret:8sQ0vYlc2mW6", "clientSecret…"],
    ["8sQ0vYlc2mW6", "…"],
    ["kid2", "kid…"],
    ["", ""],
    ["abcdefghijklmnopqrstuvwx", "abcdefghijklmnopqrstuvwx"],
    ["abcdefghijklmnopqrstuvwxy", "…"],
    ["abcdefghijklmnopqrstuvwxy:1", "…"],
  ] as const) {
    it(`shows the unknown name "${name}" as "${shown}"`, () => expect(redactName(name)).to.equal(shown));
  }
});
