import { writeFileSync } from "node:fs";
import http from "node:http";
import type net from "node:net";
import { join } from "node:path";
import tls from "node:tls";
import { expect } from "chai";
import { connectionProblem } from "../../src/client/connection-problem.js";
import { CaFileError, type ClientTls, connect, VerificationFailure } from "../../src/client/index.js";
import { createServer } from "../../src/grpc/server.js";
import type { TlsMaterial } from "../../src/net/tls.js";
import { emptyFolder, run } from "../cli/harness.js";
import { LIMITS } from "../grpc/harness.js";
import { certify, pki } from "../support/certificates.js";
import { material } from "../support/tls.js";

// The reasons why no connection can be opened, as the client and the command line give them, each naming its own
// options.

const { authority, stranger, server, workload } = pki();
const DAY = 86_400_000;
const HERE = [["IP", "127.0.0.1"]] as const;
const expired = certify("old", { issuer: authority, names: HERE, from: Date.now() - 2 * DAY, to: Date.now() - DAY });
const early = certify("new", { issuer: authority, names: HERE, from: Date.now() + DAY, to: Date.now() + 2 * DAY });
const elsewhere = certify("elsewhere", { issuer: authority, names: [["DNS", "elsewhere.example"]] });
const foreign = certify("web", { issuer: stranger });

const closing: (() => unknown)[] = [];
after(async () => {
  for (const close of closing) await close();
});

async function service(own?: TlsMaterial): Promise<string> {
  const one = createServer({ limits: LIMITS, ...(own && { listener: { tls: own, isProxy: () => false } }) });
  closing.push(() => one.close(0));
  return one.listen("127.0.0.1:0");
}

async function listening(one: net.Server): Promise<string> {
  await new Promise<void>((resolve) => one.listen(0, "127.0.0.1", resolve));
  closing.push(() => one.close());
  return `127.0.0.1:${(one.address() as net.AddressInfo).port}`;
}

const web = (): Promise<string> => listening(http.createServer((_request, response) => response.end("hello")));
const secureWeb = (protocols: string[]): Promise<string> =>
  listening(
    tls.createServer({ cert: server.cert, key: server.key, ALPNProtocols: protocols }, (socket) => {
      socket.on("error", () => {});
      socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    }),
  );

interface Case {
  readonly name: string;
  readonly at: () => Promise<string>;
  readonly tls?: ClientTls;
  /** The command-line options that correspond to `tls`. */
  readonly options?: readonly string[];
  readonly found: RegExp;
  readonly fix: RegExp;
  /** The command line's fix, if it differs. */
  readonly commandFix?: RegExp;
}

const trusting = { ca: authority.cert };
const CASES: readonly Case[] = [
  {
    name: "a port that speaks TLS, asked in the clear",
    at: () => service(material(server)),
    found: /a port that speaks TLS/,
    fix: /give `tls`/,
    commandFix: /give --tls, or --ca-file FILE/,
  },
  {
    name: "a port in the clear, asked over TLS",
    at: () => service(),
    tls: trusting,
    options: ["--ca-file", "ca.pem"],
    found: /the port speaks no TLS/,
    fix: /Leave out `tls`/,
    commandFix: /Leave out --tls/,
  },
  {
    name: "a certificate of an authority that is not trusted",
    at: () => service(material(server)),
    tls: { ca: stranger.cert },
    options: ["--ca-file", "stranger.pem"],
    found: /not signed by a trusted authority/,
    fix: /`tls.caFile`/,
    commandFix: /with --ca-file FILE/,
  },
  {
    name: "a certificate of an unknown authority, with only Node's own trusted",
    at: () => service(material(server)),
    tls: {},
    options: ["--tls"],
    found: /not signed by a trusted authority/,
    fix: /`tls.caFile`/,
    commandFix: /with --ca-file FILE/,
  },
  {
    name: "an expired certificate",
    at: () => service(material(expired)),
    tls: trusting,
    options: ["--ca-file", "ca.pem"],
    found: /its certificate has expired/,
    fix: /needs a new one/,
  },
  {
    name: "a certificate that is not valid yet",
    at: () => service(material(early)),
    tls: trusting,
    options: ["--ca-file", "ca.pem"],
    found: /not valid yet/,
    fix: /clocks/,
  },
  {
    name: "a certificate for another name",
    at: () => service(material(elsewhere)),
    tls: trusting,
    options: ["--ca-file", "ca.pem"],
    found: /for another name/,
    fix: /`tls.servername`/,
    commandFix: /Give --address with a name/,
  },
  {
    name: "a port that wants a certificate and is shown none",
    at: () => service(material(server, authority)),
    tls: trusting,
    options: ["--ca-file", "ca.pem"],
    found: /client certificate/,
    fix: /`tls.cert` and `tls.key`/,
    commandFix: /--cert-file and --key-file/,
  },
  {
    name: "a port that wants a certificate and is shown a stranger's",
    at: () => service(material(server, authority)),
    tls: { ...trusting, cert: foreign.cert, key: foreign.key },
    options: ["--ca-file", "ca.pem", "--cert-file", "foreign.pem", "--key-file", "foreign.key"],
    found: /client certificate/,
    fix: /`tls.cert` and `tls.key`/,
    commandFix: /--cert-file and --key-file/,
  },
  { name: "a port of HTTP/1.1", at: web, found: /does not speak gRPC/, fix: /gRPC port/ },
  {
    name: "a port of HTTPS without HTTP/2",
    at: () => secureWeb(["http/1.1"]),
    tls: trusting,
    options: ["--ca-file", "ca.pem"],
    found: /does not speak gRPC/,
    fix: /gRPC port/,
  },
  {
    name: "a port of TLS that says h2 and speaks something else",
    at: () => secureWeb(["h2"]),
    tls: trusting,
    options: ["--ca-file", "ca.pem"],
    found: /does not speak gRPC/,
    fix: /gRPC port/,
  },
  {
    name: "a host name that does not exist",
    at: () => Promise.resolve("nowhere.invalid:50051"),
    found: /its name cannot be resolved/,
    fix: /DNS/,
  },
];

