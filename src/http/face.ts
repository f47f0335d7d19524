import { ask, type KnownCaller, knownCaller } from "../contract/call.js";
import { failure, type Outcome } from "../contract/verifier.js";
import { Secret } from "../util/secret.js";
import type { Face, FaceRequest, Question } from "../vendors/vendor.js";
import { awaitsContinue, readBody } from "./body.js";
import type { Exchange, HttpCall, HttpService, Responder } from "./exchange.js";

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
  async function askAbout(
    { token, credential }: Pick<Question, "token" | "credential">,
    call: HttpCall,
  ): Promise<{ readonly outcome: Outcome; readonly caller: KnownCaller }> {
    const { workload } = call;
    const request = { realm, token: new Secret(token), credential, workload, explain: false };
    const outcome = await ask(service, request, call);
    return { outcome, caller: knownCaller(request, outcome) };
  }

  async function answer(question: Question, request: FaceRequest, call: HttpCall): Promise<Exchange> {
    const { outcome, caller } = await askAbout(question, call);
    // The request of a known caller is faulty, so the call has no outcome.
    if (question.otherwise !== undefined && isCallerKnown(outcome))
      return { answer: question.otherwise, realm, outcome: undefined, caller };
    return { answer: face.write(outcome, request), realm, outcome, caller };
  }

  return {
    via: name,
    async respond(req, res, call) {
      const request: FaceRequest = { method: req.method ?? "", headers: req.headersDistinct };
      let reading = face.read(request);
      if ("readBody" in reading) {
        const { credential } = reading;
        if (credential !== undefined && awaitsContinue(req)) {
          const { outcome, caller } = await askAbout({ token: "", credential }, call);
          if (!isCallerKnown(outcome)) return { answer: face.write(outcome, request), realm, outcome, caller };
        }
        reading = reading.readBody(await readBody(req, res, service.limits.body));
      }
      return "status" in reading ? { answer: reading, realm, outcome: undefined } : answer(reading, request, call);
    },
    failed(req) {
      const outcome = failure("INTERNAL");
      const request = { method: req.method ?? "", headers: req.headersDistinct };
      return { answer: face.write(outcome, request), realm, outcome };
    },
  };
}

/** Whether the outcome of a question without a token says that the caller is known. */
const isCallerKnown = (outcome: Outcome): boolean => outcome.kind !== "failure" || outcome.reason === "TOKEN_EMPTY";
