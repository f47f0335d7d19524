import { expect } from "chai";
import { attribute, type Cause, causeOf } from "../../bench/attribution.js";

const CASES: readonly (readonly [url: string, functionName: string, Cause | "idle" | undefined])[] = [
  ["file:///app/dist/src/jws/compact.js", "read", "reading"],
  ["file:///app/dist/src/jws/algorithms.js", "verify", "crypto"],
  ["file:///app/dist/src/verifier/decide.js", "decide", "deciding"],
  ["file:///app/dist/src/wire/messages.js", "encode", "messages"],
  ["file:///app/dist/gen/tokenverifier/v1/token_verifier.js", "decode", "messages"],
  ["file:///app/dist/src/grpc/unary.js", "answer", "transport"],
  ["file:///app/node_modules/@grpc/grpc-js/build/src/server.js", "handle", "library"],
  ["node:internal/http2/core", "respond", "node"],
  ["node:internal/crypto/hash", "hash", "crypto"],
  ["node:inspector", "post", "idle"],
  ["node:internal/util", "", undefined],
  ["file:///app/dist/src/wire/messages.js", "toString", "messages"],
  ["", "constructor", undefined],
  ["", "writev", undefined],
  ["", "(garbage collector)", "collecting"],
  ["", "(program)", "system"],
  ["", "(idle)", "idle"],
];

const frame = (functionName: string, url: string) => ({
  functionName,
  url,
  scriptId: "0",
  lineNumber: 0,
  columnNumber: 0,
});

describe("bench: the causes of a profile's time", () => {
  for (const [url, name, cause] of CASES) {
    it(`${name || "a function"} of ${url || "no file"} is time for ${cause ?? "its caller"}`, () => {
      expect(causeOf({ functionName: name, url })).to.equal(cause);
    });
  }

  it("a function without a cause of its own works for the nearest caller that has one, and idle time is left out", () => {
    const times = attribute({
      nodes: [
        { id: 1, callFrame: frame("(root)", ""), children: [2, 5] },
        { id: 2, callFrame: frame("read", "file:///app/dist/src/jws/compact.js"), children: [3] },
        { id: 3, callFrame: frame("slice", "node:buffer"), children: [4] },
        { id: 4, callFrame: frame("utf8Slice", "") },
        { id: 5, callFrame: frame("(idle)", "") },
      ],
      startTime: 0,
      endTime: 1000,
      samples: [2, 4, 5, 3],
      timeDeltas: [0, 100, 200, 400, 50],
    });
    expect([...times]).to.deep.equal([["reading", 350]]);
  });
});
