import { expect } from "chai";
import fc from "fast-check";
import { foreignStatus, MessageCollector, readTimeout } from "../../../src/net/http2/grpc-request.js";
import { frame } from "../../grpc/raw.js";

describe("readTimeout: the grammar of grpc-timeout", () => {
  const good: Readonly<Record<string, number>> = {
    "1H": 3_600_000,
    "2M": 120_000,
    "3S": 3_000,
    "0S": 0,
    "4m": 4,
    "5000u": 5,
    "6000000n": 6,
    "00000001S": 1000,
    "99999999H": 99_999_999 * 3_600_000,
  };
  for (const [text, millis] of Object.entries(good)) {
    it(`${text} is ${millis} ms`, () => expect(readTimeout(text)).to.be.closeTo(millis, 1e-9));
  }

  it("no value is no limit", () => expect(readTimeout(undefined)).to.equal(Infinity));

  for (const text of [
    "",
    "1",
    "S",
    "soon",
    "1s",
    "1h",
    "100000000S",
    "-1S",
    "+1S",
    "1.5S",
    "1 S",
    " 1S",
    "1S ",
    "1S, 2S",
    "1SS",
    "x1S",
  ]) {
    it(`"${text}" is malformed`, () => expect(readTimeout(text)).to.equal(undefined));
  }
});

describe("foreignStatus: what is no gRPC call", () => {
  const types: Readonly<Record<string, 415 | undefined>> = {
    "application/grpc": undefined,
    "application/grpc+proto": undefined,
    "Application/GRPC": undefined,
    "application/grpc; charset=utf-8": undefined,
    "application/grpc+proto;v=1": undefined,
    "application/grpc ;x=y": undefined,
    "application/grpc+json": 415,
    "application/grpc-web": 415,
    "application/grpc-web+proto": 415,
    "application/grpcx": 415,
    "application/grpc+protobuf": 415,
    "application/json": 415,
    "text/plain, application/grpc": 415,
    "": 415,
  };
  for (const [type, answer] of Object.entries(types)) {
    it(`the content type "${type}" is ${answer ?? "taken"}`, () => {
      expect(foreignStatus({ ":method": "POST", "content-type": type })).to.equal(answer);
    });
  }

  it("no content type is 415, and a method other than POST is 405 whatever its type", () => {
    expect(foreignStatus({ ":method": "POST" })).to.equal(415);
    for (const method of ["GET", "PUT", "HEAD", "CONNECT", "post"]) {
      expect(foreignStatus({ ":method": method, "content-type": "application/grpc" })).to.equal(405);
    }
  });
});

const MOST = 5000;

/** Gives bytes to a collector in chunks that end at these places. @returns what it said after each */
function take(collector: MessageCollector, bytes: Buffer, ends: readonly number[]): string[] {
  const sorted = [...new Set(ends.map((end) => end % (bytes.length + 1))), bytes.length].sort((a, b) => a - b);
  let at = 0;
  return sorted.map((end) => {
    const chunk = bytes.subarray(at, end);
    at = end;
    return collector.take(chunk);
  });
}

const cuts = fc.array(fc.nat({ max: 20_000 }), { maxLength: 30 });

describe("MessageCollector", () => {
  it("a message comes out as it went in, however its bytes are divided", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: MOST }), fc.nat({ max: 255 }), cuts, (content, flag, ends) => {
        const bytes = frame(content);
        bytes[0] = flag;
        const collector = new MessageCollector(MOST);
        const said = take(collector, bytes, ends);
        expect(said.at(-1)).to.equal("whole");
        expect(said.slice(0, -1).every((one) => one === "partial" || one === "whole")).to.equal(true);
        expect(collector.message.equals(content)).to.equal(true);
        expect(collector.compressed).to.equal(flag === 1);
      }),
    );
  });

  it("a second message is found, and the first stays, however their bytes are divided", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), cuts, (first, second, ends) => {
        const collector = new MessageCollector(MOST);
        const said = take(collector, Buffer.concat([frame(first), frame(second)]), ends);
        expect(said.at(-1)).to.equal("second");
        expect(collector.message.equals(first)).to.equal(true);
      }),
    );
  });

  it("the beginning of a second message changes nothing", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        cuts,
        (a, b, ends) => {
          const collector = new MessageCollector(MOST);
          const said = take(collector, Buffer.concat([frame(a), frame(b).subarray(0, -1)]), ends);
          expect(said.at(-1)).to.equal("whole");
          expect(collector.message.equals(a)).to.equal(true);
        },
      ),
    );
  });

  it("a message above the limit is found by its head, before its bytes arrive", () => {
    fc.assert(
      fc.property(fc.integer({ min: MOST + 1, max: 0xffffffff }), cuts, (length, ends) => {
        const head = Buffer.from([0, 0, 0, 0, 0, 1, 2, 3]);
        head.writeUInt32BE(length, 1);
        const collector = new MessageCollector(MOST);
        expect(take(collector, head, ends).at(-1)).to.equal("large");
        expect(collector.length).to.equal(length);
        expect(collector.take(Buffer.alloc(10)), "for good").to.equal("large");
      }),
    );
  });

  it("a message in one chunk is not copied", () => {
    const bytes = frame(Buffer.from("message"));
    const collector = new MessageCollector(MOST);
    collector.take(bytes);
    expect(collector.message.buffer).to.equal(bytes.buffer);
  });

  it("a message in many small chunks takes at most about twice its bytes", () => {
    const bytes = frame(Buffer.alloc(MOST));
    const collector = new MessageCollector(MOST);
    for (let at = 0; at < bytes.length; at++) collector.take(bytes.subarray(at, at + 1));
    expect(collector.message).to.have.length(MOST);
    expect(collector.message.buffer.byteLength).to.be.below(2 * bytes.length);
  });
});
