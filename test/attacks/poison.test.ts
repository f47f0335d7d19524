import { expect } from "chai";
import { exchange } from "../support/http.js";
import { POISONS, poison } from "../support/poison.js";
import {
  attack,
  attacked,
  CLOWK,
  CONTROL,
  expectFace,
  expectGrpc,
  FISERV,
  faceRequest,
  makeToken,
  NOW,
  TARGETS,
  type Target,
} from "./harness.js";

// Attacks on V8's JSON.parse: a member name that ends in a backslash makes it misread escaped names from then on
// (test/support/poison.ts), so an unsigned token could hide the `exp` of later tokens.

/** A JSON object whose names are partly or wholly escaped. */
const spelt = (claims: object, from: (name: string) => number): string =>
  `{${Object.entries(claims)
    .map(([name, value]) => {
      const escaped = Array.from(name.slice(from(name)), (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
      return `"${name.slice(0, from(name))}${escaped.join("")}":${JSON.stringify(value)}`;
    })
    .join()}}`;

const SPELLINGS: Readonly<Record<string, (name: string) => number>> = {
  "their last letter escaped": (name) => name.length - 1,
  "all but the first letter escaped": () => 1,
  "every letter escaped": () => 0,
};

const expired = ({ claims }: Target): object => ({ ...claims, exp: NOW - 86_400 });

describe("attacks on later tokens through the JSON parser", () => {
  const service = attacked();

  before(async () => {
    poison();
    for (const text of POISONS) {
      for (const target of TARGETS) {
        const token = makeToken(target, { payload: text, signature: () => Buffer.alloc(0) });
        await expectGrpc(service(), target, token, "SIGNATURE_INVALID");
        const { deployment } = service();
        if (target.face !== undefined) await exchange(deployment.inProcess, faceRequest(target, token));
      }
    }
  });

  attack("escaped claim names after poisonous tokens", service, [
    CONTROL,
    ...Object.entries(SPELLINGS).flatMap(([spelling, from]) => [
      [
        `control: a token with names that have ${spelling}`,
        { payload: ({ claims }: Target) => spelt(claims, from) },
        "verified",
      ] as const,
      [
        `an exp in the past with names that have ${spelling}`,
        { payload: (target: Target) => spelt(expired(target), from) },
        "TOKEN_EXPIRED exp",
      ] as const,
    ]),
    [
      "an exp in the past, with only its name escaped,",
      { payload: (target: Target) => JSON.stringify(expired(target)).replace('"exp"', '"ex\\u0070"') },
      "TOKEN_EXPIRED exp",
    ],
    [
      "an exp in the past, with another to come under an escaped name,",
      { payload: (target: Target) => `${JSON.stringify(expired(target)).slice(0, -1)},"ex\\u0070":${NOW + 60}}` },
      "TOKEN_MALFORMED",
    ],
    [
      "alg in the header with its last letter escaped",
      { header: ({ algorithm }: Target) => `{"typ":"JWT","al\\u0067":"${algorithm}"}` },
      "verified",
    ],
  ]);

  for (const target of TARGETS) {
    it(`${target.realm}: an unsigned token does not hide the exp of the next token`, async () => {
      const poisonous = makeToken(target, { payload: '{"a":"x","ex\\\\":0}', signature: () => Buffer.alloc(0) });
      const payload = JSON.stringify({ a: "x", exp: NOW - 86_400, ...expired(target) });
      const token = makeToken(target, { payload: payload.replace('"exp"', '"ex\\u0070"') });
      for (const ask of [expectGrpc, expectFace]) {
        await ask(service(), target, poisonous, "SIGNATURE_INVALID");
        await ask(service(), target, token, "TOKEN_EXPIRED exp");
      }
    });
  }

  for (const target of [CLOWK, FISERV]) {
    it(`${target.realm}: a body with escaped names is read correctly by the face`, async () => {
      const ask = async (claims: object): Promise<string> => {
        const request = faceRequest(target, makeToken(target, { payload: JSON.stringify(claims) }));
        const body = (request.body ?? "").toString().replace('"token"', '"toke\\u006e"');
        return (await exchange(service().deployment.inProcess, { ...request, body: Buffer.from(body) })).body;
      };
      expect(await ask(target.claims)).to.contain('"valid":true');
      expect(await ask(expired(target))).to.contain('"valid":false');
    });
  }
});
