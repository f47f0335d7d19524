import { setImmediate } from "node:timers/promises";
import type { VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { FailureReason } from "../contract/failures.js";
import { failure, knownCaller, type Outcome, type VerificationRequest } from "../contract/verifier.js";
import { MAX_CALLERS, type ServiceLimits } from "../net/http2/limits.js";
import { until } from "../util/timeouts.js";
import type { WorkloadNames } from "../util/workload-names.js";
import { requestFromWire } from "../wire/messages.js";
import { ask, type Environment } from "./asking.js";
import type { Call } from "./call.js";
import type { Rpc } from "./observer.js";

/** How many requests are verified before other calls get their turn. */
const CHUNK = 50;

/** Why a batch is refused as a whole; undefined where it is not. */
export function refusal(requests: readonly VerifyTokenRequest[], limits: ServiceLimits): FailureReason | undefined {
  if (requests.length > limits.batch) return "BATCH_TOO_LARGE";
  const callers = new Set<string>();
  for (const { caller } of requests) if (caller !== undefined) callers.add(callerKey(caller));
  return callers.size > MAX_CALLERS ? "TOO_MANY_CALLERS" : undefined;
}

/** A text that is equal for requests alone that differ in their tokens at most. */
function restKey({ realm, explain, caller }: VerifyTokenRequest): string {
  return `${explain ? "e" : ""}${realm.length}:${realm}${callerKey(caller)}`;
}

/** A text that is equal for equal credentials alone. */
function callerKey(caller: VerifyTokenRequest["caller"]): string {
  if (caller === undefined) return "";
  if (caller.$case === "instanceSecretKey") return `i${caller.value}`;
  const { clientId, clientSecret } = caller.value;
  return `c${clientId.length}:${clientId}${clientSecret}`;
}

interface Question {
  readonly request: VerificationRequest;
  /** The places in the batch that its outcome goes to. */
  readonly places: number[];
}

/**
 * The distinct questions of a batch, in order. By the token first and then by the rest: one text of both would copy each
 * token, and comparing those of one token with each other takes the square of their number.
 */
function questions(messages: readonly VerifyTokenRequest[], workload: WorkloadNames | undefined): Question[] {
  const distinct: Question[] = [];
  const byToken = new Map<string, Map<string, Question>>();
  messages.forEach((message, place) => {
    const similar = byToken.get(message.token) ?? new Map<string, Question>();
    byToken.set(message.token, similar);
    const rest = restKey(message);
    const same = similar.get(rest);
    if (same !== undefined) {
      same.places.push(place);
      return;
    }
    const question = { request: requestFromWire(message, workload), places: [place] };
    distinct.push(question);
    similar.set(rest, question);
  });
  return distinct;
}

/**
 * Verifies a batch: the outcomes, in the order of the requests. Identical requests are verified once. What has no
 * outcome at the call's deadline is TIMED_OUT. Once the call is cancelled, what was not begun is left, and nothing is told
 * of it: the service is not at fault, and anybody may cancel.
 *
 * @param started when the batch arrived, in milliseconds since 1970
 * @returns undefined where a part was left
 */
export async function verifyBatch(
  env: Environment,
  rpc: Rpc,
  messages: readonly VerifyTokenRequest[],
  call: Call,
  started: number,
): Promise<Outcome[] | undefined> {
  const { clock, observer } = env;
  const outcomes = Array.from<undefined, Outcome | undefined>({ length: messages.length }, () => undefined);
  const settle = ({ request, places }: Question, outcome: Outcome): void => {
    const [first = 0] = places;
    if (outcomes[first] !== undefined) return;
    for (const place of places) outcomes[place] = outcome;
    const { realm } = request;
    const caller = knownCaller(request, outcome);
    observer.verified({ rpc, call, realm, outcome, caller, items: places.length, millis: clock() - started });
  };

  const asked = questions(messages, call.workload);
  const pending: Promise<void>[] = [];
  /** How many are answered for: those that were begun, or all of them. */
  let due = asked.length;
  for (const [index, question] of asked.entries()) {
    if (index > 0 && index % CHUNK === 0) {
      await setImmediate();
      // grpc-js says "cancelled" of a call whose deadline has passed, too.
      const isLate = clock() >= call.deadline;
      if (call.cancelled && !isLate) due = index;
      if (call.cancelled || isLate) break;
    }
    const outcome = ask(env, rpc, question.request, call);
    if (outcome instanceof Promise) pending.push(outcome.then((late) => settle(question, late)));
    else settle(question, outcome);
  }
  if (pending.length > 0) await until(Promise.all(pending), call.deadline - clock());
  for (const question of asked.slice(0, due)) settle(question, failure("TIMED_OUT"));
  return due < asked.length ? undefined : (outcomes as Outcome[]);
}
