import { toldLocation } from "../../keys/remote/keyring.js";
import type { Advice, Subject } from "./findings.js";

/** What is amiss with the store. */
export const STORE_ADVICE: readonly Advice<Pick<Subject, "storeAbsent" | "setsUnopened">>[] = [
  {
    name: "store-absent",
    level: "warning",
    find: ({ storeAbsent }) =>
      storeAbsent === undefined
        ? []
        : [
            {
              place: "store",
              message: `there is no store at ${storeAbsent} yet: a start makes one with what the seed has, and without any revocation`,
            },
          ],
    cure: "Before the first start this is as it should be. Where there was a store, restore its backup before you start the service: without it, removed callers are known again, and revoked tokens verify.",
  },
  {
    name: "key-set-sealed",
    level: "warning",
    find: ({ setsUnopened }) =>
      setsUnopened.map(({ realm, location }) => ({
        place: `realms.${realm}.keys`,
        message: `${toldLocation(location)}: the set that was saved opens under none of masterKeys, and counts as none at a start`,
      })),
    cure: "Where the issuer answers, let it be: the next fetch replaces the set. Where it does not, put the earlier master key back after the current one.",
  },
];
