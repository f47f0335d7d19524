import type { Logger } from "pino";
import type { Config, GatewayConfig } from "../config/load.js";
import type { Port } from "../net/port.js";
import { tell } from "../observability/lines.js";
import { createLogger, type LogSettings } from "../observability/logger.js";
import type { Telemetry } from "../observability/telemetry.js";
import type { Clock } from "../util/clock.js";
import { version } from "../util/version.js";
import { renewCertificates } from "./certificates.js";
import { closeAll, drain } from "./drain.js";
import { type Reloading, reload } from "./reload.js";

/** What `serve` uses of its process. */
export interface ServeContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Replaces the log of the configuration. */
  readonly log?: Logger;
  /** Replaces the log format of the configuration. */
  readonly logFormat?: LogSettings["format"];
  /** Ends a start that waits for its store; without effect after that. */
  readonly signal?: AbortSignal;
  /** Calls `look` at intervals until the returned function is called. Default: once a second. */
  readonly watch?: (look: () => void) => () => void;
}

/** A running service. */
export interface Running {
  /** Bound addresses, by the configuration's names. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly log: Logger;
  /** Reads the configuration again; the log has the result. */
  reload(): void;
  /** Drains and closes everything; later calls wait for the first. */
  stop(): Promise<void>;
}

/** Opens the log of a configuration. */
export function openLog(settings: LogSettings, { log, logFormat = settings.format }: ServeContext): Logger {
  return log ?? createLogger({ ...settings, format: logFormat });
}

/**
 * Opens the ports, and runs until {@link Running.stop}. If a port cannot be opened, closes everything again.
 *
 * @param release closes what the ports use, after them
 * @throws the system's error if a port cannot be opened
 */
export async function run<C extends Config | GatewayConfig>(
  callers: readonly Port[],
  starting: Reloading<C>,
  telemetry: Telemetry,
  { clock, watch = everySecond }: ServeContext,
  release: () => Promise<void>,
): Promise<Running> {
  const { config, files, log } = starting;
  // The port of metrics and probes comes last: it reports ready as soon as it opens.
  const ports = [...callers, ...telemetry.port(callers)];
  const renew = renewCertificates(ports, config, { telemetry, log, clock });
  const reloading: Reloading<C> = { ...starting, apply: (next) => ({ ...starting.apply(next), ...renew(next) }) };
  const addresses: Record<string, string> = {};
  try {
    for (const port of ports) addresses[port.name] = await port.open();
  } catch (error) {
    await closeAll(ports, 0, release);
    throw error;
  }
  tell(log, "ready", { version: version(), pid: process.pid, file: config.file, ...addresses });
  let stopped: Promise<void> | undefined;
  const reloadUnlessStopped = (): void => {
    if (stopped === undefined) reload(reloading);
  };
  const unwatch = watch(() => {
    reloading.look?.();
    if (files.isChanged()) reloadUnlessStopped();
  });
  return {
    addresses,
    log,
    reload: reloadUnlessStopped,
    stop: () => {
      if (stopped === undefined) {
        unwatch();
        stopped = drain(ports, config.drain, release, log);
      }
      return stopped;
    },
  };
}

/** Looks once a second; does not keep the process alive. */
function everySecond(look: () => void): () => void {
  const timer = setInterval(look, 1000).unref();
  return () => clearInterval(timer);
}
