import { once } from "node:events";
import {
  Metadata,
  type Server,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";
import type {
  ExportDirectoryRequest,
  ImportDirectoryRequest,
} from "../../../gen/tokenverifier/admin/v1/directory_service.js";
import { acceptRequestId } from "../../contract/call.js";
import type { Operator } from "../../contract/operator.js";
import type { OperatorError, OperatorFailure } from "../../contract/operator-failures.js";
import type { MethodKinds } from "../../net/http2/call-bounds.js";
import { connectionOfCall } from "../../net/http2/connections.js";
import type { AddressReader } from "../../util/client-address.js";
import type { Clock } from "../../util/clock.js";
import { until } from "../../util/timeouts.js";
import type { WorkloadNames } from "../../util/workload-names.js";
import { operatorErrorToStatus } from "../../wire/operator-status.js";
import { strictReader } from "../../wire/protobuf.js";
import { peerHost, REQUEST_ID, type ServerCall } from "../call.js";
import { operatorErrorOf } from "./context.js";
import { METHODS, type MethodName, OPERATOR_SERVICES, type Operations, type UnaryName } from "./methods.js";

/** What a caller shows of itself. */
export interface OperatorCredential {
  /** The `authorization` of the call's metadata; undefined for none. */
  readonly authorization: string | undefined;
  /** The names in the client certificate of the connection; undefined without one. */
  readonly workload: WorkloadNames | undefined;
  /** The caller's address; empty for a socket file. */
  readonly address: string;
}

/** A call of an operator that has ended. */
export interface FinishedOperatorCall {
  readonly method: MethodName;
  readonly requestId: string;
  readonly address: string;
  /** Undefined for a caller that is no operator. */
  readonly operator: Operator | undefined;
  /** Why it failed; undefined if it did not. */
  readonly reason: OperatorFailure | undefined;
  readonly millis: number;
}

/** What answers operators' calls. */
export interface OperatorService {
  readonly operationsFor: (operator: Operator) => Operations;
  /** Who a caller is. @throws OperatorError OPERATOR_MISSING, OPERATOR_UNKNOWN, RATE_LIMITED */
  readonly authenticate: (credential: OperatorCredential) => Operator | Promise<Operator>;
  readonly clock: Clock;
  readonly addressOf: AddressReader;
  /** Called at the end of each call. Must not throw. */
  readonly ended: (call: FinishedOperatorCall) => void;
  /** Called with each error that no operator caused, and the call's id. Must not throw. */
  readonly fault: (error: unknown, requestId: string) => void;
}

const { importDirectory, exportDirectory, revoke, unrevoke, putInstance } = METHODS;

/** The operators' methods that are not small unary calls. */
export const OPERATOR_METHOD_KINDS: MethodKinds = {
  large: new Set([importDirectory.path, revoke.path, unrevoke.path, putInstance.path]),
  serverStreaming: new Set([exportDirectory.path]),
  bidirectional: new Set([importDirectory.path]),
};

/** Fields that a request may have, nested and unknown ones included: a thousand revocations have some ten each. */
const REQUEST_FIELDS = 16_000;

/** Milliseconds for which an export waits for a client that does not read. */
const UNREAD = 60_000;

/** Adds the operators' services. @returns their full names */
export function addOperatorServices(server: Server, service: OperatorService): readonly string[] {
  for (const definition of Object.values(OPERATOR_SERVICES)) {
    const names = Object.keys(definition) as MethodName[];
    server.addService(
      Object.fromEntries(names.map((name) => [name, strictly(name)])),
      Object.fromEntries(names.map((name) => [name, handlerOf(name, service)])),
    );
  }
  return Object.keys(OPERATOR_SERVICES);
}

/** The definition of a method whose requests are read strictly: UTF-8 in strings, and a bounded number of fields. */
function strictly(name: MethodName): (typeof METHODS)[MethodName] {
  const definition = METHODS[name];
  const read = definition.requestDeserialize as (bytes: unknown) => unknown;
  // The generated code hands its bytes to `decode`, which takes a reader as well.
  return {
    ...definition,
    requestDeserialize: (bytes: Buffer) => read(strictReader(bytes, REQUEST_FIELDS)),
  } as (typeof METHODS)[MethodName];
}

function handlerOf(name: MethodName, service: OperatorService) {
  if (name === "importDirectory") return importHandler(service);
  return name === "exportDirectory" ? exportHandler(service) : unaryHandler(name, service);
}

/** A call of an operator, from its arrival to its end. */
class OperatorCall {
  readonly #requestId: string;
  readonly #address: string;
  readonly #started: number;
  #operator: Operator | undefined;

  constructor(
    readonly method: MethodName,
    readonly service: OperatorService,
    readonly call: ServerCall,
  ) {
    this.#started = service.clock();
    this.#requestId = acceptRequestId(call.metadata.get(REQUEST_ID)[0]);
    const forwarded = call.metadata.get("x-forwarded-for");
    this.#address = service.addressOf(
      peerHost(call.getPeer()),
      forwarded.length === 0 ? undefined : forwarded.join(","),
    );
  }

  /** What the caller can do. @throws OperatorError */
  async operations(): Promise<Operations> {
    const { call, service } = this;
    const [authorization] = call.metadata.get("authorization");
    this.#operator = await service.authenticate({
      authorization: authorization?.toString(),
      workload: connectionOfCall(call)?.workload,
      address: this.#address,
    });
    return service.operationsFor(this.#operator);
  }

  /** Ends the call well. @returns its trailing metadata */
  done(): Metadata {
    this.#end(undefined);
    return this.#trailer(new Metadata());
  }

  /** Ends the call with an error. @returns its status */
  failed(error: unknown): ReturnType<typeof operatorErrorToStatus> {
    const failed: OperatorError = operatorErrorOf(error, (fault) => this.service.fault(fault, this.#requestId));
    this.#end(failed.reason);
    const status = operatorErrorToStatus(failed);
    return { ...status, metadata: this.#trailer(status.metadata) };
  }

  #trailer(metadata: Metadata): Metadata {
    metadata.set(REQUEST_ID, this.#requestId);
    return metadata;
  }

  #end(reason: OperatorFailure | undefined): void {
    const { method, service } = this;
    const millis = service.clock() - this.#started;
    service.ended({
      method,
      requestId: this.#requestId,
      address: this.#address,
      operator: this.#operator,
      reason,
      millis,
    });
  }
}

function unaryHandler(name: UnaryName, service: OperatorService) {
  return async (call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>): Promise<void> => {
    const own = new OperatorCall(name, service, call);
    try {
      const method = (await own.operations())[name] as (request: unknown) => Promise<unknown>;
      callback(null, await method(call.request), own.done());
    } catch (error) {
      callback(own.failed(error));
    }
  };
}

function importHandler(service: OperatorService) {
  return async (
    call: ServerReadableStream<ImportDirectoryRequest, unknown>,
    callback: sendUnaryData<unknown>,
  ): Promise<void> => {
    const own = new OperatorCall("importDirectory", service, call);
    try {
      callback(null, await (await own.operations()).importDirectory(call), own.done());
    } catch (error) {
      callback(own.failed(error));
    }
  };
}

function exportHandler(service: OperatorService) {
  return async (call: ServerWritableStream<ExportDirectoryRequest, unknown>): Promise<void> => {
    const own = new OperatorCall("exportDirectory", service, call);
    try {
      for await (const part of (await own.operations()).exportDirectory(call.request)) {
        if (call.cancelled) break;
        if (call.write(part)) continue;
        const abort = new AbortController();
        const drained = Promise.race([once(call, "drain", abort), once(call, "cancelled", abort)]);
        const isRead = await until(drained, UNREAD);
        abort.abort();
        if (!isRead) return connectionOfCall(call)?.destroyUnread();
      }
      call.end(own.done());
    } catch (error) {
      call.emit("error", own.failed(error));
    }
  };
}
