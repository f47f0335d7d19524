import type { EventEmitter } from "node:events";
import type { Server as HttpServer } from "node:http";
import type { Http2Server, Http2Session, OutgoingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { isIP, type Socket } from "node:net";
import type { Readable } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { ChannelCredentials, Server as GrpcServer } from "@grpc/grpc-js";

// Every private field and undocumented behaviour of Node and grpc-js that this project relies on has one accessor here, and
// a test in test/net/internals.test.ts that fails when an upgrade takes it away.

/** Thrown when an installed version of Node or grpc-js lacks something private that this project relies on. */
export class InternalsChangedError extends Error {
  override readonly name = "InternalsChangedError";

  /** @param what names the missing field, such as `grpc-js Server.http2Servers` */
  constructor(what: string) {
    super(`${what} is missing: this version of Node or grpc-js is not supported`);
  }
}

/**
 * Removes an emitter's listeners for one event and returns them, so that a limit can be put before them. Node's and
 * grpc-js's servers add these listeners themselves: `connection` and `tlsClientError` of a server, `data` of an HTTP/1 socket,
 * `stream` of grpc-js's HTTP/2 server.
 *
 * @throws {@link InternalsChangedError} if there is none
 */
export function takeListeners(emitter: EventEmitter, event: string): readonly ((...args: unknown[]) => void)[] {
  const listeners = emitter.listeners(event) as ((...args: unknown[]) => void)[];
  if (listeners.length === 0) throw new InternalsChangedError(`${emitter.constructor.name}'s own "${event}" listener`);
  emitter.removeAllListeners(event);
  return listeners;
}

/**
 * Lets an HTTP/1 server answer all requests of a client that has closed its sending side, and close the connection after the
 * last answer. By default (`httpAllowHalfOpen` is false) Node closes it at once.
 */
export function answerHalfClosed(server: HttpServer): void {
  (server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = true;
}

/** What a socket reads with: libuv's, or that of TLS. */
interface ReadHandle {
  readonly bytesRead: number;
  onread?: (this: unknown, memory?: ArrayBuffer) => unknown;
}

/**
 * Gives what arrives at a socket to a function, without the socket's stream between them (`_handle.onread`): the stream's
 * bookkeeping costs more than parsing a small request. The stream gets what arrives while it is paused or holds bytes, and
 * what lies in memory with other bytes, as after TLS. All comes in order. A stream without a handle is left as it is.
 *
 * @throws {@link InternalsChangedError} if the handle reads in another way
 */
export function readDirectly(socket: Socket, take: (data: Buffer) => void): void {
  const own = socket as unknown as { readonly _handle?: ReadHandle | null; _unrefTimer?(): void };
  const { _handle: handle } = own;
  if (handle === undefined || handle === null) return;
  const { onread } = handle;
  let before = handle.bytesRead;
  if (onread === undefined || typeof before !== "number" || own._unrefTimer === undefined) {
    throw new InternalsChangedError("net.Socket._handle.onread");
  }
  handle.onread = function (memory) {
    const length = handle.bytesRead - before;
    before += length;
    // Only the stream knows where in longer memory the bytes are. Without memory this is an error or the end.
    const isWhole = memory !== undefined && memory.byteLength === length;
    const isFlowing = socket.readableFlowing === true && socket.readableLength === 0;
    if (!isWhole || !isFlowing || socket.destroyed) return onread.call(this, memory);
    // Restarts the time of `setTimeout`, as the stream does.
    own._unrefTimer?.();
    take(Buffer.from(memory));
    return undefined;
  };
}

/** The TCP socket below a TLS socket (`_parent`), which still knows its peer after a failed handshake; undefined without one. */
export function tcpSocketOf(socket: TLSSocket): Socket | undefined {
  return (socket as unknown as { readonly _parent?: Socket })._parent;
}

/** The code of why a peer's certificate was refused: a string, although `authorizationError` is typed as an Error. */
export function certificateErrorOf(socket: TLSSocket): string | undefined {
  return (socket.authorizationError as unknown as string | null) ?? undefined;
}

/** The HTTP/2 servers behind a grpc-js server (`http2Servers`), one per port or connection injector. */
export function http2ServersOf(server: GrpcServer): readonly Http2Server[] {
  const { http2Servers } = server as unknown as { readonly http2Servers?: ReadonlyMap<Http2Server, unknown> };
  if (http2Servers === undefined) throw new InternalsChangedError("grpc-js Server.http2Servers");
  return [...http2Servers.keys()];
}

/**
 * Limits the headers of calls for the HTTP/2 servers that a grpc-js server makes later (`commonServerOptions`); grpc-js has no
 * option for it. Node resets a call above either limit with ENHANCE_YOUR_CALM, but holds to `bytes` only once the client has
 * acknowledged SETTINGS.
 *
 * @param bytes of a call's header names and values, plus 32 per header (RFC 9113, section 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE)
 * @param fields of a call, `:path` and the like included; Node's default is 128
 */
export function setHeaderLimits(server: GrpcServer, bytes: number, fields: number): void {
  const { commonServerOptions: options } = server as unknown as {
    readonly commonServerOptions?: { settings?: object; maxHeaderListPairs?: number };
  };
  if (options === undefined) throw new InternalsChangedError("grpc-js Server.commonServerOptions");
  options.settings = { ...options.settings, maxHeaderListSize: bytes };
  options.maxHeaderListPairs = fields;
}

/** Adds headers to the answer of a call. grpc-js sends its headers with the stream's `respond`, which is replaced here. */
export function addResponseHeaders(stream: ServerHttp2Stream, added: Readonly<Record<string, string>>): void {
  const respond = stream.respond.bind(stream);
  stream.respond = (headers, options) => respond({ ...(headers as object), ...added }, options);
}

/** Sends the status of a call in trailers even where there is no message before it. It replaces the stream's `respond`, too. */
export function sendStatusInTrailers(stream: ServerHttp2Stream): void {
  const respond = stream.respond.bind(stream);
  stream.respond = (answer, options) => {
    const { "grpc-status": code, "grpc-message": message, ...headers } = { ...(answer as OutgoingHttpHeaders) };
    if (options?.endStream !== true || code === undefined) {
      respond(answer, options);
      return;
    }
    stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": code, "grpc-message": message }));
    respond(headers, { waitForTrailers: true });
    stream.end();
  };
}

/** The HTTP/2 session of a grpc-js server call (`call.stream.session`); undefined once the call is over. */
export function sessionOfCall(serverCall: object): Http2Session | undefined {
  const { call } = serverCall as { readonly call?: { readonly stream?: { readonly session?: Http2Session } } };
  return call?.stream?.session;
}

/** GOAWAY with the highest stream id and NO_ERROR: a frame of 8 bytes, of type 7, on stream 0 (RFC 9113, section 6.8). */
const GOAWAY_NOTICE = Buffer.from("0000080700000000007fffffff00000000", "hex");

/**
 * Tells an HTTP/2 client that the connection will close, and still takes its calls. Node's own `goaway` makes nghttp2 ignore
 * every call that arrives later, also those that the GOAWAY admits. This one goes past it to the socket (`_write`), between two
 * of its frames: libuv sends what it is given in order. TLS takes one write at a time, so that this is for plain sockets only.
 *
 * @returns whether it was sent
 */
export function announceGoaway(session: ServerHttp2Session): boolean {
  const socket = session.socket as Socket & { _write?(data: Buffer, encoding: string, done: () => void): void };
  if (session.encrypted !== false) return false;
  if (socket._write === undefined) throw new InternalsChangedError("net.Socket._write");
  socket._write(GOAWAY_NOTICE, "buffer", () => {});
  return true;
}

/**
 * Sets how many messages a paused stream of a grpc-js call reads ahead (`_readableState.highWaterMark`, 16 by default, each up
 * to the message limit); grpc-js has no option for it.
 */
export function setReadAhead(stream: Readable, messages: number): void {
  const { _readableState } = stream as unknown as { readonly _readableState: { highWaterMark: number } };
  _readableState.highWaterMark = messages;
}

/**
 * Makes TLS credentials of a grpc-js client send no server name for an IP address. grpc-js sends the address
 * (`_createSecureConnector().connectionOptions.servername`), which RFC 6066, section 3 forbids and Node 26 refuses. The service's
 * certificate is still checked for the address.
 */
export function omitAddressAsServerName(credentials: ChannelCredentials): ChannelCredentials {
  const own = credentials as unknown as {
    _createSecureConnector?(...args: unknown[]): { readonly connectionOptions?: { servername?: string } };
  };
  const create = own._createSecureConnector?.bind(credentials);
  if (create === undefined) throw new InternalsChangedError("grpc-js ChannelCredentials._createSecureConnector");
  own._createSecureConnector = (...args) => {
    const connector = create(...args);
    const { connectionOptions } = connector;
    if (connectionOptions === undefined) throw new InternalsChangedError("grpc-js SecureConnector.connectionOptions");
    if (isIP(connectionOptions.servername ?? "") !== 0) connectionOptions.servername = "";
    return connector;
  };
  return credentials;
}
