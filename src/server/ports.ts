import type { Logger } from "pino";
import type { Config } from "../config/load.js";
import type { CallService } from "../contract/call.js";
import type { Verifier } from "../contract/verifier.js";
import type { ServiceServer } from "../grpc/server.js";
import type { ServedRpc } from "../http/rpc.js";
import { createGateway, type Gateway } from "../http/server.js";
import type { ListenerOptions } from "../net/admission.js";
import type { Port } from "../net/port.js";
import { callObserver, type InstanceOf } from "../observability/call-log.js";
import type { Telemetry } from "../observability/telemetry.js";
import { addressMatcher, addressReader } from "../util/client-address.js";
import type { Clock } from "../util/clock.js";

// The ports of a configuration, and what answers calls behind them.

/** TLS, trusted proxies and the observer of refused connections for one of the configured ports. */
export function listenerOptions(
  name: "grpc" | "http" | "admin",
  config: Pick<Config, "trustedProxies"> & Partial<Pick<Config, "grpc" | "http" | "admin">>,
  { refused }: Telemetry,
): ListenerOptions {
  return {
    tls: config[name]?.tls,
    isProxy: addressMatcher(config.trustedProxies),
    refused: (refusal) => refused(name, refusal),
  };
}

/** What answering calls needs besides the configuration and the verifier. */
export interface CallsContext {
  readonly clock: Clock;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  readonly instanceOf: InstanceOf;
}

/** Makes the service that answers calls with a verifier; each call is logged and counted. */
export function callService(
  { trustedProxies }: Pick<Config, "trustedProxies">,
  verifier: Verifier,
  { clock, log, telemetry, instanceOf }: CallsContext,
): CallService {
  const observer = callObserver(log, telemetry.call, instanceOf);
  return { verifier, clock, observer, addressOf: addressReader(trustedProxies) };
}

/** Makes the gateway of a configuration: the vendors' faces, and the realms that `http.rpc` opens. It does not listen yet. */
export function gatewayOf(
  config: Pick<Config, "http" | "faces" | "limits" | "trustedProxies">,
  calls: CallService,
  telemetry: Telemetry,
): Gateway {
  const { faces, limits } = config;
  const listener = { ...listenerOptions("http", config, telemetry), unread: telemetry.unread };
  return createGateway(faces, limits, calls, servedRpc(config), listener);
}

/** What the HTTP port serves of the contract itself. */
export const servedRpc = ({ http }: Pick<Config, "http">): ServedRpc => ({ realms: http?.rpc ?? [], cors: http?.cors });

/** A gRPC server as a port. @param name in the configuration */
export function grpcPort(name: "grpc" | "admin", address: string, server: ServiceServer): Port {
  return {
    name,
    open: () => server.listen(address),
    renewTls: (material) => server.renewTls(material),
    connections: () => server.connections(),
    streams: () => server.streams(),
    retire: (delay) => server.retire(delay),
    watches: () => server.watches(),
    close: (timeout) => server.close(timeout),
  };
}

/** A gateway as a port. */
export function httpPort(address: string, gateway: Gateway): Port {
  return {
    name: "http",
    open: () => gateway.listen(address),
    renewTls: (material) => gateway.renewTls(material),
    connections: () => gateway.connections(),
    streams: () => 0,
    retire: () => gateway.retire(),
    close: (timeout) => gateway.close(timeout),
  };
}
