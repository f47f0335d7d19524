import { expect } from "chai";
import { foreignStatus, readTimeout } from "../../../src/net/http2/call-head.js";

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
