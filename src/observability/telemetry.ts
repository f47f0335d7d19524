import type { Logger } from "pino";
import { TokenVerifierService } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { Config, GatewayConfig } from "../config/load.js";
import type { ConfiguredTls } from "../config/tls.js";
import type { OnRead } from "../directory/observe-reads.js";
import type { ConnectionRefusal } from "../net/admission.js";
import type { Port } from "../net/port.js";
import type { Clock } from "../util/clock.js";
import { version } from "../util/version.js";
import { type CallLogger, callLogger } from "./call-log.js";
import { refusalLogger } from "./logger.js";
import { createMetrics } from "./metrics.js";
import { createMetricsServer } from "./metrics-server.js";
import type {
  FetchObserver,
  Observed,
  ObservedUpstreams,
  PortStatus,
  ReloadObserver,
  ServiceState,
} from "./observed.js";
import { gatewayState, type Phase, readinessOf } from "./readiness.js";

/** What observers of a service report to: the log, and metrics if a metrics port is configured. */
export interface Telemetry {
  /** Logs and counts a call that has ended. */
  readonly call: CallLogger;
  /** Counts a gRPC call that has ended. */
  readonly grpcCall: (path: string, code: number) => void;
  /** Logs and counts a refused connection. @param port by its name in the configuration */
  readonly refused: (port: string, refusal: ConnectionRefusal) => void;
  /** Counts an HTTP answer to input that is no request within the limits, by its status. */
  readonly unread: (status: number) => void;
  readonly directoryFailure: () => void;
  readonly storeRead: OnRead;
  readonly reload: ReloadObserver;
  readonly keyFetch: FetchObserver;
  /** Says on `/readyz` what a start waits for. */
  waiting(why: string): void;
  /** Includes a core in metrics and readiness. */
  observe(core: Observed): void;
  /** Includes the services that a gateway asks in metrics and readiness. */
  observeUpstreams(upstreams: ObservedUpstreams): void;
  /** Sets the realms that may be labels of metrics, and that readiness lists. */
  setRealms(realms: readonly string[]): void;
  /** Sets the certificates of ports, by the port's name. */
  setCertificates(certificates: Readonly<Record<string, Pick<ConfiguredTls, "validity">>>): void;
  /** Opens the metrics port before everything else, so that probes learn of a start that takes long. It reports not ready. */
  listen(): Promise<void>;
  /** Closes the metrics port of a start that failed. */
  close(): Promise<void>;
  /** The metrics port, which reports the connections of the other ports; empty if none is configured. */
  port(others: readonly PortStatus[]): readonly Port[];
}

const METHODS: ReadonlySet<string> = new Set(Object.values(TokenVerifierService).map(({ path }) => path));

/** Makes the telemetry of a service. @param realms names that may be labels of metrics */
export function createTelemetry(
  config: Config | GatewayConfig,
  realms: readonly string[],
  { log, clock }: { readonly log: Logger; readonly clock: Clock },
): Telemetry {
  const logCall = callLogger(log, config.log.calls, clock);
  const logRefusal = refusalLogger(log, clock);
  if (config.metrics === undefined) {
    const nothing = (): void => {};
    return {
      call: logCall,
      grpcCall: nothing,
      refused: logRefusal,
      unread: nothing,
      directoryFailure: nothing,
      storeRead: nothing,
      reload: nothing,
      keyFetch: nothing,
      waiting: nothing,
      observe: nothing,
      observeUpstreams: nothing,
      setRealms: nothing,
      setCertificates: nothing,
      listen: async () => {},
      close: async () => {},
      port: () => [],
    };
  }
  const { address, tls } = config.metrics;
  const refused: Telemetry["refused"] = (port, refusal) => {
    logRefusal(port, refusal);
    metrics.refusal(port, refusal.reason);
  };
  let expiries: Readonly<Record<string, number>> = {};
  let core: Observed | undefined;
  let upstreams: ObservedUpstreams | undefined;
  let ports: readonly PortStatus[] = [];
  let phase: Phase = "starting";
  let wait: string | undefined;
  const known = new Set(realms);
  const metrics = createMetrics(
    known,
    METHODS,
    {
      clock,
      ports: () => ports,
      expiries: () => expiries,
      core: () => core?.stats(),
      upstreams: () => upstreams,
    },
    version(),
  );
  /** The state of a gateway, or of a service that has not opened its core yet. */
  const stateWithoutCore = (): ServiceState =>
    upstreams === undefined
      ? { realms: Object.fromEntries([...known].map((name) => [name, "cold"])) }
      : gatewayState(upstreams.status(), known);
  const server = createMetricsServer(
    metrics,
    () => readinessOf(phase, core?.serviceState() ?? stateWithoutCore(), wait),
    () => core?.keysInUse() ?? { realms: {}, unused: {} },
    config.limits.headers,
    { tls, refused: (refusal) => refused("metrics", refusal) },
  );
  let listening: Promise<string> | undefined;
  const listen = (): Promise<string> => (listening ??= server.listen(address));
  return {
    call: (finished, instanceOf) => {
      logCall(finished, instanceOf);
      const { call, realm, outcome, millis, items, status } = finished;
      if (outcome !== "preflight") metrics.call(call.via, realm, outcome, millis, items);
      if (status !== undefined) metrics.httpAnswer(call.via, status);
    },
    grpcCall: (path, code) => metrics.grpcCall(path, code),
    refused,
    unread: (status) => metrics.httpAnswer("unknown", status),
    directoryFailure: () => metrics.directoryFailure(),
    reload: (...ended) => metrics.reload(...ended),
    keyFetch: (...fetch) => metrics.keyFetch(...fetch),
    storeRead: (...read) => metrics.storeRead(...read),
    waiting: (why) => {
      wait = why;
    },
    observe: (observed) => {
      core = observed;
      wait = undefined;
    },
    observeUpstreams: (observed) => {
      upstreams = observed;
    },
    setRealms: (names) => {
      known.clear();
      for (const name of names) known.add(name);
    },
    setCertificates: (certificates) => {
      const times = Object.entries(certificates).map(([name, { validity }]) => [name, validity?.to] as const);
      expiries = Object.fromEntries(times.filter((one): one is [string, number] => one[1] !== undefined));
    },
    listen: async () => void (await listen()),
    close: async () => void (await server.close(0)),
    port: (others) => {
      ports = others;
      return [
        {
          name: "metrics",
          // Called last, when the other ports are open.
          open: async () => {
            phase = "open";
            return listen();
          },
          renewTls: (material) => server.renewTls(material),
          connections: () => 0,
          streams: () => 0,
          retire: () => {
            phase = "draining";
          },
          close: async () => {
            await server.close(0);
            return 0; // A probe in progress does not count as a call that was cut off.
          },
        },
      ];
    },
  };
}
