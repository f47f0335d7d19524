import { expect } from "chai";
import { Quota, quotaClient } from "../../../src/net/http2/quota.js";

describe("Quota", () => {
  it("lets one client reserve up to its limit, and all clients together the total", () => {
    const quota = new Quota(100, 25);
    const one = quota.open("a");
    expect(one(20)).to.equal(true);
    const two = quota.open("a");
    expect(two(6)).to.equal(false);
    expect(two(5)).to.equal(true);
    for (const name of ["b", "c"]) expect(quota.open(name)(25)).to.equal(true);
    expect(quota.open("d")(24)).to.equal(true);
    expect(quota.open("e")(2)).to.equal(false);
    expect(quota.open("e")(1)).to.equal(true);
  });

  it("a smaller reservation gives back the difference, and a refused one changes nothing", () => {
    const quota = new Quota(100, 25);
    const one = quota.open("a");
    expect([one(10), one(26), one(25), one(3), one(0)]).to.deep.equal([true, false, true, true, true]);
    expect(quota.open("a")(25)).to.equal(true);
  });

  it("a total below the sum of the clients' limits is a limit too", () => {
    const quota = new Quota(2, 1);
    expect(quota.open("a")(1)).to.equal(true);
    expect(quota.open("a")(1)).to.equal(false);
    expect(quota.open("b")(1)).to.equal(true);
    expect(quota.open("c")(1)).to.equal(false);
  });

  it("a reservation without a client is limited by the total alone", () => {
    const quota = new Quota(100, 25);
    const proxy = quota.open(undefined);
    expect([proxy(100), proxy(101), proxy(90)]).to.deep.equal([true, false, true]);
    expect([quota.open("a")(11), quota.open("a")(10)]).to.deep.equal([false, true]);
  });
});

describe("quotaClient", () => {
  const isProxy = (address: string): boolean => address === "10.0.0.1";
  const clients: Record<string, string | undefined> = {
    "192.0.2.1": "192.0.2.1",
    "::ffff:192.0.2.1": "192.0.2.1",
    "2001:db8::1": "2001:db8:0:0::/64",
    "10.0.0.1": undefined,
    "::ffff:10.0.0.1": undefined,
    "": undefined,
  };
  for (const [peer, client] of Object.entries(clients)) {
    it(`quotaClient maps ${peer || "a socket file"} to ${client ?? "no client"}`, () => {
      expect(quotaClient(peer, isProxy)).to.equal(client);
    });
  }
});
