import type { z } from "zod";
import type { Algorithm } from "../jws/algorithms.js";
import { formatPath, type Issue, type IssuePath, issuesOf, READABLE } from "../util/issues.js";
import { nearestWord, suggestion } from "../util/suggestion.js";
import type { Vendor } from "../vendors/vendor.js";
import { ACCESS_TOKENS, type GenericSettings } from "../verifier/generic.js";
import type { Policy } from "../verifier/realm.js";
import { contradictedClaims } from "./claim-forms.js";
import { type LoadedKeys, loadKeys } from "./keys.js";
import type { ReadFile } from "./read-file.js";
import { accessTokenSchema, facePresetSchema, genericSchema, presetSchema } from "./realm-forms.js";

/** A realm of the configuration, checked: its settings and its keys. The server builds the realm that verifies from it. */
export interface ConfiguredRealm
  extends LoadedKeys,
    Pick<Policy, "algorithms" | "callers" | "explain" | "keysOf" | "maxTokenLength"> {
  readonly name: string;
  /** The vendor of its preset; undefined without a preset. */
  readonly vendor: Vendor | undefined;
  /** For a routing realm, the names of its targets by issuer, exact; undefined for any other. */
  readonly byIssuer: ReadonlyMap<string, string> | undefined;
  /** Whether its callers may watch its changes. */
  readonly isWatched: boolean;
  /** A stricter `store.staleFor` of its own, in milliseconds; undefined for the store's. */
  readonly staleFor: number | undefined;
  /** Settings as written, with defaults and without keys. */
  readonly settings: FaceSettings;
}

/** Settings of a realm's face: the longest token, and the vendor's own settings. */
export interface FaceSettings {
  readonly maxTokenLength: number;
  readonly [name: string]: unknown;
}

/** What says which kind of realm it is, and its settings. */
export type RealmSettings = Pick<ConfiguredRealm, "vendor" | "byIssuer" | "settings">;

/** The settings of a realm without a vendor's preset; none for any other realm. */
export const genericSettings = ({ vendor, byIssuer, settings }: RealmSettings): Partial<GenericSettings> =>
  vendor === undefined && byIssuer === undefined ? settings : {};

/** The known presets, and where issues are collected. */
export interface PresetContext {
  readonly vendors: readonly Vendor[];
  readonly issues: Issue[];
}

/** What reading a realm needs: presets, issues, and how files are found and read. */
export interface RealmContext extends PresetContext {
  readonly resolve: (file: string) => string;
  readonly readFile: ReadFile;
}

/** Reads a realm; undefined if it has an issue. */
export function readRealm(name: string, value: unknown, context: RealmContext): ConfiguredRealm | undefined {
  const path: IssuePath = ["realms", name];
  const before = context.issues.length;
  const vendor = vendorOf(value, path, context, [ACCESS_TOKENS]);
  // Without its preset, every setting of the realm would be reported.
  if (vendor === undefined && context.issues.length > before) return undefined;
  const read = vendor === undefined ? readGeneric(value, path, context) : readPreset(vendor, value, path, context);
  if (read === undefined) return undefined;
  const { writtenKeys, ...realm } = read;
  const loaded = loadKeys(writtenKeys, [...path, "keys"], {
    algorithms: realm.algorithms,
    issuers: genericSettings({ vendor, byIssuer: undefined, ...realm }).issuer ?? null,
    ...context,
  });
  return context.issues.length > before ? undefined : { name, vendor, byIssuer: undefined, ...realm, ...loaded };
}

/** Settings of a realm whose keys are not loaded yet. */
interface ReadRealm extends Omit<ConfiguredRealm, keyof LoadedKeys | "name" | "vendor" | "byIssuer"> {
  readonly writtenKeys: readonly unknown[];
}

function readPreset(vendor: Vendor, value: unknown, path: IssuePath, context: RealmContext): ReadRealm | undefined {
  const parsed = parse(presetSchema(vendor), value, path, context.issues);
  if (parsed === undefined) {
    checkKeysAlone(value, vendor.algorithms, path, context);
    return undefined;
  }
  const { keys = [], explain, watch, staleFor, ...settings } = parsed;
  const { algorithms, callers, keysOf } = vendor;
  const place = formatPath([...path, "keys"]);
  if (keysOf === "realm" && keys.length === 0) {
    context.issues.push({ place, message: "is missing: give the keys that verify its tokens" });
  }
  if (keysOf === "instance" && keys.length > 0) {
    context.issues.push({ place, message: "leave it out: each instance's own secret keys verify its tokens" });
  }
  const { maxTokenLength } = settings;
  return {
    algorithms,
    callers,
    keysOf,
    maxTokenLength,
    explain: askersOf(explain),
    isWatched: isWatched(watch, callers),
    staleFor,
    settings,
    writtenKeys: keys,
  };
}

