import type { ObservedUpstream, ServiceState } from "./observed.js";

/** Body of `/readyz`: whether the process is to be sent calls, and what that depends on. */
export interface Readiness extends ServiceState {
  /** Whether it is. */
  readonly ready: boolean;
  /** Why it is not ready; absent if it is. */
  readonly notReady?: string;
}

/** What a process does: it opens its store and ports, takes calls, or ends. */
export type Phase = "starting" | "open" | "draining";

const PHASES: Readonly<Record<Exclude<Phase, "open">, string>> = {
  starting: "it starts: the store and the ports are not open yet",
  draining: "it drains, and will end",
};

/**
 * Decides readiness. A service that gives no verdicts is not ready, and neither is a gateway without a service that does.
 *
 * @param wait what a start waits for
 */
export function readinessOf(phase: Phase, state: ServiceState, wait?: string): Readiness {
  const notReady = phase === "starting" && wait !== undefined ? `it starts, and waits: ${wait}` : causeOf(phase, state);
  return notReady === undefined ? { ready: true, ...state } : { ready: false, notReady, ...state };
}

function causeOf(phase: Phase, { directory, upstreams }: ServiceState): string | undefined {
  if (phase !== "open") return PHASES[phase];
  if (directory?.state === "failing") return `the directory cannot be read: ${directory.why}`;
  if (upstreams?.every(({ state }) => state !== "serving") === true) return "no upstream is serving";
  return undefined;
}

/** The state of a gateway on its own, whose realms have no keys here. */
export function gatewayState(upstreams: readonly ObservedUpstream[], realms: Iterable<string>): ServiceState {
  const isServing = upstreams.some(({ state }) => state === "serving");
  const isAsked = upstreams.some(({ state }) => state !== "unknown");
  const state = isServing ? "fresh" : isAsked ? "failing" : "cold";
  return {
    realms: Object.fromEntries([...realms].map((name) => [name, state])),
    upstreams: upstreams.map(({ address, state, why }) => ({ address, state, ...(why !== "" && { why }) })),
  };
}
