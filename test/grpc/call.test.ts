import { expect } from "chai";
import { peerHost } from "../../src/grpc/call.js";
import { OpenCalls } from "../../src/grpc/open-calls.js";

describe("the peer's address", () => {
  const peers: Record<string, string> = {
    "127.0.0.1:50000": "127.0.0.1",
    "::1:50000": "::1",
    "2001:db8::7:443": "2001:db8::7",
    "::ffff:192.0.2.1:50000": "::ffff:192.0.2.1",
    unknown: "",
  };
  for (const [peer, address] of Object.entries(peers)) {
    it(`of ${peer} is "${address}"`, () => {
      expect(peerHost(peer)).to.equal(address);
    });
  }
});

describe("open calls", () => {
  it("are ended once each, but for those that ended by themselves", () => {
    const calls = new OpenCalls();
    const ended: string[] = [];
    calls.add(() => ended.push("a"));
    const forget = calls.add(() => ended.push("b"));
    forget();
    calls.endAll();
    calls.endAll();
    expect(ended).to.deep.equal(["a"]);
  });

  it("are ended at once where they come too late", () => {
    const calls = new OpenCalls();
    calls.endAll();
    const ended: string[] = [];
    calls.add(() => ended.push("late"))();
    expect(ended).to.deep.equal(["late"]);
  });
});
