import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { answerHalfClosed, takeListeners } from "../internals.js";

/** Requests of one connection that are answered at the same time; the next one is parsed after one of their answers. */
const MAX_UNANSWERED = 16;

/** Bytes given to Node's parser at a time. It emits every request in them before anything else runs. */
const SLICE = 512;

/** The requests of one connection. */
interface Pipeline {
  /** Answers that are not complete, in the order of their requests. */
  readonly unanswered: Set<ServerResponse>;
  /** The answer to the latest request, complete or not. */
  latest: ServerResponse;
  /** Whether parsing waits for an answer to be complete, or, once one is, for the other connections to be read. */
  waits: "no" | "for an answer" | "for its turn";
}

/**
 * The requests of an HTTP/1 server's connections, and a limit on those pipelined on one connection (RFC 9112, section 9.3.2).
 *
 * Node parses all bytes that have arrived and emits every request in them, so that pipelined requests of one client would
 * delay all others by seconds. Here the parser gets the bytes in small slices, none while 16 requests are unanswered, and
 * the other connections are read before it goes on.
 */
export class Pipelines {
  readonly #unanswered = new Set<ServerResponse>();
  readonly #pipelines = new WeakMap<Duplex, Pipeline>();

  /** Wraps a server's request listener. @param onClose is called for each request once its answer is sent, or cut */
  track(serve: RequestListener, onClose: (req: IncomingMessage) => void): RequestListener {
    return (req, res) => {
      const { socket } = req;
      const pipeline = this.#add(socket, res);
      res.once("close", () => {
        pipeline.unanswered.delete(res);
        this.#unanswered.delete(res);
        if (pipeline.waits === "for an answer") {
          pipeline.waits = "for its turn";
          setImmediate(() => {
            pipeline.waits = "no";
            socket.resume();
          });
        }
        onClose(req);
      });
      serve(req, res);
    };
  }

  /** Limits the pipelined requests of a server's connections. Call it once, before {@link admit}. */
  limit(server: Server): void {
    answerHalfClosed(server);
    // HTTP is spoken within TLS, if there is TLS.
    const event = server.listenerCount("secureConnection") > 0 ? "secureConnection" : "connection";
    server.on(event, (socket: Socket) => this.#parseInSlices(socket));
  }

  /** The number of unanswered requests of all connections. */
  get size(): number {
    return this.#unanswered.size;
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
  latestUnanswered(): Iterable<ServerResponse> {
    return new Map([...this.#unanswered].map((res) => [res.req.socket, res])).values();
  }

  #add(socket: Socket, res: ServerResponse): Pipeline {
    const pipeline: Pipeline = this.#pipelines.get(socket) ?? { unanswered: new Set(), latest: res, waits: "no" };
    this.#pipelines.set(socket, pipeline);
    pipeline.latest = res;
    pipeline.unanswered.add(res);
    this.#unanswered.add(res);
    return pipeline;
  }

  #parseInSlices(socket: Socket): void {
    const parsers = takeListeners(socket, "data");
    socket.on("data", (data: Buffer) => {
      let rest = data;
      // Node itself pauses a connection that does not read its answers, and resumes it: its parser must get nothing meanwhile.
      while (rest.length > 0 && !socket.isPaused() && !this.#isFull(socket)) {
        const slice = rest.subarray(0, SLICE);
        rest = rest.subarray(SLICE);
        for (const parse of parsers) parse.call(socket, slice);
      }
      if (rest.length === 0 || socket.destroyed) return;
      socket.pause();
      socket.unshift(rest);
    });
  }

  /** Whether nothing more is to be parsed now. Node resumes the socket itself, too: for the body of each request. */
  #isFull(socket: Socket): boolean {
    const pipeline = this.#pipelines.get(socket);
    if (pipeline === undefined) return false;
    // A request that has begun is parsed to its end in any case: its answer may wait for the rest.
    const isFull = pipeline.unanswered.size >= MAX_UNANSWERED && pipeline.latest.req.complete;
    if (isFull && pipeline.waits === "no") pipeline.waits = "for an answer";
    return pipeline.waits !== "no";
  }
}
