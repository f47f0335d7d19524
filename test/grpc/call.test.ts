import { expect } from "chai";
import { peerHost } from "../../src/grpc/call.js";

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
