import { expect } from "chai";
import * as fc from "fast-check";
import { decodeBase64url } from "../../src/jws/base64url.js";

const REFUSED: Record<string, string> = {
  "padding of one": "Zm8=",
  "padding of two": "Zg==",
  "padding alone": "=",
  "padding where none is due": "Zm9v=",
  "a plus": "-_+_",
  "a solidus": "-_/_",
  "a space within": "Zm 9v",
  "a space before": " Zm9v",
  "a line end behind": "Zm9v\n",
  "a carriage return behind": "Zm9v\r",
  "a tab": "Zm9\tv",
  "a NUL": "Zm9v\0",
  "a dot": "Zm9v.Zm9v",
  "a letter of another script that looks like one": "Zm9ν",
  "a character whose low byte is a letter": "Zm9\u0176",
  "a full-width letter": "Ｚm9v",
  "a soft hyphen": "Zm\u00ad9v",
  "a length of 1": "Z",
  "a length of 5": "Zm9vZ",
  "spare bits behind one byte": "Zh",
  "spare bits behind two bytes": "Zm9",
  "all spare bits": "__",
  "a percent sign": "Zm9v%",
};

describe("decodeBase64url", () => {
  it("decodes the empty text to no bytes", () => expect(decodeBase64url("")).to.deep.equal(Buffer.alloc(0)));

  it("decodes all letters of the alphabet", () => {
    const text = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    expect(decodeBase64url(text)?.toString("base64url")).to.equal(text);
  });

  it("decodes the example of RFC 7515 appendix C", () => {
    expect(decodeBase64url("A-z_4ME")).to.deep.equal(Buffer.from([3, 236, 255, 224, 193]));
  });

  for (const [name, text] of Object.entries(REFUSED)) {
    it(`refuses ${name}`, () => expect(decodeBase64url(text)).to.equal(undefined));
  }

  it("decodes the encoding of any bytes to the same bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = Buffer.from(bytes).toString("base64url");
        expect(decodeBase64url(text)).to.deep.equal(Buffer.from(bytes));
      }),
    );
  });

  it("decodes a text only if it is the encoding of the result", () => {
    const char = fc.constantFrom(..."AQgwBZz09-_+/= \n.é".split(""));
    fc.assert(
      fc.property(fc.string({ unit: char, maxLength: 9 }), (text) => {
        const wellFormed = /^[\w-]*$/.test(text) && text.length % 4 !== 1;
        const again = Buffer.from(text, "base64").toString("base64url");
        expect(decodeBase64url(text) !== undefined).to.equal(wellFormed && again === text);
      }),
      { numRuns: 2_000 },
    );
  });

  it("accepts only last letters whose spare bits are zero", () => {
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".split("");
    expect(letters.filter((letter) => decodeBase64url(`A${letter}`) !== undefined)).to.have.length(4);
    expect(letters.filter((letter) => decodeBase64url(`AA${letter}`) !== undefined)).to.have.length(16);
    expect(letters.filter((letter) => decodeBase64url(`AAA${letter}`) !== undefined)).to.have.length(64);
  });

  it("accepts a character of a text only if it is a letter of the alphabet", () => {
    const letters = new Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    for (let unit = 0; unit <= 0xffff; unit++) {
      const char = String.fromCharCode(unit);
      for (const text of [`${char}m9v`, `Zm9${char}`, `Zm9v${char}m9vZm9v`, `Zm9vZm9vZm9vZm9vZm9v${char}${char}9v`]) {
        if ((decodeBase64url(text) !== undefined) !== letters.has(char))
          throw new Error(`U+${unit.toString(16)} in ${text}`);
      }
    }
  });

  it("refuses a long text with one bad character anywhere", () => {
    const good = Buffer.alloc(300, "a long text").toString("base64url");
    for (let at = 0; at < good.length; at++) {
      for (const char of ["+", "/", "=", ".", " ", "\n", "\0", "\u00e9", "\u0161", "\ud83d"]) {
        expect(decodeBase64url(good.slice(0, at) + char + good.slice(at + 1)), `${char} at ${at}`).to.equal(undefined);
        expect(decodeBase64url(good.slice(0, at) + char + good.slice(at)), `${char} at ${at}`).to.equal(undefined);
      }
    }
  });
});
