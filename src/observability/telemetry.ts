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
import type { FetchObserver, Observed, PortStatus, ReloadObserver } from "./observed.js";

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
  /** Includes a core in metrics and readiness. */
  observe(core: Observed): void;
  /** Sets the realms that may be labels of metrics, and that readiness lists. */
  setRealms(realms: readonly string[]): void;
  /** Sets the certificates of ports, by the port's name. */
  setCertificates(certificates: Readonly<Record<string, Pick<ConfiguredTls, "validity">>>): void;
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
      observe: nothing,
      setRealms: nothing,
      setCertificates: nothing,
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
  let ports: readonly PortStatus[] = [];
  let ready = false;
  const known = new Set(realms);
  const metrics = createMetrics(
    known,
    METHODS,
    {
      clock,
      ports: () => ports,
      expiries: () => expiries,
      core: () => core?.stats(),
    },
    version(),
  );
  const server = createMetricsServer(
    metrics,
    // A gateway on its own has no keys: its realms are always fresh.
    () => ({
      ready,
      ...(core?.serviceState() ?? { realms: Object.fromEntries([...known].map((name) => [name, "fresh"])) }),
    }),
    () => core?.keysInUse() ?? { realms: {}, unused: {} },
    config.limits.headers,
    { tls, refused: (refusal) => refused("metrics", refusal) },
  );
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
    observe: (observed) => {
      core = observed;
    },
    setRealms: (names) => {
      known.clear();
      for (const name of names) known.add(name);
    },
    setCertificates: (certificates) => {
      const times = Object.entries(certificates).map(([name, { validity }]) => [name, validity?.to] as const);
      expiries = Object.fromEntries(times.filter((one): one is [string, number] => one[1] !== undefined));
    },
    port: (others) => {
      ports = others;
      return [
        {
          name: "metrics",
          // Opens last, when the other ports are open.
          open: async () => {
            ready = true;
            return server.listen(address);
          },
          renewTls: (material) => server.renewTls(material),
          connections: () => 0,
          streams: () => 0,
          retire: () => {
            ready = false;
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
