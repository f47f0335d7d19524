import { X509Certificate } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { parseAltNames, readWorkloadName, workloadAt } from "../../src/util/workload-names.js";
import { type AltName, certify } from "../support/certificates.js";

const namesOf = (...names: readonly AltName[]): readonly string[] =>
  parseAltNames(new X509Certificate(certify("x", { names }).cert).subjectAltName ?? "");

describe("names of a workload", () => {
  it("a workload's names are its certificate's URIs unchanged and its DNS names in lower case", () => {
    const names = namesOf(
      ["URI", "spiffe://internal.example/Web"],
      ["DNS", "Web.Internal.Example"],
      ["email", "a@b.example"],
      ["IP", "10.0.0.1"],
      ["other", "x"],
    );
    expect(names).to.deep.equal(["URI:spiffe://internal.example/Web", "DNS:web.internal.example"]);
  });

  it("a name in a certificate cannot add other names, whatever it contains (CVE-2021-44532)", () => {
    for (const value of [
      "a, DNS:admin",
      'a", DNS:admin, DNS:"',
      "a\\",
      "a\0b",
      "a'b",
      "a\n, DNS:admin",
      ", URI:spiffe://admin",
      "DNS:admin",
      '"admin"',
    ]) {
      expect(namesOf(["URI", value]), JSON.stringify(value)).to.deep.equal([`URI:${value}`]);
      expect(namesOf(["DNS", value]), JSON.stringify(value)).to.deep.equal([`DNS:${value.toLowerCase()}`]);
      expect(namesOf(["other", value], ["email", value], ["DNS", "one"]), JSON.stringify(value)).to.satisfy(
        (names: readonly string[]) => names.length === 0 || names.join() === "DNS:one",
      );
    }
  });

  it("names of any bytes and any number are read back as written", () => {
    const text = fc.oneof(
      fc.string({ maxLength: 20, unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) }),
      fc.string({ maxLength: 20, unit: fc.constantFrom(",", " ", '"', "\\", "'", ":", "D", "N", "S", "a", "\0", "u") }),
    );
    const entry = fc.tuple(fc.constantFrom("DNS", "URI", "email"), text) as fc.Arbitrary<AltName>;
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 5 }), (names) => {
        const expected = names
          .filter(([kind]) => kind !== "email")
          .map(
            ([kind, value]) => `${kind}:${kind === "DNS" ? value.replace(/[A-Z]/g, (c) => c.toLowerCase()) : value}`,
          );
        expect(namesOf(...names)).to.deep.equal(expected);
      }),
      { numRuns: 200 },
    );
  });

  it("a workload has no names if the text of its certificate's names is malformed", () => {
    for (const text of [
      "DNS:a,DNS:b",
      "DNS:a, ",
      "DNS:a, DNS",
      'DNS:"a',
      'DNS:"a"b',
      'DNS:a"b"',
      'DNS:"\\x"',
      "DNS:a\\",
      ", DNS:a",
      "a",
      "DNS:a, ?:b",
    ]) {
      expect(parseAltNames(text), text).to.deep.equal([]);
    }
    expect(parseAltNames("")).to.deep.equal([]);
  });

  it("a workload's names are undefined without a valid certificate", () => {
    const certificate = new X509Certificate(certify("x", { names: [["DNS", "a"]] }).cert);
    const getPeerX509Certificate = () => certificate;
    expect(workloadAt({})).to.equal(undefined);
    expect(workloadAt({ authorized: false, getPeerX509Certificate })).to.equal(undefined);
    expect(workloadAt({ authorized: true, getPeerX509Certificate: () => undefined })).to.equal(undefined);
    expect(workloadAt({ authorized: true, getPeerX509Certificate })).to.deep.equal(["DNS:a"]);
    const nameless = new X509Certificate(certify("x").cert);
    expect(workloadAt({ authorized: true, getPeerX509Certificate: () => nameless })).to.deep.equal([]);
  });
});

describe("a workload's name as it is configured", () => {
  it("a configured name has a prefix for its kind, or a form that shows it", () => {
    const read: Readonly<Record<string, string | undefined>> = {
      "URI:spiffe://internal.example/Web": "URI:spiffe://internal.example/Web",
      "spiffe://internal.example/web": "URI:spiffe://internal.example/web",
      "URI:urn:example:web": "URI:urn:example:web",
      "DNS:Web.Internal.Example": "DNS:web.internal.example",
      "web.internal.example": "DNS:web.internal.example",
      web: "DNS:web",
      "DNS:*.internal.example": undefined,
      "*.internal.example": undefined,
      "DNS:": undefined,
      "URI:": undefined,
      "URI:web": undefined,
      "spiffe://a b": undefined,
      "IP:10.0.0.1": undefined,
      "dns:web": undefined,
      "web.": undefined,
      "": undefined,
      "a\n": undefined,
    };
    for (const [text, name] of Object.entries(read))
      expect(readWorkloadName(text), JSON.stringify(text)).to.equal(name);
  });
});
