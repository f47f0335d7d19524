import type { Command } from "commander";
import { ConfigError } from "../../config/errors.js";
import { type Config, loadGatewayConfig } from "../../config/load.js";
import { type ConfiguredRealm, genericSettings } from "../../config/realms.js";
import { isFaulty, placeInSet } from "../../keys/left-out.js";
import { tlsKind } from "../../net/tls.js";
import type { Only } from "../../server/serve.js";
import { storePlace } from "../../server/store.js";
import { formatCallers } from "../../verifier/realm.js";
import { addCommand, type CliContext, configOption, jsonOption, onlyOption } from "../command.js";
import { EXIT } from "../errors.js";
import { printLine } from "../output.js";
import { configFile } from "../resolve.js";
import { CLAIM_RULES } from "./claim-rules.js";
import { applyRules, type CheckRule, type Finding } from "./findings.js";
import { ISSUER_RULES } from "./issuer-rules.js";
import { KEY_RULES } from "./key-rules.js";
import { LISTENER_RULES } from "./listener-rules.js";
import { REALM_RULES } from "./realm-rules.js";
import { placeOf, RECIPE_RULES, type Recipe, recipeOf } from "./recipes.js";
import { type CheckReport, formatGatewayReport, formatReport, type GatewayReport } from "./report.js";
import { SECRET_RULES } from "./secret-rules.js";
import { type CheckedFetch, type CheckSubject, readSubject, setsOf } from "./subject.js";

/** All rules, in the order of docs/checks.md. */
export const CHECK_RULES: readonly CheckRule<CheckSubject>[] = [
  ...LISTENER_RULES,
  ...REALM_RULES,
  ...ISSUER_RULES,
  ...CLAIM_RULES,
  ...RECIPE_RULES,
  ...KEY_RULES,
  ...SECRET_RULES,
];

const EXAMPLES = ["token-verifier check --config data/verifier.yaml", "token-verifier check --json"];

interface CheckOptions {
  readonly config?: string;
  readonly only?: Only;
  readonly json?: boolean;
}

/** Adds `check`. */
export function addCheckCommand(root: Command, context: CliContext): void {
  const description = "validate a configuration, print what is in it, and warn of likely mistakes";
  addCommand(root, "check", description, EXAMPLES)
    .addOption(configOption())
    .addOption(onlyOption("check the configuration of one part"))
    .addOption(jsonOption())
    .action(async ({ config, only, json }: CheckOptions) => {
      const file = configFile(config);
      if (only === "http") {
        const report = checkGateway(file, context);
        printLine(json ? JSON.stringify(report) : formatGatewayReport(report));
        return;
      }
      const report = await check(file, context);
      printLine(json ? JSON.stringify(report) : formatReport(report));
      // An issuer that does not answer may do so later.
      if (report.warnings.some((found) => found.check === "keys-unreachable")) process.exitCode = EXIT.unavailable;
    });
}

/**
 * Checks a configuration and what it refers to.
 *
 * @throws {ConfigError} with every error; {DirectoryError} if the store cannot be used with it
 */
async function check(file: string, context: CliContext): Promise<CheckReport> {
  const subject = await readSubject(file, context);
  return describe(subject, warningsOf(file, CHECK_RULES, subject));
}

/** Checks the configuration of a gateway on its own, which has no keys and no store. @throws {ConfigError} with every error */
function checkGateway(file: string, context: CliContext): GatewayReport {
  const config = loadGatewayConfig(file, context);
  const { upstream, http, metrics, faces } = config;
  return {
    file,
    upstream: upstream.address.join(", "),
    ...describeListeners({ http, metrics }),
    faces: faces.map(({ path, realm }) => ({ path, realm })),
    rpc: http.rpc,
    warnings: warningsOf(file, LISTENER_RULES, { ...config, now: context.clock() }),
  };
}

function warningsOf<Examined>(
  file: string,
  rules: readonly CheckRule<Examined>[],
  examined: Examined,
): readonly Finding[] {
  const errors = applyRules(rules, "error", examined);
  if (errors.length > 0) {
    throw new ConfigError(
      file,
      errors.map(({ place, message, fix }) => ({ place, message: `${message}. ${fix}` })),
    );
  }
  return applyRules(rules, "warning", examined);
}

function describe(subject: CheckSubject, warnings: readonly Finding[]): CheckReport {
  const { grpc, http, admin, metrics } = subject;
  return {
    file: subject.file,
    ...describeListeners({ grpc, http, admin, metrics }),
    store: subject.masterKeys.length === 0 ? null : storePlace(subject),
    realms: subject.realms.map((realm) => describeRealm(subject, realm)),
    faces: subject.faces.map(({ path, realm }) => ({ path, realm })),
    rpc: http?.rpc ?? [],
    warnings,
  };
}

function describeRealm(subject: CheckSubject, realm: ConfiguredRealm): CheckReport["realms"][number] {
  const { name, byIssuer, vendor, algorithms, callers, keys } = realm;
  return {
    name,
    byIssuer: byIssuer === undefined ? null : Object.fromEntries(byIssuer),
    unreached: [...new Set(byIssuer?.values())].filter((target) => isUnreached(subject, target)),
    preset: vendor?.name ?? genericSettings(realm).preset ?? null,
    recipe: describeRecipe(recipeOf(realm)),
    algorithms,
    callers: formatCallers(callers),
    keys: [...keys, ...setsOf(subject.fetches, name).flatMap((set) => set.keys)].map(
      ({ algorithm, kid = null, label }) => ({
        algorithm,
        kid,
        label,
      }),
    ),
    fetchedFrom: subject.fetches.filter((one) => one.realm === name).map(describeFetch),
    setAside: keysSetAside(subject, realm),
  };
}

const describeRecipe = (recipe: Recipe | undefined): CheckReport["realms"][number]["recipe"] =>
  recipe === undefined ? null : { name: recipe.name, guide: placeOf(recipe) };

function describeListeners(
  ports: Readonly<Record<string, Pick<NonNullable<Config["grpc"]>, "address" | "tls"> | undefined>>,
): Pick<CheckReport, "listeners" | "transport"> {
  const present = Object.entries(ports).flatMap(([name, port]) => (port === undefined ? [] : [[name, port] as const]));
  return {
    listeners: Object.fromEntries(present.map(([name, { address }]) => [name, address])),
    transport: Object.fromEntries(present.map(([name, { tls }]) => [name, tlsKind(tls)])),
  };
}

function describeFetch({ location, asked, set }: CheckedFetch): CheckReport["realms"][number]["fetchedFrom"][number] {
  if (typeof set === "string") return { location, asked, found: null };
  const refused = set.leftOut.filter(isFaulty).length;
  return { location, asked, found: { keys: set.keys.length, refused, setAside: set.leftOut.length - refused } };
}

/** The keys that are for something else, of the configuration and of fetched sets. Refused ones are warned of. */
const keysSetAside = ({ fetches }: CheckSubject, { name, leftOut }: ConfiguredRealm): readonly string[] => [
  ...leftOut.map((one) => `${placeInSet(one)}: ${one.why}`),
  ...fetches.flatMap(({ realm, location, set }) =>
    realm !== name || typeof set === "string"
      ? []
      : set.leftOut.filter((one) => !isFaulty(one)).map((one) => `${location}: ${placeInSet(one)}: ${one.why}`),
  ),
];

const isUnreached = ({ fetches }: CheckSubject, name: string): boolean =>
  fetches.some(({ realm, set }) => realm === name && typeof set === "string");
