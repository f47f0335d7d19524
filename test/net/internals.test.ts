import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import net, { type AddressInfo } from "node:net";
import { Readable } from "node:stream";
import tls from "node:tls";
import {
  Client,
  credentials,
  type handleBidiStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import { expect } from "chai";
import {
  addResponseHeaders,
  announceGoaway,
  answerHalfClosed,
  certificateErrorOf,
  http2ServersOf,
  InternalsChangedError,
  omitAddressAsServerName,
  readDirectly,
  sendStatusInTrailers,
  sessionOfCall,
  setHeaderLimits,
  setReadAhead,
  takeListeners,
  tcpSocketOf,
} from "../../src/net/internals.js";
import { callHeaders, headerFrames, RawCall } from "../grpc/raw.js";
import { pki } from "../support/certificates.js";

// Behaviour of Node and grpc-js that the project relies on although it is undocumented; a test that fails here names
// what an upgrade removed.

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function listening(server: net.Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function connected(port: number, options: net.NetConnectOpts = { port }): Promise<net.Socket> {
  const socket = net.connect({ ...options, port, host: "127.0.0.1" } as net.NetConnectOpts);
  closing.push(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

describe("Node: listeners of servers", () => {
  const { server: pair } = pki();
  const anyServers: Record<string, () => net.Server> = {
    "http.Server": () => http.createServer(),
    "https.Server": () => https.createServer({ cert: pair.cert, key: pair.key }),
    "tls.Server": () => tls.createServer({ cert: pair.cert, key: pair.key }),
    "net.Server with a listener": () => net.createServer(() => {}),
  };
  for (const [name, create] of Object.entries(anyServers)) {
    it(`${name} handles its connections in a "connection" listener`, () => {
      expect(takeListeners(create(), "connection")).to.have.length(1);
    });
  }

  it('https.Server answers failed handshakes in its only "tlsClientError" listener', () => {
    expect(https.createServer({ cert: pair.cert, key: pair.key }).listeners("tlsClientError")).to.have.length(1);
  });

  it('http.Server parses what it is given by hand through the socket\'s only "data" listener', async () => {
    const paths: (string | undefined)[] = [];
    const server = http.createServer((req, res) => {
      paths.push(req.url);
      res.end();
    });
    const handled = once(server, "connection") as Promise<[net.Socket]>;
    const client = await connected(await listening(server));
    const [socket] = await handled;
    const parsers = takeListeners(socket, "data");
    expect(parsers).to.have.length(1);
    socket.on("data", () => parsers[0]?.call(socket, Buffer.from("GET /by-hand HTTP/1.1\r\nHost: a\r\n\r\n")));
    client.write("anything");
    await once(client, "data");
    expect(paths).to.deep.equal(["/by-hand"]);
  });

  it("the error names the internal that is missing", () => {
    expect(() => takeListeners(new Readable(), "connection")).to.throw(
      InternalsChangedError,
      /^Readable's own "connection" listener is missing: this version of Node or grpc-js is not supported$/,
    );
    expect(() => http2ServersOf({} as Server)).to.throw(
      InternalsChangedError,
      /^grpc-js Server\.http2Servers is missing/,
    );
    expect(() => setHeaderLimits({} as Server, 1, 1)).to.throw(InternalsChangedError, /commonServerOptions is missing/);
  });
});

describe("Node: net.Socket._handle.onread", () => {
  const { server: pair } = pki();

  /** Both ends of a connection, over TLS or not. */
  async function pairOf(isTls: boolean): Promise<{ readonly client: net.Socket; readonly socket: net.Socket }> {
    const server = isTls ? tls.createServer({ cert: pair.cert, key: pair.key }) : net.createServer();
    const port = await listening(server);
    const opened = once(server, isTls ? "secureConnection" : "connection") as Promise<[net.Socket]>;
    const client = isTls ? tls.connect({ port, rejectUnauthorized: false }) : net.connect(port);
    closing.push(() => client.destroy());
    const [socket] = await opened;
    return { client, socket };
  }

  for (const name of ["net.Socket", "tls.TLSSocket"]) {
    const isTls = name === "tls.TLSSocket";

    it(`what arrives at a ${name} is taken in order, past its stream if that flows`, async () => {
      const { client, socket } = await pairOf(isTls);
      const taken: string[] = [];
      let told = (): void => {};
      const take = (by: string) => (data: Buffer) => {
        taken.push(isTls ? data.toString() : `${by} ${data.toString()}`);
        told();
      };
      const next = (): Promise<void> => new Promise((resolve) => (told = resolve));
      socket.on("data", take("stream"));
      readDirectly(socket, take("directly"));
      let arrived = next();
      client.write("a");
      await arrived;
      socket.pause();
      client.write("b");
      while (socket.readableLength === 0) await new Promise((resolve) => setImmediate(resolve));
      arrived = next();
      socket.resume();
      await arrived;
      arrived = next();
      client.write("c");
      await arrived;
      client.end();
      await once(socket, "end");
      expect(taken).to.deep.equal(isTls ? ["a", "b", "c"] : ["directly a", "stream b", "directly c"]);
    });

    it(`a ${name} takes megabytes whole`, async () => {
      const { client, socket } = await pairOf(isTls);
      const taken: Buffer[] = [];
      const take = (data: Buffer): void => void taken.push(Buffer.from(data));
      socket.on("data", take);
      readDirectly(socket, take);
      const sent = Buffer.alloc(3_000_000, "0123456789 and a length that is prime");
      client.end(sent);
      await once(socket, "end");
      expect(Buffer.concat(taken).equals(sent)).to.equal(true);
    });
  }

  it("a net.Socket that is read directly restarts its timeout", async () => {
    const { client, socket } = await pairOf(false);
    let restarts = 0;
    (socket as unknown as { _unrefTimer(): void })._unrefTimer = () => restarts++;
    const arrived = new Promise<number>((resolve) => readDirectly(socket, () => resolve(restarts)));
    socket.resume();
    client.write("a");
    expect(await arrived).to.equal(1);
  });
});

describe("Node: http.Server.httpAllowHalfOpen", () => {
  it("http.Server.httpAllowHalfOpen exists, and is false by default", () => {
    expect(http.createServer()).to.have.property("httpAllowHalfOpen", false);
  });

  it("httpAllowHalfOpen lets a client that has closed its side read the answers to all its requests", async () => {
    const pending: http.ServerResponse[] = [];
    const server = http.createServer((_req, res) => {
      pending.push(res);
      if (pending.length < 2) return;
      setTimeout(() => {
        for (const one of pending) one.end("answer");
      }, 20);
    });
    answerHalfClosed(server);
    const client = await connected(await listening(server));
    client.setEncoding("utf8").end("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2));
    const text = (await client.toArray()).join("");
    expect(text.match(/HTTP\/1\.1 200 OK/g)).to.have.length(2);
  });
});

describe("Node: TLSSocket of a failed handshake", () => {
  const { authority, server: pair, stranger } = pki();
  const options = { cert: pair.cert, key: pair.key, ca: authority.cert, requestCert: true };

  /** Returns what a server's listener finds out about a failed handshake at once; by then the socket is destroyed. */
  async function failed<Found>(client: (port: number) => net.Socket, find: (socket: tls.TLSSocket) => Found) {
    const server = tls.createServer(options);
    const found = new Promise<Found>((resolve) => {
      server.on("tlsClientError", (_error, socket) => resolve(find(socket)));
    });
    const socket = client(await listening(server));
    socket.on("error", () => {});
    closing.push(() => socket.destroy());
    return found;
  }

  it("the TLSSocket of a failed handshake has its TCP socket in _parent, which knows the peer's address", async () => {
    const plaintext = (port: number): net.Socket => {
      const socket = net.connect(port, "127.0.0.1");
      socket.write("GET / HTTP/1.1\r\n\r\n");
      return socket;
    };
    const { tcp, address } = await failed(plaintext, (socket) => {
      const tcp = tcpSocketOf(socket);
      return { tcp, address: tcp?.remoteAddress };
    });
    expect(tcp, "TLSSocket._parent").to.be.instanceOf(net.Socket);
    expect(address, "TLSSocket._parent.remoteAddress").to.equal("127.0.0.1");
  });

  it("the TLSSocket of a failed handshake has the reason as a string in authorizationError", async () => {
    const { cert, key } = stranger;
    const code = await failed(
      (port) => tls.connect({ port, host: "127.0.0.1", ca: authority.cert, cert, key }),
      certificateErrorOf,
    );
    expect(code)
      .to.be.a("string")
      .that.matches(/^[A-Z_]+$/);
  });
});

describe("Node: net.Socket._write below HTTP/2", () => {
  it("a GOAWAY that is written there admits calls, of which nghttp2 takes none after its own", async () => {
    const taken = async (announce: (session: http2.ServerHttp2Session) => void): Promise<number> => {
      const server = http2.createServer();
      let streams = 0;
      server.on("stream", ({ session }) => {
        streams++;
        if (streams === 1) announce(session as http2.ServerHttp2Session);
      });
      const call = new RawCall(`127.0.0.1:${await listening(server)}`, "VerifyToken");
      closing.push(() => call.close());
      await call.arrived();
      await call.arrived(...headerFrames(3, callHeaders("VerifyToken")));
      return streams;
    };
    expect(await taken((session) => void announceGoaway(session))).to.equal(2);
    expect(await taken((session) => session.goaway(http2.constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1))).to.equal(1);
  });
});

describe("grpc-js: ChannelCredentials._createSecureConnector", () => {
  it("_createSecureConnector can be made to send no server name for an IP address, and still check the certificate", async () => {
    const { authority, server: pair } = pki();
    const server = http2.createSecureServer({ cert: pair.cert, key: pair.key });
    const names = new Set<string | false | null>();
    server.on("secureConnection", (socket) => names.add(socket.servername));
    const port = await listening(server);
    const isReachedAs = (name: string): Promise<boolean> => {
      const trusting = credentials.createFromSecureContext(tls.createSecureContext({ ca: authority.cert }));
      const options = { "grpc.ssl_target_name_override": name, "grpc.use_local_subchannel_pool": 1 };
      const client = new Client(`127.0.0.1:${port}`, omitAddressAsServerName(trusting), options);
      closing.push(() => client.close());
      return new Promise((resolve) => client.waitForReady(Date.now() + 1000, (error) => resolve(error === undefined)));
    };
    expect(await isReachedAs("127.0.0.1"), "an address in the certificate").to.equal(true);
    expect(await isReachedAs("127.0.0.2"), "an address that is not").to.equal(false);
    expect([...names], "server names sent").to.deep.equal([false]);
    expect(await isReachedAs("localhost"), "a name in the certificate").to.equal(true);
    expect([...names]).to.deep.equal([false, "localhost"]);
  });
});

describe("grpc-js: Server, its calls and its HTTP/2 servers", () => {
  const PATH = "/test.Service/";
  const method = (path: string, streams: boolean) => ({
    path: PATH + path,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: (value: Buffer) => value,
    requestDeserialize: (value: Buffer) => value,
    responseSerialize: (value: Buffer) => value,
    responseDeserialize: (value: Buffer) => value,
  });
  const answer: handleUnaryCall<Buffer, Buffer> = (_call, callback) => callback(null, Buffer.from("answer"));
  const SERVICE = { Unary: method("Unary", false), Bidi: method("Bidi", true) } satisfies ServiceDefinition;

  async function serve(
    handlers: { unary?: handleUnaryCall<Buffer, Buffer>; bidi?: handleBidiStreamingCall<Buffer, Buffer> },
    prepare: (server: http2.Http2Server) => void = () => {},
  ): Promise<{ readonly client: Client; readonly address: string }> {
    const server = new Server();
    setHeaderLimits(server, 4000, 200);
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    const [http2Server, ...others] = http2ServersOf(server);
    expect(others).to.deep.equal([]);
    expect(http2Server, "the key of grpc-js Server.http2Servers").to.have.property("setTimeout");
    prepare(http2Server as http2.Http2Server);
    server.addService(SERVICE, {
      Unary: handlers.unary ?? answer,
      Bidi: handlers.bidi ?? (() => {}),
    });
    const address = `127.0.0.1:${await listening(net.createServer((socket) => injector.injectConnection(socket)))}`;
    const client = new Client(address, credentials.createInsecure());
    closing.push(
      () => server.forceShutdown(),
      () => client.close(),
    );
    return { client, address };
  }
  const same = (value: Buffer): Buffer => value;
  const call = (client: Client): Promise<Buffer | undefined> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(`${PATH}Unary`, same, same, Buffer.from("x"), (error, answer) =>
        error === null ? resolve(answer) : reject(error),
      );
    });

  it('handles its calls in the only "grpc-js handles its calls in the only "stream" listener of each HTTP/2 server (http2Servers)" listener of each HTTP/2 server (http2Servers)', async () => {
    let taken = 0;
    const { client } = await serve({}, (server) => {
      const handlers = takeListeners(server, "stream");
      expect(handlers).to.have.length(1);
      server.on("stream", (stream, headers) => {
        taken++;
        for (const handle of handlers) handle.call(server, stream, headers);
      });
    });
    expect((await call(client))?.toString()).to.equal("answer");
    expect(taken).to.equal(1);
  });

  it("grpc-js announces the header limit set in commonServerOptions.settings", async () => {
    const { address } = await serve({});
    const session = http2.connect(`http://${address}`);
    closing.push(() => session.destroy());
    const [settings] = (await once(session, "remoteSettings")) as [http2.Settings];
    expect(settings.maxHeaderListSize).to.equal(4000);
  });

  it("grpc-js takes calls with as many headers as commonServerOptions.maxHeaderListPairs says, and Node resets others", async () => {
    const { address } = await serve({});
    const session = http2.connect(`http://${address}`);
    closing.push(() => session.destroy());
    const send = async (count: number): Promise<unknown> => {
      const head = { ":method": "POST", ":path": `${PATH}Unary`, "content-type": "application/grpc", te: "trailers" };
      // Besides these five, there is ":scheme"; ":authority" is the address.
      const request = session.request({
        ...head,
        ...Object.fromEntries(Array.from({ length: count - 6 }, (_, i) => [`x${i}`, "1"])),
      });
      request.end(Buffer.from([0, 0, 0, 0, 0]));
      const error = new Promise((resolve) => request.once("error", resolve));
      return Promise.race([once(request, "response").then(() => "answered"), error.then(() => request.rstCode)]);
    };
    expect(await send(200)).to.equal("answered");
    expect(await send(201)).to.equal(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });

  it("grpc-js sends a call's headers with the stream's respond()", async () => {
    const { address } = await serve({}, (server) => {
      server.prependListener("stream", (stream) => addResponseHeaders(stream, { "grpc-accept-encoding": "identity" }));
    });
    const session = http2.connect(`http://${address}`);
    closing.push(() => session.destroy());
    const request = session.request({
      ":method": "POST",
      ":path": `${PATH}Unary`,
      "content-type": "application/grpc",
      te: "trailers",
    });
    request.end(Buffer.from([0, 0, 0, 0, 0]));
    const [headers] = (await once(request, "response")) as [http2.IncomingHttpHeaders];
    expect(headers["grpc-accept-encoding"]).to.equal("identity");
  });

  it("grpc-js sends a status without a message in respond()'s headers, and sendStatusInTrailers moves it", async () => {
    const { client } = await serve(
      { unary: (_call, callback) => callback({ code: 5, details: "no such thing" }) },
      (server) => server.prependListener("stream", sendStatusInTrailers),
    );
    const metadata: unknown[] = [];
    const unary = client.makeUnaryRequest(`${PATH}Unary`, same, same, Buffer.from("x"), () => {});
    unary.on("metadata", (headers) => metadata.push(headers));
    const [ended] = (await once(unary, "status")) as [{ code: number; details: string }];
    expect(ended).to.include({ code: 5, details: "no such thing" });
    expect(metadata, "headers apart from the status").to.have.length(1);
  });

  it("grpc-js keeps the session of unary and streaming calls in call.stream.session", async () => {
    const sessions = new Set<unknown>();
    const found: unknown[] = [];
    const { client } = await serve(
      {
        unary: (serverCall, callback) => {
          found.push(sessionOfCall(serverCall));
          callback(null, Buffer.from("answer"));
        },
        bidi: (serverCall) => {
          found.push(sessionOfCall(serverCall));
          serverCall.end();
        },
      },
      (server) => server.on("session", (session) => sessions.add(session)),
    );
    await call(client);
    const stream = client.makeBidiStreamRequest(`${PATH}Bidi`, same, same);
    stream.on("data", () => {});
    await once(stream, "status");
    expect(sessions.size).to.equal(1);
    expect(found, "call.stream.session of grpc-js").to.deep.equal([...sessions, ...sessions]);
    expect(sessionOfCall({}), "of a call that is over").to.equal(undefined);
  });

  it("grpc-js reads ahead no more messages of a paused stream than its _readableState.highWaterMark", async () => {
    const opened = new Promise<ServerDuplexStream<Buffer, Buffer>>((resolve) => {
      void serve({ bidi: resolve }).then(({ client }) => {
        const stream = client.makeBidiStreamRequest(`${PATH}Bidi`, same, same);
        stream.on("error", () => {});
        for (let message = 0; message < 10; message++) stream.write(Buffer.from("x"));
      });
    });
    const stream = await opened;
    expect(stream.readableHighWaterMark, "without setReadAhead").to.be.above(1);
    setReadAhead(stream, 1);
    expect(stream.readableHighWaterMark, "_readableState.highWaterMark").to.equal(1);
    stream.once("data", () => stream.pause());
    await once(stream, "pause");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stream.readableLength).to.be.within(0, 2);
  });
});
