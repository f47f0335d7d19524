import type { Logger } from "pino";
import { CommandError, EXIT } from "../cli/errors.js";
import { channelVerifier } from "../client/channel.js";
import { type Config, type GatewayConfig, loadConfig, loadGatewayConfig } from "../config/load.js";
import type { CallService } from "../contract/call.js";
import type { Verifier } from "../contract/verifier.js";
import { createServer, type ServiceServer } from "../grpc/server.js";
import type { ServedRpc } from "../http/rpc.js";
import { createGateway, type Gateway } from "../http/server.js";
import type { ListenerOptions } from "../net/admission.js";
import type { Port } from "../net/port.js";
import { isSameTls } from "../net/tls.js";
import type { InstanceOf } from "../observability/call-log.js";
import { callObserver } from "../observability/call-log.js";
import { tell } from "../observability/lines.js";
import { createLogger, type LogSettings } from "../observability/logger.js";
import { createTelemetry, type Telemetry } from "../observability/telemetry.js";
import { version } from "../observability/version.js";
import { addressMatcher, addressReader } from "../util/client-address.js";
import type { Clock } from "../util/clock.js";
import { openCore } from "./core.js";
import { FileWatch } from "./file-watch.js";
import { type Changes, type Reloading, reload } from "./reload.js";
import { renewCertificates } from "./renew-certificates.js";

/** What `serve` needs of the world. */
export interface ServeContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Where the log goes, instead of where the configuration says. */
  readonly log?: Logger;
  /** How it is written, instead of as the configuration says. */
  readonly logFormat?: LogSettings["format"];
  /** Has the configuration's files looked at again and again until it is told to stop, instead of once a second. */
  readonly watch?: (look: () => void) => () => void;
}

/** The parts of a service that may run on their own. */
export type Only = "grpc" | "http";

/** A service that serves. */
export interface Running {
  /** The bound addresses, by the configuration's names. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly log: Logger;
  /** Reads the configuration again; what came of it stands in the log. */
  reload(): void;
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
  // Of each fetch Node keeps how long it took, as a browser does for its page, up to 250: nobody here reads that.
  performance.setResourceTimingBufferSize(0);
  const files = new FileWatch();
  const loading = { ...context, readFile: files.readFile };
  return only === "http"
    ? serveGateway({ files, load: () => loadGatewayConfig(file, loading) }, context)
    : serveCore({ files, load: () => loadConfig(file, loading) }, only, context);
}

