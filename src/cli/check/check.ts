import { TokenVerifierService } from "../../../gen/tokenverifier/v1/token_verifier.js";
import { ConfigError } from "../../config/issues.js";
import { type Config, loadGatewayConfig } from "../../config/load.js";
import type { VerificationKey } from "../../keys/key.js";
import { tlsKind } from "../../net/tls.js";
import { formatCallers } from "../../verifier/realm.js";
import type { CliContext } from "../cli-context.js";
import { aligned } from "../text-table.js";
import { advise, adviseGateway } from "./advice.js";
import type { Finding, Findings, Subject } from "./findings.js";
import { readSubject } from "./subject.js";

/** What `check` found, as `--json` prints it. */
export interface CheckReport {
  readonly file: string;
  readonly listeners: Readonly<Record<string, string>>;
  /** How each of them is spoken to: `plain`, `tls`, or `mutual` (clients show certificates, too). */
  readonly transport: Readonly<Record<string, ReturnType<typeof tlsKind>>>;
  readonly store: string | null;
  readonly realms: readonly {
    readonly name: string;
    /** Of a realm that hands tokens on: to which realm, by issuer. */
    readonly byIssuer: Readonly<Record<string, string>> | null;
    /** Of such a realm: those that it hands tokens to whose keys could not be fetched. It serves the others. */
    readonly unreached: readonly string[];
    readonly preset: string | null;
    readonly algorithms: readonly string[];
    readonly callers: string;
    readonly keys: readonly { readonly algorithm: string; readonly kid: string | null; readonly label: string }[];
    /** Where more keys are fetched: of those that were reached, the keys stand among the others. */
    readonly fetchedFrom: readonly string[];
    readonly setAside: readonly string[];
  }[];
  readonly faces: readonly { readonly path: string; readonly realm: string }[];
  /** Realms that may be asked for over HTTP by the contract itself. */
  readonly rpc: readonly string[];
  /** What is allowed and probably not meant: docs/checks.md. */
  readonly warnings: readonly Finding[];
}

/** The same of a gateway on its own. */
export type GatewayReport = Pick<CheckReport, "file" | "listeners" | "transport" | "faces" | "rpc" | "warnings"> & {
  readonly upstream: string;
};

/**
 * Checks a configuration, and looks for the mistakes that people make.
 *
 * @throws {ConfigError} with everything that is wrong; {DirectoryError} where the store cannot be used with it
 */
export async function check(file: string, world: CliContext): Promise<CheckReport> {
  const subject = await readSubject(file, world);
  return describe(subject, warningsOf(file, advise(subject)));
}

/** The same for a gateway on its own. @throws {ConfigError} with everything that is wrong */
export function checkGateway(file: string, world: CliContext): GatewayReport {
  const config = loadGatewayConfig(file, world);
  const { upstream, http, metrics, faces } = config;
  return {
    file,
    upstream: upstream.address,
    ...listenersOf({ http, metrics }),
    faces: faces.map(({ path, realm }) => ({ path, realm })),
    rpc: http.rpc,
    warnings: warningsOf(file, adviseGateway(config, world.clock())),
  };
}

/** What is an error ends the check as any other error of a configuration does. */
function warningsOf(file: string, { errors, warnings }: Findings): readonly Finding[] {
  if (errors.length === 0) return warnings;
  throw new ConfigError(
    file,
    errors.map(({ place, message, cure }) => ({ place, message: `${message}. ${cure}` })),
  );
}

function describe(config: Subject, warnings: readonly Finding[]): CheckReport {
  const { grpc, http, admin, metrics } = config;
  return {
    file: config.file,
    ...listenersOf({ grpc, http, admin, metrics }),
    store: config.masterKeys.length === 0 ? null : config.store.url,
    realms: config.realms.map(({ name, byIssuer, vendor, algorithms, callers, keys, setAside }) => ({
      name,
      byIssuer: byIssuer === undefined ? null : Object.fromEntries(byIssuer),
      unreached: [...new Set(byIssuer?.values())].filter((target) => isUnreached(config, target)),
      preset: vendor?.name ?? null,
      algorithms,
      callers: formatCallers(callers),
      keys: [...keys, ...fetched(config, name)].map(({ algorithm, kid = null, label }) => ({
        algorithm,
        kid,
        label,
      })),
      fetchedFrom: config.reached.filter((one) => one.realm === name).map(({ location }) => location),
      setAside,
    })),
    faces: config.faces.map(({ path, realm }) => ({ path, realm })),
    rpc: http?.rpc ?? [],
    warnings,
  };
}

