import { ask, type Call, type CallService, knownCaller } from "../contract/call.js";
import type { FailureReason } from "../contract/failures.js";
import { type Failure, failure, type Outcome, type VerificationRequest } from "../contract/verifier.js";
import { nextTurn } from "../util/turns.js";
import { encodeBatch } from "../wire/answers.js";
import type { GrpcService } from "./call.js";
import { type DistinctRequest, type FoldedBatch, foldBatch } from "./fold.js";

/** Milliseconds for which a batch is verified before other calls get their turn. */
const SLICE = 2;

type Asked = Pick<CallService, "verifier" | "clock" | "observer">;

const TIMED_OUT = failure("TIMED_OUT");

/** Tells the observer that a call was refused before anything was verified. */
export function observeRefusal({ clock, observer }: Asked, call: Call, reason: FailureReason): void {
  const millis = clock() - call.started;
  observer.ended({ call, realm: "", outcome: failure(reason), caller: undefined, items: 1, millis });
}

/** Tells the observer the outcome of a request. @returns the time */
function settle({ clock, observer }: Asked, call: Call, one: DistinctRequest, outcome: Outcome): number {
  const { request, count } = one;
  const now = clock();
  one.outcome = outcome;
  const caller = knownCaller(request, outcome);
  observer.ended({ call, realm: request.realm, outcome, caller, items: count, millis: now - call.started });
  return now;
}

/** The outcomes of a folded batch that is verified, in the order of the requests. */
const outcomesOf = ({ places }: FoldedBatch): readonly Outcome[] => places.map(({ outcome = TIMED_OUT }) => outcome);

/**
 * Verifies a batch: the outcomes, in the order of the requests. Equal requests are verified once. A request without an
 * outcome at the call's deadline is TIMED_OUT. Once the call is cancelled no further request is begun or observed: any
 * caller may cancel, which is no failure of the service.
 *
 * @returns undefined if requests were left out; not a promise if all outcomes are there within 2 ms
 */
export function verifyBatch(
  service: Asked,
  batch: FoldedBatch,
  call: Call,
): readonly Outcome[] | undefined | Promise<readonly Outcome[] | undefined> {
  const { clock } = service;
  const { distinct } = batch;
  const pending: Promise<unknown>[] = [];
  let begun = 0;

  /** Begins requests until the slice is over, or the call's time. */
  function verifySlice(): void {
    const since = clock();
    for (let now = since; begun < distinct.length; ) {
      const one = distinct[begun++] as DistinctRequest;
      const outcome = ask(service, one.request, call);
      if (outcome instanceof Promise) {
        pending.push(outcome.then((late) => settle(service, call, one, late)));
        now = clock();
      } else {
        now = settle(service, call, one, outcome);
      }
      // A clock that was set back ends the slice, too.
      if (now - since >= SLICE || now < since || now >= call.deadline) return;
    }
  }

  async function verifyRest(): Promise<readonly Outcome[] | undefined> {
    let isLate = false;
    while (begun < distinct.length) {
      await nextTurn();
      // grpc-js calls a call cancelled once its deadline has passed, too.
      isLate = clock() >= call.deadline;
      if (call.cancelled || isLate) break;
      verifySlice();
    }
    const left = distinct.slice(begun);
    await Promise.all(pending);
    if (left.length > 0 && !isLate) return undefined;
    for (const one of left) settle(service, call, one, TIMED_OUT);
    return outcomesOf(batch);
  }

  verifySlice();
  return begun < distinct.length || pending.length > 0 ? verifyRest() : outcomesOf(batch);
}

/**
 * Answers a batch.
 *
 * @param room bytes left free before the answer
 * @returns the encoded answer, the failure of the whole batch, or undefined if the call was cancelled
 */
export async function answerBatch(
  service: GrpcService,
  requests: readonly VerificationRequest[],
  call: Call,
  room = 0,
): Promise<Buffer | Failure | undefined> {
  try {
    const batch = foldBatch(requests, service.limits, call.workload);
    if (typeof batch === "string") {
      observeRefusal(service, call, batch);
      return failure(batch);
    }
    const outcomes = await verifyBatch(service, batch, call);
    return outcomes && encodeBatch(outcomes, room);
  } catch (error) {
    service.observer.fault(call, error);
    return failure("INTERNAL");
  }
}
