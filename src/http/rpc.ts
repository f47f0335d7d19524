import type { IncomingMessage, ServerResponse } from "node:http";
import { TokenVerifierService, type VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import {
  type CallContext,
  type Failure,
  failure,
  type KnownCaller,
  knownCaller,
  type Outcome,
  type VerificationRequest,
} from "../contract/verifier.js";
import { acceptRequestId } from "../util/request-id.js";
import { until } from "../util/timeouts.js";
import { UnreadableMessage } from "../wire/json.js";
import { requestFromWire } from "../wire/messages.js";
import { ClientGone, readBody } from "./body.js";
import { CODECS } from "./connect-codecs.js";
import { connectError, connectFailure } from "./connect-error.js";
import { onlyPost, readHead } from "./connect-request.js";
import { type CorsSettings, corsHeaders, preflightHeaders } from "./cors.js";
import { type FaceCall, type Handler, type HandlerOptions, type Sent, send, workloadOf } from "./handler.js";

/** What is shown of the contract itself, over HTTP/1.1: `http.rpc` and `http.cors`. */
export interface ServedRpc {
  /** The realms that may be asked for here; any other is unknown. None: nothing is served. */
  readonly realms: readonly string[];
  /** Which pages of other origins may ask; without it none may. */
  readonly cors: CorsSettings | undefined;
}

/** What became of a request; `outcome` and `caller` as {@link FaceCall} has them. */
interface Answered {
  readonly answer: Sent;
  readonly realm: string;
  readonly outcome: FaceCall["outcome"];
  readonly caller?: KnownCaller;
}

/** A call, and when it arrived, in milliseconds since 1970. */
interface Arrived extends CallContext {
  readonly started: number;
}

type Answering = (req: IncomingMessage, res: ServerResponse, call: Arrived) => Promise<Answered>;

/** The handlers of the contract's methods, by path. VerifyToken is answered; the others are gRPC's alone, and say so. */
export function rpcHandlers(rpc: ServedRpc, options: HandlerOptions): ReadonlyMap<string, Handler> {
  if (rpc.realms.length === 0) return new Map();
  const { verifyToken, ...others } = TokenVerifierService;
  const handlers = Object.values(others).map(({ path }) => [path, rpcHandler(path, unserved, rpc, options)] as const);
  const answering = verifying(new Set(rpc.realms), options);
  return new Map([...handlers, [verifyToken.path, rpcHandler(verifyToken.path, answering, rpc, options)]]);
}

/** Serves a method: what all of them have in common. */
function rpcHandler(path: string, answering: Answering, { cors }: ServedRpc, options: HandlerOptions): Handler {
  const { clock, requestTimeout, observer, addressOf } = options;
  const face = `http${path.slice(path.lastIndexOf("/"))}`;

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const started = clock();
    const requestId = acceptRequestId(req.headers["x-request-id"]);
    const shared = cors === undefined ? {} : corsHeaders(cors, req.headers.origin);
    const method = req.method ?? "";
    const address = addressOf(req.socket.remoteAddress ?? "", req.headersDistinct["x-forwarded-for"]?.join(","));
    let answered: Answered;
    try {
      answered =
        cors !== undefined && method === "OPTIONS"
          ? preflight(cors)
          : await answering(req, res, { requestId, address, started, deadline: started + requestTimeout });
    } catch (error) {
      if (error instanceof ClientGone) return;
      observer.fault(error, requestId);
      answered = failed("", failure("INTERNAL"));
    }
    const { answer, realm, outcome, caller } = answered;
    send(res, { ...answer, headers: { ...answer.headers, ...shared } }, requestId);
    const millis = clock() - started;
    observer.faceCall({ face, realm, requestId, address, method, status: answer.status, outcome, caller, millis });
  }

  return (req, res) => void serve(req, res);
}

const preflight = (cors: CorsSettings): Answered => ({
  answer: { status: 204, headers: preflightHeaders(cors), body: "" },
  realm: "",
  outcome: "preflight",
});

const refused = (answer: Sent): Answered => ({ answer, realm: "", outcome: undefined });

const failed = (realm: string, outcome: Failure): Answered => ({
  answer: connectFailure(outcome),
  realm,
  outcome,
});

const unserved: Answering = ({ method }) => {
  const message = "This method is served over gRPC alone; over HTTP/1.1 there is VerifyToken.";
  return Promise.resolve(refused(onlyPost(method) ?? connectError("UNIMPLEMENTED", message)));
};

/** Answers VerifyToken. */
function verifying(realms: ReadonlySet<string>, options: HandlerOptions): Answering {
  const { bodyLimit, observer } = options;
  return async (req, res, call) => {
    const head = readHead(req.method, req.headersDistinct);
    if ("status" in head) return refused(head);
    const deadline = Math.min(call.deadline, call.started + head.timeout);
    const body = await readBody(req, res, bodyLimit);
    if (body === undefined) {
      const message = `The body is longer than the ${bodyLimit} bytes that this server admits.`;
      return refused(connectError("RESOURCE_EXHAUSTED", message));
    }
    let message: VerifyTokenRequest;
    try {
      message = CODECS[head.codec].read(body);
    } catch (error) {
      if (!(error instanceof UnreadableMessage)) throw error;
      return refused(connectError("INVALID_ARGUMENT", error.message));
    }
    const { realm } = message;
    // The verifier is not even asked: whether there is such a realm elsewhere can be told from nothing.
    if (!realms.has(realm)) return failed(realm, failure("REALM_UNKNOWN"));
    const request = requestFromWire(message, workloadOf(req.socket));
    const outcome = await askInTime(request, { ...call, deadline }, options);
    const caller = knownCaller(request, outcome);
    if (outcome.kind === "failure") return { ...failed(realm, outcome), caller };
    try {
      const { type, write } = CODECS[head.codec];
      const headers = { "Content-Type": type };
      return { answer: { status: 200, headers, body: write(outcome) }, realm, outcome, caller };
    } catch (error) {
      observer.fault(error, call.requestId);
      return failed(realm, failure("INTERNAL"));
    }
  };
}

/** Asks the verifier, and no longer than until the deadline. */
async function askInTime(
  request: VerificationRequest,
  context: CallContext,
  { verifier, clock, observer }: HandlerOptions,
): Promise<Outcome> {
  try {
    const asked = verifier.verify(request, context);
    if (!(asked instanceof Promise)) return asked;
    let known: Outcome = failure("TIMED_OUT");
    const settled = asked.then(
      (outcome) => {
        known = outcome;
      },
      (error: unknown) => {
        observer.fault(error, context.requestId);
        known = failure("INTERNAL");
      },
    );
    await until(settled, context.deadline - clock());
    return known;
  } catch (error) {
    observer.fault(error, context.requestId);
    return failure("INTERNAL");
  }
}
