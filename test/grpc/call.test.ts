import { expect } from "chai";
import { peerHost } from "../../src/grpc/call.js";
import { OpenCalls } from "../../src/grpc/open-calls.js";

describe("peerHost", () => {
  const peers: Record<string, string> = {
    "127.0.0.1:50000": "127.0.0.1",
    "::1:50000": "::1",
    "2001:db8::7:443": "2001:db8::7",
    "::ffff:192.0.2.1:50000": "::ffff:192.0.2.1",
    unknown: "",
  };
  for (const [peer, address] of Object.entries(peers)) {
    it(`the host of the peer ${peer} is "${address}"`, () => {
      expect(peerHost(peer)).to.equal(address);
    });
  }
});

describe("OpenCalls", () => {
  it("endAll ends each open call once, and none that has already ended", () => {
    const calls = new OpenCalls();
    const ended: string[] = [];
    calls.add(() => ended.push("a"));
    const forget = calls.add(() => ended.push("b"));
    forget();
    calls.endAll();
    calls.endAll();
    expect(ended).to.deep.equal(["a"]);
  });

  it("a call added after endAll is ended at once", () => {
    const calls = new OpenCalls();
    calls.endAll();
    const ended: string[] = [];
    calls.add(() => ended.push("late"))();
    expect(ended).to.deep.equal(["late"]);
  });
});
