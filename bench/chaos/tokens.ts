import { randomUUID, sign } from "node:crypto";
import { hs256, later } from "../directory-data.js";
import {
  CLIENT,
  emailOf,
  FISERV_KEY,
  INSTANCES,
  INTEGURU_SECRET,
  instanceId,
  RESERVED,
  secretKeyOf,
  userId,
} from "./config.js";
import type { Item } from "./history.js";
import type { Issuer } from "./issuer.js";
import type { Random } from "./random.js";

// The tokens that calls ask about, with the right answers.

/** The realms of a run, each of which but `issuer` is a vendor's endpoint too. */
export const REALMS = ["integuru", "clowk", "fiserv", "issuer"] as const;
export type RealmName = (typeof REALMS)[number];

/** Who asks about a token. */
export type Caller =
  | { readonly $case: "instanceSecretKey"; readonly value: string }
  | {
      readonly $case: "clientCredentials";
      readonly value: { readonly clientId: string; readonly clientSecret: string };
    };

/** A token with all that a call about it needs. */
export interface Token extends Item {
  readonly realm: RealmName;
  readonly token: string;
  readonly caller: Caller | undefined;
  /** Its `jti`, where it has one. */
  readonly jti: string | undefined;
  /** Its instance and user, in Clowk's realm. */
  readonly owner: { readonly instance: number; readonly user: number } | undefined;
}

/** The tokens of a run. */
export interface Pool {
  readonly tokens: ReadonlyMap<string, Token>;
  /** Adds a good token. @param outcomes the right answers about it (default: verified) */
  add(realm: RealmName, more?: Partial<Pick<Token, "caller" | "owner" | "outcomes">>): Token;
  /** Picks a token for a call: mostly a good one, often one that was changed lately, sometimes a bad one. */
  pick(random: Random): Token;
  /** Returns a good token that no change concerns, for a change to concern it; a new one takes its place in calls. */
  take(random: Random, realm?: RealmName): Token;
  /** Notes that tokens were changed, so that calls ask about them. */
  changed(tokens: readonly Token[]): void;
}

/** Good tokens of a realm in calls at any time; how many of those changed lately calls ask about. */
const [GOOD, LATELY] = [25, 40];

/** Makes the tokens that a run begins with. */
export function createPool(issuer: Issuer): Pool {
  const tokens = new Map<string, Token>();
  const good = Object.fromEntries(REALMS.map((realm) => [realm, [] as Token[]])) as Record<RealmName, Token[]>;
  const lately: Token[] = [];
  const bad: Token[] = [];
  const put = (token: Token): Token => {
    tokens.set(token.name, token);
    return token;
  };
  const add: Pool["add"] = (realm, more = {}) => put(makeToken(issuer, realm, tokens.size, more));
  for (const realm of REALMS) {
    while (good[realm].length < GOOD) good[realm].push(add(realm));
    const [one] = good[realm];
    if (one !== undefined) bad.push(...spoiled(one, tokens.size).map(put));
  }
  const pick: Pool["pick"] = (random) => {
    const kind = random.below(100);
    if (kind < 35 && lately.length > 0) return random.pick(lately);
    if (kind < 45) return random.pick(bad);
    return random.pick(good[random.pick(REALMS)]);
  };
  return {
    tokens,
    add,
    pick,
    take(random, realm = random.pick(REALMS)) {
      const list = good[realm];
      const at = random.below(list.length);
      const [token] = list.splice(at, 1, add(realm)) as [Token];
      return token;
    },
    changed(some) {
      lately.push(...some.filter((token) => !lately.includes(token)));
      lately.splice(0, Math.max(0, lately.length - LATELY));
    },
  };
}

function makeToken(issuer: Issuer, realm: RealmName, n: number, more: Partial<Token>): Token {
  const jti = realm === "fiserv" ? undefined : randomUUID();
  const times = { iat: later() - 86_400, exp: later() };
  const owner =
    more.owner ??
    (realm === "clowk"
      ? { instance: n % RESERVED.instance, user: Math.floor(n / INSTANCES) % RESERVED.users[0] }
      : undefined);
  const secretKey = more.caller?.$case === "instanceSecretKey" ? more.caller.value : secretKeyOf(owner?.instance ?? 0);
  const made: { readonly [Name in RealmName]: () => Pick<Token, "token" | "caller" | "outcomes"> } = {
    integuru: () => ({
      token: hs256(
        { ...times, jti, token_type: "access", client_app_id: "app", taiki_user_id: `user-${n}` },
        INTEGURU_SECRET,
      ),
      caller: undefined,
      outcomes: ["verified"],
    }),
    clowk: () => {
      const { instance, user } = owner ?? { instance: 0, user: 0 };
      return {
        token: hs256({ ...times, jti, iss: "clowk", sub: userId(user), instance_id: instanceId(instance) }, secretKey),
        caller: { $case: "instanceSecretKey", value: secretKey },
        outcomes: [`verified:${emailOf(instance, user)}`],
      };
    },
    fiserv: () => ({
      token: rs256({ scope: "all", client_id: CLIENT.clientId, firstVisionId: `vision-${n}`, exp: times.exp }),
      caller: { $case: "clientCredentials", value: CLIENT },
      outcomes: ["verified"],
    }),
    issuer: () => ({
      token: issuer.token({ ...times, jti, sub: `subject-${n}`, sid: `session-${n}`, client_id: `client-${n}` }),
      caller: undefined,
      outcomes: ["verified"],
    }),
  };
  return { name: `${realm} ${n}`, realm, jti, owner, changes: [], ...made[realm](), ...more };
}

function rs256(claims: object): string {
  const input = [{ alg: "RS256" }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  return `${input}.${sign("sha256", Buffer.from(input), FISERV_KEY).toString("base64url")}`;
}

/** Makes bad tokens of a good one: another signature, and no token at all. */
function spoiled(token: Token, n: number): readonly Token[] {
  const [header, payload, signature = ""] = token.token.split(".");
  const other = `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
  const texts = [
    [[header, payload, other].join("."), "rejected:SIGNATURE_INVALID"],
    [`no.token.${n}`, "rejected:TOKEN_MALFORMED"],
  ] as const;
  return texts.map(([text, outcome], at) => ({
    ...token,
    name: `bad ${n + at}`,
    token: text,
    outcomes: [outcome],
    changes: [],
  }));
}
