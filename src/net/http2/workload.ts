import type { ServerHttp2Session } from "node:http2";
import type { TLSSocket } from "node:tls";
import { type WorkloadNames, workloadAt } from "../../util/workload-names.js";

/** By connection; what is in it goes with the connection. */
const NAMES = new WeakMap<object, WorkloadNames>();

/** Remembers who is at the other end of a new connection. */
export function rememberWorkload(session: ServerHttp2Session): void {
  const names = workloadAt(session.socket as TLSSocket);
  if (names !== undefined) NAMES.set(session, names);
}

/** Where grpc-js keeps a call's connection: it has no way of its own to tell one from another but the peer's port. */
interface Internals {
  readonly call?: { readonly stream?: { readonly session?: object } };
}

/** The names of the workload that a grpc-js server call comes from; undefined where it showed no certificate. */
export function workloadOf(call: object): WorkloadNames | undefined {
  const session = (call as Internals).call?.stream?.session;
  return session && NAMES.get(session);
}
