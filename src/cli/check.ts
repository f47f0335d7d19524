import { TokenVerifierService } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { Config } from "../config/load.js";

/** What `check` found, as `--json` prints it. */
export interface CheckReport {
  readonly file: string;
  readonly listeners: Readonly<Record<string, string>>;
  readonly store: string | null;
  readonly realms: readonly {
    readonly name: string;
    readonly preset: string | null;
    readonly algorithms: readonly string[];
    readonly callers: string;
    readonly keys: readonly { readonly algorithm: string; readonly kid: string | null; readonly label: string }[];
    readonly setAside: readonly string[];
  }[];
  readonly faces: readonly { readonly path: string; readonly realm: string }[];
  /** Realms that may be asked for over HTTP by the contract itself. */
  readonly rpc: readonly string[];
  /** What is allowed and probably not meant. */
  readonly warnings: readonly string[];
}

/** Describes a configuration that was found good. */
export function describeConfig(config: Config): CheckReport {
  const { grpc, http, admin } = config;
  const listeners = Object.entries({ grpc, http: http?.address, admin }).flatMap(([name, address]) =>
    address === undefined ? [] : [[name, address] as const],
  );
  return {
    file: config.file,
    listeners: Object.fromEntries(listeners),
    store: config.masterKeys.length === 0 ? null : config.store.url,
    realms: config.realms.map(({ realm, vendor, keys, setAside }) => ({
      name: realm.name,
      preset: vendor?.name ?? null,
      algorithms: realm.policy.algorithms,
      callers: realm.policy.callers,
      keys: keys.map(({ algorithm, kid = null, label }) => ({ algorithm, kid, label })),
      setAside,
    })),
    faces: config.faces.map(({ path, realm }) => ({ path, realm })),
    rpc: http?.rpc ?? [],
    warnings: warningsOf(config),
  };
}

function warningsOf({ grpc, http, admin, realms, faces }: Config): string[] {
  const warnings: string[] = [];
  if (grpc === undefined && http === undefined && admin === undefined) {
    warnings.push("nothing listens: give grpc or http an address");
  }
  if (realms.length === 0) warnings.push("there is no realm: every call will be NOT_FOUND");
  if (http?.rpc.length === 0 && faces.length === 0) {
    warnings.push("http shows no face: no realm has a vendor's preset and its name (see http.faces)");
  }
  for (const { realm, vendor } of realms) {
    const served = faces.some((face) => face.realm === realm.name);
    const shown = http?.rpc.includes(realm.name) === true;
    if (grpc === undefined && !served && !shown)
      warnings.push(
        `realms.${realm.name}: nobody can ask it: grpc is absent, and neither a face nor http.rpc serves it`,
      );
    if (vendor !== undefined && http !== undefined && !served && !shown) {
      warnings.push(`realms.${realm.name}: its face is not shown: name it under http.faces.${vendor.name}`);
    }
  }
  return warnings;
}

/** A report for people's eyes. */
export function formatReport(report: CheckReport): string {
  const lines = [`${report.file} is good.`, ""];
  for (const [name, address] of Object.entries(report.listeners)) lines.push(`${name.padEnd(7)} ${address}`);
  lines.push(`store   ${report.store ?? "none (no masterKey: no callers, users or revocations)"}`, "");
  for (const { name, preset, algorithms, callers, keys, setAside } of report.realms) {
    lines.push(`realm ${name}: ${preset ?? "no preset"}, ${algorithms.join(", ")}, callers: ${callers}`);
    if (keys.length === 0) lines.push("  keys: each instance's own");
    for (const { algorithm, kid, label } of keys)
      lines.push(`  key ${algorithm} ${kid === null ? "without kid" : `kid ${kid}`}, ${label}`);
    for (const what of setAside) lines.push(`  set aside: ${what}`);
  }
  for (const { path, realm } of report.faces) lines.push(`face ${path}: realm ${realm}`);
  lines.push(...rpcLine(report.rpc));
  for (const warning of report.warnings) lines.push(`warning: ${warning}`);
  return lines.join("\n");
}

const rpcLine = (realms: readonly string[]): string[] =>
  realms.length === 0 ? [] : [`rpc ${TokenVerifierService.verifyToken.path}: realms ${realms.join(", ")}`];

/** What is in a gateway's configuration, for people's eyes. */
export function formatGatewayReport(report: {
  readonly file: string;
  readonly upstream: string;
  readonly http: string;
  readonly faces: CheckReport["faces"];
  readonly rpc: CheckReport["rpc"];
}): string {
  return [
    `${report.file} is good.`,
    "",
    `http     ${report.http}`,
    `upstream ${report.upstream}`,
    ...report.faces.map(({ path, realm }) => `face ${path}: realm ${realm}`),
    ...rpcLine(report.rpc),
  ].join("\n");
}
