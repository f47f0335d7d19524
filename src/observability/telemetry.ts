import type { Logger } from "pino";
import { TokenVerifierService } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { Config, GatewayConfig } from "../config/load.js";
import type { ConfiguredTls } from "../config/tls.js";
import type { OnRead } from "../directory/observe-reads.js";
import type { ConnectionRefusal } from "../net/admission.js";
import type { Port } from "../net/port.js";
import type { Clock } from "../util/clock.js";
import { type CallLogger, callLogger } from "./log.js";
import { createMetrics } from "./metrics.js";
import { createMetricsServer } from "./metrics-server.js";
import type { FetchObserver, Observed, PortStatus, ReloadObserver } from "./observed.js";
import { refusalLogger } from "./refusals.js";
import { version } from "./version.js";

/** What the service says of itself: log lines for calls, and metrics where a port for them is configured. */
export interface Telemetry {
  /** A call has ended. */
  readonly call: CallLogger;
  /** A gRPC call has ended. */
  readonly grpcCall: (path: string, code: number) => void;
  /** A connection to this port was refused. */
  readonly refused: (port: string, refusal: ConnectionRefusal) => void;
  readonly directoryFailure: () => void;
  readonly storeRead: OnRead;
  readonly reload: ReloadObserver;
  readonly keyFetch: FetchObserver;
  /** From now on metrics tell of this core too. */
  observe(core: Observed): void;
  /** From now on these are the realms that may stand in metrics, and that readiness tells of. */
  setRealms(realms: readonly string[]): void;
  /** From now on these are the service's certificates, by where they are shown. */
  setCertificates(certificates: Readonly<Record<string, Pick<ConfiguredTls, "validity">>>): void;
  /** The port of the metrics, which tells of the connections of the others; none where none is configured. */
  port(others: readonly PortStatus[]): readonly Port[];
}

const METHODS: ReadonlySet<string> = new Set(Object.values(TokenVerifierService).map(({ path }) => path));

/** @param realms the names that may stand in metrics */
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
    { version: version() },
  );
  const server = createMetricsServer(
    metrics,
    // A gateway on its own has no keys: its realms are always fresh.
    () => ({
      ready,
      ...(core?.standing() ?? { realms: Object.fromEntries([...known].map((name) => [name, "fresh"])) }),
    }),
    () => ({ realms: core?.keysInUse() ?? {} }),
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
          // The last of the ports: when it opens, the others have.
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
            return 0; // nobody counts on a probe that is under way
          },
        },
      ];
    },
  };
}
