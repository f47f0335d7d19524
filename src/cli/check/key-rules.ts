import { genericSettings } from "../../config/realms.js";
import type { Algorithm } from "../../jws/algorithms.js";
import { isExpired, keyName, type VerificationKey } from "../../keys/key.js";
import { mostTried } from "../../keys/key-set.js";
import { isFaulty, placeInSet } from "../../keys/left-out.js";
import { printableUrl } from "../../keys/remote/location.js";
import { printable } from "../../util/printable.js";
import type { CheckRule } from "./findings.js";
import { type CheckSubject, setsOf } from "./subject.js";

const PLAIN_HTTP = "anyone on the network path can substitute keys of their own";
const PRIVATE_HTTPS = "private addresses are asked too; the certificate is still checked";

type WithKeys = Pick<CheckSubject, "fetches" | "now" | "realms" | "setsUnopened">;

/** Likely mistakes about keys, above all those that are fetched. */
export const KEY_RULES: readonly CheckRule<WithKeys>[] = [
  {
    name: "keys-unreachable",
    level: "warning",
    find: ({ fetches }) =>
      fetches.flatMap(({ realm, location, set }) =>
        typeof set === "string" ? [{ place: `realms.${realm}.keys`, message: `${location}: ${set}` }] : [],
      ),
    fix: "Do what the message says. If it says nothing to do, check that the URL is right and answers from this machine. Until then the realm gives no verdicts, or those of the last good set.",
  },
  {
    name: "key-refused",
    level: "warning",
    find: ({ fetches }) =>
      fetches.flatMap(({ realm, location, set }) =>
        typeof set === "string"
          ? []
          : set.leftOut.filter(isFaulty).map((one) => ({
              place: `realms.${realm}.keys`,
              message: `${location}: ${placeInSet(one)}, ${one.cause}: ${one.why}`,
            })),
      ),
    fix: "Ask the issuer to replace the key; the service uses its other keys.",
  },
  {
    name: "key-algorithms",
    level: "warning",
    find: (subject) =>
      realmKeys(subject).flatMap(({ place, keys }) =>
        keys
          .filter(({ key }, index) => keys.findIndex((one) => one.key === key) === index)
          .map((first) => ({ first, all: keys.filter(({ key }) => key === first.key) }))
          .filter(({ all }) => all.length > 1)
          .map(({ first, all }) => ({
            place,
            message: `${named(first)} names no algorithm, so it verifies ${all.map(({ algorithm }) => algorithm).join(", ")}`,
          })),
      ),
    fix: "If the issuer signs with one algorithm, list only that one in algorithms, or set alg beside a configured key.",
  },
  {
    name: "key-expired",
    level: "warning",
    find: ({ now, ...subject }) =>
      realmKeys(subject).flatMap(({ place, keys }) =>
        keys
          .filter((key) => isExpired(key, now))
          .map((key) => ({ place, message: `the certificate of ${named(key)} expired on ${dayOf(key.expires)}` })),
      ),
    fix: "Ask the issuer whether the key is still in use, and replace the certificate. Until then its key verifies.",
  },
  {
    name: "svid-issuer",
    level: "warning",
    find: ({ realms }) =>
      realms
        .filter((realm) => realm.uses.includes("jwt-svid") && (genericSettings(realm).issuer ?? null) !== null)
        .map(({ name }) => ({
          place: `realms.${name}.issuer`,
          message: "is set, but SPIFFE's tokens (use: [jwt-svid]) need not name an issuer: those without are rejected",
        })),
    fix: "Set issuer: null, and name the audience. The trust domain is in sub: claims: { sub: { prefix: spiffe://DOMAIN/ } }.",
  },
  {
    name: "key-issuer-ignored",
    level: "warning",
    find: (subject) =>
      realmKeys(subject).flatMap(({ place, keys }) =>
        keys
          .filter(({ ignoresIssuer }) => ignoresIssuer)
          .map((key) => ({ place, message: `the "issuer" of ${named(key)} is no text, so it binds the key to none` })),
      ),
    fix: "Ask the issuer to write the member as text or leave it out; give the entry an issuer of its own meanwhile.",
  },
  {
    name: "keys-many",
    level: "warning",
    find: (subject) =>
      crowded(subject).map(({ name, algorithm, keys, tried }) => ({
        place: `realms.${name}.keys`,
        message: `${keys.length} keys for ${algorithm}: a token without a kid is tried against the first ${tried} only, and gets no verdict if none of them fits`,
      })),
    fix: "Ask the issuer to put a kid into its tokens, or remove keys that are no longer used.",
  },
  {
    name: "keys-insecure",
    level: "warning",
    find: ({ fetches }) =>
      fetches
        .filter(({ insecure }) => insecure)
        .map(({ realm, location }) => ({
          place: `realms.${realm}.keys`,
          message: `${location}: insecure: ${location.startsWith("https:") ? PRIVATE_HTTPS : PLAIN_HTTP}`,
        })),
    fix: "Use an https URL. For an issuer in your own network write private: true in place of insecure, and caFile if it has its own authority.",
  },
  {
    name: "key-set-sealed",
    level: "warning",
    find: ({ setsUnopened }) =>
      setsUnopened.map(({ realm, location }) => ({
        place: `realms.${realm}.keys`,
        message: `${printableUrl(location)}: no key in masterKeys decrypts the saved set, so a start ignores it`,
      })),
    fix: "If the issuer answers, do nothing: the next fetch replaces the set. If it does not, add the earlier master key after the current one.",
  },
];

const named = (key: VerificationKey): string => `the key ${printable(keyName(key))}`;

const dayOf = (at = 0): string => new Date(at).toISOString().slice(0, 10);

/** The keys of each realm from each of its sources: the configuration, then the sets of its issuers. */
const realmKeys = ({ fetches, realms }: Pick<WithKeys, "fetches" | "realms">) =>
  realms.flatMap(({ name, keys: configured }) =>
    [configured, ...setsOf(fetches, name).map(({ keys }) => keys)].map((keys) => ({
      place: `realms.${name}.keys`,
      keys,
    })),
  );

/** Realms with more keys of an algorithm than the service tries for a token without a `kid`. */
function crowded({ fetches, realms }: WithKeys) {
  return realms.flatMap(({ name, keys: configured }) => {
    const lists = new Map<Algorithm, VerificationKey[]>();
    for (const key of [...configured, ...setsOf(fetches, name).flatMap(({ keys }) => keys)]) {
      lists.set(key.algorithm, [...(lists.get(key.algorithm) ?? []), key]);
    }
    return [...lists]
      .map(([algorithm, keys]) => ({ name, algorithm, keys, tried: mostTried(algorithm) }))
      .filter(({ keys, tried }) => tried < keys.length);
  });
}
