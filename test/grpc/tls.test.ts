import type net from "node:net";
import { expect } from "chai";
import { createServer } from "../../src/grpc/server.js";
import { createGateway } from "../../src/http/server.js";
import type { ConnectionRefusal, ListenerOptions } from "../../src/net/admission.js";
import type { Protocol } from "../../src/net/tls.js";
import { certify, pki } from "../support/certificates.js";
import { connectPlain, greet, material, over } from "../support/tls.js";
import { eventually, LIMITS, NOW } from "./harness.js";

// TLS and the limits on connections, which ports of both kinds share.

const { authority, stranger, server, workload } = pki();
const DAY = 86_400_000;
const expired = certify("web", { issuer: authority, from: Date.now() - 2 * DAY, to: Date.now() - DAY });
const early = certify("web", { issuer: authority, from: Date.now() + DAY, to: Date.now() + 2 * DAY });
const foreign = certify("web", { issuer: stranger });

interface Opened {
  readonly port: number;
  readonly connections: () => number;
  readonly close: (timeout: number) => Promise<unknown>;
  readonly renewTls: (of: ReturnType<typeof material>) => void;
  readonly refusals: ConnectionRefusal[];
}

const closing: (() => Promise<unknown>)[] = [];
after(() => Promise.all(closing.map((close) => close())));

type Limits = Partial<Record<"request" | "perAddress" | "connections", number>>;

