import { expect } from "chai";
import fc from "fast-check";
import { addressReader, isNetwork, limitedAddress } from "../../src/util/client-address.js";

describe("addressReader", () => {
  const NETWORKS = ["10.0.0.1", "10.1.0.0/16", "::1", "fd00::/8"];
  const read = addressReader(NETWORKS);

  it("reads the peer's address if no proxy is trusted, whatever is forwarded", () => {
    const nobody = addressReader([]);
    expect(nobody("192.0.2.1", "1.1.1.1")).to.equal("192.0.2.1");
    expect(nobody("10.0.0.1", "1.1.1.1")).to.equal("10.0.0.1");
    expect(nobody("::ffff:192.0.2.1", undefined)).to.equal("192.0.2.1");
    expect(nobody("2001:db8::1", undefined)).to.equal("2001:db8::1");
    expect(nobody("", "1.1.1.1")).to.equal("");
  });

  for (const [peer, forwarded, address] of [
    ["192.0.2.1", "1.1.1.1", "192.0.2.1"], // not a trusted proxy
    ["10.0.0.1", undefined, "10.0.0.1"],
    ["10.0.0.1", "", "10.0.0.1"],
    ["10.0.0.1", "1.1.1.1", "1.1.1.1"],
    ["10.0.0.2", "1.1.1.1", "10.0.0.2"], // next to the trusted address
    ["10.1.200.3", "1.1.1.1", "1.1.1.1"],
    ["10.2.0.0", "1.1.1.1", "10.2.0.0"],
    ["::ffff:10.0.0.1", "1.1.1.1", "1.1.1.1"],
    ["10.0.0.1", "::ffff:1.1.1.1", "1.1.1.1"],
    ["::1", "2001:db8::7", "2001:db8::7"],
    ["fd12::1", "1.1.1.1", "1.1.1.1"],
    ["10.0.0.1", "9.9.9.9, 1.1.1.1", "1.1.1.1"], // entries on the left come from the client itself
    ["10.0.0.1", "9.9.9.9, 1.1.1.1, 10.1.0.5", "1.1.1.1"], // through two proxies
    ["10.0.0.1", "9.9.9.9,1.1.1.1,10.1.0.5,::1", "1.1.1.1"],
    ["10.0.0.1", "10.1.0.1, 10.1.0.2", "10.1.0.1"], // all are proxies, so the first counts
    ["10.0.0.1", "9.9.9.9, unknown", "10.0.0.1"], // not an address, so the header is ignored
    ["10.0.0.1", "9.9.9.9, ", "10.0.0.1"],
    ["10.0.0.1", "1.1.1.1:4711", "1.1.1.1"], // some proxies add the port
    ["10.0.0.1", "[2001:DB8::7]:4711", "2001:db8::7"],
    ["10.0.0.1", "[2001:db8::7]", "2001:db8::7"],
    ["10.0.0.1", "2001:0DB8:0:0::7", "2001:db8::7"], // an address has one spelling
    ["10.0.0.1", "::ffff:0101:0101", "1.1.1.1"],
    ["10.0.0.1", "1.1.1.1:port", "10.0.0.1"],
    ["10.0.0.1", "<script>", "10.0.0.1"],
    ["10.0.0.1", "9.9.9.9, bad, 10.1.0.1", "10.1.0.1"],
    ["fe80::1%eth0", "1.1.1.1", "fe80::1%eth0"],
    ["10.0.0.1", "fe80::1%eth0", "fe80::1%eth0"],
    ["", "1.1.1.1", ""], // a socket file
  ] as const) {
    it(`reads ${JSON.stringify(address)} from the peer ${JSON.stringify(peer)} that forwards ${JSON.stringify(forwarded)}`, () => {
      expect(read(peer, forwarded)).to.equal(address);
    });
  }

  const anything = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.constantFrom("10.0.0.1", "::1", "", " ", "unknown", "::ffff:10.0.0.1"),
    fc.string(),
  );

  it("ignores every forwarded address left of the first untrusted one", () => {
    fc.assert(
      fc.property(
        fc.array(anything, { maxLength: 5 }),
        fc.constantFrom("192.0.2.9", "2001:db8::9"),
        (left, stranger) => {
          expect(read("10.0.0.1", [...left, stranger].join(","))).to.equal(stranger);
          expect(read("10.0.0.1", [...left, stranger, "10.1.2.3", "::1"].join(" , "))).to.equal(stranger);
        },
      ),
    );
  });

  it("ignores what an untrusted peer forwards, and never throws", () => {
    fc.assert(
      fc.property(anything, fc.option(fc.array(anything), { nil: undefined }), (peer, forwarded) => {
        expect(read(peer, forwarded?.join(","))).to.be.a("string");
        expect(read("192.0.2.9", forwarded?.join(","))).to.equal("192.0.2.9");
      }),
    );
  });

  it("reads the same address with its cache as without", () => {
    const pieces = fc.array(
      fc.oneof(
        anything,
        fc.constantFrom("1.1.1.1:80", "[2001:DB8::7]:4711", "::ffff:0a00:0001", "10.1.0.5", "fd00::1"),
      ),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(anything, pieces, (peer, claims) => {
        const forwarded = claims.join(",");
        const fresh = addressReader(NETWORKS)(peer, forwarded);
        expect([read(peer, forwarded), read(peer, forwarded)]).to.deep.equal([fresh, fresh]);
      }),
    );
  });
});

describe("isNetwork", () => {
  for (const text of ["10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "10.0.0.1/32", "::1", "fd00::/8", "::/0", "::1/128"]) {
    it(`accepts the network ${text}`, () => expect(isNetwork(text)).to.equal(true));
  }
  for (const text of [
    "",
    "x",
    "10.0.0",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/",
    "10.0.0.0/8x",
    "::1/129",
    "localhost",
    "10.0.0.256",
    "*",
    "10.0.0.0/8/8",
    " 10.0.0.1",
  ]) {
    it(`refuses the network ${JSON.stringify(text)}`, () => expect(isNetwork(text)).to.equal(false));
  }
});

describe("limitedAddress", () => {
  for (const [address, counted] of [
    ["192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
    ["2001:db8::7", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["1::", "1:0:0:0::/64"],
    ["fe80::1%eth0", "fe80::1%eth0"],
    ["", ""],
  ] as const) {
    it(`limits ${JSON.stringify(address)} as ${JSON.stringify(counted)}`, () => {
      expect(limitedAddress(address)).to.equal(counted);
    });
  }
});
