import { expect } from "chai";
import { toldName } from "../../src/util/printable.js";

describe("a name that nobody knows", () => {
  for (const [name, told] of [
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
    it(`"${name}" is told as "${told}"`, () => expect(toldName(name)).to.equal(told));
  }
});
