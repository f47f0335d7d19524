import { ConfigError } from "../config/errors.js";
import { type Config, loadConfig, loadGatewayConfig } from "../config/load.js";
import { createServer } from "../grpc/server.js";
import { createTelemetry } from "../observability/telemetry.js";
import { openCore } from "./core.js";
import { FileWatch } from "./file-watch.js";
import { serveGateway } from "./gateway.js";
import { operatorsOf } from "./operators.js";
import { callService, gatewayOf, grpcPort, httpPort, listenerOptions, servedRpc } from "./ports.js";
import type { ConfigSource, ReloadChanges } from "./reload.js";
import { revocationMaker } from "./revocation-maker.js";
import { openLog, type Running, run, type ServeContext } from "./run.js";
import { openWhenReachable } from "./start.js";

export type { Running, ServeContext } from "./run.js";

/** Part of a service that runs on its own: `grpc` without faces, or `http`, a gateway that asks a gRPC service. */
export type Only = "grpc" | "http";

/**
 * Starts what a configuration describes. The metrics port opens first, and reports not ready. The others open last: once the
 * store is open, the directory is loaded and the keys of the configuration are checked. Keys that issuers publish are not
 * waited for. While a database cannot be reached, the start waits.
 *
 * @param only undefined for the whole service
 * @throws {ConfigError}, {DirectoryError}, {StartEnded}, or the system's error if a port cannot be opened
 */
export async function serve(file: string, only: Only | undefined, context: ServeContext): Promise<Running> {
  // Node keeps the timing of its last 250 fetches, as a browser does; the service does not read it.
  performance.setResourceTimingBufferSize(0);
  const files = new FileWatch();
  const reading = { env: context.env, readFile: files.readFile };
  return only === "http"
    ? serveGateway({ files, load: () => loadGatewayConfig(file, reading) }, context)
    : serveCore({ files, load: () => loadConfig(file, reading) }, only, context);
}

/** Starts a service that verifies by itself: store, realms, verifier, ports. */
async function serveCore(
  source: ConfigSource<Config>,
  only: "grpc" | undefined,
  context: ServeContext,
): Promise<Running> {
  const config = source.load();
  const { clock } = context;
  const { grpc, admin, limits, drain } = config;
  const http = only === "grpc" ? undefined : config.http;
  if ((grpc ?? admin ?? http) === undefined) {
    const ports = only === "grpc" ? "an address to listen at" : "or http an address to listen at";
    throw new ConfigError(config.file, [{ place: "grpc", message: `is missing: give grpc ${ports}` }]);
  }

  const log = openLog(config.log, context);
  let realms = realmNames(config);
  const telemetry = createTelemetry(config, realms, { log, clock });

  await telemetry.listen();
  const coreContext = {
    clock,
    log,
    onDirectoryFailure: telemetry.directoryFailure,
    onRead: telemetry.storeRead,
    onFetch: telemetry.keyFetch,
  };
  const core = await openWhenReachable(config, () => openCore(config, coreContext), {
    log,
    onWait: (why) => telemetry.waiting(why),
    signal: context.signal,
  }).catch(async (error: unknown) => {
    await telemetry.close();
    throw error;
  });
  telemetry.observe(core);

  const calls = callService(config, core.verifier, { clock, log, telemetry, instanceOf: core.instanceOf });
  const service =
    grpc &&
    createServer({
      limits,
      grace: drain.timeout,
      calls,
      watch: core.watch,
      realms,
      ended: telemetry.grpcCall,
      listener: listenerOptions("grpc", config, telemetry),
    });
  const operators =
    admin &&
    core.operators &&
    operatorsOf(
      { ...config, admin },
      {
        store: core.operators,
        serviceState: core.serviceState,
        makeRevocation: revocationMaker(core.revocableRealms),
        clock,
        log,
      },
    );
  const operatorServer =
    admin &&
    createServer({
      limits,
      grace: drain.timeout,
      realms,
      operators: operators?.service,
      listener: listenerOptions("admin", config, telemetry),
    });
  const gateway = http && gatewayOf(config, calls, telemetry);
  const ports = [
    ...(grpc && service ? [grpcPort("grpc", grpc.address, service)] : []),
    ...(admin && operatorServer ? [grpcPort("admin", admin.address, operatorServer)] : []),
    ...(http && gateway ? [httpPort(http.address, gateway)] : []),
  ];

  let isFresh = true;
  /** Health follows the keys and the directory: a realm without usable keys is NOT_SERVING, and so is all without a directory. */
  const look = (): void => {
    const unserved = core.unserved();
    const wasFresh = isFresh;
    ({ isFresh } = core.stats());
    for (const server of [service, operatorServer]) {
      server?.setRealms(realms, unserved);
      if (isFresh !== wasFresh) server?.setServing(isFresh);
    }
  };
  look();
  const apply = (next: Config): ReloadChanges => {
    const { added, removed, changed } = core.reload(next);
    // Nothing throws from here on.
    realms = realmNames(next);
    operators?.renew(next);
    telemetry.setRealms(realms);
    look();
    gateway?.show(next.faces, servedRpc(next));
    return { added, removed, changed };
  };
  const reloading = { ...source, config, apply, look, log, onReload: telemetry.reload };
  return run(ports, reloading, telemetry, context, () => core.close());
}

const realmNames = ({ realms }: Config): readonly string[] => realms.map(({ name }) => name);
