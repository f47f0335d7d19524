import { tries } from "../../keys/cost.js";
import type { VerificationKey } from "../../keys/key.js";
import type { Advice, Subject } from "./findings.js";

/** The algorithms of which a realm has more keys than its longest token is tried against where it has no `kid`. */
function crowded({ reached, realms }: Pick<Subject, "reached" | "realms">) {
  return realms.flatMap(({ name, maxTokenLength, keys: configured }) => {
    const sets = reached.flatMap(({ realm, set }) => (realm === name && typeof set !== "string" ? [set] : []));
    const lists = new Map<string, VerificationKey[]>();
    for (const key of [...configured, ...sets.flatMap(({ keys }) => keys)]) {
      lists.set(key.algorithm, [...(lists.get(key.algorithm) ?? []), key]);
    }
    return [...lists]
      .map(([algorithm, keys]) => ({ name, algorithm, keys, tried: tries(keys, maxTokenLength) }))
      .filter(({ keys, tried }) => tried < keys.length);
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
      crowded(subject).map(({ name, algorithm, keys, tried }) => ({
        place: `realms.${name}.keys`,
        message: `${keys.length} keys for ${algorithm}: the longest token without a kid is tried against the first ${tried}, and has no verdict where none of these fits`,
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