/** What stands at one of the configured ports. */
function listenerOptionsOf(
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

/** A configuration that can be read again and again. */
type Source<C extends Config | GatewayConfig> = Pick<Reloading<C>, "files" | "load">;

async function serveCore(source: Source<Config>, only: Only | undefined, context: ServeContext): Promise<Running> {
  const config = source.load();
  const { clock } = context;
  const { grpc, admin, limits } = config;
  const http = only === "grpc" ? undefined : config.http;
  if ((grpc ?? admin ?? http) === undefined) {
    const message = `${config.file} gives nothing an address to listen at: set grpc${only === "grpc" ? "" : " or http"}.`;
    throw new CommandError(message, EXIT.usage);
  }
  const log = openLog(config.log, context);
  const realms = realmNames(config);
  const telemetry = createTelemetry(config, realms, { log, clock });
  const core = await openCore(config, {
    clock,
    log,
    onDirectoryFailure: telemetry.directoryFailure,
    onRead: telemetry.storeRead,
    onFetch: telemetry.keyFetch,
  });
  telemetry.observe(core);
  const calls = callService(config, core.verifier, { clock, log, telemetry, instanceOf: core.instanceOf });
  const servers: NamedServer[] = [];
  if (grpc !== undefined) {
    const listener = listenerOptionsOf("grpc", config, telemetry);
    const server = createServer({ limits, calls, realms, ended: telemetry.grpcCall, listener });
    servers.push({ name: "grpc", address: grpc.address, server });
  }
  if (admin !== undefined) {
    const server = createServer({ limits, realms, listener: listenerOptionsOf("admin", config, telemetry) });
    servers.push({ name: "admin", address: admin.address, server });
  }
  const gateway = http === undefined ? undefined : gatewayOf(config, calls, telemetry);
  const ports = servers.map(grpcPort);
  if (http !== undefined && gateway !== undefined) ports.push(httpPort(http.address, gateway));
  let names = realms;
  /** Health follows the keys: a realm whose keys do not count gives no verdicts. */
  const look = (): void => {
    const unserved = core.unserved();
    for (const { server } of servers) server.setRealms(names, unserved);
  };
  look();
  const apply = (next: Config): Changes => {
    const { added, removed, changed } = core.reload(next);
    // Nothing throws from here on.
    names = realmNames(next);
    telemetry.setRealms(names);
    look();
    gateway?.show(next.faces, rpcOf(next));
    return { added, removed, changed };
  };
  const reloading = { ...source, config, apply, look, log, onReload: telemetry.reload };
  return run(ports, reloading, telemetry, context, () => core.close());
}

const realmNames = ({ realms }: Config): readonly string[] => realms.map(({ name }) => name);

function openLog(settings: LogSettings, { log, logFormat = settings.format }: ServeContext): Logger {
  return log ?? createLogger({ ...settings, format: logFormat });
}

async function serveGateway(source: Source<GatewayConfig>, context: ServeContext): Promise<Running> {
  const config = source.load();
  const { clock } = context;
  const log = openLog(config.log, context);
  let { tls } = config.upstream;
  let upstream = channelVerifier(config.upstream.address, { tls });
  const verifier: Verifier = { verify: (...asked) => upstream.verify(...asked) };
  const telemetry = createTelemetry(config, faceRealms(config), { log, clock });
  tell(log, "asking", { upstream: config.upstream.address });
  const calls = callService(config, verifier, { clock, log, telemetry, instanceOf: () => undefined });
  const gateway = gatewayOf(config, calls, telemetry);
  const apply = (next: GatewayConfig): Changes => {
    telemetry.setRealms(faceRealms(next));
    gateway.show(next.faces, rpcOf(next));
    const last = upstream;
    // Whether TLS is spoken takes effect at a start only.
    if (tls !== undefined && next.upstream.tls !== undefined && !isSameTls(tls, next.upstream.tls)) {
      ({ tls } = next.upstream);
      upstream = channelVerifier(config.upstream.address, { tls });
      last.close();
    }
    return { faces: next.faces.map(({ name }) => name) };
  };
  const ports = [httpPort(config.http.address, gateway)];
  return run(ports, { ...source, config, apply, log, onReload: telemetry.reload }, telemetry, context, async () =>
    upstream.close(),
  );
}

const faceRealms = ({ faces, http }: GatewayConfig): readonly string[] => [
  ...new Set([...faces.map(({ realm }) => realm), ...http.rpc]),
];

/** A gRPC server, and where it is to listen. */
interface NamedServer {
  readonly name: string;
  readonly address: string;
  readonly server: ServiceServer;
}

function grpcPort({ name, address, server }: NamedServer): Port {
  return {
    name,
    open: () => server.listen(address),
    renewTls: (material) => server.renewTls(material),
    connections: () => server.connections(),
    streams: () => server.streams(),
    retire: () => server.setServing(false),
    close: (timeout) => server.close(timeout),
  };
}

interface CallsContext {
  readonly clock: Clock;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  readonly instanceOf: InstanceOf;
}

/** Answers calls by a verifier, and has them logged and counted. */
function callService(
  { trustedProxies }: Pick<Config, "trustedProxies">,
  verifier: Verifier,
  { clock, log, telemetry, instanceOf }: CallsContext,
): CallService {
  const observer = callObserver(log, telemetry.call, instanceOf);
  return { verifier, clock, observer, addressOf: addressReader(trustedProxies) };
}

type HttpConfig = Pick<Config, "http" | "faces" | "limits" | "trustedProxies">;

const rpcOf = ({ http }: Pick<Config, "http">): ServedRpc => ({ realms: http?.rpc ?? [], cors: http?.cors });

function gatewayOf(config: HttpConfig, calls: CallService, telemetry: Telemetry): Gateway {
  const { faces, limits } = config;
  return createGateway(faces, limits, calls, rpcOf(config), listenerOptionsOf("http", config, telemetry));
}

function httpPort(address: string, gateway: Gateway): Port {
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

/** Opens the ports; if one cannot be opened, everything is closed again. */
async function run<C extends Config | GatewayConfig>(
  serving: readonly Port[],
  starting: Reloading<C>,
  telemetry: Telemetry,
  { clock, watch = everySecond }: ServeContext,
  release: () => Promise<void>,
): Promise<Running> {
  const { config, files, log } = starting;
  const { drain, file } = config;
  const addresses: Record<string, string> = {};
  const ports = [...serving, ...telemetry.port(serving)];
  const secure = renewCertificates(ports, config, { telemetry, log, clock });
  const apply = (next: C): Changes => {
    const changes = starting.apply(next);
    return { ...changes, ...secure(next) };
  };
  const reloading = { ...starting, apply };
  const close = async (timeout: number): Promise<number> => {
    const cut = await Promise.all(ports.map((port) => port.close(timeout)));
    await release();
    return cut.reduce((sum, one) => sum + one, 0);
  };
  try {
    for (const port of ports) addresses[port.name] = await port.open();
  } catch (error) {
    await close(0);
    throw error;
  }
  tell(log, "ready", { version: version(), pid: process.pid, file, ...addresses });
  let stopped: Promise<void> | undefined;
  const reloadAgain = (): void => {
    if (stopped === undefined) reload(reloading);
  };
  const unwatch = watch(() => {
    reloading.look?.();
    if (files.isChanged()) reloadAgain();
  });
  return {
    addresses,
    log,
    reload: reloadAgain,
    stop: () => {
      stopped ??= (async () => {
        unwatch();
        tell(log, "draining", { delay: drain.delay, timeout: drain.timeout });
        for (const port of ports) port.retire();
        await new Promise((resolve) => setTimeout(resolve, drain.delay));
        const cut = await close(drain.timeout);
        tell(log, "stopped", { cut }, cut === 0 ? "info" : "warn");
      })();
      return stopped;
    },
  };
}

/** Looks once a second, for as long as something else keeps the process alive. */
function everySecond(look: () => void): () => void {
  const timer = setInterval(look, 1000).unref();
  return () => clearInterval(timer);
}
