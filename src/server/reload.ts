import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import { ConfigError } from "../config/errors.js";
import type { Config, GatewayConfig } from "../config/load.js";
import { type FieldsOf, tell } from "../observability/lines.js";
import type { ReloadObserver } from "../observability/observed.js";
import { fixedTls } from "./certificates.js";
import type { FileWatch } from "./file-watch.js";

/** What a reload changed, for its line in the log. */
export type ReloadChanges = Omit<FieldsOf<"configuration reloaded">, "file">;

/** A configuration that can be read again. */
export interface ConfigSource<C extends Config | GatewayConfig> {
  /** Watches the files that the configuration was read from. */
  readonly files: FileWatch;
  /** Reads and checks the configuration, through {@link files}. @throws {ConfigError} with everything that is wrong */
  readonly load: () => C;
}

/** A configuration that is reloaded while the service runs. */
export interface Reloading<C extends Config | GatewayConfig> extends ConfigSource<C> {
  /** The configuration at the start. */
  readonly config: C;
  /** Puts a configuration to use, or throws and changes nothing. @returns what changed, for the log */
  readonly apply: (config: C) => ReloadChanges;
  /** Called each time the files are looked at, for state that changes by itself. */
  readonly look?: () => void;
  readonly log: Logger;
  /** Called at the end of each reload. */
  readonly onReload?: ReloadObserver;
}

/** Reads the configuration again. A bad one leaves the running one in use. Never throws. */
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

/** Top-level keys whose values changed since the start and take effect at a start only. */
function fixedKeys(started: Config | GatewayConfig, next: Config | GatewayConfig): string[] {
  const [before, after] = [fixedPart(started), fixedPart(next)];
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((key) => !isDeepStrictEqual(before[key], after[key]))
    .map((key) => (key === "masterKeys" ? "masterKey" : key));
}

/** Everything that takes effect at a start only: not the realms, the faces, or the contents of TLS files. */
function fixedPart(config: Config | GatewayConfig): Readonly<Record<string, unknown>> {
  const { file: _file, realms: _realms, faces: _faces, grpc, http, admin, metrics, ...fixed } = config as Config;
  const { upstream } = config as Partial<GatewayConfig>;
  const places = Object.entries({ grpc, http, admin, metrics, upstream });
  const fixedPlaces = places.map(([name, place]): [string, unknown] => [
    name,
    place && [place.address, fixedTls(name, place.tls)],
  ]);
  // Secrets hide their text, so that any two are deeply equal.
  const masterKeys = (config as Partial<Config>).masterKeys?.map((key) => key.reveal());
  return { ...fixed, masterKeys, ...Object.fromEntries(fixedPlaces) };
}
