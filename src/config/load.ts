import path from "node:path";
import type { Proxies } from "../keys/remote/proxies.js";
import { VENDORS } from "../vendors/index.js";
import type { Vendor } from "../vendors/vendor.js";
import { type ConfiguredAdmin, readAdmin } from "./admin.js";
import { type Environment, proxiesOf } from "./environment.js";
import { bindFaces, type ConfiguredFace, checkRpc } from "./faces.js";
import { type ReadFile, readText } from "./read-file.js";
import { type ConfiguredRealm, readFaceRealm } from "./realms.js";
import { readRealms } from "./routes.js";
import { type CoreSettings, coreSchema, type GatewaySettings, gatewaySchema } from "./schema.js";
import { type ConfiguredStore, readStore } from "./store.js";
import { checkWorkloads, type Loaded, type TlsContext, withClientTls, withServerTls } from "./tls.js";
import { readWhole } from "./whole.js";

/** Configuration of a service, read and checked as a whole. */
export interface Config
  extends Pick<
      CoreSettings,
      "log" | "limits" | "failures" | "trustedProxies" | "cache" | "proofs" | "revocations" | "drain"
    >,
    ConfiguredStore {
  readonly grpc: Loaded<CoreSettings["grpc"]>;
  readonly http: Loaded<CoreSettings["http"]>;
  readonly admin: ConfiguredAdmin | undefined;
  readonly metrics: Loaded<CoreSettings["metrics"]>;
  readonly file: string;
  readonly realms: readonly ConfiguredRealm[];
  readonly faces: readonly ConfiguredFace[];
  /** Proxies of the environment, for fetching keys. */
  readonly proxies: Proxies;
}

/** Configuration of a gateway on its own, read and checked as a whole. */
export interface GatewayConfig extends Omit<GatewaySettings, "realms" | "http" | "metrics" | "upstream"> {
  readonly file: string;
  readonly http: Loaded<NonNullable<GatewaySettings["http"]>>;
  readonly metrics: Loaded<GatewaySettings["metrics"]>;
  readonly upstream: Loaded<NonNullable<GatewaySettings["upstream"]>>;
  readonly faces: readonly ConfiguredFace[];
}

/** What a configuration is read with. */
export interface LoadContext {
  readonly env: Environment;
  /** Reads the configuration and each file that it names, except the seed. Default: reads from disk. */
  readonly readFile?: ReadFile;
  /** Vendors whose presets and faces are known. Default: all of src/vendors. */
  readonly vendors?: readonly Vendor[];
}

/**
 * Reads a configuration and checks all of it: names, types, limits, keys.
 *
 * @throws {ConfigError} with everything that is wrong
 */
export function loadConfig(file: string, { env, readFile = readText, vendors = VENDORS }: LoadContext): Config {
  return readWhole(file, { env, readFile }, coreSchema, (settings, issues) => {
    const resolve = resolver(file);
    const context = { resolve, readFile, vendors, issues };
    const realms = readRealms(settings.realms, context);
    const faces = bindFaces(new Map(realms.map((one) => [one.name, one])), settings, { vendors, issues });
    checkRpc(settings, issues, (name) => Object.hasOwn(settings.realms, name));
    const ports = {
      grpc: withServerTls(settings.grpc, "grpc", context),
      http: withServerTls(settings.http, "http", context),
      admin: readAdmin(settings.admin, context),
      metrics: withServerTls(settings.metrics, "metrics", context),
    };
    checkWorkloads(settings, realms, issues);
    const { log, limits, failures, trustedProxies, cache, proofs, revocations, drain } = settings;
    return {
      file,
      ...ports,
      ...readStore(settings, realms, context),
      log,
      limits,
      failures,
      trustedProxies,
      cache,
      proofs,
      revocations,
      drain,
      realms,
      faces,
      // A bad proxy is an issue only if keys are fetched.
      proxies: proxiesOf(env, realms.some(({ remotes }) => remotes.length > 0) ? issues : []),
    };
  });
}

/**
 * Reads the configuration of a gateway on its own.
 *
 * @throws {ConfigError} with everything that is wrong, entries of `keys` included
 */
export function loadGatewayConfig(
  file: string,
  { env, readFile = readText, vendors = VENDORS }: LoadContext,
): GatewayConfig {
  return readWhole(file, { env, readFile }, gatewaySchema, (settings, issues) => {
    const realms = new Map(
      Object.entries(settings.realms).flatMap(([name, value]) => {
        const realm = readFaceRealm(name, value, { vendors, issues });
        return realm === undefined ? [] : [[name, realm] as const];
      }),
    );
    const { realms: _realms, http, upstream, metrics, ...others } = settings;
    const context: TlsContext = { resolve: resolver(file), readFile, issues };
    if (http === undefined)
      issues.push({ place: "http", message: "is missing: give the address to show the faces at" });
    if (upstream === undefined)
      issues.push({ place: "upstream", message: "is missing: give the gRPC service's address" });
    const faces = bindFaces(realms, settings, { vendors, issues });
    // Only the service that the gateway asks knows its realms.
    checkRpc(settings, issues, () => true);
    // Missing ones were reported above.
    const nowhere = { address: "", faces: {}, rpc: [], cors: undefined, tls: undefined };
    return {
      ...others,
      file,
      http: withServerTls(http ?? nowhere, "http", context),
      metrics: withServerTls(metrics, "metrics", context),
      upstream: withClientTls(upstream ?? { address: [], tls: undefined }, "upstream", context),
      faces,
    };
  });
}

function resolver(file: string): (name: string) => string {
  const folder = path.dirname(path.resolve(file));
  return (name) => path.resolve(folder, name);
}
