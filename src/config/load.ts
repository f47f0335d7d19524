import { readFileSync } from "node:fs";
import path from "node:path";
import { parseDocument } from "yaml";
import { z } from "zod";
import { VENDORS } from "../vendors/index.js";
import type { Face } from "../vendors/vendor.js";
import { type Environment, interpolate } from "./interpolate.js";
import { ConfigError, type ConfigIssue, formatPath, issuesOf } from "./issues.js";
import { type ConfiguredRealm, type FaceSettings, readFaceRealm, readRealm } from "./realms.js";
import { coreSchema, gatewaySchema } from "./schema.js";

type Core = z.output<typeof coreSchema>;
type GatewayOnly = z.output<typeof gatewaySchema>;

/** A face and the realm that it asks. */
export interface ConfiguredFace {
  readonly name: string;
  readonly path: string;
  readonly realm: string;
  readonly face: Face;
}

/** The configuration of a service with the core in it, checked whole. */
export interface Config extends Omit<Core, "realms" | "masterKey" | "masterKeyFile" | "masterKeys" | "directory"> {
  readonly file: string;
  readonly realms: readonly ConfiguredRealm[];
  readonly faces: readonly ConfiguredFace[];
  /** In base64, the current one first; empty where none is configured. */
  readonly masterKeys: readonly string[];
  /** The seed's file, absolute. */
  readonly directory: string | undefined;
}

/** The configuration of a gateway on its own, checked whole. */
export interface GatewayConfig extends Omit<GatewayOnly, "realms"> {
  readonly file: string;
  readonly faces: readonly ConfiguredFace[];
}

/** What is read of the world. */
export interface LoadContext {
  readonly env: Environment;
}

/**
 * Reads a configuration and checks it whole: names, types, limits, keys.
 *
 * @throws {ConfigError} with everything that is wrong
 */
export function loadConfig(file: string, context: LoadContext): Config {
  return load(file, context, coreSchema, (settings, issues) => {
    const resolve = resolver(file);
    const realms = Object.entries(settings.realms).flatMap(([name, value]) => readRealm(name, value, { resolve, issues }) ?? []);
    const faces = bindFaces(
      new Map(realms.map((one) => [one.realm.name, { vendor: one.vendor, settings: one.settings }])),
      settings,
      issues,
    );
    const { masterKey, masterKeyFile, masterKeys, directory, ...others } = settings;
    const keys = readMasterKeys({ masterKey, masterKeyFile, masterKeys }, resolve, issues);
    const needing = realms.find(({ realm: { policy } }) => policy.callers !== "anyone");
    if (keys.length === 0 && (needing !== undefined || directory !== undefined)) {
      const who = needing === undefined ? "the directory seed" : `the callers of the realm ${needing.realm.name}`;
      const message = `is missing: the secrets of ${who} are sealed with it; make one with: openssl rand -base64 32`;
      issues.push({ place: "masterKey", message });
    }
    const store = { ...settings.store, url: resolveStore(settings.store.url, resolve, issues) };
    return {
      ...others,
      file,
      store,
      realms,
      faces,
      masterKeys: keys,
      directory: directory === undefined ? undefined : resolve(directory),
    };
  });
}

/**
 * Reads the configuration of a gateway on its own.
 *
 * @throws {ConfigError} with everything that is wrong; a key in it is wrong too
 */
export function loadGatewayConfig(file: string, context: LoadContext): GatewayConfig {
  return load(file, context, gatewaySchema, (settings, issues) => {
    const realms = new Map(
      Object.entries(settings.realms).flatMap(([name, value]) => {
        const realm = readFaceRealm(name, value, issues);
        return realm === undefined ? [] : [[name, realm] as const];
      }),
    );
    const { realms: _realms, ...others } = settings;
    return { ...others, file, faces: bindFaces(realms, settings, issues) };
  });
}

function load<S extends z.ZodType, T>(
  file: string,
  { env }: LoadContext,
  schema: S,
  build: (settings: z.output<S>, issues: ConfigIssue[]) => T,
): T {
  const issues: ConfigIssue[] = [];
  const raw = interpolate(readYaml(file), env, issues);
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    throw new ConfigError(file, [{ place: "", message: "the file must hold a mapping of settings" }]);
  }
  const parsed = schema.safeParse(raw);
  if (!parsed.success) {
    issues.push(...issuesOf(parsed.error));
    // What is in the realms is told in the same breath, so far as the rest lets it be seen.
    buildRealmsOnly(schema, raw, file, issues);
    throw new ConfigError(file, issues);
  }
  const built = build(parsed.data, issues);
  if (issues.length > 0) throw new ConfigError(file, issues);
  return built;
}

