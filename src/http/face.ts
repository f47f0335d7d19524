import { ask, knownCaller } from "../contract/call.js";
import { failure, type Outcome } from "../contract/verifier.js";
import { Secret } from "../util/secret.js";
import type { Answer, Face, FaceRequest, Question } from "../vendors/vendor.js";
import { awaitsContinue } from "./body.js";
import {
  andThen,
  type BodyWanted,
  type Exchange,
  type HttpCall,
  type HttpService,
  type Responder,
} from "./exchange.js";
import { RequestHead } from "./request-head.js";

/** A vendor's face at a path, and the realm that it asks. */
export interface ServedFace {
  /** The vendor's name. */
  readonly name: string;
  /** The path, exact. */
  readonly path: string;
  readonly realm: string;
  readonly face: Face;
}

/**
 * Answers requests to a face: reads the vendor's request, asks the verifier once, and writes the vendor's answer.
 *
 * If the head names the caller and the client waits before it sends its body (`Expect: 100-continue`), the verifier is
 * asked twice: about the caller alone, and after the body about the token.
 */
export function faceResponder({ name, realm, face }: ServedFace, service: HttpService): Responder {
  const questionOf = ({ token, credential }: Pick<Question, "token" | "credential">, { workload }: HttpCall) => ({
    realm,
    token: new Secret(token),
    credential,
    workload,
    explain: false,
  });

  /** Answers by the outcome of a question. */
  function answer(reading: Question | Answer, head: FaceRequest, call: HttpCall): Exchange | Promise<Exchange> {
    if ("status" in reading) return { answer: reading, realm, outcome: undefined, caller: undefined };
    const question = questionOf(reading, call);
    return andThen(ask(service, question, call), (outcome) => {
      const caller = knownCaller(question, outcome);
      const { otherwise } = reading;
      // The request of a known caller is faulty, so the call has no outcome.
      if (otherwise !== undefined && isCallerKnown(outcome))
        return { answer: otherwise, realm, outcome: undefined, caller };
      return { answer: face.write(outcome, head), realm, outcome, caller };
    });
  }

  return {
    via: name,
    respond(req, call) {
      const head = new RequestHead(req);
      const reading = face.read(head);
      if (!("readBody" in reading)) return answer(reading, head, call);
      const body: BodyWanted = { withBody: (body) => answer(reading.readBody(body), head, call) };
      const { credential } = reading;
      if (credential === undefined || !awaitsContinue(req)) return body;
      const question = questionOf({ token: "", credential }, call);
      return andThen(ask(service, question, call), (outcome): Exchange | BodyWanted => {
        if (isCallerKnown(outcome)) return body;
        return { answer: face.write(outcome, head), realm, outcome, caller: knownCaller(question, outcome) };
      });
    },
    failed(req) {
      const outcome = failure("INTERNAL");
      return { answer: face.write(outcome, new RequestHead(req)), realm, outcome, caller: undefined };
    },
  };
}

/** Whether the outcome of a question without a token says that the caller is known. */
const isCallerKnown = (outcome: Outcome): boolean => outcome.kind !== "failure" || outcome.reason === "TOKEN_EMPTY";
