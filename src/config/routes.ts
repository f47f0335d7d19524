import { isDeepStrictEqual } from "node:util";
import { commonIssuer, Issuers } from "../keys/issuers.js";
import { formatPath, type Issue, type IssuePath } from "../util/issues.js";
import { formatCallers } from "../verifier/realm.js";
import { routeSchema } from "./realm-forms.js";
import { type ConfiguredRealm, genericSettings, parse, type RealmContext, readRealm } from "./realms.js";

/** Whether an entry of `realms` is a routing realm. */
const isRouteEntry = (value: unknown): boolean =>
  typeof value === "object" && value !== null && Object.hasOwn(value, "byIssuer");

/** Reads all realms, in the order of the file. Routing realms are read last, because they lead to others. */
export function readRealms(
  written: Readonly<Record<string, unknown>>,
  context: RealmContext,
): readonly ConfiguredRealm[] {
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

/**
 * Reads a routing realm; undefined if it has an issue.
 *
 * @param realms the possible targets without issues, by name
 * @param written all realms as written; issues of a target were reported already
 */
function readRoute(
  name: string,
  value: unknown,
  realms: ReadonlyMap<string, ConfiguredRealm>,
  written: Readonly<Record<string, unknown>>,
  issues: Issue[],
): ConfiguredRealm | undefined {
  const path: IssuePath = ["realms", name];
  const before = issues.length;
  const settings = parse(routeSchema, value, path, issues);
  if (settings === undefined) return undefined;
  const byIssuer = new Map<string, string>();
  const targets = settings.byIssuer.flatMap((one) => realms.get(one) ?? []);
  const [first] = targets;
  for (const [index, target] of settings.byIssuer.entries()) {
    const place = formatPath([...path, "byIssuer", index]);
    const complain = (message: string): unknown => issues.push({ place, message });
    const one = realms.get(target);
    if (settings.byIssuer.indexOf(target) < index) complain("is in the list twice: leave one out");
    else if (!Object.hasOwn(written, target)) complain(`there is no realm ${target}`);
    else if (isRouteEntry(written[target])) complain("is a realm by issuer itself: name the realms that it names");
    else if (one !== undefined && first !== undefined) addIssuers(byIssuer, one, first, complain);
  }
  if (issues.length > before || byIssuer.size === 0 || first === undefined) return undefined;
  // Each target enforces its own limit.
  const maxTokenLength = Math.max(...targets.map((one) => one.maxTokenLength));
  return {
    name,
    vendor: undefined,
    byIssuer,
    algorithms: [...new Set(targets.flatMap(({ algorithms }) => algorithms))],
    callers: first.callers,
    explain: targets.every(({ explain }) => isDeepStrictEqual(explain, first.explain)) ? first.explain : "nobody",
    keysOf: "realm",
    // Those it leads to are watched instead.
    isWatched: false,
    staleFor: undefined,
    maxTokenLength,
    settings: { ...settings, maxTokenLength },
    keys: [],
    leftOut: [],
    uses: [],
    files: [],
    remotes: [],
  };
}

function addIssuers(
  byIssuer: Map<string, string>,
  realm: ConfiguredRealm,
  first: ConfiguredRealm,
  complain: (message: string) => unknown,
): void {
  const { name, callers } = realm;
  const { issuer } = genericSettings(realm);
  if (issuer === undefined || issuer === null) {
    complain(`${name} checks no issuer, so no token can be routed to it: give it an issuer, or leave it out here`);
    return;
  }
  if (!isDeepStrictEqual(first.callers, callers)) {
    const what = `${first.name} takes callers: ${formatCallers(first.callers)}, ${name} ${formatCallers(callers)}`;
    complain(`must take the same callers as the others: ${what}`);
  }
  const others = [...byIssuer].filter(([, other]) => other !== name);
  for (const one of issuer) {
    const taken = byIssuer.get(one);
    if (taken === undefined) byIssuer.set(one, name);
    else if (taken !== name) complain(`has the issuer ${one}, which ${taken} has too: a token must have one target`);
  }
  for (const own of new Issuers(issuer).templates) {
    for (const template of new Issuers(others.map(([text]) => text)).templates) {
      const common = own.text === template.text ? undefined : commonIssuer(own, template);
      if (common === undefined) continue;
      const other = byIssuer.get(template.text);
      complain(
        `has the issuer ${own.text} and ${other} has ${template.text}, and both fit ${common}: a token must have one target`,
      );
    }
  }
}
