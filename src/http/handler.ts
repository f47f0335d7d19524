import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { failure, type KnownCaller, knownCaller, type Outcome, type Verifier } from "../contract/verifier.js";
import type { AddressReader } from "../util/client-address.js";
import type { Clock } from "../util/clock.js";
import { acceptRequestId } from "../util/request-id.js";
import { Secret } from "../util/secret.js";
import { swallowErrors } from "../util/swallow-errors.js";
import { type WorkloadNames, workloadAt } from "../util/workload-names.js";
import type { Answer, Ask, Face, FaceRequest } from "../vendors/vendor.js";
import { ClientGone, readBody } from "./body.js";

/** A face that is served: where, and of which realm. */
export interface ServedFace {
  /** The vendor's name. */
  readonly name: string;
  /** The path, exact. */
  readonly path: string;
  readonly realm: string;
  readonly face: Face;
}

/** One request to a face, or to a method of the contract, answered. */
export interface FaceCall {
  /** The face's name; for a method `http/` and its name; `unknown` where nothing is shown at the path. */
  readonly face: string;
  /** As the caller named it, where it did; there may be no such realm. */
  readonly realm: string;
  readonly requestId: string;
  /** The caller's address; empty for a socket file. */
  readonly address: string;
  readonly method: string;
  readonly status: number;
  /** What the verifier said last; undefined where the face answered without it. `preflight`: a browser asked whether a page may ask (CORS). */
  readonly outcome: Outcome | "preflight" | undefined;
  /** Who asked; undefined where the verifier was not asked. */
  readonly caller: KnownCaller | undefined;
  readonly millis: number;
}

/** Is told of what the gateway does. What its methods throw is dropped. */
export interface GatewayObserver {
  /** A face answered. */
  faceCall(call: FaceCall): void;
  /** Something was thrown that should not have been; the client got the vendor's answer to an internal error. */
  fault(error: unknown, requestId: string): void;
}

/** The same observer, which cannot end the process any more: nobody awaits a handler. */
export function harmless(observer: GatewayObserver): GatewayObserver {
  return {
    faceCall: swallowErrors((call) => observer.faceCall(call)),
    fault: swallowErrors((error, requestId) => observer.fault(error, requestId)),
  };
}

/** What handlers need besides their face. */
export interface HandlerOptions {
  readonly verifier: Verifier;
  readonly clock: Clock;
  /** `limits.body`, bytes. */
  readonly bodyLimit: number;
  /** `limits.request`, milliseconds. */
  readonly requestTimeout: number;
  readonly observer: GatewayObserver;
  /** Where a call came from. */
  readonly addressOf: AddressReader;
}

/** Has no body, and therefore neither its type nor its length (RFC 9110, section 8.6). */
const NO_CONTENT = 204;

/** By connection; what is in it goes with the connection. */
const WORKLOADS = new WeakMap<Socket, WorkloadNames>();

/** The names of the workload at the other end of a request's connection; undefined where it showed no certificate. */
export function workloadOf(socket: Socket): WorkloadNames | undefined {
  const known = WORKLOADS.get(socket);
  if (known !== undefined) return known;
  const names = workloadAt(socket as TLSSocket);
  if (names !== undefined) WORKLOADS.set(socket, names);
  return names;
}

/** A plain node:http handler. */
export type Handler = (req: IncomingMessage, res: ServerResponse) => void;

/** Serves a face: reads the vendor's request, asks the verifier, writes the vendor's answer. */
export function faceHandler({ name, realm, face }: ServedFace, options: HandlerOptions): Handler {
  const { verifier, clock, bodyLimit, requestTimeout, observer, addressOf } = options;

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const started = clock();
    const requestId = acceptRequestId(req.headers["x-request-id"]);
    const address = addressOf(req.socket.remoteAddress ?? "", req.headersDistinct["x-forwarded-for"]?.join(","));
    const workload = workloadOf(req.socket);
    const context = { requestId, address, deadline: started + requestTimeout };
    let outcome: Outcome | undefined;
    let caller: KnownCaller | undefined;
    const ask: Ask = async ({ token, credential }) => {
      const question = { realm, token: new Secret(token), credential, workload, explain: false };
      const answer = await verifier.verify(question, context);
      caller = knownCaller(question, answer);
      // Who is calling was asked for the face's own sake: the request has no outcome yet.
      if (answer.kind !== "failure" || answer.reason !== "TOKEN_EMPTY") outcome = answer;
      return answer;
    };
    const request: FaceRequest = {
      method: req.method ?? "",
      headers: req.headersDistinct,
      body: () => readBody(req, res, bodyLimit),
    };
    let answer: Answer;
    try {
      const read = await face.read(request, ask);
      answer = "status" in read ? read : face.write(await ask(read), request);
    } catch (error) {
      if (error instanceof ClientGone) return;
      observer.fault(error, requestId);
      answer = face.write(failure("INTERNAL"), request);
    }
    send(res, answer, requestId);
    const { status } = answer;
    observer.faceCall({
      face: name,
      realm,
      requestId,
      address,
      method: request.method,
      status,
      outcome,
      caller,
      millis: clock() - started,
    });
  }

  return (req, res) => void serve(req, res);
}

/** An answer whose body may be bytes. */
export type Sent = Omit<Answer, "body"> & { readonly body: string | Uint8Array };

/** Writes an answer with what every answer of the gateway carries. */
export function send(res: ServerResponse, { status, headers, body }: Sent, requestId: string): void {
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
