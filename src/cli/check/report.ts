import { TokenVerifierService } from "../../../gen/tokenverifier/v1/token_verifier.js";
import { type Algorithm, listAlgorithms } from "../../jws/algorithms.js";
import type { tlsKind } from "../../net/tls.js";
import { alignColumns } from "../output.js";
import type { Finding } from "./findings.js";

/** What `check` says of a configuration, as `--json` prints it. */
export interface CheckReport {
  readonly file: string;
  /** The address of each listener, by its name in the configuration. */
  readonly listeners: Readonly<Record<string, string>>;
  /** The transport of each listener: `plain`, `tls`, or `mutual` (TLS with client certificates). */
  readonly transport: Readonly<Record<string, ReturnType<typeof tlsKind>>>;
  readonly store: string | null;
  readonly realms: readonly {
    readonly name: string;
    /** For a routing realm: the target realm by issuer. */
    readonly byIssuer: Readonly<Record<string, string>> | null;
    /** For a routing realm: the targets whose keys could not be fetched; it still serves the others. */
    readonly unreached: readonly string[];
    readonly preset: string | null;
    /** The recipe for its issuer, and where it is; null for an issuer without one. */
    readonly recipe: { readonly name: string; readonly guide: string } | null;
    readonly algorithms: readonly Algorithm[];
    readonly callers: string;
    /** The keys of the configuration and those fetched. */
    readonly keys: readonly { readonly algorithm: string; readonly kid: string | null; readonly label: string }[];
    /** Where keys are fetched from, and what was found there. */
    readonly fetchedFrom: readonly {
      readonly location: string;
      /** The URLs that were asked, in order, without queries. */
      readonly asked: readonly string[];
      /** The numbers of keys: usable, refused, and set aside. Null if there is no set; a warning says why. */
      readonly found: { readonly keys: number; readonly refused: number; readonly setAside: number } | null;
    }[];
    /** Keys that are for something else, of the configuration and of fetched sets. */
    readonly setAside: readonly string[];
  }[];
  readonly faces: readonly { readonly path: string; readonly realm: string }[];
  /** The realms that HTTP callers can ask by the contract itself. */
  readonly rpc: readonly string[];
  /** Likely mistakes: docs/checks.md. */
  readonly warnings: readonly Finding[];
}

/** What `check --only http` says of a gateway on its own. */
export type GatewayReport = Pick<CheckReport, "file" | "listeners" | "transport" | "faces" | "rpc" | "warnings"> & {
  readonly upstream: string;
};

/** A report as text. */
export function formatReport(report: CheckReport): string {
  const store = report.store ?? "none (no masterKey: no callers, users or revocations)";
  const lines = [`${report.file} is valid.`, "", ...alignColumns([...formatListeners(report), ["store", store]]), ""];
  for (const one of report.realms) {
    const { name, byIssuer, unreached, preset, recipe, algorithms, callers, keys, fetchedFrom, setAside } = one;
    if (byIssuer !== null) {
      lines.push(`realm ${name}: by issuer, callers: ${callers}`);
      for (const [issuer, realm] of Object.entries(byIssuer)) {
        lines.push(`  ${issuer}: realm ${realm}${unreached.includes(realm) ? ", whose keys cannot be fetched" : ""}`);
      }
      continue;
    }
    lines.push(`realm ${name}: ${preset ?? "no preset"}, ${listAlgorithms(algorithms)}, callers: ${callers}`);
    if (recipe !== null) lines.push(`  recipe: ${recipe.name}, ${recipe.guide}`);
    if (keys.length === 0 && fetchedFrom.length === 0) lines.push("  keys: each instance's own");
    for (const one of fetchedFrom) lines.push(...formatFetch(one));
    for (const { algorithm, kid, label } of keys) {
      lines.push(`  key ${algorithm} ${kid === null ? "without kid" : `kid ${kid}`}, ${label}`);
    }
    for (const what of setAside) lines.push(`  not used: ${what}`);
  }
  return [...lines, ...formatFaces(report), ...formatWarnings(report)].join("\n");
}

function formatFetch({
  location,
  asked,
  found,
}: CheckReport["realms"][number]["fetchedFrom"][number]): readonly string[] {
  const sums =
    found === null
      ? "no usable set"
      : `${found.keys} usable, ${found.refused} refused, ${found.setAside} for something else`;
  return [
    `  keys from ${location}: ${sums}`,
    ...asked.filter((url) => url !== location).map((url) => `    asked ${url}`),
  ];
}

/** The report of a gateway on its own as text. */
export function formatGatewayReport(report: GatewayReport): string {
  const settings = alignColumns([...formatListeners(report), ["upstream", report.upstream]]);
  return [`${report.file} is valid.`, "", ...settings, ...formatFaces(report), ...formatWarnings(report)].join("\n");
}

const TRANSPORT = { plain: "", tls: " (TLS)", mutual: " (TLS with client certificates)" };

function formatListeners({ listeners, transport }: Pick<CheckReport, "listeners" | "transport">): [string, string][] {
  return Object.entries(listeners).map(([name, at]) => [name, `${at}${TRANSPORT[transport[name] ?? "plain"]}`]);
}

function formatFaces({ faces, rpc }: Pick<CheckReport, "faces" | "rpc">): string[] {
  const served = rpc.length === 0 ? [] : [`rpc ${TokenVerifierService.verifyToken.path}: realms ${rpc.join(", ")}`];
  return [...faces.map(({ path, realm }) => `face ${path}: realm ${realm}`), ...served];
}

function formatWarnings({ warnings }: Pick<CheckReport, "warnings">): string[] {
  if (warnings.length === 0) return [];
  const rows = warnings.flatMap(({ check, place, message, fix }) => [
    ["  warning", place, `${message} (${check})`],
    ["", "", `Fix: ${fix}`],
  ]);
  return ["", ...alignColumns(rows)];
}
