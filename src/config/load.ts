import path from "node:path";
import type { z } from "zod";
import type { Proxies } from "../keys/network/ways.js";
import { VENDORS } from "../vendors/index.js";
import type { Face, Vendor } from "../vendors/vendor.js";
import { areInDirectory } from "../verifier/realm.js";
import { isRoute } from "../verifier/route.js";
import { type Environment, interpolate } from "./interpolate.js";
import { ConfigError, type ConfigIssue, formatPath, issuesOf, TELLING } from "./issues.js";
import { type ReadFile, readText, toldFile, unreadable } from "./read-file.js";
import {
  type ConfiguredRealm,
  type FaceSettings,
  type PresetContext,
  type RealmContext,
  readFaceRealm,
  readRealm,
} from "./realms.js";
import { isRouteEntry, readRoute } from "./routes.js";
import { coreSchema, gatewaySchema } from "./schema.js";
import { type ConfiguredTls, readClientTls, readServerTls, type TlsContext } from "./tls.js";
import { readYaml } from "./yaml.js";

type Core = z.output<typeof coreSchema>;
type GatewayOnly = z.output<typeof gatewaySchema>;

/** A face and the realm that it asks. */
export interface ConfiguredFace {
  readonly name: string;
  readonly path: string;
  readonly realm: string;
  readonly face: Face;
}

/** The ports of a configuration. */
type Ports = "grpc" | "http" | "admin" | "metrics";

