import type { Config } from "../config/load.js";
import { tlsKind } from "../contract/tls.js";
import { formatCallers } from "../verifier/realm.js";
import { certificateWarnings } from "./certificates.js";

/** What `check` found, as `--json` prints it. */
export interface CheckReport {
  readonly file: string;
  readonly listeners: Readonly<Record<string, string>>;
  /** How each of them is spoken to: `plain`, `tls`, or `mutual` (clients show certificates, too). */
  readonly transport: Readonly<Record<string, ReturnType<typeof tlsKind>>>;
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
  /** What is allowed and probably not meant. */
  readonly warnings: readonly string[];
}

/** Describes a configuration that was found good. @param now milliseconds since 1970 */
export function describeConfig(config: Config, now: number): CheckReport {
  const { grpc, http, admin, metrics } = config;
  const listeners = Object.entries({ grpc, http, admin, metrics }).flatMap(([name, port]) =>
    port === undefined ? [] : [[name, port] as const],
  );
  return {
    file: config.file,
    listeners: Object.fromEntries(listeners.map(([name, { address }]) => [name, address])),
    transport: Object.fromEntries(listeners.map(([name, { tls }]) => [name, tlsKind(tls)])),
    store: config.masterKeys.length === 0 ? null : config.store.url,
    realms: config.realms.map(({ realm, vendor, keys, setAside }) => ({
      name: realm.name,
      preset: vendor?.name ?? null,
      algorithms: realm.policy.algorithms,
      callers: formatCallers(realm.policy.callers),
      keys: keys.map(({ algorithm, kid = null, label }) => ({ algorithm, kid, label })),
      setAside,
    })),
    faces: config.faces.map(({ path, realm }) => ({ path, realm })),
    warnings: [...warningsOf(config), ...certificateWarnings(config, now)],
  };
}

function warningsOf({ grpc, http, admin, realms, faces }: Config): string[] {
  const warnings: string[] = [];
  if (grpc === undefined && http === undefined && admin === undefined) {
    warnings.push("nothing listens: give grpc or http an address");
  }
  if (realms.length === 0) warnings.push("there is no realm: every call will be NOT_FOUND");
  if (http !== undefined && faces.length === 0) {
    warnings.push("http shows no face: no realm has a vendor's preset and its name (see http.faces)");
  }
  for (const { realm, vendor } of realms) {
    const served = faces.some((face) => face.realm === realm.name);
    if (grpc === undefined && !served)
      warnings.push(`realms.${realm.name}: nobody can ask it: grpc is absent and no face serves it`);
    if (vendor !== undefined && http !== undefined && !served) {
      warnings.push(`realms.${realm.name}: its face is not shown: name it under http.faces.${vendor.name}`);
    }
  }
  return warnings;
}

const TRANSPORT = { plain: "", tls: " (TLS)", mutual: " (TLS, with clients' certificates)" };

/** A report for people's eyes. */
export function formatReport(report: CheckReport): string {
  const lines = [`${report.file} is good.`, ""];
  for (const [name, address] of Object.entries(report.listeners)) {
    lines.push(`${name.padEnd(7)} ${address}${TRANSPORT[report.transport[name] ?? "plain"]}`);
  }
  lines.push(`store   ${report.store ?? "none (no masterKey: no callers, users or revocations)"}`, "");
  for (const { name, preset, algorithms, callers, keys, setAside } of report.realms) {
    lines.push(`realm ${name}: ${preset ?? "no preset"}, ${algorithms.join(", ")}, callers: ${callers}`);
    if (keys.length === 0) lines.push("  keys: each instance's own");
    for (const { algorithm, kid, label } of keys)
      lines.push(`  key ${algorithm} ${kid === null ? "without kid" : `kid ${kid}`}, ${label}`);
    for (const what of setAside) lines.push(`  set aside: ${what}`);
  }
  for (const { path, realm } of report.faces) lines.push(`face ${path}: realm ${realm}`);
  for (const warning of report.warnings) lines.push(`warning: ${warning}`);
  return lines.join("\n");
}

/** What is in a gateway's configuration, for people's eyes. */
export function formatGatewayReport(report: {
  readonly file: string;
  readonly upstream: string;
  readonly http: string;
  readonly faces: CheckReport["faces"];
  readonly warnings: readonly string[];
}): string {
  return [
    `${report.file} is good.`,
    "",
    `http     ${report.http}`,
    `upstream ${report.upstream}`,
    ...report.faces.map(({ path, realm }) => `face ${path}: realm ${realm}`),
    ...report.warnings.map((warning) => `warning: ${warning}`),
  ].join("\n");
}
