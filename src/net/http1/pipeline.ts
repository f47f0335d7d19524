import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { answerHalfClosed, readDirectly, takeListeners } from "../internals.js";

/** Requests of one connection that are answered at the same time; the next one is parsed after one of their answers. */
const MAX_UNANSWERED = 16;

/** Bytes given to Node's parser at a time. It emits every request in them before anything else runs. */
const SLICE = 512;

/** The end of a request's head. */
const BLANK_LINE = Buffer.from("\r\n\r\n");

/** How much of some bytes the parser gets: a slice, or all of them if at most one request's head ends behind a slice. */
function sliceLength(data: Buffer): number {
  if (data.length <= SLICE) return data.length;
  const blank = data.indexOf(BLANK_LINE, SLICE - BLANK_LINE.length + 1);
  return blank < 0 || data.indexOf(BLANK_LINE, blank + BLANK_LINE.length) < 0 ? data.length : SLICE;
}

/** The requests of one connection. */
interface Pipeline {
  /** Answers that are not complete, in the order of their requests. */
  readonly unanswered: ServerResponse[];
  /** The answer to the latest request, complete or not; undefined before the first. */
  latest: ServerResponse | undefined;
  /** Whether parsing waits for an answer to be complete, or, once one is, for the other connections to be read. */
  waits: "no" | "for an answer" | "for its turn";
}

/**
 * The requests of an HTTP/1 server's connections, and a limit on those pipelined on one connection (RFC 9112, section 9.3.2).
 *
 * Node parses all bytes that have arrived and emits every request in them, so that pipelined requests of one client would
 * delay all others by seconds. Here the parser gets the bytes in slices of few requests, none while 16 requests are unanswered, and
 * the other connections are read before it goes on.
 */
export class Pipelines {
  /** Those with unanswered requests. */
  readonly #busy = new Set<Pipeline>();
  readonly #pipelines = new WeakMap<Duplex, Pipeline>();
  #size = 0;

  /** Wraps a server's request listener. @param onClose is called for each request once its answer is sent, or cut */
  track(serve: RequestListener, onClose: (req: IncomingMessage) => void): RequestListener {
    const remove = (res: ServerResponse): void => this.#remove(res);
    /** The listener of every answer, which saves each a closure. */
    function closed(this: ServerResponse): void {
      remove(this);
      onClose(this.req);
    }
    return (req, res) => {
      this.#add(req.socket, res);
      res.on("close", closed);
      serve(req, res);
    };
  }

  /** Limits the pipelined requests of a server's connections. Call it once, before {@link admit}. */
  limit(server: Server): void {
    answerHalfClosed(server);
    // HTTP is spoken within TLS, if there is TLS.
    const event = server.listenerCount("secureConnection") > 0 ? "secureConnection" : "connection";
    server.on(event, (socket: Socket) => parseInSlices(socket, this.#pipelineOf(socket)));
  }

  /** The number of unanswered requests of all connections. */
  get size(): number {
    return this.#size;
  }

  /** The unanswered requests of a connection, in order. */
  unanswered(socket: Duplex): readonly ServerResponse[] {
    return [...(this.#pipelines.get(socket)?.unanswered ?? [])];
  }

  /** The latest request of a connection, answered or not. */
  latest(socket: Duplex): ServerResponse | undefined {
    return this.#pipelines.get(socket)?.latest;
  }

  /** The latest unanswered request of each connection. */
  latestUnanswered(): readonly ServerResponse[] {
    return [...this.#busy].flatMap(({ unanswered }) => unanswered.slice(-1));
  }

  #pipelineOf(socket: Duplex): Pipeline {
    const known = this.#pipelines.get(socket);
    if (known !== undefined) return known;
    const pipeline: Pipeline = { unanswered: [], latest: undefined, waits: "no" };
    this.#pipelines.set(socket, pipeline);
    return pipeline;
  }

  #add(socket: Socket, res: ServerResponse): void {
    const pipeline = this.#pipelineOf(socket);
    pipeline.latest = res;
    if (pipeline.unanswered.push(res) === 1) this.#busy.add(pipeline);
    this.#size++;
  }

  #remove(res: ServerResponse): void {
    const { socket } = res.req;
    const pipeline = this.#pipelineOf(socket);
    const { unanswered } = pipeline;
    const place = unanswered.indexOf(res);
    if (place < 0) return;
    unanswered.splice(place, 1);
    this.#size--;
    if (unanswered.length === 0) this.#busy.delete(pipeline);
    if (pipeline.waits !== "for an answer") return;
    pipeline.waits = "for its turn";
    setImmediate(() => {
      pipeline.waits = "no";
      socket.resume();
    });
  }
}

/** Gives what arrives at a socket to its parser in slices, while its pipeline takes more. */
function parseInSlices(socket: Socket, pipeline: Pipeline): void {
  const parsers = takeListeners(socket, "data");
  const take = (data: Buffer): void => {
    let rest = data;
    // Node itself pauses a connection that does not read its answers, and resumes it: its parser must get nothing meanwhile.
    while (rest.length > 0 && !socket.isPaused() && !isFull(pipeline)) {
      const length = sliceLength(rest);
      const slice = length === rest.length ? rest : rest.subarray(0, length);
      rest = rest.subarray(length);
      for (const parse of parsers) parse.call(socket, slice);
    }
    if (rest.length === 0 || socket.destroyed) return;
    socket.pause();
    socket.unshift(rest);
  };
  socket.on("data", take);
  readDirectly(socket, take);
}

/**
 * Whether nothing more is to be parsed now. Node resumes the socket itself, too: for the body of each request. The latest
 * request may wait for its rest, but those before it are whole, so that one of them is answered first.
 */
function isFull(pipeline: Pipeline): boolean {
  if (pipeline.waits === "no" && pipeline.unanswered.length >= MAX_UNANSWERED) pipeline.waits = "for an answer";
  return pipeline.waits !== "no";
}
