import type { Config } from "../../config/load.js";
import type { ConfiguredRealm } from "../../config/realms.js";
import { isSameKey } from "../../keys/same-key.js";
import { formatDuration } from "../../util/units.js";
import type { Advice, Hit } from "./findings.js";

/** Milliseconds; clocks that differ by more are broken, and a token lives on for as long after its end. */
const WIDEST_TOLERANCE = 300_000;

/** Mistakes about realms: who can ask them, what they leave unchecked, whom they trust. */
export const REALM_ADVICE: readonly Advice<Config>[] = [
  {
    name: "no-realm",
    level: "warning",
    find: ({ realms }) =>
      realms.length === 0 ? [{ place: "realms", message: "is empty: every call will be answered with NOT_FOUND" }] : [],
    cure: "Configure at least one realm.",
  },
  {
    name: "realm-unreachable",
    level: "warning",
    find: (config) =>
      config.grpc === undefined
        ? notShown(config)
            .filter(({ asked }) => !asked)
            .map(({ place }) => ({
              place,
              message: "nobody can ask it: grpc is absent, and neither a face nor http.rpc serves it",
            }))
        : [],
    cure: "Give grpc an address, name the realm under http.rpc, or bind one of a vendor's preset under http.faces.",
  },
  {
    name: "face-not-shown",
    level: "warning",
    find: (config) =>
      config.http === undefined
        ? []
        : notShown(config)
            .filter(({ vendor, asked }) => vendor !== undefined && !asked)
            .map(({ place, vendor }) => ({ place, message: `the face of its preset ${vendor} is not shown` })),
    cure: "Give the realm the preset's name, or name it under http.faces.",
  },
  {
    name: "issuer-unchecked",
    level: "warning",
    find: unchecked("issuer", "null: a token of any issuer is taken, as long as a key of this realm signed it"),
    cure: "Name the issuer; where tokens have none, let null stand: it says so on purpose.",
  },
  {
    name: "audience-unchecked",
    level: "warning",
    find: unchecked("audience", "null: a token that was made for another service is taken here"),
    cure: "Name the audience; where tokens have none, let null stand: it says so on purpose.",
  },
  {
    name: "never-expires",
    level: "warning",
    find: eachRealm(({ settings: { requiredClaims, maxLifetime } }) =>
      Array.isArray(requiredClaims) && !requiredClaims.includes("exp") && maxLifetime === undefined
        ? ["requiredClaims", "has no exp: a token without one is good for ever"]
        : undefined,
    ),
    cure: "Add exp to requiredClaims, or set maxLifetime.",
  },
  {
    name: "tolerance-wide",
    level: "warning",
    find: eachRealm(({ settings: { clockTolerance } }) =>
      typeof clockTolerance === "number" && clockTolerance > WIDEST_TOLERANCE
        ? ["clockTolerance", `is ${formatDuration(clockTolerance)}: tokens are taken for so long after they expired`]
        : undefined,
    ),
    cure: "Set the clocks by NTP, and give 5m or less.",
  },
  {
    name: "key-shared",
    level: "warning",
    find: ({ realms }) =>
      realms.flatMap(({ name, keys }, at) => {
        const isShared = ({ keys: others }: ConfiguredRealm): boolean =>
          others.some(({ key }) => keys.some((own) => isSameKey(own.key, key)));
        const other = realms.slice(0, at).find(isShared)?.name;
        if (other === undefined) return [];
        const message = `trusts a key that ${other} trusts too: whoever signs for one signs for both`;
        return [{ place: `realms.${name}.keys`, message }];
      }),
    cure: "Give each realm keys of its own; where one issuer signs for both, let issuer and audience tell them apart.",
  },
];

/** A realm that no face serves. */
interface NotShown {
  readonly place: string;
  readonly vendor: string | undefined;
  /** Whether it can be asked over HTTP all the same: by its own name, or by that of a realm that hands tokens on to it. */
  readonly asked: boolean;
}

function notShown({ realms, faces, http }: Config): NotShown[] {
  const rpc = realms.filter(({ name }) => http?.rpc.includes(name));
  const asked = new Set(rpc.flatMap(({ name, byIssuer }) => [name, ...(byIssuer?.values() ?? [])]));
  return realms
    .filter(({ name }) => !faces.some((face) => face.realm === name))
    .map(({ name, vendor }) => ({ place: `realms.${name}`, vendor: vendor?.name, asked: asked.has(name) }));
}

/** Looks at each realm by itself. @param look gives a key of the realm's and what is wrong with it */
function eachRealm(look: (one: ConfiguredRealm) => readonly [key: string, message: string] | undefined) {
  return ({ realms }: Config): Hit[] =>
    realms.flatMap((one) => {
      const found = look(one);
      return found === undefined ? [] : [{ place: `realms.${one.name}.${found[0]}`, message: found[1] }];
    });
}

function unchecked(setting: "issuer" | "audience", message: string): (config: Config) => Hit[] {
  return eachRealm(({ settings }) => (settings[setting] === null ? [setting, message] : undefined));
}