async function open(kind: Protocol, entrance: ListenerOptions, limits: Limits = {}): Promise<Opened> {
  const refusals: ConnectionRefusal[] = [];
  const all = { ...LIMITS, body: 1024, ...limits };
  const at = { ...entrance, refused: (refusal: ConnectionRefusal) => void refusals.push(refusal) };
  const one =
    kind === "h2"
      ? createServer({ limits: all, listener: at })
      : createGateway(
          [],
          all,
          {
            verifier: { verify: () => ({ kind: "failure", reason: "INTERNAL", retryAfter: undefined }) },
            clock: () => NOW,
            observer: { ended: () => undefined, fault: () => undefined },
            addressOf: (peer) => peer,
          },
          undefined,
          at,
        );
  const address = await one.listen("127.0.0.1:0");
  closing.push(() => one.close(0));
  return {
    port: Number(address.split(":").at(-1)),
    connections: () => one.connections(),
    close: (timeout) => one.close(timeout),
    renewTls: (of) => one.renewTls(of),
    refusals,
  };
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

const shown = (of: { cert: string; key: string }) => ({ cert: of.cert, key: of.key });

for (const kind of ["h2", "http/1.1"] as const) {
  const trust = { ca: authority.cert, ALPNProtocols: [kind] };

  describe(`a port of ${kind} with TLS`, () => {
    it(`a port of ${kind} takes TLS 1.2 and 1.3, and nothing older`, async () => {
      const { port, refusals, connections } = await open(kind, { tls: material(server) });
      for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
        const { socket, protocol } = await greet(port, { ...trust, minVersion: version, maxVersion: version });
        expect([socket.getProtocol(), protocol]).to.deep.equal([version, kind]);
        socket.destroy();
      }
      expect(refusals).to.deep.equal([]);
      const old = { ...trust, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL@SECLEVEL=0" } as const;
      const code = await greet(port, old).then(() => "", codeOf);
      expect(code).to.equal("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
      await eventually(() => refusals.length > 0 && connections() === 0);
      expect(refusals).to.deep.equal([
        { reason: "handshake", address: "127.0.0.1", code: "ERR_SSL_UNSUPPORTED_PROTOCOL" },
      ]);
    });

    it(`a port of ${kind} that asks for client certificates refuses bad ones`, async () => {
      const { port, refusals, connections } = await open(kind, { tls: material(server, authority) });
      const good = await greet(port, { ...trust, ...shown(workload) });
      expect(good.protocol).to.equal(kind);
      good.socket.destroy();
      const BAD = {
        "no certificate": [{}, /^(UNABLE_TO_GET_ISSUER_CERT|ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE)$/],
        "another authority's": [shown(foreign), /^UNABLE_TO_(GET_ISSUER_CERT_LOCALLY|VERIFY_LEAF_SIGNATURE)$/],
        "one that expired": [shown(expired), /^CERT_HAS_EXPIRED$/],
        "one of tomorrow": [shown(early), /^CERT_NOT_YET_VALID$/],
        "its own": [shown(certify("web")), /^DEPTH_ZERO_SELF_SIGNED_CERT$/],
      } as const;
      for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
        for (const [name, [own, code]] of Object.entries(BAD)) {
          refusals.length = 0;
          // In TLS 1.3 a client learns only after its handshake that it was refused.
          const end = await greet(port, { ...trust, ...own, maxVersion: version }).then(
            ({ socket }) => over(socket),
            codeOf,
          );
          expect(end, name).to.be.a("string");
          await eventually(() => refusals.length > 0);
          expect(refusals[0]?.code, `${version}, ${name}`).to.match(code);
          expect(refusals[0], name).to.include({ reason: "handshake", address: "127.0.0.1" });
        }
      }
      await eventually(() => connections() === 0);
    });

    it(`a port of ${kind} with TLS closes connections that do not speak TLS, and serves on`, async () => {
      const { port, refusals, connections } = await open(kind, { tls: material(server) });
      const hellos = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\0\0\0\0\0\0",
        "\x16\x03\x01\xff\xff",
      ];
      for (const hello of hellos.slice(0, 3)) {
        const socket = await connectPlain(port);
        const end = over(socket);
        socket.write(hello);
        await end;
      }
      const half = await connectPlain(port);
      half.write(hellos[3] ?? "");
      half.end();
      await over(half);
      await eventually(() => refusals.length >= 3 && connections() === 0);
      expect(refusals[0]).to.deep.equal({ reason: "handshake", address: "127.0.0.1", code: "ERR_SSL_HTTP_REQUEST" });
      for (const { code } of refusals) expect(code).to.match(/^(ERR_SSL_\w+|ECONNRESET)$/);
      (await greet(port, trust)).socket.destroy();
    });

    it(`a port of ${kind} with TLS does not report a peer that only probes whether it is open`, async () => {
      const { port, refusals, connections } = await open(kind, { tls: material(server) });
      const socket = await connectPlain(port);
      await eventually(() => connections() === 1);
      socket.destroy();
      await eventually(() => connections() === 0);
      expect(refusals).to.deep.equal([]);
    });

    it(`a port of ${kind} cuts handshakes that take longer than limits.request`, async () => {
      const { port, refusals } = await open(kind, { tls: material(server) }, { request: 150 });
      const [silent, slow] = await Promise.all([connectPlain(port), connectPlain(port)]);
      slow.write(Buffer.from("160301", "hex"));
      await Promise.all([over(silent), over(slow)]);
      await eventually(() => refusals.length === 2);
      for (const refusal of refusals) {
        expect(refusal).to.deep.equal({ reason: "handshake", address: "127.0.0.1", code: "ERR_TLS_HANDSHAKE_TIMEOUT" });
      }
    });

    it(`a port of ${kind} shows a renewed certificate to new connections, and keeps the old connections`, async () => {
      const { port, renewTls } = await open(kind, { tls: material(server, authority) });
      const next = certify("server", { issuer: stranger, names: [["IP", "127.0.0.1"]] });
      const both = { ...trust, ca: [authority.cert, stranger.cert] };
      const first = await greet(port, { ...both, ...shown(workload) });
      renewTls(material(next, stranger));
      const second = await greet(port, { ...both, ...shown(foreign) });
      expect(second.serial).not.to.equal(first.serial);
      await greet(port, { ...both, ...shown(workload) }).then(
        ({ socket }) => over(socket),
        () => "",
      );
      expect(first.socket.destroyed).to.equal(false);
      first.socket.destroy();
      second.socket.destroy();
    });

    it(`a port of ${kind} resumes no session whose client certificate is no longer trusted`, async () => {
      const { port, renewTls } = await open(kind, { tls: material(server, authority) });
      const first = await greet(port, { ...trust, ...shown(workload), maxVersion: "TLSv1.2" });
      const session = first.socket.getSession() as Buffer;
      renewTls(material(server, stranger));
      const end = await greet(port, { ...trust, ...shown(workload), maxVersion: "TLSv1.2", session }).then(
        () => "let in",
        () => "refused",
      );
      expect(end).to.equal("refused");
      first.socket.destroy();
    });

    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const options = { ...trust, ...shown(workload), minVersion: version, maxVersion: version };
      /** Returns whether a connection resumes the session of another by the newest ticket. */
      const isResumed = async (port: number): Promise<boolean> => {
        const first = await greet(port, options);
        let session = first.socket.getSession() as Buffer;
        first.socket.on("session", (newest: Buffer) => {
          session = newest;
        });
        // Tickets of TLS 1.3 arrive after the handshake, before anything that the server sends at the end.
        first.socket.end();
        await over(first.socket);
        const again = await greet(port, { ...options, session });
        const isReused = again.socket.isSessionReused();
        again.socket.destroy();
        return isReused;
      };

      it(`a port of ${kind} that asks for certificates resumes no session of ${version}, so that each certificate is checked again`, async () => {
        const { port, renewTls } = await open(kind, { tls: material(server, authority) });
        expect(await isResumed(port)).to.equal(false);
        renewTls(material(server, authority));
        expect(await isResumed(port)).to.equal(false);
      });

      it(`a port of ${kind} that asks for no certificates resumes sessions of ${version}`, async () => {
        const { port } = await open(kind, { tls: material(server) });
        expect(await isResumed(port)).to.equal(true);
      });
    }
  });

  describe(`a port of ${kind} without TLS`, () => {
    it(`a port of ${kind} without TLS closes connections that speak TLS`, async () => {
      const { port, connections } = await open(kind, {});
      const code = await greet(port, trust).then(() => "", codeOf);
      expect(code).to.match(/^(ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG|ECONNRESET|EPROTO)$/);
      await eventually(() => connections() === 0);
    });
  });

  for (const tls of [undefined, material(server)]) {
    describe(`connections of one address to a port of ${kind}${tls === undefined ? "" : " with TLS"}`, () => {
      it(`a port of ${kind}${tls === undefined ? "" : " with TLS"} closes an address's connections beyond limits.perAddress at once`, async () => {
        const { port, refusals, connections } = await open(kind, { tls }, { perAddress: 3 });
        const three = await Promise.all([1, 2, 3].map(() => connectPlain(port)));
        await eventually(() => connections() === 3);
        await over(await connectPlain(port));
        await eventually(() => refusals.length === 1);
        expect(refusals).to.deep.equal([{ reason: "address", address: "127.0.0.1", code: "" }]);
        expect([connections(), three.filter(({ destroyed }) => destroyed).length]).to.deep.equal([3, 0]);
        three[0]?.destroy();
        await eventually(() => connections() === 2);
        const fourth = await connectPlain(port);
        await eventually(() => connections() === 3);
        for (const socket of [...three, fourth]) socket.destroy();
      });

      it(`a port of ${kind}${tls === undefined ? "" : " with TLS"} does not count the connections of a trusted proxy`, async () => {
        const { port, connections } = await open(
          kind,
          { tls, isProxy: (address) => address === "127.0.0.1" },
          { perAddress: 1 },
        );
        const sockets = await Promise.all([1, 2, 3].map(() => connectPlain(port)));
        await eventually(() => connections() === 3);
        for (const socket of sockets) socket.destroy();
      });

      it(`a port of ${kind}${tls === undefined ? "" : " with TLS"} that is full reports the connections it refuses`, async () => {
        const { port, refusals, connections } = await open(kind, { tls }, { connections: 1 });
        const first = await connectPlain(port);
        await eventually(() => connections() === 1);
        await over(await connectPlain(port));
        await eventually(() => refusals.length === 1);
        expect(refusals).to.deep.equal([{ reason: "connections", address: "127.0.0.1", code: "" }]);
        first.destroy();
      });
    });
  }
}

