import type { Config } from "../../config/load.js";
import { type ConfiguredRealm, genericSettings } from "../../config/realms.js";
import { Issuers } from "../../keys/issuers.js";
import { quote } from "../../util/printable.js";
import type { CheckRule, Fault } from "./findings.js";

/** Entra's names for several tenants in a URL, which no token has in its issuer. */
const ENTRA_ALIAS =
  /^https:\/\/(?:login\.microsoftonline\.com|sts\.windows\.net)\/(common|organizations|consumers)(?:\/|$)/;

/** Likely mistakes in the issuers of realms: placeholders that admit too much, and signs that are none. */
export const ISSUER_RULES: readonly CheckRule<Config>[] = [
  {
    name: "issuer-open",
    level: "warning",
    find: eachIssuer((issuer, realm) =>
      new Issuers([issuer]).templates
        .filter(({ name }) => !isListed(name, realm))
        .map(
          ({ name }) => `${quote(issuer, 200)} admits every value of ${name}: anyone with a tenant there can sign in`,
        ),
    ),
    fix: "List the admitted values under claims, as in claims: { tid: [a, b] }.",
  },
  {
    name: "issuer-tenantid",
    level: "warning",
    find: eachIssuer((issuer) =>
      issuer.includes("{tenantid}") ? [`${quote(issuer, 200)} has {tenantid}: Entra's tokens call it tid`] : [],
    ),
    fix: "Write {tid}. Keep {tenantid} only if the tokens have a claim of this name.",
  },
  {
    name: "issuer-alias",
    level: "warning",
    find: eachIssuer((issuer) => {
      const [, alias] = ENTRA_ALIAS.exec(issuer) ?? [];
      return alias === undefined ? [] : [`${quote(issuer, 200)} is in no token: Entra's name a tenant, never ${alias}`];
    }),
    fix: "Write {tid} in its place and list the tenants under claims, or write the issuer of one tenant.",
  },
  {
    name: "issuer-literal",
    level: "warning",
    find: eachIssuer((issuer) => {
      const exact = new Issuers([issuer]).templates.length === 0 ? /[{}*]/.exec(issuer) : /\*/.exec(issuer);
      return exact === null ? [] : [`${quote(issuer, 200)} has ${quote(exact[0])}, which is compared literally`];
    }),
    fix: "Write a placeholder such as {tid} for the claim that has the same value, or list the issuers.",
  },
];

function eachIssuer(examine: (issuer: string, realm: ConfiguredRealm) => readonly string[]) {
  return ({ realms }: Config): readonly Fault[] =>
    realms.flatMap((realm) => {
      const { issuer } = genericSettings(realm);
      const place = `realms.${realm.name}.issuer`;
      return (issuer ?? []).flatMap((one) => examine(one, realm).map((message) => ({ place, message })));
    });
}

/** Whether `claims` lists the values of a claim. The claim's name may be a pointer. */
function isListed(name: string, realm: ConfiguredRealm): boolean {
  const conditions = new Map(Object.entries(genericSettings(realm).claims ?? {}));
  return (conditions.get(name) ?? conditions.get(`/${name}`))?.oneOf !== undefined;
}