describe("the message of a client that reaches no service", () => {
  let folder: string;
  before(() => {
    folder = emptyFolder();
    const files = {
      "ca.pem": authority.cert,
      "stranger.pem": stranger.cert,
      "foreign.pem": foreign.cert,
      "foreign.key": foreign.key,
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  });

  for (const { name, at, tls: given, options = [], found, fix, commandFix = fix } of CASES) {
    it(`${name}: the client and the command line name the problem and its fix`, async () => {
      const address = await at();
      const client = connect(address, { ...(given && { tls: given }), deadlineMs: 60_000 });
      const error: unknown = await client.verify({ realm: "r", token: "t" }).catch((thrown: unknown) => thrown);
      client.close();
      expect(error).to.be.instanceOf(VerificationFailure).and.to.include({ reason: "VERIFIER_UNAVAILABLE" });
      const { message, cause } = error as VerificationFailure;
      expect(message)
        .to.match(/^No service can be reached at \S+: [^.].*\.$/)
        .and.include(` ${address}: `);
      expect(message).to.match(found).and.match(fix);
      expect((cause as Error).message, "the transport's own text").not.to.equal("");
      const asking = ["verify", "--address", address, "--realm", "r", ...options];
      const told = await run([...asking, "t"], folder);
      expect(told.code).to.equal(3);
      expect(told.stderr)
        .to.match(/^no verdict: VERIFIER_UNAVAILABLE\nNo service can be reached at /)
        .and.match(found)
        .and.match(commandFix);
      const { error: json } = JSON.parse((await run([...asking, "--json", "t"], folder)).stderr) as { error: object };
      expect(json).to.include({ code: "VERIFIER_UNAVAILABLE", status: "UNAVAILABLE" }).and.have.property("cause");
    });
  }

  it("an unknown error text is an unknown problem", () => {
    expect(connectionProblem("the moon is full", false)).to.equal("unknown");
    expect(connectionProblem("Failed to connect (2027-01-01T00:00:00.000Z)", false)).to.equal("closed");
    expect(connectionProblem("Error: connect EHOSTUNREACH 192.0.2.1:1", false)).to.equal("unreachable");
    expect(connectionProblem("Error: ...:tlsv1 alert protocol version:...", true)).to.equal("TLS mismatch");
  });
});

describe("connect with an unusable caFile", () => {
  it("a missing caFile is named in a CaFileError", () => {
    const make = () => connect("127.0.0.1:1", { tls: { caFile: "/nowhere/ca.pem" } });
    expect(make).to.throw(CaFileError, "tls.caFile: /nowhere/ca.pem cannot be read (ENOENT)");
    expect(make).to.throw().that.includes({ name: "CaFileError", file: "/nowhere/ca.pem", code: "ENOENT" });
  });

  it("a caFile without a certificate is named in a CaFileError", () => {
    const file = join(emptyFolder(), "ca.pem");
    writeFileSync(file, workload.key);
    expect(() => connect("127.0.0.1:1", { tls: { caFile: file } }))
      .to.throw(CaFileError, `tls.caFile: ${file} holds no certificate in PEM`)
      .that.includes({ code: undefined });
  });
});
