import {
  attack,
  attacked,
  CLOWK,
  CONTROL,
  claimsWith,
  ES256,
  FISERV,
  type Flaw,
  HS256,
  headerWith,
  INTEGURU,
  NOW,
  type Row,
  type Target,
  VENDORS,
} from "./harness.js";

// Attacks on claims. The values are JSON texts, because some of them cannot be made otherwise. The cases
// (test/cases/*.yaml) test the order of each vendor's checks, and altered issuers and audiences.

describe("attacks on claims", () => {
  const service = attacked();

  /** Replaces the JSON text of a target's claim; undefined removes the claim. */
  const claim = (name: string, text: string | undefined): Flaw => ({
    payload: ({ claims }) => {
      const texts = Object.entries(claims).flatMap(([one, value]) =>
        one === name ? [] : [`${JSON.stringify(one)}:${JSON.stringify(value)}`],
      );
      return `{${[...texts, ...(text === undefined ? [] : [`${JSON.stringify(name)}:${text}`])].join(",")}}`;
    },
  });

  const NO_TIMES = [
    '"1800003600"',
    '"1800003600.5"',
    '""',
    '"never"',
    '"2027-01-15T09:00:00Z"',
    '"Infinity"',
    '"0x6B49D200"',
    '" 1800003600"',
    "null",
    "true",
    "false",
    "[]",
    "[1800003600]",
    "{}",
    '{"valueOf":1800003600}',
    '{"$numberLong":"1800003600"}',
    '{"seconds":1800003600}',
    "-1",
    "-1800003600",
    "-0.1",
    "-1e300",
    "1800003600000",
    "1800003600000000",
    "253402300800",
    "253402300799.1",
    "9007199254740992",
    "9007199254740993",
    "9223372036854775807",
    "18446744073709551616",
    "4102444800000",
    "1e300",
  ];
  const NO_NUMBERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "01800003600",
    "+1800003600",
    "0x6B49D200",
    "1_800_003_600",
    "1800003600n",
    "undefined",
    "1800003600.",
    "'1800003600'",
  ];
  const PAST = [
    "0",
    "-0",
    "1",
    "1e-300",
    "1e-999",
    "1.8e9",
    "1799999999.999999",
    "1800000000",
    "1800000000.0",
    "18000000e2",
  ];
  const FUTURE = ["1800000000.001", "1800000001", "1.8000036e9", "18000036e2", "253402300799", "253402300799.0"];

  attack(
    "the claim exp",
    service,
    [
      CONTROL,
      ...FUTURE.map((text): Row => [`control: ${text}`, claim("exp", text), "verified"]),
      ...PAST.map((text): Row => [text, claim("exp", text), "TOKEN_EXPIRED exp"]),
      ...NO_TIMES.map((text): Row => [text, claim("exp", text), "CLAIM_MISTYPED exp"]),
      ...NO_NUMBERS.map((text): Row => [text, claim("exp", text), "TOKEN_MALFORMED"]),
      ["no exp", claim("exp", undefined), "CLAIM_MISSING exp"],
      ...["EXP", "Exp", "exp ", " exp", "exp\u0000", "e\u200bxp", "еxp", "expires", "expires_at", "exp.", "ｅｘｐ"].map(
        (name): Row => [
          `${JSON.stringify(name)} in place of exp`,
          { payload: ({ claims: { exp, ...claims } }) => JSON.stringify({ ...claims, [name]: exp }) },
          "CLAIM_MISSING exp",
        ],
      ),
      [
        "in the header alone",
        { ...claim("exp", undefined), header: headerWith('"exp":1800003600') },
        "CLAIM_MISSING exp",
      ],
      [
        "past in the claims and to come in the header",
        { ...claim("exp", "1"), header: headerWith('"exp":1800003600') },
        "TOKEN_EXPIRED exp",
      ],
      ["control: to come in the claims and past in the header", { header: headerWith('"exp":1') }, "verified"],
      [
        "on the prototype",
        {
          payload: ({ claims: { exp, ...claims } }) =>
            `${JSON.stringify(claims).replace(/}$/, Object.keys(claims).length > 0 ? "," : "")}"__proto__":{"exp":${String(exp)}}}`,
        },
        "CLAIM_MISSING exp",
      ],
      [
        "below another claim",
        { payload: ({ claims: { exp, ...claims } }) => JSON.stringify({ ...claims, claims: { exp } }) },
        "CLAIM_MISSING exp",
      ],
    ],
    [HS256, ES256, ...VENDORS],
  );

  for (const name of ["nbf", "iat"]) {
    const early = (target: Target): string => {
      if (name === "nbf") return "TOKEN_NOT_YET_VALID nbf";
      return target.face === "integuru" ? "ISSUED_IN_FUTURE iat" : "verified";
    };
    attack(
      name,
      service,
      [
        CONTROL,
        ...PAST.map((text): Row => [`control: ${text}`, claim(name, text), "verified"]),
        ...FUTURE.map((text): Row => [text, claim(name, text), early]),
        ...NO_TIMES.map((text): Row => [text, claim(name, text), `CLAIM_MISTYPED ${name}`]),
        ...NO_NUMBERS.map((text): Row => [text, claim(name, text), "TOKEN_MALFORMED"]),
      ],
      [HS256, ES256, INTEGURU, CLOWK],
    );
  }

  attack(
    "claims that the vendor ignores",
    service,
    [
      CONTROL,
      ...["nbf", "iat"].flatMap((name) =>
        ['"x"', "null", "4102444800"].map((text): Row => [`control: ${name} ${text}`, claim(name, text), "verified"]),
      ),
      ["nbf that is no JSON", claim("nbf", "NaN"), "TOKEN_MALFORMED"],
    ],
    [FISERV],
  );

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
  const HEADER = { header: '{"alg":"ES256","typ":"JWT","kid":"p256"}' };
  const of = (name: string, text: string | undefined): Flaw => ({ ...HEADER, ...claim(name, text) });
  const NO_STRINGS = ["null", "true", "false", "0", "7", "1.5", "[]", "{}", '{"toString":"x"}'];
  const ISSUER = "https://issuer.example";
  const API = "https://api.example";
  /** Texts that a careless comparison takes for the given one. */
  const nearly = (text: string): string[] =>
    [
      "",
      " ",
      `${text} `,
      ` ${text}`,
      `${text}/`,
      `${text}\n`,
      `${text}\0`,
      `${text}\0x`,
      `${text}.`,
      `${text}:443`,
      `${text}?`,
      `${text}#`,
      `${text}x`,
      `x${text}`,
      text.slice(0, -1),
      text.slice(8),
      text.toUpperCase(),
      text.replace("https", "HTTPS"),
      text.replace("https", "http"),
      text.replace("https://", "//"),
      text.replace("//", "//user@"),
      text.replace(".", "%2E"),
      text.replace(".", "。"),
      text.replace("e", "е"),
      text.replace("e", "e\u0301"),
      text.replace("a", "\u00e1"),
      `${text},${text}`,
      `${text} ${text}`,
      `["${text}"]`,
      `"${text}"`,
      "*",
      ".*",
      "https://*.example",
      "null",
      "undefined",
      "constructor",
      "__proto__",
    ].filter((one) => one !== text);

  attack(
    "the claim iss",
    service,
    [
      ["control", HEADER, "verified"],
      ["no iss", of("iss", undefined), "CLAIM_MISSING iss"],
      ...[...NO_STRINGS, `["${ISSUER}"]`, `{"iss":"${ISSUER}"}`, `[["${ISSUER}"]]`, `["${ISSUER}","x"]`].map(
        (text): Row => [text, of("iss", text), "CLAIM_MISTYPED iss"],
      ),
      ...nearly(ISSUER).map(
        (text): Row => [JSON.stringify(text), of("iss", JSON.stringify(text)), "ISSUER_MISMATCH iss"],
      ),
      ["an audience", of("iss", `"${API}"`), "ISSUER_MISMATCH iss"],
      [
        "in the header alone",
        { ...of("iss", undefined), header: `{"alg":"ES256","typ":"JWT","kid":"p256","iss":"${ISSUER}"}` },
        "CLAIM_MISSING iss",
      ],
    ],
    [PARTNER],
  );

  attack(
    "the claim aud",
    service,
    [
      ["control", HEADER, "verified"],
      ["control: in a list", of("aud", `["x","${API}"]`), "verified"],
      ["control: the other audience", of("aud", `"${API}/v2"`), "verified"],
      ["control: one audience twice", of("aud", `["${API}","${API}"]`), "verified"],
      ["no aud", of("aud", undefined), "CLAIM_MISSING aud"],
      ...[
        ...NO_STRINGS,
        `{"0":"${API}"}`,
        `{"${API}":true}`,
        `{"length":1,"0":"${API}"}`,
        `[["${API}"]]`,
        `["${API}",null]`,
        `["${API}",7]`,
        `["${API}",{}]`,
        `["${API}",["x"]]`,
        `[null]`,
        `[true]`,
      ].map((text): Row => [text, of("aud", text), "CLAIM_MISTYPED aud"]),
      ...nearly(API).flatMap((text): Row[] => [
        [JSON.stringify(text), of("aud", JSON.stringify(text)), "AUDIENCE_MISMATCH aud"],
        [`${JSON.stringify(text)} in a list`, of("aud", JSON.stringify([text, "x"])), "AUDIENCE_MISMATCH aud"],
      ]),
      ["its letters in a list", of("aud", JSON.stringify(API.split(""))), "AUDIENCE_MISMATCH aud"],
      ["the beginning of the longer audience", of("aud", `"${API}/v"`), "AUDIENCE_MISMATCH aud"],
      [
        "in the header alone",
        { ...of("aud", undefined), header: `{"alg":"ES256","typ":"JWT","kid":"p256","aud":"${API}"}` },
        "CLAIM_MISSING aud",
      ],
      [
        "Aud",
        { ...HEADER, payload: ({ claims: { aud, ...claims } }) => JSON.stringify({ ...claims, Aud: aud }) },
        "CLAIM_MISSING aud",
      ],
    ],
    [PARTNER],
  );

  attack(
    "the claims sub and jti",
    service,
    [
      ["control", HEADER, "verified"],
      ["control: empty texts", { ...HEADER, payload: claimsWith({ sub: "", jti: "" }) }, "verified"],
      ...["sub", "jti"].flatMap((name): Row[] => [
        [`${name}: none`, of(name, undefined), `CLAIM_MISSING ${name}`],
        ...[...NO_STRINGS, '["s"]', "12345678901234567890"].map(
          (text): Row => [`${name}: ${text}`, of(name, text), `CLAIM_MISTYPED ${name}`],
        ),
      ]),
    ],
    [PARTNER],
  );

  attack(
    "a jti that is a number",
    service,
    [
      ["revoked", claim("jti", "9007199254740993"), "TOKEN_REVOKED jti"],
      ["control: its neighbour", claim("jti", "9007199254740992"), "verified"],
    ],
    [INTEGURU],
  );

  attack(
    "claims with a required value",
    service,
    [
      ["control", HEADER, "verified"],
      ["control: true", of("level", "true"), "verified"],
      ["control: 3.0 is 3", of("level", "3.0"), "verified"],
      ["control: the text 3.0", of("level", '"3.0"'), "verified"],
      ["control: 30e-1 is 3", of("level", "30e-1"), "verified"],
      ["control: the largest number", of("level", "9007199254740991"), "verified"],
      // JavaScript converts each of these to an admitted value.
      ...["3.00000000000000000001", "9007199254740991.4", "9007199254740990.7"].map(
        (text): Row => [`level: ${text}`, of("level", text), "CLAIM_MISMATCH level"],
      ),
      ...["token_use", "scope", "level"].map(
        (name): Row => [`${name}: none`, of(name, undefined), `CLAIM_MISSING ${name}`],
      ),
      ...['"3"', "3.0000001", "1", "0", '"true"', "false", "null", "[3]", "[true]", '{"level":3}', '"3.00"', "-3"].map(
        (text): Row => [`level: ${text}`, of("level", text), "CLAIM_MISMATCH level"],
      ),
      ...['"Access"', '"access "', '""', '["access"]', "true", "null", "{}", '"id"', '"access,id"'].map(
        (text): Row => [`token_use: ${text}`, of("token_use", text), "CLAIM_MISMATCH token_use"],
      ),
      ...[
        '""',
        '"READ"',
        '"reader"',
        '"unread"',
        '"re ad"',
        '"read,write"',
        '"write\\tread"',
        '"write\\u00a0read"',
        '["read write"]',
        '[["read"]]',
        "{}",
        '{"read":true}',
        '{"includes":"read"}',
        "null",
        "true",
        '"read\\u0000"',
      ].map((text): Row => [`scope: ${text}`, of("scope", text), "CLAIM_MISMATCH scope"]),
      ["a lifetime of a second more than a day", of("exp", String(NOW + 86_401)), "LIFETIME_TOO_LONG exp"],
      ["a lifetime that begins in 1970", of("iat", "0"), "LIFETIME_TOO_LONG exp"],
      ["no iat, which leaves the lifetime unknown", of("iat", undefined), "CLAIM_MISSING iat"],
    ],
    [PARTNER],
  );

  attack(
    "Integuru's claims",
    service,
    [
      CONTROL,
      ...["jti", "token_type", "taiki_user_id"].map(
        (name): Row => [`${name}: none`, claim(name, undefined), `CLAIM_MISSING ${name}`],
      ),
      ...[
        '"refresh"',
        '"Access"',
        '"access "',
        '" access"',
        '"sliding"',
        '""',
        "null",
        "true",
        "1",
        '["access"]',
        '{"access":1}',
        '"access\\u0000"',
      ].map((text): Row => [`token_type: ${text}`, claim("token_type", text), "CLAIM_MISMATCH token_type"]),
      [
        "the claims in the header alone",
        { header: headerWith('"token_type":"access","jti":"a","exp":1800003600,"taiki_user_id":"u"'), payload: "{}" },
        "CLAIM_MISSING exp",
      ],
      [
        "Token_Type",
        { payload: ({ claims: { token_type: type, ...claims } }) => JSON.stringify({ ...claims, Token_Type: type }) },
        "CLAIM_MISSING token_type",
      ],
    ],
    [INTEGURU],
  );

  attack(
    "Clowk's claims",
    service,
    [
      CONTROL,
      ...["sub", "instance_id"].map((name): Row => [`${name}: none`, claim(name, undefined), `CLAIM_MISSING ${name}`]),
      ["iss: none", claim("iss", undefined), "ISSUER_MISMATCH iss"],
      ...['"Clowk"', '"clowk "', '"clowk.dev"', '""', "null", '["clowk"]', "1", "true", '"clow"', '"clowk\\u0000"'].map(
        (text): Row => [`iss: ${text}`, claim("iss", text), "ISSUER_MISMATCH iss"],
      ),
      ...[
        '"inst_other"',
        '"INST_ABC123"',
        '"inst_abc123 "',
        '""',
        '"inst_abc12"',
        '"inst_abc1234"',
        '"inst_abc123\\u0000"',
        '"constructor"',
      ].map((text): Row => [`instance_id: ${text}`, claim("instance_id", text), "INSTANCE_MISMATCH instance_id"]),
      ...["null", "1", "true", '["inst_abc123"]', "{}"].map(
        (text): Row => [`instance_id: ${text}`, claim("instance_id", text), "CLAIM_MISTYPED instance_id"],
      ),
      ...["null", "1", "true", '["a1b2c3d4-e5f6-7890-abcd-ef1234567890"]', "{}"].map(
        (text): Row => [`sub: ${text}`, claim("sub", text), "CLAIM_MISTYPED sub"],
      ),
      ...["null", "1", "[]", "{}"].map(
        (text): Row => [`app_id: ${text}`, claim("app_id", text), "CLAIM_MISTYPED app_id"],
      ),
      ...[
        '"A1B2C3D4-E5F6-7890-ABCD-EF1234567890"',
        '"a1b2c3d4-e5f6-7890-abcd-ef1234567890 "',
        '""',
        '"only-of-other"',
        '"a1b2c3d4%"',
        '"a1b2c3d4-e5f6-7890-abcd-ef1234567890\\u0000"',
        '"__proto__"',
        `"' OR '1'='1"`,
        '"_1b2c3d4-e5f6-7890-abcd-ef1234567890"',
      ].map((text): Row => [`sub: ${text}`, claim("sub", text), "USER_UNKNOWN sub"]),
    ],
    [CLOWK],
  );
});
