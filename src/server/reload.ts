import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import { ConfigError } from "../config/errors.js";
import type { Config, GatewayConfig } from "../config/load.js";
import { type FieldsOf, tell } from "../observability/lines.js";
import type { ReloadObserver } from "../observability/observed.js";
import { fixedTls } from "./certificates.js";
import type { FileWatch } from "./file-watch.js";

/** What became of the parts of a configuration, for its line in the log. */
export type Changes = Omit<FieldsOf<"configuration reloaded">, "file">;

/** A configuration that can be read again while it is in use. */
export interface Reloading<C extends Config | GatewayConfig> {
  /** That which the service was started with. */
  readonly config: C;
  /** Knows the files that it was read from. */
  readonly files: FileWatch;
  /** Reads and checks it whole, through {@link files}. @throws {ConfigError} with everything that is wrong */
  readonly load: () => C;
  /** Puts it to use, or throws and leaves everything as it was. @returns what changed, for the log */
  readonly apply: (config: C) => Changes;
  /** Called as often as the files are looked at, for what else changes by itself. */
  readonly look?: () => void;
  readonly log: Logger;
  /** Is told how each reload ended. */
  readonly onReload?: ReloadObserver;
}

/** Reads the configuration again, all or nothing: one that is bad leaves the running one as it was. Never throws. */
export function reload<C extends Config | GatewayConfig>({
  config,
  files,
  load,
  apply,
  log,
  onReload,
}: Reloading<C>): void {
  const { file } = config;
  files.begin();
  try {
    const next = load();
    const changes = apply(next);
    tell(log, "configuration reloaded", { file, ...changes });
    const keys = fixedKeys(config, next);
    if (keys.length > 0) tell(log, "restart needed", { file, keys });
    onReload?.(true, keys.length > 0);
  } catch (err) {
    const why = err instanceof ConfigError ? { issues: err.issues } : { err };
    tell(log, "configuration not reloaded", { file, ...why });
    onReload?.(false, false);
  }
}

/** The keys in which a configuration differs from that of the start, and which take effect at a start only. */
function fixedKeys(started: Config | GatewayConfig, next: Config | GatewayConfig): string[] {
  const [before, after] = [fixedPart(started), fixedPart(next)];
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((key) => !isDeepStrictEqual(before[key], after[key]))
    .map((key) => (key === "masterKeys" ? "masterKey" : key));
}

/**
 * All but what is put to use while the service runs: realms, the faces that are shown, and what is in the files of a `tls`.
 */
function fixedPart(config: Config | GatewayConfig): Readonly<Record<string, unknown>> {
  const { file: _file, realms: _realms, faces: _faces, grpc, http, admin, metrics, ...fixed } = config as Config;
  const { upstream } = config as Partial<GatewayConfig>;
  const places = Object.entries({ grpc, http, admin, metrics, upstream });
  const fixedPlaces = places.map(([name, place]): [string, unknown] => [
    name,
    place && [place.address, fixedTls(name, place.tls)],
  ]);
  // Two secrets are equal to whoever compares objects: what they hold cannot be seen.
  const masterKeys = (config as Partial<Config>).masterKeys?.map((key) => key.reveal());
  return { ...fixed, masterKeys, ...Object.fromEntries(fixedPlaces) };
}
