import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { WatchChangesRequest, WatchOpen } from "../../../gen/tokenverifier/v1/token_verifier.js";
import { ask } from "../../contract/call.js";
import type { FailureReason } from "../../contract/failures.js";
import type { Position } from "../../contract/verdict-parts.js";
import { type Failure, failure, type VerificationRequest } from "../../contract/verifier.js";
import type { WatchSource } from "../../contract/watch.js";
import { sessionOfCall } from "../../net/internals.js";
import { Secret } from "../../util/secret.js";
import { InactivityTimer, runAfter } from "../../util/timeouts.js";
import { credentialFromWire, positionFromWire } from "../../wire/messages.js";
import type { GrpcCall, GrpcService } from "../call.js";
import type { WatchCounts } from "./counts.js";
import { bytes, digestKeys, encodeWatch, pong, trustedKeys } from "./messages.js";
import type { Watcher, WatchRealm, WatchRealms } from "./realms.js";

/** A watch on the wire. */
export type WatchCall = ServerDuplexStream<WatchChangesRequest, Buffer>;

/** Milliseconds for which a watch waits until this server knows the position that the client goes on after. */
const CATCH_UP = 1_000;

/** The failures that end a watch. After any other its caller may still be good, and is looked at again at its next ping. */
const ENDING: ReadonlySet<FailureReason> = new Set([
  "REALM_UNKNOWN",
  "CREDENTIAL_REFUSED",
  "CALLER_MISSING",
  "CALLER_UNKNOWN",
  "CALLER_DENIED",
  "WATCH_DENIED",
]);

/** What all watches of a server share. */
export interface WatchContext {
  readonly service: GrpcService;
  readonly source: WatchSource;
  readonly realms: WatchRealms;
  readonly counts: WatchCounts;
}

/** One open watch. At most one of its messages is not sent yet; until it is, the watch takes no change from its realm's ring. */
export class WatchStream implements Watcher {
  readonly #context: WatchContext;
  readonly #grpcCall: WatchCall;
  readonly #call: GrpcCall;
  readonly #silence: InactivityTimer;
  #request: VerificationRequest | undefined;
  #realm: WatchRealm | undefined;
  /** Undefined until the watch is open. */
  #cursor: number | undefined;
  /** The position that an opening watch goes on after, until this server knows it or has waited for it. */
  #resumeAfter: Position | undefined;
  #cancelWait = (): void => {};
  /** The latest ping without an answer; it is answered once its caller was found to be good. */
  #ping: { readonly number: bigint; isGood: boolean } | undefined;
  #isUnsent = false;
  #isOver = false;

