import { isDeepStrictEqual } from "node:util";
import { formatCallers, type Realm } from "../verifier/realm.js";
import { createRoute, isRoute, reroute } from "../verifier/route.js";
import { type ConfigIssue, formatPath, type Path } from "./issues.js";
import { routeSchema } from "./realm-forms.js";
import { type ConfiguredRealm, parse, type RealmContext, readRealm } from "./realms.js";

/** Whether a realm, as it is written, hands its tokens on. */
const isRouteEntry = (value: unknown): boolean =>
  typeof value === "object" && value !== null && Object.hasOwn(value, "byIssuer");

/** The realms in the order of the file; those that hand tokens on are read last, for they lead to others. */
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
 * Reads a realm that hands each token to another; undefined where something is wrong with it.
 *
 * @param realms the good ones that hand nothing on, by name
 * @param written all realms as they are written: of one that is not good enough was told already
 */
function readRoute(
  name: string,
  value: unknown,
  realms: ReadonlyMap<string, ConfiguredRealm>,
  written: Readonly<Record<string, unknown>>,
  issues: ConfigIssue[],
): ConfiguredRealm | undefined {
  const path: Path = ["realms", name];
  const before = issues.length;
  const settings = parse(routeSchema, value, path, issues);
  if (settings === undefined) return undefined;
  const byIssuer = new Map<string, Realm>();
  const first = settings.byIssuer.map((one) => realms.get(one)).find((one) => one !== undefined);
  for (const [index, target] of settings.byIssuer.entries()) {
    const place = formatPath([...path, "byIssuer", index]);
    const complain = (message: string): unknown => issues.push({ place, message });
    const one = realms.get(target);
    if (settings.byIssuer.indexOf(target) < index) complain("stands in the list twice: leave one out");
    else if (!Object.hasOwn(written, target)) complain(`there is no realm ${target}`);
    else if (isRouteEntry(written[target])) complain("is a realm by issuer itself: name the realms that it names");
    else if (one === undefined) continue;
    else addRealm(byIssuer, one, first, complain);
  }
  if (issues.length > before || byIssuer.size === 0) return undefined;
  const nothing = { keys: [], setAside: [], files: [], remotes: [] };
  // The longest token of those that it hands on to: each bounds its own.
  const realm = createRoute(name, byIssuer);
  return {
    realm,
    vendor: undefined,
    settings: { ...settings, maxTokenLength: realm.policy.maxTokenLength },
    ...nothing,
  };
}

function addRealm(
  byIssuer: Map<string, Realm>,
  { realm, settings }: ConfiguredRealm,
  first: ConfiguredRealm | undefined,
  complain: (message: string) => unknown,
): void {
  const { issuer } = settings as { issuer?: readonly string[] | null };
  if (issuer === undefined || issuer === null) {
    complain(`${realm.name} checks no issuer: no token can be handed to it; give it an issuer, or leave it out here`);
    return;
  }
  const others = first?.realm;
  if (others !== undefined && !isDeepStrictEqual(others.policy.callers, realm.policy.callers)) {
    const [theirs, own] = [others, realm].map(({ policy }) => formatCallers(policy.callers));
    const what = `${others.name} takes callers: ${theirs}, ${realm.name} ${own}`;
    complain(`must take the same callers as the others: ${what}`);
  }
  for (const one of issuer) {
    const taken = byIssuer.get(one);
    if (taken === undefined) byIssuer.set(one, realm);
    else if (taken !== realm) complain(`has the issuer ${one}, which ${taken.name} has too: a token must have one way`);
  }
}

/** The same realms, with every route leading to the realms that stand in this very list. */
export function bindRoutes(realms: readonly ConfiguredRealm[]): readonly ConfiguredRealm[] {
  const byName = new Map(realms.map(({ realm }) => [realm.name, realm]));
  return realms.map((one) => (isRoute(one.realm) ? { ...one, realm: reroute(one.realm, byName) } : one));
}
