import type { Logger } from "pino";
import { channelVerifier } from "../client/channel-verifier.js";
import { type Config, type GatewayConfig, loadConfig, loadGatewayConfig } from "../config/load.js";
import { addressReader } from "../contract/address.js";
import type { Clock, Verifier } from "../contract/verifier.js";
import { createGateway } from "../gateway/server.js";
import { createServer } from "../service/server.js";
import { openCore } from "./core.js";
import { CommandError, EXIT } from "./errors.js";
import { createLogger, type LogSettings } from "./log.js";
import { gatewayObserver, serviceObserver } from "./observers.js";
import type { Port } from "./port.js";
import { createTelemetry, type Telemetry } from "./telemetry.js";
import { version } from "./version.js";

/** What `serve` needs of the world. */
export interface ServeContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Where the log goes, instead of where the configuration says. */
  readonly log?: Logger;
  /** How it is written, instead of as the configuration says. */
  readonly logFormat?: LogSettings["format"];
}

/** The parts of a service that may run on their own. */
export type Only = "grpc" | "http";

/** A service that serves. */
export interface Running {
  /** The bound addresses, by the configuration's names. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly log: Logger;
  /** Ends as `drain` says; resolves when everything is closed. */
  stop(): Promise<void>;
}

/**
 * Starts what a configuration describes: the core with its gRPC service, and the gateway; or one of the two.
 *
 * Ports open last, once the store is open, the directory loaded and the keys checked.
 *
 * @throws {ConfigError}, {DirectoryError}, or the system's error where a port cannot be opened
 */
export async function serve(file: string, only: Only | undefined, context: ServeContext): Promise<Running> {
  return only === "http"
    ? serveGateway(loadGatewayConfig(file, context), context)
    : serveCore(loadConfig(file, context), only, context);
}

async function serveCore(config: Config, only: Only | undefined, context: ServeContext): Promise<Running> {
  const { clock } = context;
  const { grpc, admin, limits } = config;
  const http = only === "grpc" ? undefined : config.http;
  if ((grpc ?? admin ?? http) === undefined) {
    const message = `${config.file} gives nothing an address to listen at: set grpc${only === "grpc" ? "" : " or http"}.`;
    throw new CommandError(message, EXIT.usage);
  }
  const log = openLog(config.log, context);
  const realms = config.realms.map(({ realm }) => realm.name);
  const telemetry = createTelemetry(config, realms, { log, clock });
  const core = await openCore(config, { clock, log, onDirectoryFailure: telemetry.directoryFailure });
  telemetry.observe(core);
  const ports: Port[] = [];
  if (grpc !== undefined) {
    const addressOf = addressReader(config.trustedProxies);
    const verification = { verifier: core.verifier, clock, observer: serviceObserver(log, telemetry.call), addressOf };
    ports.push(grpcPort("grpc", grpc, createServer({ limits, verification, realms, ended: telemetry.grpcCall })));
  }
  if (admin !== undefined) ports.push(grpcPort("admin", admin, createServer({ limits, realms })));
  if (http !== undefined) ports.push(httpPort({ ...config, http }, core.verifier, { clock, log, telemetry }));
  return run(ports, config, telemetry, log, () => core.close());
}

function openLog(settings: LogSettings, { log, logFormat = settings.format }: ServeContext): Logger {
  return log ?? createLogger({ ...settings, format: logFormat });
}

async function serveGateway(config: GatewayConfig, context: ServeContext): Promise<Running> {
  const { clock } = context;
  const log = openLog(config.log, context);
  const upstream = channelVerifier(config.upstream);
  const telemetry = createTelemetry(
    config,
    config.faces.map(({ realm }) => realm),
    { log, clock },
  );
  log.info({ upstream: config.upstream }, "asking");
  const port = httpPort(config, upstream, { clock, log, telemetry });
  return run([port], config, telemetry, log, async () => upstream.close());
}

function grpcPort(name: string, address: string, server: ReturnType<typeof createServer>): Port {
  return {
    name,
    open: () => server.listen(address),
    connections: () => server.connections(),
    retire: () => server.setServing(false),
    close: (timeout) => server.close(timeout),
  };
}

interface HttpContext {
  readonly clock: Clock;
  readonly log: Logger;
  readonly telemetry: Telemetry;
}

type HttpConfig = Pick<GatewayConfig, "http" | "faces" | "limits" | "trustedProxies">;

function httpPort(config: HttpConfig, verifier: Verifier, { clock, log, telemetry }: HttpContext): Port {
  const { http, faces, limits, trustedProxies } = config;
  const gateway = createGateway(faces, limits, {
    verifier,
    clock,
    observer: gatewayObserver(log, telemetry.call),
    addressOf: addressReader(trustedProxies),
  });
  return {
    name: "http",
    open: () => gateway.listen(http.address),
    connections: () => gateway.connections(),
    retire: () => gateway.retire(),
    close: (timeout) => gateway.close(timeout),
  };
}

/** Opens the ports; if one cannot be opened, everything is closed again. */
async function run(
  serving: readonly Port[],
  { drain, file }: Config | GatewayConfig,
  telemetry: Telemetry,
  log: Logger,
  release: () => Promise<void>,
): Promise<Running> {
  const addresses: Record<string, string> = {};
  const ports = [...serving, ...telemetry.port(serving)];
  const close = async (timeout: number): Promise<void> => {
    await Promise.all(ports.map((port) => port.close(timeout)));
    await release();
  };
  try {
    for (const port of ports) addresses[port.name] = await port.open();
  } catch (error) {
    await close(0);
    throw error;
  }
  log.info({ version: version(), pid: process.pid, file, ...addresses }, "ready");
  let stopped: Promise<void> | undefined;
  return {
    addresses,
    log,
    stop: () => {
      stopped ??= (async () => {
        log.info({ delay: drain.delay, timeout: drain.timeout }, "draining");
        for (const port of ports) port.retire();
        await new Promise((resolve) => setTimeout(resolve, drain.delay));
        await close(drain.timeout);
        log.info("stopped");
      })();
      return stopped;
    },
  };
}
