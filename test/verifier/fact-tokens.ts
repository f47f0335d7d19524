import type { JsonObject } from "../../src/jws/json.js";

// Tokens whose facts take memory in different ways.

/** One kind of token. */
export interface TokenKind {
  /** The claims of its nth token. */
  readonly claims: (n: number) => JsonObject;
  readonly header?: (n: number) => JsonObject;
  /** The most that facts of this kind may be estimated at, for each byte that they take. */
  readonly most: number;
}

const EXP = 1_900_000_000;

const ordinary = (n: number): JsonObject => ({
  iss: "https://issuer.example",
  sub: `user-${String(n).padStart(8, "0")}`,
  aud: "https://api.example",
  iat: EXP - 3600,
  exp: EXP,
  jti: `${String(n).padStart(12, "0")}-4be5-8f7e`,
  scope: "openid profile orders.read",
});

/** A text that no other token has. */
const text = (length: number): string =>
  Array.from({ length: Math.ceil(length / 8) }, () => Math.random().toString(36).slice(2, 10).padEnd(8, "0"))
    .join("")
    .slice(0, length);

const members = (count: number, name: (index: number) => string, value: (index: number) => JsonObject[string]) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [name(index), value(index)]));

function deep(levels: number, leaf: JsonObject): JsonObject {
  let claims = leaf;
  for (let level = 0; level < levels; level++) claims = { a: claims };
  return claims;
}

/** The kinds, by name. */
export const TOKENS: Readonly<Record<string, TokenKind>> = {
  "ordinary tokens": { claims: ordinary, most: 1.3 },
  "short tokens": { claims: (n) => ({ sub: `u${n}`, exp: EXP }), most: 1.3 },
  "tokens of 500 characters": { claims: (n) => ({ ...ordinary(n), padding: "x".repeat(160) }), most: 1.3 },
  "tokens of 4,000 characters": {
    claims: (n) => ({ ...ordinary(n), groups: Array.from({ length: 90 }, () => text(26)) }),
    most: 1.3,
  },
  "tokens with nested objects": {
    claims: (n) => ({
      ...ordinary(n),
      realm_access: { roles: ["offline_access", "uma_authorization", "user"] },
      resource_access: { account: { roles: ["manage-account", "view-profile"] } },
      email_verified: true,
      name: `Ann Example ${n}`,
      preferred_username: `ann${n}@example.com`,
      given_name: "Ann",
      family_name: "Example",
      email: `ann${n}@example.com`,
    }),
    most: 1.3,
  },
  "tokens with names that are not Latin": {
    claims: (n) => ({ ...ordinary(n), name: `Ирина Пример ${n}`, city: "東京" }),
    most: 1.3,
  },
  "tokens with a kid of their own": {
    claims: ordinary,
    header: (n) => ({ alg: "HS256", typ: "JWT", kid: `key-${n}` }),
    most: 1.65,
  },
  "tokens with 100 members": {
    claims: (n) => ({
      ...ordinary(n),
      ...members(
        93,
        (index) => `member${index}`,
        (index) => index,
      ),
    }),
    most: 1.65,
  },
  "tokens with members of unique names": {
    claims: (n) => ({
      sub: `u${n}`,
      ...members(
        10,
        () => text(12),
        () => true,
      ),
    }),
    most: 1.65,
  },
  "tokens with 100 members of unique names": {
    claims: (n) => ({
      sub: `u${n}`,
      ...members(
        100,
        () => text(12),
        () => 1,
      ),
    }),
    most: 1.65,
  },
  "tokens with deep objects": { claims: (n) => deep(14, { sub: `u${n}` }), most: 1.65 },
  "tokens with many empty objects": {
    claims: (n) => ({ sub: `u${n}`, list: Array.from({ length: 300 }, () => ({})) }),
    most: 1.65,
  },
  "tokens with many fractions": {
    claims: (n) => ({ sub: `u${n}`, list: Array.from({ length: 300 }, (_, index) => index + 0.5) }),
    most: 1.65,
  },
  "tokens with members that are fractions": {
    claims: (n) => ({
      sub: `u${n}`,
      ...members(
        15,
        (index) => `m${index}`,
        (index) => n + index + 0.5,
      ),
    }),
    most: 1.65,
  },
  "tokens with many short texts": {
    claims: (n) => ({ sub: `u${n}`, list: Array.from({ length: 300 }, () => text(5)) }),
    most: 1.65,
  },
  "tokens with many escaped texts": {
    claims: (n) => ({ sub: `u${n}`, list: Array.from({ length: 100 }, () => `${text(20)}"`) }),
    most: 1.65,
  },
  "tokens with many small objects": {
    claims: (n) => ({ sub: `u${n}`, list: Array.from({ length: 100 }, (_, index) => ({ a: index, b: n })) }),
    most: 1.65,
  },
  "tokens with members that are indices": {
    claims: (n) => ({
      sub: `u${n}`,
      ...members(
        100,
        (index) => String(index),
        (index) => index,
      ),
    }),
    most: 1.65,
  },
  "tokens with objects of many shapes": {
    claims: (n) => ({
      sub: `u${n}`,
      list: Array.from({ length: 30 }, (_, i) =>
        members(
          3,
          (index) => `n${(n * 31 + i * 7 + index * 13) % 500}`,
          (index) => index,
        ),
      ),
    }),
    most: 1.65,
  },
};