function buildRealmsOnly(schema: z.ZodType, raw: object, file: string, issues: ConfigIssue[]): void {
  const { realms } = raw as { realms?: unknown };
  if (typeof realms !== "object" || realms === null || Array.isArray(realms)) return;
  const resolve = resolver(file);
  for (const [name, value] of Object.entries(realms)) {
    if (schema === gatewaySchema) readFaceRealm(name, value, issues);
    else readRealm(name, value, { resolve, issues });
  }
}

function readYaml(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const message = `the file cannot be read (${(error as NodeJS.ErrnoException).code ?? "error"})`;
    throw new ConfigError(file, [{ place: "", message }]);
  }
  const document = parseDocument(text, { prettyErrors: true });
  if (document.errors.length > 0) {
    const issues = document.errors.map(({ linePos, message }) => ({
      place: linePos === undefined ? "" : `line ${linePos[0].line}, column ${linePos[0].col}`,
      message: (message.split("\n", 1)[0] ?? "").replace(/ at line \d+, column \d+:?$/, ""),
    }));
    throw new ConfigError(file, issues);
  }
  return document.toJS({ maxAliasCount: 100 }) as unknown;
}

function resolver(file: string): (name: string) => string {
  const folder = path.dirname(path.resolve(file));
  return (name) => path.resolve(folder, name);
}

function bindFaces(
  realms: ReadonlyMap<string, { readonly vendor: { readonly name: string } | undefined; readonly settings: FaceSettings }>,
  { http }: Pick<Core, "http">,
  issues: ConfigIssue[],
): ConfiguredFace[] {
  return VENDORS.flatMap((vendor) => {
    const bound = (http?.faces as Record<string, string> | undefined)?.[vendor.name];
    const realm = realms.get(bound ?? vendor.name);
    if (realm?.vendor?.name !== vendor.name) {
      if (bound !== undefined) {
        const message = `must name a realm with the preset ${vendor.name}`;
        issues.push({ place: formatPath(["http", "faces", vendor.name]), message });
      }
      return [];
    }
    const face = vendor.face(realm.settings, realm.settings.maxTokenLength);
    return [{ name: vendor.name, path: vendor.path, realm: bound ?? vendor.name, face }];
  });
}

function readMasterKeys(
  { masterKey, masterKeyFile, masterKeys }: Pick<Core, "masterKey" | "masterKeyFile" | "masterKeys">,
  resolve: (name: string) => string,
  issues: ConfigIssue[],
): readonly string[] {
  const given = Object.entries({ masterKey, masterKeyFile, masterKeys }).filter(([, value]) => value !== undefined);
  if (given.length > 1) {
    issues.push({ place: given[1]?.[0] ?? "", message: "give one of masterKey, masterKeyFile and masterKeys" });
    return [];
  }
  let keys = masterKeys ?? (masterKey === undefined ? [] : [masterKey]);
  if (masterKeyFile !== undefined) {
    try {
      keys = [readFileSync(resolve(masterKeyFile), "utf8").trim()];
    } catch (error) {
      const message = `${masterKeyFile} cannot be read (${(error as NodeJS.ErrnoException).code ?? "error"})`;
      issues.push({ place: "masterKeyFile", message });
    }
  }
  for (const [index, key] of keys.entries()) {
    if (Buffer.from(key, "base64").length === 32 && /^[A-Za-z0-9+/]{43}=?$/.test(key)) continue;
    const place = masterKeys === undefined ? (given[0]?.[0] ?? "") : formatPath(["masterKeys", index]);
    issues.push({ place, message: "must be 32 bytes in base64: openssl rand -base64 32 makes one" });
  }
  return keys;
}

function resolveStore(url: string, resolve: (name: string) => string, issues: ConfigIssue[]): string {
  const [, file] = /^sqlite:(.+)$/.exec(url) ?? [];
  if (file !== undefined) return `sqlite:${resolve(file)}`;
  issues.push({ place: "store", message: "must be sqlite: and the name of a file, such as sqlite:./data/verifier.db" });
  return url;
}
