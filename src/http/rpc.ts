import type { IncomingMessage } from "node:http";
import { TokenVerifierService } from "../../gen/tokenverifier/v1/token_verifier.js";
import { ask, knownCaller } from "../contract/call.js";
import { type Failure, failure, type VerificationRequest } from "../contract/verifier.js";
import { UnreadableMessage } from "../wire/json.js";
import { withWorkload } from "../wire/requests.js";
import { connectError, connectFailure } from "./connect-error.js";
import { CODECS, type Codec, onlyPost, readHead } from "./connect-message.js";
import { type CorsSettings, corsHeaders, preflightHeaders } from "./cors.js";
import {
  andThen,
  type BodyWanted,
  type Exchange,
  type HttpAnswer,
  type HttpCall,
  type HttpService,
  type Responder,
} from "./exchange.js";
import { RequestHead } from "./request-head.js";

/** What the gateway serves of the contract itself: `http.rpc` and `http.cors`. */
export interface ServedRpc {
  /** Realms that requests may name; any other is unknown. Empty: nothing is served. */
  readonly realms: readonly string[];
  /** Pages of other origins that may call; undefined for none. */
  readonly cors: CorsSettings | undefined;
}

/** Answers a method. */
type Answering = (req: IncomingMessage, call: HttpCall) => Exchange | BodyWanted;

/** The responders of the contract's methods, by path. All but VerifyToken answer that they are served over gRPC alone. */
export function rpcResponders(rpc: ServedRpc, service: HttpService): ReadonlyMap<string, Responder> {
  if (rpc.realms.length === 0) return new Map();
  const { verifyToken, ...others } = TokenVerifierService;
  const responders = Object.values(others).map(({ path }) => [path, rpcResponder(path, grpcOnly, rpc)] as const);
  const answering = verifying(new Set(rpc.realms), service);
  return new Map([...responders, [verifyToken.path, rpcResponder(verifyToken.path, answering, rpc)]]);
}

/** Answers a method, and a browser's preflight for it, with the headers that let a page read the answer. */
function rpcResponder(path: string, answering: Answering, { cors }: ServedRpc): Responder {
  const via = `http${path.slice(path.lastIndexOf("/"))}`;
  if (cors === undefined) return { via, respond: answering, failed: () => failed("", failure("INTERNAL")) };
  const shared = ({ answer, ...exchange }: Exchange, req: IncomingMessage): Exchange => ({
    ...exchange,
    answer: { ...answer, headers: { ...answer.headers, ...corsHeaders(cors, req.headers.origin) } },
  });
  return {
    via,
    respond: (req, call) => {
      const step = req.method === "OPTIONS" ? preflight(cors) : answering(req, call);
      if (!("withBody" in step)) return shared(step, req);
      return { withBody: (body) => andThen(step.withBody(body), (exchange) => shared(exchange, req)) };
    },
    failed: (req) => shared(failed("", failure("INTERNAL")), req),
  };
}

const preflight = (cors: CorsSettings): Exchange => ({
  answer: { status: 204, headers: preflightHeaders(cors), body: "" },
  realm: "",
  outcome: "preflight",
});

const refused = (answer: HttpAnswer): Exchange => ({ answer, realm: "", outcome: undefined });

const failed = (realm: string, outcome: Failure): Exchange => ({
  answer: connectFailure(outcome),
  realm,
  outcome,
});

const grpcOnly: Answering = ({ method }) => {
  const message = "This method is served over gRPC alone; over HTTP/1.1 there is VerifyToken.";
  return refused(onlyPost(method) ?? connectError("UNIMPLEMENTED", message));
};

/** Answers VerifyToken. */
function verifying(realms: ReadonlySet<string>, service: HttpService): Answering {
  const { limits, observer } = service;
  const tooLarge = refused(
    connectError("RESOURCE_EXHAUSTED", `The body is longer than the ${limits.body} bytes that this server admits.`),
  );

  function answerBody(body: Buffer | undefined, codec: Codec, call: HttpCall): Exchange | Promise<Exchange> {
    if (body === undefined) return tooLarge;
    const { type, read, write } = CODECS[codec];
    let message: VerificationRequest;
    try {
      message = read(body);
    } catch (error) {
      if (!(error instanceof UnreadableMessage)) throw error;
      return refused(connectError("INVALID_ARGUMENT", error.message));
    }
    const { realm } = message;
    // Without asking the verifier, so that no answer or timing shows which other realms exist.
    if (!realms.has(realm)) return failed(realm, failure("REALM_UNKNOWN"));
    const request = withWorkload(message, call.workload);
    return andThen(ask(service, request, call), (outcome) => {
      const caller = knownCaller(request, outcome);
      if (outcome.kind === "failure") return { ...failed(realm, outcome), caller };
      try {
        return {
          answer: { status: 200, headers: { "Content-Type": type }, body: write(outcome) },
          realm,
          outcome,
          caller,
        };
      } catch (error) {
        observer.fault(call, error);
        return failed(realm, failure("INTERNAL"));
      }
    });
  }

  return (req, call) => {
    const head = readHead(new RequestHead(req));
    if ("status" in head) return refused(head);
    call.endWithin(head.timeout);
    return { withBody: (body) => answerBody(body, head.codec, call) };
  };
}
