import { expect } from "chai";
import fc from "fast-check";
import { acceptRequestId } from "../../src/contract/call.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("acceptRequestId", () => {
  for (const sent of ["a", "abc-123", "a b", "!~", "x".repeat(128), '{"a":1}', UUID.source]) {
    it(`accepts the request id ${JSON.stringify(sent.slice(0, 40))}`, () =>
      expect(acceptRequestId(sent)).to.equal(sent));
  }
  for (const sent of [
    "",
    " ",
    " a",
    "a ",
    "x".repeat(129),
    "a\nb",
    "a\n",
    "a\r\nX: y",
    "a\tb",
    "a\u007f",
    "é",
    "\u2028",
    "a\0",
    undefined,
    null,
    5,
    ["a"],
    Buffer.from("a"),
    {},
  ]) {
    it(`replaces the request id ${JSON.stringify(sent)} with a new one`, () =>
      expect(acceptRequestId(sent)).to.match(UUID));
  }
  it("makes a different request id each time", () => expect(acceptRequestId("")).not.to.equal(acceptRequestId("")));
  it("returns only ids that need no escaping in a log line or a header", () => {
    fc.assert(fc.property(fc.anything(), (sent) => /^[!-~]([ -~]{0,126}[!-~])?$/.test(acceptRequestId(sent))));
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (sent) => /^[!-~]([ -~]{0,126}[!-~])?$/.test(acceptRequestId(sent))),
    );
  });
});