/** The same setting with what is in its TLS files. */
type Loaded<Setting> = Setting extends object
  ? Omit<Setting, "tls"> & { readonly tls: ConfiguredTls | undefined }
  : Setting;

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
  readonly masterKeys: readonly string[];
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
  return load(file, { env, readFile }, coreSchema, (settings, issues) => {
    const resolve = resolver(file);
    const context = { resolve, readFile, vendors, issues };
    const realms = readRealms(settings.realms, context);
    const faces = bindFaces(
      new Map(realms.map((one) => [one.realm.name, { vendor: one.vendor, settings: one.settings }])),
      settings,
      { vendors, issues },
    );
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
    const needing = realms.find(({ realm: { policy } }) => areInDirectory(policy.callers));
    const isGiven = [masterKey, masterKeyFile, masterKeys].some((given) => given !== undefined);
    if (keys.length === 0 && !isGiven && (needing !== undefined || directory !== undefined)) {
      const who = needing === undefined ? "the directory seed" : `the callers of the realm ${needing.realm.name}`;
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
  return load(file, { env, readFile }, gatewaySchema, (settings, issues) => {
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

function load<S extends z.ZodType, T>(
  file: string,
  { env, readFile = readText }: LoadContext,
  schema: S,
  build: (settings: z.output<S>, issues: ConfigIssue[]) => T,
): T {
  const issues: ConfigIssue[] = [];
  const raw = interpolate(readYaml(file, readFile), env, issues);
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw new ConfigError(file, [{ place: "", message: "the file must hold a mapping of settings" }]);
  }
  const parsed = schema.safeParse(raw, TELLING);
  if (!parsed.success) {
    issues.push(...issuesOf(parsed.error));
    throw new ConfigError(file, [...issues, ...issuesOfRest(schema, soundPart(raw, parsed.error), build, issues)]);
  }
  const built = build(parsed.data, issues);
  if (issues.length > 0) throw new ConfigError(file, issues);
  return built;
}

/** What else is wrong, in the part of a configuration that the schema admits: all is told in the same breath. */
function issuesOfRest<S extends z.ZodType>(
  schema: S,
  rest: object,
  build: (settings: z.output<S>, issues: ConfigIssue[]) => unknown,
  told: readonly ConfigIssue[],
): ConfigIssue[] {
  const parsed = schema.safeParse(rest);
  if (!parsed.success) return [];
  const issues: ConfigIssue[] = [];
  build(parsed.data, issues);
  // What was left out is missing now; that is no news.
  return issues.filter(({ place }) => !told.some((issue) => issue.place.startsWith(place)));
}

/** A configuration without the keys that the schema refuses; of the realms only those that have no good name. */
function soundPart(raw: object, { issues }: z.ZodError): object {
  const refused = new Set(
    issues.flatMap(({ path: [first], ...issue }) => {
      if (first !== undefined) return [first];
      return issue.code === "unrecognized_keys" ? issue.keys : [];
    }),
  );
  const { realms } = raw as { realms?: unknown };
  const isMapping = typeof realms === "object" && realms !== null && !Array.isArray(realms);
  const names = new Set(issues.flatMap(({ path }) => (path[0] === "realms" ? [path[1]] : [])));
  return {
    ...Object.fromEntries(Object.entries(raw).filter(([key]) => !refused.has(key))),
    realms: isMapping ? Object.fromEntries(Object.entries(realms).filter(([name]) => !names.has(name))) : {},
  };
}

/** The realms in the order of the file; those that hand tokens on are read last, for they lead to others. */
function readRealms(written: Core["realms"], context: RealmContext): readonly ConfiguredRealm[] {
  const entries = Object.entries(written);
  const verifying = new Map(
    entries.flatMap(([name, value]) => {
      const realm = isRouteEntry(value) ? undefined : readRealm(name, value, context);
      return realm === undefined ? [] : [[name, realm] as const];
    }),
  );
  return entries.flatMap(([name, value]) => {
    const realm = isRouteEntry(value)
      ? readRoute(name, value, verifying, written, context.issues)
      : verifying.get(name);
    return realm ?? [];
  });
}

type ServerFiles = NonNullable<NonNullable<Core["grpc"]>["tls"]>;
type ClientFiles = NonNullable<NonNullable<GatewayOnly["upstream"]>["tls"]>;

/** A port's settings, with what is in the files that they name. */
function withServerTls<S extends { readonly tls?: ServerFiles | undefined } | undefined>(
  setting: S,
  name: string,
  context: TlsContext,
): Loaded<S> {
  if (setting === undefined) return undefined as Loaded<S>;
  const tls = setting.tls && readServerTls(setting.tls, [name, "tls"], context);
  return { ...setting, tls } as unknown as Loaded<S>;
}

function withClientTls<S extends { readonly tls?: ClientFiles | undefined }>(
  setting: S,
  name: string,
  context: TlsContext,
): Loaded<S> {
  const tls = setting.tls && readClientTls(setting.tls, [name, "tls"], context);
  return { ...setting, tls } as unknown as Loaded<S>;
}

/** Where no port asks for certificates, a realm that goes by them would answer nobody. */
function checkWorkloads({ grpc, http }: Core, realms: readonly ConfiguredRealm[], issues: ConfigIssue[]): void {
  if (grpc === undefined && http === undefined) return;
  if (grpc?.tls?.clientCaFile !== undefined || http?.tls?.clientCaFile !== undefined) return;
  for (const { realm } of realms) {
    if (isRoute(realm)) continue;
    for (const key of ["callers", "explain"] as const) {
      if (typeof realm.policy[key] !== "object") continue;
      const message = "no port asks its clients for certificates: give grpc a tls with a clientCaFile";
      issues.push({ place: formatPath(["realms", realm.name, key, "san"]), message });
    }
  }
}

/** The proxies that the environment names, in capitals or not, as other programs read them. */
function proxiesOf(env: Environment, issues: ConfigIssue[]): Proxies {
  const named = (name: string): string => env[name.toLowerCase()] || env[name] || "";
  const proxy = (name: string): string | undefined => {
    const value = named(name);
    if (value === "") return undefined;
    // As curl has it, a host and a port will do.
    const url = value.includes("://") ? value : `http://${value}`;
    if (URL.canParse(url) && /^https?:/.test(url)) return url;
    issues.push({ place: name, message: "in the environment: must be a URL such as http://proxy.example:3128" });
    return undefined;
  };
  const all = { http: proxy("HTTP_PROXY"), https: proxy("HTTPS_PROXY"), no: named("NO_PROXY") || undefined };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function resolver(file: string): (name: string) => string {
  const folder = path.dirname(path.resolve(file));
  return (name) => path.resolve(folder, name);
}

function bindFaces(
  realms: ReadonlyMap<
    string,
    { readonly vendor: { readonly name: string } | undefined; readonly settings: FaceSettings }
  >,
  { http, realms: raw }: Pick<Core, "http" | "realms">,
  { vendors, issues }: PresetContext,
): ConfiguredFace[] {
  const faces = new Map(Object.entries<string>(http?.faces ?? {}));
  for (const name of faces.keys()) {
    if (vendors.some((vendor) => vendor.name === name)) continue;
    const message = `is no vendor's face: there are ${vendors.map((vendor) => vendor.name).join(", ")}`;
    issues.push({ place: formatPath(["http", "faces", name]), message });
  }
  return vendors.flatMap((vendor) => {
    const bound = faces.get(vendor.name);
    const realm = realms.get(bound ?? vendor.name);
    if (realm?.vendor?.name !== vendor.name) {
      // A realm with this preset that is not among the good ones was complained of already.
      const { preset } = (bound === undefined ? {} : (raw[bound] ?? {})) as { preset?: unknown };
      if (bound !== undefined && preset !== vendor.name) {
        const message = `must name a realm with the preset ${vendor.name}`;
        issues.push({ place: formatPath(["http", "faces", vendor.name]), message });
      }
      return [];
    }
    const face = vendor.face(realm.settings, realm.settings.maxTokenLength);
    return [{ name: vendor.name, path: vendor.path, realm: bound ?? vendor.name, face }];
  });
}

/** Looks at what is shown of the contract. @param isRealm whether there may be a realm of this name */
function checkRpc({ http }: Pick<Core, "http">, issues: ConfigIssue[], isRealm: (name: string) => boolean): void {
  const { rpc = [], cors } = http ?? {};
  for (const [index, name] of rpc.entries()) {
    if (isRealm(name)) continue;
    issues.push({
      place: formatPath(["http", "rpc", index]),
      message: `there is no realm ${name}: name one that is configured`,
    });
  }
  if (cors !== undefined && rpc.length === 0) {
    const message = "is of no use without http.rpc: name the realms there that pages may ask for, or leave it out";
    issues.push({ place: "http.cors", message });
  }
}

function readMasterKeys(
  { masterKey, masterKeyFile, masterKeys }: Pick<Core, "masterKey" | "masterKeyFile" | "masterKeys">,
  { resolve, readFile, issues }: Pick<RealmContext, "resolve" | "readFile" | "issues">,
): readonly string[] {
  const given = Object.entries({ masterKey, masterKeyFile, masterKeys }).filter(([, value]) => value !== undefined);
  if (given.length > 1) {
    issues.push({ place: given[1]?.[0] ?? "", message: "give one of masterKey, masterKeyFile and masterKeys" });
    return [];
  }
  let keys = masterKeys ?? (masterKey === undefined ? [] : [masterKey]);
  if (masterKeyFile !== undefined) {
    try {
      keys = [readFile(resolve(masterKeyFile)).trim()];
    } catch (error) {
      issues.push({ place: "masterKeyFile", message: `${toldFile(masterKeyFile)} ${unreadable(error)}` });
    }
  }
  for (const [index, key] of keys.entries()) {
    const bytes = Buffer.from(key, "base64");
    const isGood = bytes.length === 32 && bytes.toString("base64") === key;
    if (isGood && keys.indexOf(key) === index) continue;
    const place = masterKeys === undefined ? (given[0]?.[0] ?? "") : formatPath(["masterKeys", index]);
    const right = "must be 32 bytes in base64: openssl rand -base64 32 makes one";
    issues.push({ place, message: isGood ? "stands in the list twice: leave one out" : right });
  }
  return keys;
}

function resolveStore(url: string, resolve: (name: string) => string, issues: ConfigIssue[]): string {
  const [, file] = /^sqlite:(.+)$/.exec(url) ?? [];
  if (file !== undefined) return `sqlite:${resolve(file)}`;
  issues.push({ place: "store", message: "must be sqlite: and the name of a file, such as sqlite:./data/verifier.db" });
  return url;
}
