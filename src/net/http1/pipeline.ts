import type http from "node:http";
import type net from "node:net";

/** Requests of one connection that are being answered at once; a further one is not read until one of them is. */
const OUTSTANDING = 16;

/** Bytes that the parser is given at a time: it makes a request of each head in them, and cannot be stopped between. */
const SLICE = 512;

type Listener = (...args: unknown[]) => void;

/**
 * Bounds what one connection of an HTTP/1 server may ask for at once. Node parses all that has arrived, and hands out every
 * request in it: one packet of pipelined requests would keep all other connections waiting. Here a connection is read in
 * small pieces, and with 16 answers outstanding no further, until there are fewer; each connection gets its turn in between.
 *
 * Call it once, after the server has its listeners for requests, and before {@link admit}.
 */
export function boundPipelines(server: http.Server): void {
  const pipelines = new WeakMap<net.Socket, Pipeline>();
  const count = (req: http.IncomingMessage, res: http.ServerResponse): void => pipelines.get(req.socket)?.add(req, res);
  for (const event of ["request", "checkContinue", "checkExpectation"]) {
    if (server.listenerCount(event) > 0) server.prependListener(event, count);
  }
  server.on("clientError", (_, socket) => pipelines.get(socket as net.Socket)?.drop());
  // Where there is TLS, HTTP is spoken within it.
  const event = server.listenerCount("secureConnection") > 0 ? "secureConnection" : "connection";
  server.on(event, (socket: net.Socket) => pipelines.set(socket, new Pipeline(socket)));
}

/** What a connection has sent, on its way to the parser. */
class Pipeline {
  readonly #socket: net.Socket;
  readonly #parse: readonly Listener[];
  readonly #finish: readonly Listener[];
  /** What has arrived and was not parsed. */
  #waiting: Buffer[] = [];
  #outstanding = 0;
  /** The last request, which may lack some of its body. */
  #last: http.IncomingMessage | undefined;
  #ended = false;
  #isResuming = false;

  /** @param socket one that the HTTP server listens to already */
  constructor(socket: net.Socket) {
    this.#socket = socket;
    this.#parse = this.#takeOver("data", (data) => {
      this.#waiting.push(data as Buffer);
      this.#pass();
    });
    this.#finish = this.#takeOver("end", () => {
      this.#ended = true;
      this.#pass();
    });
  }

  /** A request was read. */
  add(req: http.IncomingMessage, res: http.ServerResponse): void {
    this.#outstanding++;
    this.#last = req;
    res.once("close", () => {
      this.#outstanding--;
      this.#resumeLater();
    });
  }

  /** What was read is no HTTP: the rest is of no use. */
  drop(): void {
    this.#waiting = [];
  }

  /** Puts a listener in the place of the HTTP server's, and gives back those. */
  #takeOver(event: "data" | "end", listener: Listener): readonly Listener[] {
    const before = this.#socket.listeners(event) as Listener[];
    this.#socket.removeAllListeners(event);
    this.#socket.on(event, listener);
    return before;
  }

  #isFull(): boolean {
    // A request that was begun has to be read to its end: nothing would be answered any more.
    return this.#outstanding >= OUTSTANDING && this.#last?.complete !== false;
  }

  /** Gives the parser what there is, up to the limit. */
  #pass(): void {
    for (let slice = this.#next(); slice !== undefined; slice = this.#next()) {
      for (const listener of this.#parse) listener.call(this.#socket, slice);
    }
    if (this.#waiting.length > 0) {
      this.#socket.pause();
    } else if (this.#ended && (this.#outstanding === 0 || this.#last?.complete === false)) {
      // Node ends a connection at once whose peer has closed its side: not before its answers are out.
      this.#ended = false;
      for (const listener of this.#finish) listener.call(this.#socket);
    }
  }

  #next(): Buffer | undefined {
    if (this.#socket.destroyed) this.drop();
    const [first] = this.#waiting;
    if (first === undefined || this.#isFull()) return undefined;
    if (first.length <= SLICE) this.#waiting.shift();
    else this.#waiting[0] = first.subarray(SLICE);
    return first.subarray(0, SLICE);
  }

  /** Goes on once the other connections had their turn. */
  #resumeLater(): void {
    if ((this.#waiting.length === 0 && !this.#ended) || this.#isResuming) return;
    this.#isResuming = true;
    setImmediate(() => {
      this.#isResuming = false;
      this.#pass();
      if (this.#waiting.length === 0) this.#socket.resume();
    });
  }
}
