import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { expect } from "chai";
import { type Config, loadGatewayConfig } from "../../src/config/load.js";
import { certify, pki } from "../support/certificates.js";
import { type Files, folderWith, load, wrongs } from "./harness.js";

const { authority, server, workload } = pki();
const encrypted = generateKeyPairSync("ec", {
  namedCurve: "P-256",
  privateKeyEncoding: { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" },
  publicKeyEncoding: { type: "spki", format: "pem" },
}).privateKey;
const small = generateKeyPairSync("rsa", { modulusLength: 512 }).privateKey;

const FILES: Files = {
  "server.pem": server.cert,
  "server.key": server.key,
  "ca.pem": authority.cert,
  "chain.pem": `Subject: server\n${server.cert}\n${authority.cert}`,
  "wrong-order.pem": authority.cert + server.cert,
  "other.key": workload.key,
  "encrypted.key": encrypted,
  "damaged.pem": server.cert.replace(/.{64}\n/, ""),
  "damaged.key": server.key.replace(/\n.{20}/, "\n"),
  "text.txt": "hello",
};

const TLS = "certFile: server.pem, keyFile: server.key";
const grpc = (tls: string): string => `grpc: { address: "127.0.0.1:0", tls: { ${tls} } }\nrealms: {}\n`;
const issues = (text: string): string[] => wrongs(() => load(text, FILES));
const gateway = (upstream: string) => {
  const text = `http: 127.0.0.1:8080\nupstream: ${upstream}\nrealms: {}\n`;
  return loadGatewayConfig(join(folderWith({ ...FILES, "verifier.yaml": text }), "verifier.yaml"), { env: {} });
};

describe("tls of a port", () => {
  it("tls with its files is read for every port", () => {
    const ports = ["grpc", "http", "admin", "metrics"] as const;
    const text = ports.map((name) => `${name}: { address: "127.0.0.1:0", tls: { ${TLS}, clientCaFile: ca.pem } }\n`);
    const config: Config = load(`${text.join("")}realms: {}\n`, FILES);
    for (const name of ports) {
      const { certificate, key, ca, validity } = config[name]?.tls ?? {};
      expect([certificate, key?.reveal(), ca], name).to.deep.equal([server.cert, server.key, authority.cert]);
      expect((validity?.to ?? 0) - (validity?.from ?? 0), name).to.be.within(30 * 86_400_000, 31 * 86_400_000);
      expect(JSON.stringify(config[name])).not.to.include(server.key.split("\n")[1]);
    }
    expect(load("grpc: 127.0.0.1:0\nrealms: {}\n").grpc).to.deep.equal({ address: "127.0.0.1:0", tls: undefined });
  });

  it("certFile may hold a chain, and text beside the certificates", () => {
    const { grpc: port } = load(grpc("certFile: chain.pem, keyFile: server.key"), FILES);
    expect(port?.tls?.certificate).to.equal(server.cert + authority.cert);
  });

  const WRONG: Readonly<Record<string, string>> = {
    "certFile: none.pem, keyFile: server.key":
      "grpc.tls.certFile: none.pem cannot be read (ENOENT): give a file that this user may read",
    "certFile: text.txt, keyFile: server.key":
      "grpc.tls.certFile: holds no certificate in PEM: it must begin with -----BEGIN CERTIFICATE-----",
    "certFile: server.key, keyFile: server.key":
      "grpc.tls.certFile: holds no certificate in PEM: it must begin with -----BEGIN CERTIFICATE-----",
    "certFile: damaged.pem, keyFile: server.key":
      "grpc.tls.certFile: certificate 1 of 1 in it is damaged: write the file again",
    "certFile: server.pem, keyFile: none.key":
      "grpc.tls.keyFile: none.key cannot be read (ENOENT): give a file that this user may read",
    "certFile: server.pem, keyFile: text.txt":
      "grpc.tls.keyFile: holds no private key in PEM: it must begin with -----BEGIN PRIVATE KEY-----",
    "certFile: server.pem, keyFile: encrypted.key":
      "grpc.tls.keyFile: is encrypted: decrypt it with openssl pkey -in FILE -out FILE, and protect the file",
    "certFile: server.pem, keyFile: damaged.key":
      "grpc.tls.keyFile: the private key in it is damaged: write the file again",
    "certFile: server.pem, keyFile: other.key":
      "grpc.tls.keyFile: is not the key of the first certificate in certFile: give the two that were made together",
    "certFile: wrong-order.pem, keyFile: server.key":
      "grpc.tls.keyFile: is the key of a later certificate in certFile: put that certificate first there",
    [`${TLS}, clientCaFile: text.txt`]:
      "grpc.tls.clientCaFile: holds no certificate in PEM: it must begin with -----BEGIN CERTIFICATE-----",
  };
  for (const [tls, wrong] of Object.entries(WRONG)) {
    it(`tls is refused with ${tls}`, () => expect(issues(grpc(tls))).to.deep.equal([wrong]));
  }

  it("tls is refused with a key that OpenSSL refuses", () => {
    const weak = certify("weak", { keys: small });
    const files = { ...FILES, "weak.pem": weak.cert, "weak.key": weak.key };
    expect(wrongs(() => load(grpc("certFile: weak.pem, keyFile: weak.key"), files))).to.deep.equal([
      "grpc.tls: OpenSSL refuses these files (ERR_SSL_EE_KEY_TOO_SMALL): give keys of 2048 bits (RSA) or P-256 and above",
    ]);
  });

  it("all problems of tls are reported at once, beside other errors", () => {
    const text = `grpc: { address: "127.0.0.1:0", tls: { certFile: none.pem, keyFile: encrypted.key, clientCaFile: text.txt } }
http: { address: "127.0.0.1:0", tls: { certFile: server.pem, keyFile: other.key } }
limits: { perAddress: 0 }
realms: {}
`;
    expect(issues(text).map((one) => one.split(":")[0])).to.deep.equal([
      "limits.perAddress",
      "grpc.tls.certFile",
      "grpc.tls.keyFile",
      "grpc.tls.clientCaFile",
      "http.tls.keyFile",
    ]);
  });

  it("an expired certificate loads, since peers judge it", () => {
    const old = certify("old", { from: 0, to: 1000 });
    const files = { "old.pem": old.cert, "old.key": old.key };
    const { grpc: port } = load(grpc("certFile: old.pem, keyFile: old.key"), files);
    expect(port?.tls?.validity).to.deep.equal({ from: 0, to: 1000 });
  });
});

describe("tls of a gateway's upstream", () => {
  it("tls of an upstream may name authorities, a certificate, or nothing", () => {
    const empty = gateway("{ address: 10.0.0.5:50051, tls: {} }").upstream;
    expect(empty).to.deep.equal({
      address: ["10.0.0.5:50051"],
      tls: { certificate: undefined, key: undefined, ca: undefined, validity: undefined },
    });
    const full = gateway(
      "{ address: 10.0.0.5:50051, tls: { caFile: ca.pem, certFile: server.pem, keyFile: server.key } }",
    );
    expect(full.upstream.tls?.ca).to.equal(authority.cert);
    expect(full.upstream.tls?.key?.reveal()).to.equal(server.key);
    expect(gateway("10.0.0.5:50051").upstream).to.deep.equal({ address: ["10.0.0.5:50051"], tls: undefined });
  });

  it("tls of an upstream is refused if a half of a pair is missing, or a file or key is wrong", () => {
    const of = (tls: string): string[] => wrongs(() => gateway(`{ address: 10.0.0.5:50051, tls: { ${tls} } }`));
    expect(of("certFile: server.pem")).to.deep.equal(["upstream.tls.keyFile: is missing: certFile goes with it"]);
    expect(of("keyFile: server.key, caFile: none.pem")).to.deep.equal([
      "upstream.tls.certFile: is missing: keyFile goes with it",
      "upstream.tls.caFile: none.pem cannot be read (ENOENT): give a file that this user may read",
    ]);
    expect(of("clientCaFile: ca.pem")).to.deep.equal([
      "upstream.tls.clientCaFile: is not a key that exists here; there are caFile, certFile, keyFile",
    ]);
  });
});

describe("realms whose callers are workloads", () => {
  const realm = (more: string, port = `{ address: "127.0.0.1:0", tls: { ${TLS}, clientCaFile: ca.pem } }`): string =>
    `grpc: ${port}\nrealms:\n  partner: { algorithms: [HS256], issuer: a, audience: null, keys: [{ secret: ${"x".repeat(32)} }], ${more} }\n`;

  it("a realm may name workloads in every form, and needs no store for them", () => {
    const san = `[ "URI:spiffe://a/b", "DNS:Web.example", spiffe://a/c, web ]`;
    const { realms, masterKeys } = load(realm(`callers: { san: ${san} }, explain: { san: [web] }`), FILES);
    const { callers, explain } = realms[0] ?? {};
    expect(callers).to.deep.equal({
      san: new Set(["URI:spiffe://a/b", "DNS:web.example", "URI:spiffe://a/c", "DNS:web"]),
    });
    expect(explain).to.deep.equal({ san: new Set(["DNS:web"]) });
    expect(masterKeys).to.deep.equal([]);
  });

  it("workloads as callers are refused if no port asks for client certificates", () => {
    const wrong = "no port asks its clients for certificates: give grpc a tls with a clientCaFile";
    for (const port of ["127.0.0.1:0", `{ address: "127.0.0.1:0", tls: { ${TLS} } }`]) {
      expect(issues(realm("callers: { san: [web] }, explain: { san: [web] }", port))).to.deep.equal([
        `realms.partner.callers.san: ${wrong}`,
        `realms.partner.explain.san: ${wrong}`,
      ]);
    }
  });

  it("an invalid name of a workload is refused", () => {
    const names = "names such as URI:spiffe://internal.example/web or DNS:web.internal.example";
    for (const wrong of ["*.example", "IP:10.0.0.1", ""]) {
      expect(issues(realm(`callers: { san: [a, ${JSON.stringify(wrong)}] }`)), wrong).to.deep.equal([
        `realms.partner.callers.san[1]: must be a ${names.replace("names", "name")}`,
      ]);
    }
    expect(issues(realm("callers: web"))).to.deep.equal([
      `realms.partner.callers: must be anyone, instances, clients or {san: [...]} with ${names}`,
    ]);
    expect(issues(realm("callers: { san: [] }"))).to.deep.equal(["realms.partner.callers.san: must not be empty"]);
  });

  it("a route accepts realms with the same workloads in any order, and refuses different ones", () => {
    const both = (second: string): string =>
      `${realm("callers: { san: [a, b] }")}  other: { algorithms: [HS256], issuer: b, audience: null, keys: [{ secret: ${"y".repeat(32)} }], callers: ${second} }\n  any: { byIssuer: [partner, other] }\n`;
    expect(load(both("{ san: [B, DNS:a] }"), FILES).realms).to.have.length(3);
    expect(issues(both("{ san: [a] }"))).to.deep.equal([
      "realms.any.byIssuer[1]: must take the same callers as the others: partner takes callers: san: DNS:a, DNS:b, other san: DNS:a",
    ]);
  });
});
