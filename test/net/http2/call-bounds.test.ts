import { expect } from "chai";
import { createMessageCounter } from "../../../src/net/http2/call-bounds.js";
import { frame } from "../../grpc/raw.js";

describe("the bytes of an incomplete message", () => {
  const call = Buffer.concat([0, 1, 7, 0, 300, 70_000].map((length) => frame(Buffer.alloc(length, 255))));

  for (const size of [1, 2, 3, 4, 5, 6, 7, 1000, call.length]) {
    it(`the bytes of an incomplete message are counted the same in chunks of ${size} as in one piece`, () => {
      const take = createMessageCounter();
      let message = 0;
      const ends = new Set<number>();
      for (let at = 0; at < call.length; at += 5 + call.readUInt32BE(at + 1)) ends.add(at);
      ends.add(call.length);
      for (let at = 0; at < call.length; at += size) {
        const end = Math.min(at + size, call.length);
        message = Math.max(...[...ends].filter((one) => one <= end));
        expect(take(call.subarray(at, end))).to.equal(end - message);
      }
    });
  }
});
