import { randomUUID } from "node:crypto";
import { TokenVerifierService, type VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { FailureReason } from "../contract/failures.js";
import { type Failure, failure, type Outcome } from "../contract/verifier.js";
import type { Clock } from "../util/clock.js";
import { type After, runAfter } from "../util/timeouts.js";
import { outcomeFromItem } from "../wire/messages.js";
import { type Channel, type ChannelCall, isFailure, isUnreachable, verifyAlone } from "./channel.js";

/** The most that one batch of coalesced calls holds. */
export interface BatchBounds {
  /** Calls (default 500, half of the service's `limits.batch`). */
  readonly calls?: number;
  /** Bytes of tokens, realms and credentials (default 2 MiB, half of the service's `limits.message`). */
  readonly bytes?: number;
}

const CALLS = 500;
const BYTES = 2 * 1024 ** 2;

/** Distinct callers of a batch; the service refuses a batch with more. */
const CALLERS = 8;

/** Milliseconds for which all calls go alone after a batch failed for a reason of its own. */
const PAUSE = 60_000;

/** Failures of a whole batch after which its calls are asked one by one. INTERNAL is also that of a service without batches. */
const ONE_BY_ONE: ReadonlySet<FailureReason> = new Set([
  "BATCH_TOO_LARGE",
  "TOO_MANY_CALLERS",
  "INTERNAL",
  "VERIFIER_UNAVAILABLE",
  "SHUTTING_DOWN",
]);

/** An outcome, and the id of the call that had it. */
export interface Answer {
  readonly outcome: Outcome;
  readonly requestId: string;
}

/** A call that may share a batch with others. */
type SharedCall = Pick<ChannelCall, "deadline" | "signal">;

/** A call that waits for its outcome. */
class PendingCall {
  readonly message: VerifyTokenRequest;
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
  readonly answer: Promise<Answer>;
  isSettled = false;
  /** Called when it has an outcome or was cancelled. */
  onSettled = (): void => {};
  #resolve: (answer: Answer) => void = () => {};
  #reject: (reason: unknown) => void = () => {};

  constructor(message: VerifyTokenRequest, { deadline, signal }: SharedCall) {
    this.message = message;
    this.deadline = deadline;
    this.signal = signal;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    signal?.addEventListener("abort", this.#cancel, { once: true });
  }

  /** Ends the call; the first outcome counts. */
  settle(outcome: Outcome, requestId: string): void {
    if (this.#end()) this.#resolve({ outcome, requestId });
  }

  readonly #cancel = (): void => {
    if (this.#end()) this.#reject(this.signal?.reason);
  };

  #end(): boolean {
    if (this.isSettled) return false;
    this.isSettled = true;
    this.signal?.removeEventListener("abort", this.#cancel);
    this.onSettled();
    return true;
  }
}

/** Calls of one realm that are sent together. */
class Batch {
  readonly calls: PendingCall[] = [];
  bytes = 0;
  callers = 0;
}

/** The batches of one realm in this turn of the event loop. */
interface RealmBatches {
  readonly byCaller: Map<string, Batch>;
  /** The one that takes further callers. */
  latest: Batch;
}

/**
 * Sends the calls of one turn of the event loop together: of each realm, and of at most eight callers, as one
 * BatchVerifyTokens. A call without company goes as VerifyToken. No call waits longer than its own deadline, although the
 * batch has the latest of all. A batch that fails for a reason of its own is asked call by call, and so is everything else
 * for a minute.
 *
 * Calls with a proof, which must not be sent twice, and calls with a request id of their own must not come here.
 */
export class Coalescer {
  readonly #channel: Channel;
  readonly #bounds: Required<BatchBounds>;
  readonly #clock: Clock;
  readonly #after: After;
  #realms = new Map<string, RealmBatches>();
  #batches: Batch[] = [];
  #pausedUntil = Number.NEGATIVE_INFINITY;

  constructor(channel: Channel, { calls = CALLS, bytes = BYTES }: BatchBounds, clock: Clock, after = runAfter) {
    this.#channel = channel;
    this.#bounds = { calls, bytes };
    this.#clock = clock;
    this.#after = after;
  }

  /** Asks about one token. Rejects only with the signal's reason, if the signal cancelled the call. */
  async verify(message: VerifyTokenRequest, shared: SharedCall): Promise<Answer> {
    shared.signal?.throwIfAborted();
    const call = new PendingCall(message, shared);
    if (this.#clock() < this.#pausedUntil) this.#askAlone(call);
    else this.#add(call);
    return call.answer;
  }

  #flush(): void {
    const batches = this.#batches;
    this.#batches = [];
    this.#realms = new Map();
    for (const { calls } of batches) this.#send(calls.filter(({ isSettled }) => !isSettled));
  }

  #add(call: PendingCall): void {
    const { realm, caller } = call.message;
    const bytes = bytesOf(call.message);
    if (this.#batches.length === 0) setImmediate(() => this.#flush());
    let batches = this.#realms.get(realm);
    if (batches === undefined) {
      batches = { byCaller: new Map(), latest: this.#open() };
      this.#realms.set(realm, batches);
    }
    const key = callerKey(caller);
    let batch = batches.byCaller.get(key);
    if (batch === undefined || !this.#hasRoom(batch, bytes)) {
      const { latest } = batches;
      batch = latest.callers < CALLERS && this.#hasRoom(latest, bytes) ? latest : this.#open();
      batch.callers++;
      batches.latest = batch;
      batches.byCaller.set(key, batch);
    }
    batch.calls.push(call);
    batch.bytes += bytes;
  }

  #open(): Batch {
    const batch = new Batch();
    this.#batches.push(batch);
    return batch;
  }

  #hasRoom({ calls, bytes }: Batch, more: number): boolean {
    return calls.length === 0 || (calls.length < this.#bounds.calls && bytes + more <= this.#bounds.bytes);
  }

  #send(calls: readonly PendingCall[]): void {
    if (calls.length > 1) void this.#askTogether(calls);
    else for (const call of calls) this.#askAlone(call);
  }

  #askAlone(call: PendingCall, repeatable = true): void {
    const requestId = randomUUID();
    const { message, deadline, signal } = call;
    verifyAlone(this.#channel, message, { deadline, requestId, signal, repeatable }).then(
      (outcome) => call.settle(outcome, requestId),
      // Its signal has cancelled the call here, too.
      () => call.settle(failure("INTERNAL"), requestId),
    );
  }

  async #askTogether(calls: readonly PendingCall[]): Promise<void> {
    const requestId = randomUUID();
    const settle = (outcome: Outcome): void => {
      for (const call of calls) call.settle(outcome, requestId);
    };
    const { signal, stop } = this.#watch(calls, requestId);
    if (signal.aborted) return;
    const requests = calls.map(({ message }) => message);
    const deadline = Math.max(...calls.map((call) => call.deadline));
    try {
      const { batchVerifyTokens } = TokenVerifierService;
      const answer = await this.#channel.call(batchVerifyTokens, { requests }, { deadline, requestId, signal });
      if (isFailure(answer)) this.#failTogether(calls, answer, settle);
      else if (answer.responses.length !== calls.length) settle(failure("INTERNAL"));
      else {
        calls.forEach((call, place) => {
          const outcome = outcomeFromItem(answer.responses[place] ?? { outcome: undefined });
          // An item of a batch does not tell the cause.
          if (outcome.kind === "failure" && outcome.reason === "KEY_REFUSED") this.#retryAlone(call, true);
          else call.settle(outcome, requestId);
        });
      }
    } catch {
      settle(failure("INTERNAL"));
    } finally {
      stop();
    }
  }

  #failTogether(calls: readonly PendingCall[], failed: Failure, settle: (outcome: Outcome) => void): void {
    if (isUnreachable(failed) || !ONE_BY_ONE.has(failed.reason)) {
      settle(failed);
      return;
    }
    this.#pausedUntil = this.#clock() + PAUSE;
    // After a lost connection this is the one repetition already.
    const repeatable = failed.reason !== "VERIFIER_UNAVAILABLE" && failed.reason !== "SHUTTING_DOWN";
    for (const call of calls) this.#retryAlone(call, repeatable);
  }

  #retryAlone(call: PendingCall, repeatable: boolean): void {
    if (!call.isSettled) this.#askAlone(call, repeatable);
  }

  /** Ends each call of a batch at its own deadline. The signal cancels the batch once no call waits for it any more. */
  #watch(
    calls: readonly PendingCall[],
    requestId: string,
  ): { readonly signal: AbortSignal; readonly stop: () => void } {
    const giveUp = new AbortController();
    let left = calls.length;
    for (const call of calls) {
      call.onSettled = () => {
        if (--left === 0) giveUp.abort();
      };
    }
    let cancel = (): void => {};
    const endLate = (): void => {
      const now = this.#clock();
      let next = Number.POSITIVE_INFINITY;
      for (const call of calls) {
        if (call.isSettled) continue;
        if (call.deadline <= now) call.settle(failure("TIMED_OUT"), requestId);
        else next = Math.min(next, call.deadline);
      }
      if (Number.isFinite(next)) cancel = this.#after(next - now, endLate);
    };
    endLate();
    return { signal: giveUp.signal, stop: () => cancel() };
  }
}

/** About the size of a request on the wire, in bytes. */
function bytesOf({ realm, token, caller }: VerifyTokenRequest): number {
  const texts =
    caller === undefined
      ? []
      : caller.$case === "instanceSecretKey"
        ? [caller.value]
        : [caller.value.clientId, caller.value.clientSecret];
  return [realm, token, ...texts].reduce((sum, text) => sum + Buffer.byteLength(text) + 8, 16);
}

/** A key for a caller: two callers have the same key only if they are equal. */
function callerKey(caller: VerifyTokenRequest["caller"]): string {
  if (caller === undefined) return "";
  if (caller.$case === "instanceSecretKey") return `i${caller.value}`;
  const { clientId, clientSecret } = caller.value;
  return `c${clientId.length}:${clientId}${clientSecret}`;
}
