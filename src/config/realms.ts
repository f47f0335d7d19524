import { z } from "zod";
import { staticSource } from "../keys/source.js";
import { VENDORS } from "../vendors/index.js";
import type { Vendor } from "../vendors/vendor.js";
import { genericPolicy } from "../verifier/generic.js";
import { createRealm, type Policy, type Realm } from "../verifier/realm.js";
import { type ConfigIssue, formatPath, issuesOf, type Path, TELLING } from "./issues.js";
import { type LoadedKeys, loadKeys } from "./keys.js";
import { facePresetSchemas, genericSchema, presetSchemas } from "./schema.js";

/** A configured realm, ready to verify. */
export interface ConfiguredRealm extends LoadedKeys {
  readonly realm: Realm;
  /** The vendor whose preset it has. */
  readonly vendor: Vendor | undefined;
  /** Its settings as the configuration gives them, defaults included; holds no key. */
  readonly settings: FaceSettings;
}

/** What a face needs of a realm's settings. */
export interface FaceSettings {
  readonly maxTokenLength: number;
  readonly [name: string]: unknown;
}

/** Where what is wrong is collected, and how files are found. */
export interface RealmContext {
  readonly resolve: (file: string) => string;
  readonly issues: ConfigIssue[];
}

/** Reads a realm; undefined where something is wrong with it. */
export function readRealm(name: string, value: unknown, { resolve, issues }: RealmContext): ConfiguredRealm | undefined {
  const path: Path = ["realms", name];
  const before = issues.length;
  const vendor = vendorOf(value, path, issues);
  if (issues.length > before) return undefined;
  if (vendor !== undefined) {
    const settings = parse(presetSchemas.get(vendor.name), value, path, issues);
    if (settings === undefined) {
      const { algorithms } = vendor.policy(z.object(vendor.policySettings).parse({}));
      checkKeysAlone(value, algorithms, path, { resolve, issues });
      return undefined;
    }
    const { keys = [], explain, ...others } = settings;
    const policy: Policy = {
      ...vendor.policy(others),
      maxTokenLength: settings.maxTokenLength,
      explain: explain === false ? "nobody" : explain,
    };
    checkKeysOf(policy, keys, path, issues);
    const loaded = loadKeys(keys, [...path, "keys"], { algorithms: policy.algorithms, resolve, issues });
    if (issues.length > before) return undefined;
    return { realm: createRealm(name, policy, staticSource(loaded.keys)), vendor, settings: others, ...loaded };
  }
  const settings = parse(genericSchema, value, path, issues);
  if (settings === undefined) {
    const algorithms = genericSchema.shape.algorithms.safeParse((value as { algorithms?: unknown } | null)?.algorithms);
    if (algorithms.success) checkKeysAlone(value, algorithms.data, path, { resolve, issues });
    return undefined;
  }
  const policy = genericPolicy(settings);
  const loaded = loadKeys(settings.keys, [...path, "keys"], { algorithms: policy.algorithms, resolve, issues });
  if (issues.length > before) return undefined;
  const { keys: _keys, ...others } = settings;
  return { realm: createRealm(name, policy, staticSource(loaded.keys)), vendor, settings: others, ...loaded };
}

/** Tells what is wrong with the keys of a realm of which something else is wrong. */
function checkKeysAlone(value: unknown, algorithms: Policy["algorithms"], path: Path, context: RealmContext): void {
  const { keys } = value as { keys?: unknown };
  if (Array.isArray(keys)) loadKeys(keys, [...path, "keys"], { algorithms, ...context });
}

function checkKeysOf({ keysOf }: Policy, keys: readonly unknown[], path: Path, issues: ConfigIssue[]): void {
  const place = formatPath([...path, "keys"]);
  if (keysOf === "realm" && keys.length === 0) issues.push({ place, message: "is missing: give the keys that verify its tokens" });
  if (keysOf === "instance" && keys.length > 0) {
    issues.push({ place, message: "leave it out: each instance's own secret keys verify its tokens" });
  }
}

/** Reads what a gateway on its own knows of a realm; undefined where something is wrong with it. */
export function readFaceRealm(
  name: string,
  value: unknown,
  issues: ConfigIssue[],
): { readonly vendor: Vendor; readonly settings: FaceSettings } | undefined {
  const path: Path = ["realms", name];
  const before = issues.length;
  const vendor = vendorOf(value, path, issues);
  if (issues.length > before) return undefined;
  if (vendor === undefined) {
    issues.push({ place: formatPath([...path, "preset"]), message: "is missing: a gateway on its own serves presets' faces alone" });
    return undefined;
  }
  const settings = parse(facePresetSchemas.get(vendor.name), value, path, issues);
  return settings && { vendor, settings };
}

function vendorOf(value: unknown, path: Path, issues: ConfigIssue[]): Vendor | undefined {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "preset")) return undefined;
  const { preset } = value as { preset: unknown };
  const vendor = VENDORS.find(({ name }) => name === preset);
  if (vendor === undefined) {
    const message = `must be one of ${VENDORS.map(({ name }) => name).join(", ")}; leave it out for a realm of any other issuer`;
    issues.push({ place: formatPath([...path, "preset"]), message });
  }
  return vendor;
}

function parse<S extends z.ZodType>(
  schema: S | undefined,
  value: unknown,
  path: Path,
  issues: ConfigIssue[],
): z.output<S> | undefined {
  const parsed = schema?.safeParse(value, TELLING);
  if (parsed?.success) return parsed.data;
  if (parsed !== undefined) issues.push(...issuesOf(parsed.error, path));
  return undefined;
}