const isWatched = (watch: "callers" | "nobody" | undefined, callers: Policy["callers"]): boolean =>
  (watch ?? (callers === "anyone" ? "nobody" : "callers")) === "callers";

const askersOf = (explain: Exclude<Policy["explain"], "nobody"> | false): Policy["explain"] =>
  explain === false ? "nobody" : explain;

function readGeneric(value: unknown, path: IssuePath, context: RealmContext): ReadRealm | undefined {
  const { claims } = (value ?? {}) as { claims?: unknown };
  if (typeof claims === "object" && claims !== null && Object.hasOwn(claims, "__proto__")) {
    // Zod leaves it out of the record that it makes, and the condition would not be checked.
    const message = 'must be written as a pointer to that member: "/__proto__"';
    context.issues.push({ place: formatPath([...path, "claims", "__proto__"]), message });
  }
  const isAccessToken = (value as { preset?: unknown } | null)?.preset === ACCESS_TOKENS;
  const parsed = parse(isAccessToken ? accessTokenSchema : genericSchema, value, path, context.issues);
  if (parsed === undefined) {
    const algorithms = genericSchema.shape.algorithms.safeParse((value as { algorithms?: unknown } | null)?.algorithms);
    if (algorithms.success) checkKeysAlone(value, algorithms.data, path, context);
    return undefined;
  }
  for (const claim of contradictedClaims(parsed)) {
    const message = `must be absent and is required, by ${isAccessToken ? `the preset ${ACCESS_TOKENS}, ` : ""}requiredClaims (default [exp]), issuer, audience or maxLifetime`;
    context.issues.push({ place: formatPath([...path, "claims", claim]), message });
  }
  const { keys, watch, staleFor, ...settings } = parsed;
  const { algorithms, callers, explain, maxTokenLength } = parsed;
  return {
    algorithms,
    callers,
    keysOf: "realm",
    maxTokenLength,
    explain: askersOf(explain),
    isWatched: isWatched(watch, callers),
    staleFor,
    settings,
    writtenKeys: keys,
  };
}

/** Reports what is wrong with the keys of a realm whose settings are wrong. */
function checkKeysAlone(
  value: unknown,
  algorithms: readonly Algorithm[],
  path: IssuePath,
  context: RealmContext,
): void {
  const { keys } = value as { keys?: unknown };
  if (Array.isArray(keys)) loadKeys(keys, [...path, "keys"], { algorithms, issuers: undefined, ...context });
}

/** Reads a realm of a gateway on its own; undefined if it has an issue. */
export function readFaceRealm(
  name: string,
  value: unknown,
  context: PresetContext,
): { readonly vendor: Vendor; readonly settings: FaceSettings } | undefined {
  const path: IssuePath = ["realms", name];
  const { issues } = context;
  const before = issues.length;
  const vendor = vendorOf(value, path, context);
  if (vendor === undefined) {
    if (issues.length > before) return undefined;
    issues.push({
      place: formatPath([...path, "preset"]),
      message: "is missing: a gateway on its own serves only the faces of presets",
    });
    return undefined;
  }
  const settings = parse(facePresetSchema(vendor), value, path, issues);
  if (settings === undefined || issues.length > before) return undefined;
  return { vendor, settings };
}

/**
 * Vendor of a realm's preset; for a misspelt one reports it and returns the likely vendor, so that the rest is checked.
 *
 * @param others names of presets that are no vendor's
 */
function vendorOf(
  value: unknown,
  path: IssuePath,
  { vendors, issues }: PresetContext,
  others: readonly string[] = [],
): Vendor | undefined {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "preset")) return undefined;
  const { preset } = value as { preset: unknown };
  const vendor = vendors.find(({ name }) => name === preset);
  if (vendor !== undefined) return vendor;
  if (others.some((name) => name === preset)) return undefined;
  const names = [...vendors.map(({ name }) => name), ...others];
  const message = `must be one of ${names.join(", ")}; leave it out for a realm of any other issuer${suggestion(preset, names)}`;
  issues.push({ place: formatPath([...path, "preset"]), message, isCause: true });
  const near = nearestWord(preset, names);
  return vendors.find(({ name }) => name === near);
}

/** Parses a part of the configuration by its schema; undefined if it has issues, which are reported. */
export function parse<S extends z.ZodType>(
  schema: S,
  value: unknown,
  path: IssuePath,
  issues: Issue[],
): z.output<S> | undefined {
  const parsed = schema.safeParse(value, READABLE);
  if (parsed.success) return parsed.data;
  issues.push(...issuesOf(parsed.error, path));
  return undefined;
}
