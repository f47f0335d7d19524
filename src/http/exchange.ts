import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Call, CallService, FinishedCall } from "../contract/call.js";
import { acceptRequestId } from "../contract/call.js";
import { type WorkloadNames, workloadAt } from "../util/workload-names.js";
import type { Answer } from "../vendors/vendor.js";
import { readBody } from "./body.js";

/** What the handlers of a gateway need. */
export interface HttpService extends CallService {
  readonly limits: {
    /** Bytes of a request's body. */
    readonly body: number;
    /** Milliseconds from a request's arrival to its answer. */
    readonly request: number;
  };
}

/** A {@link Call} that came over HTTP/1.1. */
export class HttpCall implements Call {
  readonly via: string;
  readonly requestId: string;
  readonly address: string;
  readonly started: number;
  readonly workload: WorkloadNames | undefined;
  readonly #res: ServerResponse;
  #deadline: number;

  constructor(via: string, req: IncomingMessage, res: ServerResponse, { clock, limits, addressOf }: HttpService) {
    const { headers, socket } = req;
    this.via = via;
    this.requestId = acceptRequestId(headers["x-request-id"]);
    // Node joins the values of several headers of this name.
    this.address = addressOf(socket.remoteAddress ?? "", headers["x-forwarded-for"] as string | undefined);
    this.started = clock();
    this.workload = workloadOfSocket(socket);
    this.#res = res;
    this.#deadline = this.started + limits.request;
  }

  get deadline(): number {
    return this.#deadline;
  }

  get cancelled(): boolean {
    return this.#res.destroyed;
  }

  /** Brings the deadline forward to what the caller asked for. @param timeout milliseconds from the call's arrival */
  endWithin(timeout: number): void {
    this.#deadline = Math.min(this.#deadline, this.started + timeout);
  }
}

/** The names of each connection's workload. */
const WORKLOADS = new WeakMap<Socket, WorkloadNames>();

/** The names of the workload at the other end of a connection; undefined if it showed no certificate. */
function workloadOfSocket(socket: Socket): WorkloadNames | undefined {
  if (!(socket as TLSSocket).authorized) return undefined;
  const known = WORKLOADS.get(socket);
  if (known !== undefined) return known;
  const names = workloadAt(socket as TLSSocket);
  if (names !== undefined) WORKLOADS.set(socket, names);
  return names;
}

/** An answer whose body may be bytes. */
export type HttpAnswer = Omit<Answer, "body"> & { readonly body: string | Uint8Array };

/** An answer to a request, and what the observer learns about it. */
export interface Exchange extends Pick<FinishedCall, "realm" | "outcome"> {
  readonly answer: HttpAnswer;
  readonly caller?: FinishedCall["caller"];
}

/** Asks for a request's body before the exchange. */
export interface BodyWanted {
  /** @param body all of it; undefined if it is longer than `limits.body` */
  readonly withBody: (body: Buffer | undefined) => Promise<Exchange> | Exchange;
}

/** Answers the requests of one path. */
export interface Responder {
  /** As in {@link Call}. */
  readonly via: string;
  /** Answers a request, or asks for its body. Errors may be thrown. */
  respond(req: IncomingMessage, call: HttpCall): Promise<Exchange | BodyWanted> | Exchange | BodyWanted;
  /** The answer if `respond` or what it asked for threw. */
  failed(req: IncomingMessage): Exchange;
}

/** A plain node:http handler. */
export type HttpHandler = (req: IncomingMessage, res: ServerResponse) => void;

/** Does the next step with a value: at once, unless the value is a promise. */
export function andThen<T, U>(value: T | Promise<T>, step: (value: T) => U | Promise<U>): U | Promise<U> {
  return value instanceof Promise ? value.then(step) : step(value);
}

/**
 * Serves requests: makes the call, gets its answer from the responder, sends it, and observes the call. A client that has
 * gone gets nothing. Without a promise or a body to wait for, the answer is sent before the handler returns.
 */
export function httpHandler(responder: Responder, service: HttpService): HttpHandler {
  const { clock, observer, limits } = service;

  function finish(res: ServerResponse, call: HttpCall, { answer, realm, outcome, caller }: Exchange): void {
    send(res, answer, call.requestId);
    const millis = clock() - call.started;
    observer.ended({ call, realm, outcome, caller, items: 1, millis, status: answer.status });
  }

  function fail(req: IncomingMessage, res: ServerResponse, call: HttpCall, error: unknown): void {
    observer.fault(call, error);
    finish(res, call, responder.failed(req));
  }

  type Step = Exchange | BodyWanted;

  function go(req: IncomingMessage, res: ServerResponse, call: HttpCall, step: Step): void {
    if (!("withBody" in step)) {
      finish(res, call, step);
      return;
    }
    readBody(req, res, limits.body, (body) => attempt(req, res, call, () => step.withBody(body)));
  }

  function attempt(req: IncomingMessage, res: ServerResponse, call: HttpCall, take: () => Promise<Step> | Step): void {
    let step: Promise<Step> | Step;
    try {
      step = take();
    } catch (error) {
      fail(req, res, call, error);
      return;
    }
    if (step instanceof Promise) {
      void step.then(
        (late) => go(req, res, call, late),
        (error: unknown) => fail(req, res, call, error),
      );
    } else go(req, res, call, step);
  }

  return (req, res) => {
    const call = new HttpCall(responder.via, req, res, service);
    attempt(req, res, call, () => responder.respond(req, call));
  };
}

/** A status without a body, and therefore without its type and length (RFC 9110, section 8.6). */
const NO_CONTENT = 204;

/** Where {@link headerList} has the value of each header that every answer has. */
const PLACES: ReadonlyMap<string, number> = new Map([
  ["Content-Type", 1],
  ["Content-Length", 3],
  ["Cache-Control", 5],
  ["X-Content-Type-Options", 7],
  ["X-Request-Id", 9],
]);

/** The headers of an answer, as Node writes them fastest: names and values in one list. */
function headerList(headers: HttpAnswer["headers"], length: number, requestId: string): string[] {
  const list = [
    "Content-Type",
    "application/json",
    "Content-Length",
    String(length),
    "Cache-Control",
    "no-store",
    "X-Content-Type-Options",
    "nosniff",
    "X-Request-Id",
    requestId,
  ];
  for (const name in headers) {
    const value = headers[name] as string | readonly string[];
    const place = PLACES.get(name);
    if (place !== undefined) list[place] = value as string;
    else if (typeof value === "string") list.push(name, value);
    else for (const one of value) list.push(name, one);
  }
  return list;
}

/** Sends an answer with the headers that every answer of the gateway has. */
function send(res: ServerResponse, { status, headers, body }: HttpAnswer, requestId: string): void {
  if (res.destroyed) return;
  const length = Buffer.byteLength(body);
  const list = headerList(headers, length, requestId);
  res.writeHead(status, status === NO_CONTENT ? list.slice(4) : list);
  // Node writes head and body in one piece if both are strings of one encoding, and it writes heads in Latin-1.
  if (typeof body === "string" && body.length === length) res.end(body, "latin1");
  else res.end(Buffer.from(body));
}
