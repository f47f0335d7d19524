import type { Advice, Subject } from "./findings.js";

/** Mistakes about keys that are fetched. */
export const KEY_ADVICE: readonly Advice<Pick<Subject, "reached">>[] = [
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
    name: "keys-insecure",
    level: "warning",
    find: ({ reached }) =>
      reached
        .filter(({ insecure }) => insecure)
        .map(({ realm, location }) => ({
          place: `realms.${realm}.keys`,
          message: `${location}: insecure: whoever is on the way can put in keys of their own`,
        })),
    cure: "Use an https URL of a public host; where the issuer is on this machine or in this network alone, let insecure stand.",
  },
];
