import path from "node:path";
import type { z } from "zod";
import type { Proxies } from "../keys/remote/proxies.js";
import type { Issue } from "../util/issues.js";
import type { Secret } from "../util/secret.js";
import { VENDORS } from "../vendors/index.js";
import type { Vendor } from "../vendors/vendor.js";
import { areInDirectory } from "../verifier/realm.js";
import { bindFaces, type ConfiguredFace, checkRpc } from "./faces.js";
import type { Environment } from "./interpolate.js";
import { readMasterKeys } from "./master-keys.js";
import { checkWorkloads, type Loaded, withClientTls, withServerTls } from "./ports-tls.js";
import { proxiesOf } from "./proxies.js";
import { type ReadFile, readText } from "./read-file.js";
import { type ConfiguredRealm, readFaceRealm } from "./realms.js";
import { readRealms } from "./routes.js";
import { coreSchema, gatewaySchema } from "./schema.js";
import type { TlsContext } from "./tls.js";
import { readWhole } from "./whole.js";

type Core = z.output<typeof coreSchema>;
type GatewayOnly = z.output<typeof gatewaySchema>;

/** The ports of a configuration. */
type Ports = "grpc" | "http" | "admin" | "metrics";

/** The configuration of a service with the core in it, checked whole. */
export interface Config
  extends Omit<Core, Ports | "realms" | "masterKey" | "masterKeyFile" | "masterKeys" | "directory"> {
  readonly grpc: Loaded<Core["grpc"]>;
  readonly http: Loaded<Core["http"]>;
  readonly admin: Loaded<Core["admin"]>;
  readonly metrics: Loaded<Core["metrics"]>;
  readonly file: string;
  readonly realms: readonly ConfiguredRealm[];
  readonly faces: readonly ConfiguredFace[];
  /** Those of the environment, for fetching keys. */
  readonly proxies: Proxies;
  /** In base64, the current one first; empty where none is configured. */
  readonly masterKeys: readonly Secret[];
  /** The seed's file, absolute. */
  readonly directory: string | undefined;
}

/** The configuration of a gateway on its own, checked whole. */
export interface GatewayConfig extends Omit<GatewayOnly, "realms" | "http" | "metrics" | "upstream"> {
  readonly file: string;
  readonly http: Loaded<NonNullable<GatewayOnly["http"]>>;
  readonly metrics: Loaded<GatewayOnly["metrics"]>;
  readonly upstream: Loaded<NonNullable<GatewayOnly["upstream"]>>;
  readonly faces: readonly ConfiguredFace[];
}

/** What is read of the world. */
export interface LoadContext {
  readonly env: Environment;
  /** Reads the configuration and every file that it names, but for the seed. */
  readonly readFile?: ReadFile;
  /** The vendors whose presets and faces there are; all of src/vendors where it is left out. */
  readonly vendors?: readonly Vendor[];
}

/**
 * Reads a configuration and checks it whole: names, types, limits, keys.
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
    const { masterKey, masterKeyFile, masterKeys, directory, ...others } = settings;
    const ports = {
      grpc: withServerTls(settings.grpc, "grpc", context),
      http: withServerTls(settings.http, "http", context),
      admin: withServerTls(settings.admin, "admin", context),
      metrics: withServerTls(settings.metrics, "metrics", context),
    };
    checkWorkloads(settings, realms, issues);
    const keys = readMasterKeys({ masterKey, masterKeyFile, masterKeys }, context);
    const needing = realms.find(({ callers }) => areInDirectory(callers));
    const isGiven = [masterKey, masterKeyFile, masterKeys].some((given) => given !== undefined);
    if (keys.length === 0 && !isGiven && (needing !== undefined || directory !== undefined)) {
      const who = needing === undefined ? "the directory seed" : `the callers of the realm ${needing.name}`;
      const message = `is missing: the secrets of ${who} are sealed with it; make one with: openssl rand -base64 32`;
      issues.push({ place: "masterKey", message });
    }
    const store = { ...settings.store, url: resolveStore(settings.store.url, resolve, issues) };
    return {
      ...others,
      ...ports,
      file,
      store,
      realms,
      faces,
      masterKeys: keys,
      // Where nothing is fetched, it is nobody's affair whether they are good.
      proxies: proxiesOf(env, realms.some(({ remotes }) => remotes.length > 0) ? issues : []),
      directory: directory === undefined ? undefined : resolve(directory),
    };
  });
}

/**
 * Reads the configuration of a gateway on its own.
 *
 * @throws {ConfigError} with everything that is wrong; a key in it is wrong too
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
    // Which realms there are, the service knows that is asked.
    checkRpc(settings, issues, () => true);
    // What is missing of the two was told just now.
    const nowhere = { address: "", faces: {}, rpc: [], cors: undefined, tls: undefined };
    return {
      ...others,
      file,
      http: withServerTls(http ?? nowhere, "http", context),
      metrics: withServerTls(metrics, "metrics", context),
      upstream: withClientTls(upstream ?? { address: "", tls: undefined }, "upstream", context),
      faces,
    };
  });
}

function resolver(file: string): (name: string) => string {
  const folder = path.dirname(path.resolve(file));
  return (name) => path.resolve(folder, name);
}

function resolveStore(url: string, resolve: (name: string) => string, issues: Issue[]): string {
  const [, file] = /^sqlite:(.+)$/.exec(url) ?? [];
  if (file !== undefined) return `sqlite:${resolve(file)}`;
  issues.push({ place: "store", message: "must be sqlite: and the name of a file, such as sqlite:./data/verifier.db" });
  return url;
}