/** The ports that are configured: where they are, and how they are spoken to. */
function listenersOf(
  ports: Readonly<Record<string, Pick<NonNullable<Config["grpc"]>, "address" | "tls"> | undefined>>,
): Pick<CheckReport, "listeners" | "transport"> {
  const present = Object.entries(ports).flatMap(([name, port]) => (port === undefined ? [] : [[name, port] as const]));
  return {
    listeners: Object.fromEntries(present.map(([name, { address }]) => [name, address])),
    transport: Object.fromEntries(present.map(([name, { tls }]) => [name, tlsKind(tls)])),
  };
}

const TRANSPORT = { plain: "", tls: " (TLS)", mutual: " (TLS, with clients' certificates)" };

function formatListeners({ listeners, transport }: Pick<CheckReport, "listeners" | "transport">): [string, string][] {
  return Object.entries(listeners).map(([name, at]) => [name, `${at}${TRANSPORT[transport[name] ?? "plain"]}`]);
}

/** The keys of a realm that were fetched just now. */
const fetched = ({ reached }: Subject, name: string): readonly VerificationKey[] =>
  reached.flatMap(({ realm, set }) => (realm === name && typeof set !== "string" ? set.keys : []));

/** Whether keys of a realm could not be fetched just now. */
const isUnreached = ({ reached }: Subject, name: string): boolean =>
  reached.some(({ realm, set }) => realm === name && typeof set === "string");

/** A report for people's eyes. */
export function formatReport(report: CheckReport): string {
  const store = report.store ?? "none (no masterKey: no callers, users or revocations)";
  const lines = [`${report.file} is good.`, "", ...aligned([...formatListeners(report), ["store", store]]), ""];
  for (const { name, byIssuer, unreached, preset, algorithms, callers, keys, fetchedFrom, setAside } of report.realms) {
    if (byIssuer !== null) {
      lines.push(`realm ${name}: by issuer, callers: ${callers}`);
      for (const [issuer, realm] of Object.entries(byIssuer)) {
        lines.push(`  ${issuer}: realm ${realm}${unreached.includes(realm) ? ", whose keys cannot be fetched" : ""}`);
      }
      continue;
    }
    lines.push(`realm ${name}: ${preset ?? "no preset"}, ${algorithms.join(", ")}, callers: ${callers}`);
    if (keys.length === 0 && fetchedFrom.length === 0) lines.push("  keys: each instance's own");
    for (const location of fetchedFrom) lines.push(`  keys from ${location}`);
    for (const { algorithm, kid, label } of keys)
      lines.push(`  key ${algorithm} ${kid === null ? "without kid" : `kid ${kid}`}, ${label}`);
    for (const what of setAside) lines.push(`  set aside: ${what}`);
  }
  return [...lines, ...formatFaces(report), ...formatWarnings(report)].join("\n");
}

/** What is in a gateway's configuration, for people's eyes. */
export function formatGatewayReport(report: GatewayReport): string {
  const settings = aligned([...formatListeners(report), ["upstream", report.upstream]]);
  return [`${report.file} is good.`, "", ...settings, ...formatFaces(report), ...formatWarnings(report)].join("\n");
}

function formatFaces({ faces, rpc }: Pick<CheckReport, "faces" | "rpc">): string[] {
  const shown = rpc.length === 0 ? [] : [`rpc ${TokenVerifierService.verifyToken.path}: realms ${rpc.join(", ")}`];
  return [...faces.map(({ path, realm }) => `face ${path}: realm ${realm}`), ...shown];
}

function formatWarnings({ warnings }: Pick<CheckReport, "warnings">): string[] {
  if (warnings.length === 0) return [];
  const rows = warnings.flatMap(({ check: name, place, message, cure }) => [
    ["  warning", place, `${message} (${name})`],
    ["", "", `Cure: ${cure}`],
  ]);
  return ["", ...aligned(rows)];
}
