import { expect } from "chai";
import { certify, pki } from "../support/certificates.js";
import { type Files, load, wrongs } from "./harness.js";

// The operators' port in the configuration.

const KEY = "0123456789abcdef0123456789abcdef";
const { authority, server } = pki();
const FILES = {
  "a.key": `${KEY}\n`,
  "b.key": KEY.replace("0", "x"),
  "short.key": "0123456789",
  "two.key": `${KEY}\n${KEY}`,
  "server.pem": server.cert,
  "server.key": server.key,
  "ca.pem": authority.cert,
  "other.pem": certify("x").cert,
};
const TLS = "tls: { certFile: ./server.pem, keyFile: ./server.key, clientCaFile: ./ca.pem }";
const issuesOf = (text: string, files: Files): string[] => wrongs(() => load(text, files));
const config = (admin: string): string => `admin: ${admin}\nrealms: {}\n`;
const exposed = (more: string): string => config(`{ address: "0.0.0.0:0", ${more} }`);

describe("the operators' port in the configuration", () => {
  it("keys are read from their files, without white space around them, and certificates by their names", () => {
    const { admin } = load(
      exposed(
        `${TLS}, keys: [{ name: deploy, file: ./a.key, role: write }, { name: night, file: ./b.key, role: revoke }], certificates: [{ san: "spiffe://internal.example/ops", role: admin }]`,
      ),
      FILES,
    );
    expect(admin?.keys.map(({ name, role, key }) => [name, role, key.reveal()])).to.deep.equal([
      ["deploy", "write", KEY],
      ["night", "revoke", KEY.replace("0", "x")],
    ]);
    expect(admin?.certificates).to.deep.equal([{ san: "URI:spiffe://internal.example/ops", role: "admin" }]);
  });

  for (const address of ["127.0.0.1:0", "127.9.9.9:0", "localhost:0", '"[::1]:0"', "unix:/run/admin.sock"]) {
    it(`${address} needs neither keys nor certificates`, () => {
      expect(load(config(address), FILES).admin?.keys).to.deep.equal([]);
    });
  }

  for (const address of ["0.0.0.0:0", '"[::]:0"', "192.0.2.1:0", "verifier.internal.example:0"]) {
    it(`${address} without keys and certificates is refused, because every caller would be an operator`, () => {
      expect(issuesOf(config(address), FILES)).to.deep.equal([
        "admin: other machines could reach this address, and each caller would be an operator: give keys or certificates with roles, or listen at 127.0.0.1 or a unix: socket",
      ]);
    });
  }

  const key = (more: string): string => exposed(`keys: [{ name: a, file: ./a.key, role: read }${more}]`);
  const WRONG: Readonly<Record<string, readonly [text: string, issue: string | RegExp]>> = {
    "a short key": [
      key(", { name: b, file: ./short.key, role: read }"),
      "admin.keys[1].file: must hold 32 to 1024 printable characters without white space: openssl rand -base64 32 makes a key",
    ],
    "two keys in a file": [key(", { name: b, file: ./two.key, role: read }"), /^admin\.keys\[1\]\.file: must hold 32/],
    "a missing file": [
      key(", { name: b, file: ./none.key, role: read }"),
      /^admin\.keys\[1\]\.file: \.\/none\.key cannot be read/,
    ],
    "the same key twice": [
      key(", { name: b, file: ./a.key, role: admin }"),
      "admin.keys[1].file: holds the key of a: give each operator its own",
    ],
    "the same name twice": [
      key(", { name: a, file: ./b.key, role: admin }"),
      "admin.keys[1].name: is the same as admin.keys[0].name: give each operator its own",
    ],
    "an unknown role": [
      key(", { name: b, file: ./b.key, role: root }"),
      /^admin\.keys\[1\]\.role: must be one of read, revoke, write, admin/,
    ],
    "a name with a space": [
      key(", { name: a b, file: ./b.key, role: read }"),
      /^admin\.keys\[1\]\.name: must have 1 to 64 letters/,
    ],
    "a key in place of its file": [key(`, { name: b, key: ${KEY}, role: read }`), /^admin\.keys\[1\]/],
    "certificates without authorities": [
      exposed('certificates: [{ san: "DNS:ops.internal.example", role: read }]'),
      "admin.certificates: the port asks its clients for no certificates: give admin a tls with a clientCaFile",
    ],
    "the same certificate twice": [
      exposed(`${TLS}, certificates: [{ san: "DNS:a.example", role: read }, { san: "DNS:A.example", role: admin }]`),
      "admin.certificates[1].san: is the same as admin.certificates[0].san: leave one out",
    ],
    "a name that is none": [
      exposed(`${TLS}, certificates: [{ san: "a b", role: read }]`),
      /^admin\.certificates\[0\]\.san: must be a name such as/,
    ],
    "an empty list of keys": [exposed("keys: []"), /^admin\.keys: /],
  };
  for (const [what, [text, issue]] of Object.entries(WRONG)) {
    it(`${what} is refused with its cure, and no key is repeated`, () => {
      const issues = issuesOf(text, FILES);
      if (typeof issue === "string") expect(issues).to.include(issue);
      else
        expect(
          issues.some((one) => issue.test(one)),
          issues.join("\n"),
        ).to.equal(true);
      expect(issues.join("\n")).not.to.include(KEY);
    });
  }
});
