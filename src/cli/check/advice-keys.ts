import { MAX_TRIES } from "../../keys/key-set.js";
import type { Advice, Subject } from "./findings.js";

/** The algorithms of which a realm has more keys than a token without a `kid` is tried against. */
function crowded({ reached, realms }: Pick<Subject, "reached" | "realms">) {
  return realms.flatMap(({ realm: { name }, keys: configured }) => {
    const sets = reached.flatMap(({ realm, set }) => (realm === name && typeof set !== "string" ? [set] : []));
    const counts = new Map<string, number>();
    for (const { algorithm } of [...configured, ...sets.flatMap(({ keys }) => keys)]) {
      counts.set(algorithm, (counts.get(algorithm) ?? 0) + 1);
    }
    return [...counts]
      .filter(([, count]) => count > MAX_TRIES)
      .map(([algorithm, count]) => ({ name, algorithm, count }));
  });
}

/** What `insecure` lets through where keys are fetched over plain http, and over https. */
const PLAIN = "whoever is on the way can put in keys of their own";
const PRIVATE = "addresses that are not public are asked too; the certificate is checked all the same";

/** Mistakes about keys, above all those that are fetched. */
export const KEY_ADVICE: readonly Advice<Pick<Subject, "reached" | "realms">>[] = [
  {
    name: "keys-unreachable",
    level: "warning",
    find: ({ reached }) =>
      reached.flatMap(({ realm, location, set }) =>
        typeof set === "string" ? [{ place: `realms.${realm}.keys`, message: `${location}: ${set}` }] : [],
      ),
    cure: "See that the URL is right and answers from this machine; until it does, the realm gives no verdicts (or those of the last good set).",
  },
  {
    name: "key-refused",
    level: "warning",
    find: ({ reached }) =>
      reached.flatMap(({ realm, location, set }) =>
        typeof set === "string"
          ? []
          : set.leftOut
              .filter(({ refused }) => refused)
              .map(({ index, why }) => ({
                place: `realms.${realm}.keys`,
                message: `${location}: keys[${index}]: ${why}`,
              })),
      ),
    cure: "Tell the issuer; its other keys are used.",
  },
  {
    name: "keys-many",
    level: "warning",
    find: (subject) =>
      crowded(subject).map(({ name, algorithm, count }) => ({
        place: `realms.${name}.keys`,
        message: `${count} keys for ${algorithm}: a token without a kid is tried against the first ${MAX_TRIES} alone`,
      })),
    cure: "Let the issuer put a kid into its tokens, or take keys out that are no longer used.",
  },
  {
    name: "keys-insecure",
    level: "warning",
    find: ({ reached }) =>
      reached
        .filter(({ insecure }) => insecure)
        .map(({ realm, location }) => ({
          place: `realms.${realm}.keys`,
          message: `${location}: insecure: ${location.startsWith("https:") ? PRIVATE : PLAIN}`,
        })),
    cure: "Use an https URL of a public host; where the issuer is on this machine or in this network alone, let insecure stand.",
  },
];
