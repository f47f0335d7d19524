import { setImmediate } from "node:timers/promises";
import type { VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import { ask, knownCaller } from "../contract/call.js";
import type { FailureReason } from "../contract/failures.js";
import { type Failure, failure, type Outcome, type VerificationRequest } from "../contract/verifier.js";
import type { WorkloadNames } from "../util/workload-names.js";
import { encodeBatch, requestFromWire } from "../wire/messages.js";
import type { GrpcCall, GrpcService } from "./call.js";
import { MAX_CALLERS, type ServiceLimits } from "./limits.js";

/** How many requests of a batch are verified before other calls get their turn. */
const CHUNK = 50;

/** Why a batch is refused as a whole; undefined for one that is within the limits. */
export function batchRefusal(
  requests: readonly VerifyTokenRequest[],
  limits: ServiceLimits,
): FailureReason | undefined {
  if (requests.length > limits.batch) return "BATCH_TOO_LARGE";
  const callers = new Set<string>();
  for (const { caller } of requests) if (caller !== undefined) callers.add(callerKey(caller));
  return callers.size > MAX_CALLERS ? "TOO_MANY_CALLERS" : undefined;
}

/** Tells the observer that a call was refused before anything was verified. */
export function observeRefusal({ clock, observer }: GrpcService, call: GrpcCall, reason: FailureReason): void {
  const millis = clock() - call.started;
  observer.ended({ call, realm: "", outcome: failure(reason), caller: undefined, items: 1, millis });
}

/** A key for a request without a proof, but for its token: two requests have the same key only if they are equal. */
function restKey({ realm, explain, caller }: VerifyTokenRequest): string {
  return `${explain ? "e" : ""}${realm.length}:${realm}${callerKey(caller)}`;
}

/** A key for a credential: two credentials have the same key only if they are equal. */
function callerKey(caller: VerifyTokenRequest["caller"]): string {
  if (caller === undefined) return "";
  if (caller.$case === "instanceSecretKey") return `i${caller.value}`;
  const { clientId, clientSecret } = caller.value;
  return `c${clientId.length}:${clientId}${clientSecret}`;
}

/** One of the distinct requests of a batch. */
interface DistinctRequest {
  readonly request: VerificationRequest;
  /** The places in the batch that its outcome goes to. */
  readonly places: number[];
}

/**
 * The distinct requests of a batch, in order. Looked up by token first and then by the rest: one key of both would copy
 * each token, and comparing all requests of one token with each other takes the square of their number. A request with a
 * proof is like no other, since a proof counts once.
 */
function distinctRequests(
  messages: readonly VerifyTokenRequest[],
  workload: WorkloadNames | undefined,
): DistinctRequest[] {
  const distinct: DistinctRequest[] = [];
  const byToken = new Map<string, Map<string, DistinctRequest>>();
  messages.forEach((message, place) => {
    if (message.proof !== undefined) {
      distinct.push({ request: requestFromWire(message, workload), places: [place] });
      return;
    }
    const similar = byToken.get(message.token) ?? new Map<string, DistinctRequest>();
    byToken.set(message.token, similar);
    const rest = restKey(message);
    const same = similar.get(rest);
    if (same !== undefined) {
      same.places.push(place);
      return;
    }
    const one = { request: requestFromWire(message, workload), places: [place] };
    distinct.push(one);
    similar.set(rest, one);
  });
  return distinct;
}

/**
 * Verifies a batch: the outcomes, in the order of the requests. Identical requests are verified once. A request without
 * an outcome at the call's deadline is TIMED_OUT. Once the call is cancelled no further request is begun or observed:
 * any caller may cancel, which is no failure of the service.
 *
 * @returns undefined if requests were left out
 */
export async function verifyBatch(
  service: GrpcService,
  messages: readonly VerifyTokenRequest[],
  call: GrpcCall,
): Promise<Outcome[] | undefined> {
  const { clock, observer } = service;
  const outcomes = Array.from<Outcome>({ length: messages.length });
  const settle = ({ request, places }: DistinctRequest, outcome: Outcome): void => {
    for (const place of places) outcomes[place] = outcome;
    const caller = knownCaller(request, outcome);
    const millis = clock() - call.started;
    observer.ended({ call, realm: request.realm, outcome, caller, items: places.length, millis });
  };

  const distinct = distinctRequests(messages, call.workload);
  const pending: Promise<void>[] = [];
  let begun = 0;
  let isLate = false;
  for (const one of distinct) {
    if (begun > 0 && begun % CHUNK === 0) {
      await setImmediate();
      // grpc-js calls a call cancelled once its deadline has passed, too.
      isLate = clock() >= call.deadline;
      if (call.cancelled || isLate) break;
    }
    begun++;
    const outcome = ask(service, one.request, call);
    if (outcome instanceof Promise) pending.push(outcome.then((late) => settle(one, late)));
    else settle(one, outcome);
  }
  await Promise.all(pending);
  if (begun < distinct.length && !isLate) return undefined;
  for (const one of distinct.slice(begun)) settle(one, failure("TIMED_OUT"));
  return outcomes;
}

/**
 * Answers a batch.
 *
 * @param room bytes left free before the answer
 * @returns the encoded answer, the failure of the whole batch, or undefined if the call was cancelled
 */
export async function answerBatch(
  service: GrpcService,
  requests: readonly VerifyTokenRequest[],
  call: GrpcCall,
  room = 0,
): Promise<Buffer | Failure | undefined> {
  try {
    const refused = batchRefusal(requests, service.limits);
    if (refused !== undefined) {
      observeRefusal(service, call, refused);
      return failure(refused);
    }
    const outcomes = await verifyBatch(service, requests, call);
    return outcomes && encodeBatch(outcomes, room);
  } catch (error) {
    service.observer.fault(call, error);
    return failure("INTERNAL");
  }
}
