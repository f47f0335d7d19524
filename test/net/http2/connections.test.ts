import { expect } from "chai";
import { randomConnectionAge } from "../../../src/net/http2/connections.js";

describe("a connection's age", () => {
  for (const age of [1_800_000, 1000]) {
    it(`of ${age} ms differs by at most a tenth, in few distinct durations, because Node keeps a timer list for each`, () => {
      const ages = new Set(Array.from({ length: 1_000 }, () => randomConnectionAge(age)));
      expect(ages.size).to.be.within(2, 10);
      expect([...ages].every((one) => one >= age * 0.9 && one <= age * 1.1)).to.equal(true);
    });
  }
});
