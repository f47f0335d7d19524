import { clowkToken, later, secretKeyOf } from "./directory-data.js";
import { postOf } from "./http-load.js";
import type { BenchAlgorithm } from "./tokens.js";

// The requests of the vendors' endpoints, each about a token of its own.

/** The users that the tokens of Clowk are about, and the number of distinct tokens is any. */
export const USERS = 1_000;

/** The client of Fiserv's endpoint. */
export const CLIENT = { clientId: "bench-client", clientSecret: "a-secret-of-the-client-of-the-benchmarks" } as const;

/** A vendor's endpoint. */
export interface Face {
  readonly vendor: string;
  readonly path: string;
  /** The algorithm of its tokens, if the realm's key signs them; undefined if each instance has its own secret. */
  readonly algorithm: BenchAlgorithm | undefined;
  /** The claims of token n, for a realm's own key. */
  claims(n: number): Readonly<Record<string, unknown>>;
  /** The bytes of a request. @param n of the token */
  request(token: string, n: number): Buffer;
}

const asJson = { "Content-Type": "application/json" };

/** The endpoints that the benchmarks compare. */
export const FACES: readonly Face[] = [
  {
    vendor: "integuru",
    path: "/api/verify-token",
    algorithm: "HS256",
    claims: (n) => ({ token_type: "access", exp: later(), jti: `j${n}`, client_app_id: "a", taiki_user_id: `u${n}` }),
    request: (token) => postOf("/api/verify-token", { Authorization: `Bearer ${token}` }),
  },
  {
    vendor: "clowk",
    path: "/api/v1/tokens/verify",
    algorithm: undefined,
    claims: () => ({}),
    request: (token, n) =>
      postOf(
        "/api/v1/tokens/verify",
        { ...asJson, "X-Clowk-Secret-Key": secretKeyOf(n % USERS) },
        JSON.stringify({ token }),
      ),
  },
  {
    vendor: "fiserv",
    path: "/v1/api/oauth/validateToken",
    algorithm: "RS256",
    claims: (n) => ({ scope: "all", client_id: CLIENT.clientId, firstVisionId: "00000AUNAB", exp: later(), jti: n }),
    request: (token) =>
      postOf(
        "/v1/api/oauth/validateToken",
        asJson,
        JSON.stringify({ token, client_id: CLIENT.clientId, client_secret: CLIENT.clientSecret }),
      ),
  },
];

/** Returns Clowk's token n, of one of the users. */
export const clowkTokenOf = (n: number): string => clowkToken(n % USERS, { jti: n });
