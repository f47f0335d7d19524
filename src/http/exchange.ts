import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Call, CallService, FinishedCall } from "../contract/call.js";
import { acceptRequestId } from "../contract/call.js";
import { type WorkloadNames, workloadAt } from "../util/workload-names.js";
import type { Answer } from "../vendors/vendor.js";
import { ClientGone } from "./body.js";

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
    this.via = via;
    this.requestId = acceptRequestId(req.headers["x-request-id"]);
    this.address = addressOf(req.socket.remoteAddress ?? "", req.headersDistinct["x-forwarded-for"]?.join(","));
    this.started = clock();
    this.workload = workloadOfSocket(req.socket);
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

/** Answers the requests of one path. */
export interface Responder {
  /** As in {@link Call}. */
  readonly via: string;
  /** Answers a request. Errors, {@link ClientGone} included, may be thrown. */
  respond(req: IncomingMessage, res: ServerResponse, call: HttpCall): Promise<Exchange> | Exchange;
  /** The answer if `respond` threw anything but {@link ClientGone}. */
  failed(req: IncomingMessage): Exchange;
}

/** A plain node:http handler. */
export type HttpHandler = (req: IncomingMessage, res: ServerResponse) => void;

/** Serves requests: makes the call, gets its answer from the responder, sends it, and observes the call. A client that has gone gets nothing. */
export function httpHandler(responder: Responder, service: HttpService): HttpHandler {
  const { clock, observer } = service;

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const call = new HttpCall(responder.via, req, res, service);
    let exchange: Exchange;
    try {
      exchange = await responder.respond(req, res, call);
    } catch (error) {
      if (error instanceof ClientGone) return;
      observer.fault(call, error);
      exchange = responder.failed(req);
    }
    const { answer, realm, outcome, caller } = exchange;
    send(res, answer, call.requestId);
    const millis = clock() - call.started;
    observer.ended({ call, realm, outcome, caller, items: 1, millis, status: answer.status });
  }

  return (req, res) => void serve(req, res);
}

/** A status without a body, and therefore without its type and length (RFC 9110, section 8.6). */
const NO_CONTENT = 204;

/** Sends an answer with the headers that every answer of the gateway has. */
function send(res: ServerResponse, { status, headers, body }: HttpAnswer, requestId: string): void {
  if (res.destroyed) return;
  const bytes = Buffer.from(body);
  res.writeHead(status, {
    ...(status !== NO_CONTENT && { "Content-Type": "application/json", "Content-Length": bytes.length }),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Request-Id": requestId,
    ...(headers as Record<string, string | string[]>),
  });
  res.end(bytes);
}
