import type { Config } from "../../config/load.js";
import { type ConfiguredRealm, genericSettings } from "../../config/realms.js";
import { isSameKey } from "../../keys/key.js";
import { PLACEHOLDERS } from "../../server/development/values.js";
import { formatDuration, formatSize } from "../../util/units.js";
import type { GenericSettings } from "../../verifier/generic.js";
import type { CheckRule, Fault } from "./findings.js";

/** Milliseconds. Clocks that differ by more are broken, and every token is accepted for this long after it expired. */
const MAX_TOLERANCE = 300_000;

/** Likely mistakes about realms: which cannot be reached, what they leave unchecked, which keys they share. */
export const REALM_RULES: readonly CheckRule<Config>[] = [
  {
    name: "no-realm",
    level: "warning",
    find: ({ realms }) =>
      realms.length === 0 ? [{ place: "realms", message: "is empty: every call is answered with NOT_FOUND" }] : [],
    fix: "Configure at least one realm.",
  },
  {
    name: "realm-unreachable",
    level: "warning",
    find: (config) =>
      config.grpc === undefined
        ? withoutFace(config)
            .filter(({ isServed }) => !isServed)
            .map(({ place }) => ({
              place,
              message: "callers cannot reach it: there is no grpc, and neither a face nor http.rpc serves it",
            }))
        : [],
    fix: "Give grpc an address, name the realm under http.rpc, or bind a realm with a vendor's preset under http.faces.",
  },
  {
    name: "face-not-shown",
    level: "warning",
    find: (config) =>
      config.http === undefined
        ? []
        : withoutFace(config)
            .filter(({ vendor, isServed }) => vendor !== undefined && !isServed)
            .map(({ place, vendor }) => ({ place, message: `no path serves the face of its preset ${vendor}` })),
    fix: "Name the realm after its preset, or bind it under http.faces.",
  },
  {
    name: "issuer-unchecked",
    level: "warning",
    // SPIFFE's tokens need not name an issuer: `svid-issuer` warns of a realm for them that requires one.
    find: unchecked(
      "issuer",
      "is null: a token of any issuer is accepted if a key of this realm signed it",
      ({ uses }) => !uses.includes("jwt-svid"),
    ),
    fix: "Name the issuer. Keep null only if the tokens have no issuer.",
  },
  {
    name: "audience-unchecked",
    level: "warning",
    find: unchecked("audience", "is null: a token made for another service is accepted here"),
    fix: "Name the audience. Keep null only if the tokens have no audience.",
  },
  {
    name: "never-expires",
    level: "warning",
    find: eachRealm(({ requiredClaims, maxLifetime }) =>
      requiredClaims?.includes("exp") === false && maxLifetime === undefined
        ? ["requiredClaims", "lacks exp: a token without one is accepted for ever"]
        : undefined,
    ),
    fix: "Add exp to requiredClaims, or set maxLifetime.",
  },
  {
    name: "tolerance-wide",
    level: "warning",
    find: eachRealm(({ clockTolerance = 0 }) =>
      clockTolerance > MAX_TOLERANCE
        ? [
            "clockTolerance",
            `is ${formatDuration(clockTolerance)}: tokens are accepted for this long after they expired`,
          ]
        : undefined,
    ),
    fix: "Synchronize clocks with NTP, and use 5m or less.",
  },
  {
    name: "nonces-unshared",
    level: "warning",
    find: (config) =>
      config.masterKeys.length > 0
        ? []
        : eachRealm(({ bound }) =>
            bound === "require"
              ? ["bound", "is require and there is no masterKey: each process makes DPoP nonces that no other accepts"]
              : undefined,
          )(config),
    fix: "Give all replicas the same masterKey. With a single process, or without nonces, do nothing.",
  },
  {
    name: "token-exceeds-limits",
    level: "warning",
    find: (config) =>
      config.realms.flatMap((realm) => {
        const { name, maxTokenLength } = realm;
        const lower = limitsOf(config, realm).filter(([, limit]) => limit < maxTokenLength);
        if (lower.length === 0) return [];
        const limits = lower.map(([setting, limit]) => `${setting} is ${formatSize(limit)}`).join(", ");
        const message = `is ${formatSize(maxTokenLength)}, but ${limits}: the service refuses longer requests unread`;
        return [{ place: `realms.${name}.maxTokenLength`, message }];
      }),
    fix: "Raise these limits as well, and those of proxies in front of the service; or lower maxTokenLength.",
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
        const message = `shares a key with ${other}: its owner can sign tokens for both realms`;
        return [{ place: `realms.${name}.keys`, message }];
      }),
    fix: "Give each realm its own keys. If one issuer signs for both, set issuer and audience to tell them apart.",
  },
];

/** The limits of requests that hold a token of a realm: a gRPC message, a body over HTTP, or the headers of a face. */
function limitsOf(
  { grpc, http, faces, limits: { message, body, headers } }: Config,
  { name, vendor }: ConfiguredRealm,
): readonly (readonly [setting: string, limit: number])[] {
  const hasFace = http !== undefined && faces.some(({ realm }) => realm === name);
  const example = hasFace ? vendor?.example.request("", { ...PLACEHOLDERS, now: 0 }) : undefined;
  const isInBody = example?.body !== undefined || (http?.rpc.includes(name) ?? false);
  const isInHeaders = example !== undefined && example.body === undefined;
  return [
    ...(grpc === undefined ? [] : [["limits.message", message] as const]),
    ...(isInBody ? [["limits.body", body] as const] : []),
    ...(isInHeaders ? [["limits.headers", headers] as const] : []),
  ];
}

/** A realm that no face serves. */
interface FacelessRealm {
  readonly place: string;
  readonly vendor: string | undefined;
  /** Whether `http.rpc` serves it, by its own name or by that of a realm that routes to it. */
  readonly isServed: boolean;
}

function withoutFace({ realms, faces, http }: Config): FacelessRealm[] {
  const rpc = realms.filter(({ name }) => http?.rpc.includes(name));
  const served = new Set(rpc.flatMap(({ name, byIssuer }) => [name, ...(byIssuer?.values() ?? [])]));
  return realms
    .filter(({ name }) => !faces.some((face) => face.realm === name))
    .map(({ name, vendor }) => ({
      place: `realms.${name}`,
      vendor: vendor?.name,
      isServed: served.has(name),
    }));
}

/** Examines each realm without a preset on its own. @param examine returns one of the settings and what is wrong with it */
function eachRealm(
  examine: (
    settings: Partial<GenericSettings>,
    realm: ConfiguredRealm,
  ) => readonly [setting: string, message: string] | undefined,
) {
  return ({ realms }: Config): Fault[] =>
    realms.flatMap((one) => {
      const found = examine(genericSettings(one), one);
      return found === undefined ? [] : [{ place: `realms.${one.name}.${found[0]}`, message: found[1] }];
    });
}

function unchecked(
  setting: "issuer" | "audience",
  message: string,
  applies: (realm: ConfiguredRealm) => boolean = () => true,
): (config: Config) => Fault[] {
  return eachRealm((settings, realm) =>
    settings[setting] === null && applies(realm) ? [setting, message] : undefined,
  );
}