  constructor(context: WatchContext, grpcCall: WatchCall, call: GrpcCall) {
    this.#context = context;
    this.#grpcCall = grpcCall;
    this.#call = call;
    this.#silence = new InactivityTimer(context.service.limits.idle, () => this.#finish());
    grpcCall.on("data", (message: WatchChangesRequest) => this.#read(message));
    grpcCall.on("end", () => this.#finish());
  }

  /** Ends the watch with a failure. */
  fail(failed: Failure): void {
    if (this.#isOver) return;
    this.over();
    this.#grpcCall.emit("error", this.#call.status(failed));
  }

  /** Releases what an open watch holds. */
  over(): void {
    this.#isOver = true;
    this.#silence.end();
    this.#cancelWait();
    this.#realm?.watchers.delete(this);
  }

  /** Ends the watch of a client that has ended its side, or sends nothing. */
  #finish(): void {
    if (this.#isOver) return;
    this.over();
    this.#grpcCall.end(this.#call.trailer());
  }

  #read({ message }: WatchChangesRequest): void {
    if (this.#isOver) return;
    this.#silence.renew();
    if (message?.$case === "ping" && this.#request !== undefined) {
      this.#ping = { number: message.value, isGood: false };
      if (this.#cursor !== undefined) this.recheck();
    } else if (message?.$case === "open" && this.#request === undefined) this.#open(message.value);
    else if (message !== undefined || this.#request === undefined) this.#refuse(failure("WATCH_NOT_OPENED"));
  }

  #refuse(failed: Failure): void {
    const { service, counts } = this.#context;
    counts.refuse(failed.reason);
    const millis = service.clock() - this.#call.started;
    const realm = this.#request?.realm ?? "";
    service.observer.ended({ call: this.#call, realm, outcome: failed, caller: undefined, items: 1, millis });
    this.fail(failed);
  }

  #open({ realm, caller, resumeAfter }: WatchOpen): void {
    const { workload } = this.#call;
    this.#resumeAfter = resumeAfter && positionFromWire(resumeAfter);
    this.#request = { realm, token: NO_TOKEN, credential: credentialFromWire(caller), workload, explain: false };
    this.#check((failed) => {
      if (failed !== undefined) this.#refuse(failed);
      else this.#join(realm);
    });
  }

  /** Asks about an empty token, which a good caller's realm answers with TOKEN_EMPTY. @param then gets any other failure */
  #check(then: (failed: Failure | undefined) => void): void {
    const { service, source } = this.#context;
    const { clock, limits } = service;
    const request = this.#request as VerificationRequest;
    const settle = (outcome: { readonly kind: string }): void => {
      if (this.#isOver) return;
      const failed = outcome.kind === "failure" ? (outcome as Failure) : failure("INTERNAL");
      if (failed.reason !== "TOKEN_EMPTY") then(failed);
      else then(source.realm(request.realm)?.isOpen === true ? undefined : failure("WATCH_DENIED"));
    };
    const outcome = ask(service, request, this.#call.message(clock(), limits.request));
    if (outcome instanceof Promise) void outcome.then(settle);
    else settle(outcome);
  }

  recheck(): void {
    if (this.#cursor === undefined || this.#isOver) return;
    if (sessionOfCall(this.#grpcCall)?.closed === true) {
      // The connection has reached its age and takes no more calls.
      this.fail(failure("SHUTTING_DOWN", 0));
      return;
    }
    const ping = this.#ping;
    this.#check((failed) => {
      if (failed !== undefined && ENDING.has(failed.reason)) this.fail(failed);
      else if (failed === undefined && ping !== undefined) {
        ping.isGood = true;
        // The answer follows all changes, those of keys and settings included.
        if (this.#context.realms.look(this.#request?.realm ?? "") === this.#realm) this.advance();
        else this.fail(failure("SHUTTING_DOWN", 0)); // The realm was removed, and is another now.
      }
    });
  }

  #join(name: string): void {
    const realm = this.#context.realms.look(name);
    if (realm === undefined) {
      this.#refuse(failure("REALM_UNKNOWN"));
      return;
    }
    this.#realm = realm;
    realm.watchers.add(this);
    this.#cancelWait = runAfter(CATCH_UP, () => this.#begin(undefined));
    this.#tryToResume();
  }

  /** Opens the watch as soon as it is known whether it can go on where the client's last one ended. */
  #tryToResume(): void {
    const after = this.#resumeAfter;
    const position = this.#context.source.position();
    const cursor = after && this.#realm?.ring.after(after);
    const isAhead = after !== undefined && position !== undefined && after.number > position.number;
    if (cursor !== undefined || !isAhead) this.#begin(cursor);
  }

  /** @param cursor undefined if the client has to drop what it kept */
  #begin(cursor: number | undefined): void {
    const { source, service } = this.#context;
    const realm = this.#realm;
    if (this.#isOver || this.#cursor !== undefined || realm?.known === undefined) return;
    this.#cancelWait();
    const resumed = cursor !== undefined;
    this.#cursor = cursor ?? realm.ring.end;
    const opened = {
      resumed,
      realmVersion: bytes(realm.known.version),
      trustedKeys: trustedKeys(realm.known),
      digestKeys: digestKeys(source.digestRoot(), realm.name, service.clock()),
    };
    const position = resumed ? this.#resumeAfter : source.position();
    this.#write(encodeWatch({ $case: "opened", value: opened }, position));
    this.recheck();
  }

  advance(): void {
    if (this.#isOver || this.#realm === undefined) return;
    if (this.#cursor === undefined) {
      this.#tryToResume();
      return;
    }
    if (this.#isUnsent || this.#call.cancelled) return;
    const { source, counts } = this.#context;
    const change = this.#realm.ring.at(this.#cursor);
    if (change === null) {
      this.#cursor = this.#realm.ring.end;
      counts.resets++;
      this.#write(encodeWatch({ $case: "reset", value: {} }, source.position()));
    } else if (change !== undefined) {
      this.#cursor++;
      counts.sent++;
      this.#write(change);
    } else if (this.#ping?.isGood === true) {
      const { number } = this.#ping;
      this.#ping = undefined;
      this.#write(encodeWatch(pong(number, source.feedAge()), source.position()));
    }
  }

  #write(message: Buffer): void {
    this.#isUnsent = true;
    this.#grpcCall.write(message, () => {
      this.#isUnsent = false;
      this.advance();
    });
  }
}

const NO_TOKEN = new Secret("");
