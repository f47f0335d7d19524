import { expect } from "chai";
import { sharerOf } from "../../../src/net/http2/connections.js";
import { Quota } from "../../../src/net/http2/quota.js";

describe("Shares", () => {
  it("lets one address hold a quarter, and all of them the whole", () => {
    const shares = new Quota(100, 25);
    const one = shares.holder("a");
    expect(one(20)).to.equal(true);
    const two = shares.holder("a");
    expect(two(6)).to.equal(false);
    expect(two(5)).to.equal(true);
    for (const name of ["b", "c"]) expect(shares.holder(name)(25)).to.equal(true);
    expect(shares.holder("d")(24)).to.equal(true);
    expect(shares.holder("e")(2)).to.equal(false);
    expect(shares.holder("e")(1)).to.equal(true);
  });

  it("takes back what is held no more, and changes nothing where it refuses", () => {
    const shares = new Quota(100, 25);
    const one = shares.holder("a");
    expect([one(10), one(26), one(25), one(3), one(0)]).to.deep.equal([true, false, true, true, true]);
    expect(shares.holder("a")(25)).to.equal(true);
  });

  it("ends at the whole, too", () => {
    const shares = new Quota(2, 1);
    expect(shares.holder("a")(1)).to.equal(true);
    expect(shares.holder("a")(1)).to.equal(false);
    expect(shares.holder("b")(1)).to.equal(true);
    expect(shares.holder("c")(1)).to.equal(false);
  });

  it("bounds whoever has no share of their own by the whole", () => {
    const shares = new Quota(100, 25);
    const proxy = shares.holder(undefined);
    expect([proxy(100), proxy(101), proxy(90)]).to.deep.equal([true, false, true]);
    expect([shares.holder("a")(11), shares.holder("a")(10)]).to.deep.equal([false, true]);
  });
});

describe("sharerOf", () => {
  const isProxy = (address: string): boolean => address === "10.0.0.1";
  const sharers: Record<string, string | undefined> = {
    "192.0.2.1": "192.0.2.1",
    "::ffff:192.0.2.1": "192.0.2.1",
    "2001:db8::1": "2001:db8:0:0::/64",
    "10.0.0.1": undefined,
    "::ffff:10.0.0.1": undefined,
    "": undefined,
  };
  for (const [peer, sharer] of Object.entries(sharers)) {
    it(`${peer || "a socket file"}: ${sharer ?? "none"}`, () => {
      expect(sharerOf(peer, isProxy)).to.equal(sharer);
    });
  }
});
