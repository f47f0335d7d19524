import { expect } from "chai";
import { randomUuid } from "../../src/util/uuid.js";

describe("randomUuid", () => {
  const many = Array.from({ length: 1000 }, randomUuid);

  it("each is a UUID of version 4", () => {
    for (const one of many)
      expect(one).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("no two are equal, and each digit but the version and the variant takes all values", () => {
    expect(new Set(many).size).to.equal(many.length);
    for (let at = 0; at < 36; at++) {
      const values = new Set(many.map((one) => one[at])).size;
      if ([8, 13, 18, 23].includes(at) || at === 14) expect(values, `at ${at}`).to.equal(1);
      else expect(values, `at ${at}`).to.equal(at === 19 ? 4 : 16);
    }
  });
});
