import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import {
  attack,
  attacked,
  CONTROL,
  claimsWith,
  ES256,
  encode,
  expectGrpc,
  type Flaw,
  headerWith,
  makeToken,
  NOW,
  type Row,
  signatureOf,
  TARGETS,
  type Target,
} from "./harness.js";

// Attacks on headers. The cases test kids that are paths, SQL, prototype members, empty or full of control
// characters (test/cases/realms.yaml), and each vendor's rows for crit, jwk and typ (test/cases/*.yaml).

describe("attacks on headers", () => {
  const service = attacked();

  const VALUES = ["null", "true", "false", "0", '""', '"x"', "[]", "{}", '["exp"]', '{"alg":"none"}'];
  const OWN: Readonly<Record<string, readonly string[]>> = {
    crit: ['["b64"]', '["alg"]', '["crit"]', '["exp","exp"]', '["http://example.com/UNDEFINED"]', '[""]', "[1]"],
    b64: [],
    zip: ['"DEF"', '"none"'],
    enc: ['"A128CBC-HS256"', '"A256GCM"'],
    jwk: ['{"kty":"oct","k":"AA"}', '{"kty":"oct","k":""}'],
    jku: ['"https://evil.example/jwks.json"', '"file:///etc/passwd"', '"data:application/json,{}"'],
    x5u: ['"https://evil.example/cert.pem"', '"//evil.example"'],
    x5c: ['["MIIB"]', '[""]'],
  };

  attack("a parameter that is always refused", service, [
    CONTROL,
    [
      "control: parameters that are ignored",
      { header: headerWith('"x5t":"x","x5t#S256":1,"url":"u","nonce":[],"ver":1,"Crit":["x"],"JWK":{}') },
      "verified",
    ],
    ["control: cty", { header: headerWith('"cty":"JWT"') }, "verified"],
    ...Object.entries(OWN).flatMap(([name, values]) =>
      [...VALUES, ...values].map(
        (value): Row => [`${name}: ${value}`, { header: headerWith(`"${name}":${value}`) }, `HEADER_REFUSED ${name}`],
      ),
    ),
    ["crit under another spelling", { header: headerWith('"\\u0063rit":["exp"]') }, "HEADER_REFUSED crit"],
    ["jwk before alg", { header: ({ algorithm }) => `{"jwk":{},"alg":"${algorithm}"}` }, "HEADER_REFUSED jwk"],
    [
      "crit and b64 with an encoded payload",
      { header: headerWith('"crit":["b64"],"b64":false') },
      "HEADER_REFUSED crit",
    ],
  ]);

  const attacker = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const ownSignature = (input: string, { algorithm }: Target): Buffer => {
    if (algorithm.startsWith("HS"))
      return createHmac("sha256", "a key of the attacker's own, 32 bytes").update(input).digest();
    if (algorithm.startsWith("RS")) return sign("sha256", Buffer.from(input), rsa.privateKey);
    return sign("sha256", Buffer.from(input), { key: attacker.privateKey, dsaEncoding: "ieee-p1363" });
  };
  const ownKey = ({ algorithm }: Target): string => {
    if (algorithm.startsWith("HS"))
      return JSON.stringify({ kty: "oct", k: encode("a key of the attacker's own, 32 bytes") });
    const { publicKey } = algorithm.startsWith("RS") ? rsa : attacker;
    return JSON.stringify(publicKey.export({ format: "jwk" }));
  };

  describe("keys in the token's header", () => {
    let server: Server;
    let asked = 0;
    before((done) => {
      server = createServer((_request, response) => {
        asked++;
        response.end(JSON.stringify({ keys: [JSON.parse(ownKey(ES256))] }));
      }).listen(0, "127.0.0.1", done);
    });
    after((done) => void server.close(done));

    it("a key that a token carries or points to is neither trusted nor fetched", async () => {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
      for (const target of TARGETS) {
        for (const name of ["jku", "x5u", "iss"]) {
          const token = makeToken(target, {
            header: headerWith(`"${name}":"${url}","kid":"k"`),
            signature: ownSignature,
          });
          await expectGrpc(service(), target, token, name === "iss" ? "SIGNATURE_INVALID" : `HEADER_REFUSED ${name}`);
        }
        const token = makeToken(target, { header: headerWith(`"jwk":${ownKey(target)}`), signature: ownSignature });
        await expectGrpc(service(), target, token, "HEADER_REFUSED jwk");
        await expectGrpc(service(), target, makeToken(target), "verified");
      }
      expect(asked).to.equal(0);
    });
  });

  attack("kid, typ and cty of the wrong type", service, [
    CONTROL,
    ["control: strings", { header: headerWith('"kid":"k","cty":"x"') }, "verified"],
    ...["null", "true", "0", "7", "1.5", "[]", '["k"]', "{}", '{"k":1}', '{"toString":"k"}'].flatMap((value): Row[] => [
      [`kid: ${value}`, { header: headerWith(`"kid":${value}`) }, "TOKEN_MALFORMED kid"],
      [`cty: ${value}`, { header: headerWith(`"cty":${value}`) }, "TOKEN_MALFORMED cty"],
      // Integuru's stack ignores typ.
      [
        `typ: ${value}`,
        { header: headerWith(`"typ":${value}`) },
        ({ face }) => (face === "integuru" ? "verified" : "TOKEN_MALFORMED typ"),
      ],
    ]),
  ]);

  const PARTNER: Target = {
    realm: "partner",
    algorithm: "ES256",
    key: "p256",
    claims: {
      iss: "https://issuer.example",
      aud: "https://api.example",
      exp: NOW + 3600,
      iat: NOW,
      sub: "s",
      jti: "j",
      token_use: "access",
      scope: "read",
      level: 3,
    },
  };
  const typed = (typ: string): Flaw => ({ header: `{"alg":"ES256","kid":"p256","typ":${typ}}` });

  attack(
    "typ in a realm that lists the types it takes",
    service,
    [
      ["control: JWT", typed('"JWT"'), "verified"],
      ["control: another case and the prefix application/", typed('"APPLICATION/jWt"'), "verified"],
      ["control: the other listed type", typed('"KB+JWT"'), "verified"],
      ["no typ", { header: '{"alg":"ES256","kid":"p256"}' }, "TYPE_MISMATCH typ"],
      ...[
        "at+jwt",
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "JWE",
        "JOSE",
        "JOSE+JSON",
        "JWS",
        "id_token",
        "jwt+kb",
        "id-token+jwt",
        "",
        " ",
        "JWT ",
        " JWT",
        "JWT\\u0000",
        "JWT\\n",
        "jwtx",
        "xjwt",
        "jw",
        "JWT,at+jwt",
        "JWT; charset=x",
        "ＪＷＴ",
        "application/",
        "application/application/jwt",
        "text/jwt",
        "/jwt",
        "application//jwt",
        "application\\u002fat+jwt",
        "\\u212ab+jwt",
        "KB+JWT",
      ].map((typ): Row => [`"${typ}"`, typed(`"${typ}"`), "TYPE_MISMATCH typ"]),
      [
        "in the payload alone",
        { header: '{"alg":"ES256","kid":"p256"}', payload: claimsWith({ typ: "JWT" }) },
        "TYPE_MISMATCH typ",
      ],
      ["Typ", { header: '{"alg":"ES256","kid":"p256","Typ":"JWT"}' }, "TYPE_MISMATCH typ"],
    ],
    [PARTNER],
  );

  const kid = (text: string): Flaw => ({ header: `{"alg":"ES256","typ":"JWT","kid":${text}}` });
  attack(
    "kid in a realm whose keys have one",
    service,
    [
      ["control: the kid of the key", kid('"p256"'), "verified"],
      ["control: no kid, so every key is tried", { header: '{"alg":"ES256","typ":"JWT"}' }, "verified"],
      ...[
        "P256",
        "p256 ",
        " p256",
        "p256\\u0000",
        "p256/../p256",
        "./p256",
        "p25",
        "p2566",
        "%70256",
        "p256#",
        "p256?",
        "ｐ256",
        "p256\u200b",
      ].map((name): Row => [name, kid(`"${name}"`), "KEY_UNKNOWN kid"]),
      ...[
        "constructor",
        "toString",
        "hasOwnProperty",
        "0",
        "keys",
        "undefined",
        "null",
        "*",
        "x' UNION SELECT 'k",
        "|ls",
        "$(id)",
      ].map((name): Row => [name, kid(`"${name}"`), "KEY_UNKNOWN kid"]),
      ["a kid of 1,000 characters", kid(`"${"p256".repeat(250)}"`), "KEY_UNKNOWN kid"],
    ],
    [PARTNER],
  );

  const whole = (text: (target: Target) => string): Flaw => ({ after: (_token, target) => text(target) });
  const parts = (target: Target): string[] => makeToken(target).split(".");

  attack("other serializations and token formats", service, [
    CONTROL,
    [
      "a JWE in five segments",
      whole(
        (target) =>
          `${encode('{"alg":"dir","enc":"A128GCM"}')}..${parts(target)[0]}.${parts(target)[1]}.${parts(target)[2]}`,
      ),
      "TOKEN_MALFORMED",
    ],
    ["five segments, three of them good", whole((target) => `${makeToken(target)}.AAAA.AAAA`), "TOKEN_MALFORMED"],
    [
      "the flattened JSON serialization",
      whole((target) => {
        const [header, payload, signature] = parts(target);
        return JSON.stringify({ protected: header, payload, signature });
      }),
      "TOKEN_MALFORMED",
    ],
    [
      "the general JSON serialization",
      whole((target) => {
        const [header, payload, signature] = parts(target);
        return JSON.stringify({ payload, signatures: [{ protected: header, signature }] });
      }),
      "TOKEN_MALFORMED",
    ],
    ["a detached payload", whole((target) => `${parts(target)[0]}..${parts(target)[2]}`), "TOKEN_MALFORMED"],
    [
      "an unencoded payload",
      {
        header: headerWith('"b64":false,"crit":["b64"]'),
        after: (token, { claims }) => token.replace(/\.[^.]*\./, `.${JSON.stringify(claims)}.`),
      },
      "TOKEN_MALFORMED",
    ],
    [
      "a token in a token",
      { header: headerWith('"cty":"JWT"'), payload: (target) => makeToken(target) },
      "TOKEN_MALFORMED",
    ],
    [
      "a token in a JSON string",
      { header: headerWith('"cty":"JWT"'), payload: (target) => JSON.stringify(makeToken(target)) },
      "TOKEN_MALFORMED",
    ],
    ["claims in a JSON string", { payload: ({ claims }) => JSON.stringify(JSON.stringify(claims)) }, "TOKEN_MALFORMED"],
    ["claims encoded twice", { payload: ({ claims }) => encode(JSON.stringify(claims)) }, "TOKEN_MALFORMED"],
    ["claims in a list", { payload: ({ claims }) => JSON.stringify([claims]) }, "TOKEN_MALFORMED"],
    [
      "a header in a JSON string",
      { header: ({ algorithm }) => JSON.stringify(`{"alg":"${algorithm}"}`) },
      "TOKEN_MALFORMED",
    ],
    ["a header in a list", { header: ({ algorithm }) => `[{"alg":"${algorithm}"}]` }, "TOKEN_MALFORMED"],
    ["an SD-JWT", whole((target) => `${makeToken(target)}~WyJzYWx0IiwiYSIsMV0~`), "TOKEN_MALFORMED"],
    ["a token with the scheme Bearer", whole((target) => `Bearer ${makeToken(target)}`), "TOKEN_MALFORMED"],
    ["a token in quotes", whole((target) => `"${makeToken(target)}"`), "TOKEN_MALFORMED"],
    ["two tokens with a comma", whole((target) => `${makeToken(target)},${makeToken(target)}`), "TOKEN_MALFORMED"],
    ["two tokens with a dot", whole((target) => `${makeToken(target)}.${makeToken(target)}`), "TOKEN_MALFORMED"],
    ["a PASETO", whole(() => "v2.local.AAAA"), "TOKEN_MALFORMED"],
    ["XML", whole(() => "<saml:Assertion/>"), "TOKEN_MALFORMED"],
    ["CBOR in base64url", whole(() => encode(Buffer.from("d28443a10126a0", "hex"))), "TOKEN_MALFORMED"],
    [
      "a good signature without alg",
      { header: '{"typ":"JWT"}', signature: (input, target) => signatureOf(target, input) },
      "ALGORITHM_MISMATCH alg",
    ],
  ]);
});
