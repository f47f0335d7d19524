import type { LookupAddress, lookup } from "node:dns";
import { expect } from "chai";
import fc from "fast-check";
import { isPublicAddress, lookupPublic } from "../../../src/keys/remote/addresses.js";

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

const SPECIAL = words(`
  0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.8.8.8
  169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1
  198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 :: ::1
  ::7f00:1 0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:0000:0000:0001 ::127.0.0.1 ::ffff:127.0.0.1
  ::FFFF:7F00:1 0:0:0:0:0:ffff:10.0.0.1 ::ffff:0.0.0.1 ::ffff:0:0 ::ffff:a00:0 ::ffff:0:127.0.0.1
  ::ffff:0:169.254.169.254 64:ff9b::10.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b::1 64:ff9b:1::1 100::1
  100:0:0:1::1 2001::1 2001:1ff::1 2001:db8::1 2002:7f00:1:: 3fff::1 5f00::1 fc00::1 fdff:ffff::1
  fe80::1 fe80::1%eth0 febf::1 fec0::1 ff02::1
`);
const PUBLIC = words(`
  1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
  172.15.255.255 172.32.0.0 192.0.1.1 192.167.255.255 198.20.0.0 223.255.255.255 2606:4700::1111
  2a00:1450::1 ::ffff:1.1.1.1 ::ffff:101:101 ::ffff:0:1.1.1.1 64:ff9b::8.8.8.8 2001:200::1 2003::1
  2620:fe::fe
`);

describe("isPublicAddress", () => {
  for (const address of SPECIAL)
    it(`${address} is not a public address`, () => expect(isPublicAddress(address)).to.equal(false));
  for (const address of PUBLIC)
    it(`${address} is a public address`, () => expect(isPublicAddress(address)).to.equal(true));
  for (const text of ["", "localhost", "127.1", "2130706433", "0x7f.1", "1.1.1.1.", "[::1]", ":::", "1.1.1.256"]) {
    it(`${JSON.stringify(text)} is not an address`, () => expect(isPublicAddress(text)).to.equal(false));
  }

  it("an IPv4 address counts the same in every IPv6 notation for it", () => {
    const word = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(word, word, (high, low) => {
        const plain = [high >> 8, high & 255, low >> 8, low & 255].join(".");
        const hex = `${high.toString(16)}:${low.toString(16)}`;
        const want = isPublicAddress(plain);
        for (const prefix of ["::ffff:", "0:0:0:0:0:FFFF:", "::ffff:0:", "64:ff9b::", "0064:ff9b:0::"]) {
          for (const carried of [prefix + plain, prefix + hex])
            expect(isPublicAddress(carried), carried).to.equal(want);
        }
      }),
      {
        examples: [
          [0, 1],
          [0, 0],
          [0x7f00, 1],
          [0x0a00, 0],
        ],
        numRuns: 300,
      },
    );
  });
});

describe("lookupPublic", () => {
  const answering = (...addresses: readonly string[]): typeof lookup =>
    ((_host: string, _options: object, callback: (error: null, found: LookupAddress[]) => void) =>
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      )) as unknown as typeof lookup;
  const ask = (addresses: readonly string[], all = true): Promise<unknown> =>
    new Promise((resolve) =>
      lookupPublic(
        "issuer.example",
        { all },
        (error, found, family) => resolve(error?.code ?? (family === undefined ? found : [found, family])),
        answering(...addresses),
      ),
    );

  it("lookupPublic returns only the public addresses of a host that has both kinds", async () => {
    expect(await ask(["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111"])).to.deep.equal([
      { address: "1.1.1.1", family: 4 },
      { address: "2606:4700::1111", family: 6 },
    ]);
  });

  it("lookupPublic returns nothing if all addresses are private", async () => {
    expect(await ask(["169.254.169.254", "::ffff:127.0.0.1"])).to.equal("EPRIVATE");
    expect(await ask([])).to.equal("EPRIVATE");
  });

  it("lookupPublic returns one address if one is asked for", async () => {
    expect(await ask(["10.0.0.1", "1.1.1.1"], false)).to.deep.equal(["1.1.1.1", 4]);
    expect(await ask(["10.0.0.1"], false)).to.equal("EPRIVATE");
  });

  it("lookupPublic asks the system and passes its error on", async () => {
    const code = await new Promise((resolve) =>
      lookupPublic("localhost", { all: true }, (error) => resolve(error?.code)),
    );
    expect(code).to.equal("EPRIVATE");
    const failing = ((_host: string, _options: object, callback: (error: Error) => void) =>
      callback(Object.assign(new Error("no such host"), { code: "ENOTFOUND" }))) as unknown as typeof lookup;
    const error = await new Promise((resolve) => lookupPublic("x.example", { all: true }, resolve, failing));
    expect(error).to.include({ code: "ENOTFOUND" });
  });
});