describe("ALPN", () => {
  it("ALPN is required for gRPC and optional for HTTP/1.1", async () => {
    const grpc = await open("h2", { tls: material(server) });
    const { socket } = await greet(grpc.port, { ca: authority.cert });
    await over(socket);
    expect(grpc.refusals).to.deep.equal([{ reason: "handshake", address: "127.0.0.1", code: "NO_ALPN" }]);
    const http = await open("http/1.1", { tls: material(server) });
    const plain = await greet(http.port, { ca: authority.cert });
    const said = new Promise<string>((resolve) => plain.socket.once("data", (data) => resolve(data.toString())));
    plain.socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(await said).to.match(/^HTTP\/1\.1 404 /);
    for (const [{ port }, other] of [
      [grpc, "http/1.1"],
      [http, "h2"],
    ] as const) {
      const code = await greet(port, { ca: authority.cert, ALPNProtocols: [other] }).then(() => "", codeOf);
      expect(code).to.equal("ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL");
    }
  });
});

describe("a slow request over TLS", () => {
  it("a request over TLS that arrives byte by byte is cut after limits.request", async () => {
    const { port } = await open("http/1.1", { tls: material(server) }, { request: 300 });
    const { socket } = await greet(port, { ca: authority.cert });
    let said = "";
    socket.on("data", (data) => {
      said += data.toString();
    });
    socket.write("GET / HT");
    await over(socket);
    expect(said).to.match(/^HTTP\/1\.1 408 /);
  });
});

describe("unfinished handshakes", () => {
  for (const kind of ["h2", "http/1.1"] as const) {
    it(`an unfinished handshake does not keep a port of ${kind} from closing`, async () => {
      const { port, connections, close } = await open(kind, { tls: material(server) });
      const socket: net.Socket = await connectPlain(port);
      await eventually(() => connections() === 1);
      const end = over(socket);
      // This is longer than any test may take.
      await close(600_000);
      await end;
      await eventually(() => connections() === 0);
    });
  }
});
