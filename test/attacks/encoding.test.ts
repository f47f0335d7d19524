import {
  attack,
  attacked,
  CONTROL,
  decode,
  encode,
  type Flaw,
  HS256,
  headerWith,
  makeToken,
  payloadWith,
  type Row,
  type Target,
} from "./harness.js";

// Attacks on encodings. Every token here is signed with the right key after it was misspelt, so only the reader can
// refuse it.

describe("attacks on encodings", () => {
  const service = attacked();

  const MALFORMED = "TOKEN_MALFORMED";
  const segment = (which: number, change: (text: string) => string): Flaw => ({
    after: (token) =>
      token
        .split(".")
        .map((one, at) => (at === which ? change(one) : one))
        .join("."),
  });
  /** Misspells a segment before it is signed. */
  const signed = (which: 0 | 1, change: (text: string) => string): Flaw => {
    let at = 0;
    return { spell: (text) => (at++ % 2 === which ? change(text) : text) };
  };
  const NAMES = ["header", "payload", "signature"] as const;
  const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const spare = (text: string): string => {
    const next = LETTERS[LETTERS.indexOf(text.at(-1)!) + 1];
    return `${text.slice(0, -1)}${next}`;
  };
  /** Adds a space if the text's base64url would have no spare bits. */
  const withSpare = (text: string): string => (text.length % 3 === 0 ? `${text} ` : text);

  const MISSPELLINGS: Readonly<Record<string, (text: string) => string>> = {
    "padding of one": (text) => `${text}=`,
    "padding of two": (text) => `${text}==`,
    "padding of three": (text) => `${text}===`,
    "padding inside": (text) => `${text.slice(0, 4)}=${text.slice(4)}`,
    "leading padding": (text) => `=${text}`,
    "a plus": (text) => `${text.slice(0, 4)}+${text.slice(5)}`,
    "a slash": (text) => `${text.slice(0, 4)}/${text.slice(5)}`,
    "a leading space": (text) => ` ${text}`,
    "a trailing space": (text) => `${text} `,
    "a space inside": (text) => `${text.slice(0, 5)} ${text.slice(5)}`,
    "a tab": (text) => `${text}\t`,
    "a line end": (text) => `${text}\n`,
    "CR and LF": (text) => `${text}\r\n`,
    "a form feed": (text) => `${text}\f`,
    "a vertical tab": (text) => `\v${text}`,
    "a NUL": (text) => `${text}\0`,
    "a NUL and more": (text) => `${text}\0AAAA`,
    "a no-break space": (text) => `${text}\u00a0`,
    "a zero-width space": (text) => `${text}\u200b`,
    "a byte order mark": (text) => `\ufeff${text}`,
    "a line separator": (text) => `${text}\u2028`,
    "line breaks": (text) => text.replace(/.{12}/g, "$&\r\n"),
    "a letter of another script": (text) => text.replace(/[Aaeo]|$/, "а"),
    "a full-width letter": (text) => `${text.slice(0, 3)}Ａ${text.slice(4)}`,
    "a letter with a byte above ASCII": (text) =>
      `${text.slice(0, 3)}${String.fromCharCode(text.charCodeAt(3) + 256)}${text.slice(4)}`,
    "percent-encoded": (text) => `%${text.charCodeAt(0).toString(16)}${text.slice(1)}`,
    "a quote": (text) => `"${text}"`,
    "a backslash": (text) => `${text}\\`,
    "a tilde": (text) => `${text}~`,
    "an asterisk": (text) => `${text.slice(0, -1)}*`,
    "half a surrogate pair": (text) => `${text}\ud800`,
    "a character too many": (text) => `${text}${"A".repeat((5 - (text.length % 4)) % 4)}`,
  };

  attack("misspelt base64url", service, [
    CONTROL,
    ["control: a token that is spelt correctly", signed(0, (text) => encode(decode(text))), "verified"],
    ...Object.entries(MISSPELLINGS).flatMap(([name, change]): Row[] =>
      ([0, 1] as const).map((which) => [`${NAMES[which]}: ${name}`, signed(which, change), MALFORMED]),
    ),
    ...Object.entries(MISSPELLINGS).map(([name, change]): Row => [`signature: ${name}`, segment(2, change), MALFORMED]),
    ["signature: a spare bit", segment(2, spare), MALFORMED],
    [
      "header: a spare bit",
      { header: ({ algorithm }) => withSpare(`{"alg":"${algorithm}"}`), ...signed(0, spare) },
      MALFORMED,
    ],
    [
      "payload: a spare bit",
      { payload: ({ claims }) => withSpare(JSON.stringify(claims)), ...signed(1, spare) },
      MALFORMED,
    ],
  ]);

  const whole = (change: (token: string) => string): Flaw => ({ after: change });
  attack("misplaced segments", service, [
    CONTROL,
    ["one segment", whole((token) => token.split(".")[0]!), MALFORMED],
    ["two segments", whole((token) => token.split(".").slice(0, 2).join(".")), MALFORMED],
    [
      "two segments and a dot: no signature",
      whole((token) => `${token.split(".").slice(0, 2).join(".")}.`),
      "SIGNATURE_INVALID",
    ],
    ["the last two segments", whole((token) => token.split(".").slice(1).join(".")), MALFORMED],
    ["four segments", whole((token) => `${token}.AAAA`), MALFORMED],
    ["four segments, the last empty", whole((token) => `${token}.`), MALFORMED],
    ["four segments, the first empty", whole((token) => `.${token}`), MALFORMED],
    ["six segments", whole((token) => `${token}.a.b.c`), MALFORMED],
    ["a thousand dots", whole((token) => `${token}${".".repeat(1000)}`), MALFORMED],
    ["two dots in a row", whole((token) => token.replace(".", "..")), MALFORMED],
    ["no header", whole((token) => token.replace(/^[^.]*/, "")), MALFORMED],
    ["no payload", whole((token) => token.replace(/\.[^.]*\./, "..")), MALFORMED],
    ["three dots", whole(() => "..."), MALFORMED],
    ["dots alone", whole(() => ".."), MALFORMED],
    ["a dot", whole(() => "."), MALFORMED],
    ["three letters", whole(() => "a.b.c"), MALFORMED],
    ["empty objects", whole(() => "e30.e30."), "ALGORITHM_MISMATCH alg"],
    ["commas in place of dots", whole((token) => token.replaceAll(".", ",")), MALFORMED],
    ["percent-encoded dots", whole((token) => token.replaceAll(".", "%2E")), MALFORMED],
    ["ideographic dots", whole((token) => token.replaceAll(".", "。")), MALFORMED],
    ["full-width dots", whole((token) => token.replaceAll(".", "．")), MALFORMED],
    ["dots with a byte above ASCII", whole((token) => token.replaceAll(".", "\u012e")), MALFORMED],
    ["a token in upper case", whole((token) => token.toUpperCase()), MALFORMED],
    ["a reversed token", whole((token) => token.split("").reverse().join("")), MALFORMED],
    [
      "the first two segments swapped",
      whole((token) => token.replace(/^([^.]*)\.([^.]*)/, "$2.$1")),
      "ALGORITHM_MISMATCH alg",
    ],
    ["surrounding spaces", whole((token) => ` ${token} `), MALFORMED],
    ["a trailing line end", whole((token) => `${token}\r\n`), MALFORMED],
    ["a NUL and another token at the end", whole((token) => `${token}\0${token}`), MALFORMED],
    ["a token in base64 once more", whole((token) => Buffer.from(token).toString("base64")), MALFORMED],
  ]);

  const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");
  const put = (text: string, inside: Buffer): Buffer => {
    const [before = "", behind = ""] = text.split("@");
    return Buffer.concat([Buffer.from(before), inside, Buffer.from(behind)]);
  };
  const texts = (make: (text: string) => string | Buffer): readonly [header: Flaw, payload: Flaw] => [
    { header: ({ algorithm }) => make(`{"alg":"${algorithm}"}`) },
    { payload: ({ claims }) => make(JSON.stringify(claims)) },
  ];
  const both = (name: string, make: (text: string) => string | Buffer, outcome: Row[2] = MALFORMED): Row[] => {
    const [header, payload] = texts(make);
    return [
      [`header: ${name}`, header, outcome],
      [`payload: ${name}`, payload, outcome],
    ];
  };
  /** Adds a member with the given text. */
  const member = (name: string, text: string, outcome: Row[2] = MALFORMED): Row[] =>
    both(name, (json) => `${json.slice(0, -1)},${text}}`, outcome);

  attack("invalid characters", service, [
    CONTROL,
    ...member("control: characters of two, three and four bytes", '"é€😀":"é€😀"', "verified"),
    ...member("control: a surrogate pair in escapes", '"a":"\\ud83d\\ude00"', "verified"),
    ...member("control: NUL, DEL and U+2028", '"a":"\\u0000\u007f\u2028\ufeff"', "verified"),
    ...both("a byte order mark", (text) => `\ufeff${text}`),
    ...both("a byte order mark behind", (text) => `${text}\ufeff`),
    ...both("UTF-16, little end first", (text) => Buffer.from(text, "utf16le")),
    ...both("UTF-16 with its mark", (text) => Buffer.from(`\ufeff${text}`, "utf16le")),
    ...both("UTF-16, big end first", (text) => Buffer.from(text, "utf16le").swap16()),
    ...both("UTF-32", (text) =>
      Buffer.concat(text.split("").map((char) => bytes(`${char.charCodeAt(0).toString(16).padStart(2, "0")}000000`))),
    ),
    ...both("UTF-7's mark", (text) => `+/v8-${text}`),
    ...Object.entries({
      "a lone continuation": "80",
      "a continuation missing": "c3",
      "0xff": "ff",
      "0xfe": "fe",
      "overlong of two, a quote": "c0a2",
      "overlong of two, NUL": "c080",
      "overlong of three": "e080af",
      "overlong of four": "f08080af",
      "a high surrogate in UTF-8": "eda080",
      "a low surrogate in UTF-8": "edb080",
      "a surrogate pair in CESU-8": "eda0bdedb880",
      "beyond U+10FFFF": "f4908080",
      "five bytes": "f888808080",
      "six bytes": "fc8480808080",
      "latin-1": "e9",
    }).flatMap(([name, hex]) => both(name, (text) => put(`${text.slice(0, -1)},"a":"@"}`, bytes(hex)))),
    ...both("an overlong name", (text) => put(`${text.slice(0, -1)},"@":1}`, bytes("c1a1"))),
    ...member("a high surrogate alone", '"a":"\\ud800"'),
    ...member("a low surrogate alone", '"a":"\\udc00"'),
    ...member("a pair the wrong way round", '"a":"\\ude00\\ud83d"'),
    ...member("a high surrogate and a letter", '"a":"\\ud83dx"'),
    ...member("a lone surrogate in a name", '"\\udfff":1'),
    ...member("a lone surrogate deep inside", '"a":[{"b":["\\ud800"]}]'),
  ]);

  const JSONS: Readonly<Record<string, (text: string) => string>> = {
    nothing: () => "",
    "white space alone": () => " ",
    null: () => "null",
    true: () => "true",
    "a number": () => "1",
    "a string": () => '"x"',
    "an empty list": () => "[]",
    "a list of one": (text) => `[${text}]`,
    "two objects": (text) => `${text}${text}`,
    "two objects in two lines": (text) => `${text}\n${text}`,
    "a trailing comma": (text) => `${text},`,
    "a brace too many": (text) => `${text}}`,
    "a brace too few": (text) => text.slice(0, -1),
    "a brace of another kind": (text) => `${text.slice(0, -1)}]`,
    "no braces": (text) => text.slice(1, -1),
    "a comma before the end": (text) => `${text.slice(0, -1)},}`,
    "a comma before the beginning": (text) => `{,${text.slice(1)}`,
    "two commas": (text) => `${text.slice(0, -1)},,"a":1}`,
    "no comma": (text) => `${text.slice(0, -1)} "a":1}`,
    "single quotes": (text) => text.replaceAll('"', "'"),
    "a name without quotes": (text) => `${text.slice(0, -1)},a:1}`,
    "a name that is a number": (text) => `${text.slice(0, -1)},1:1}`,
    "a name without a value": (text) => `${text.slice(0, -1)},"a"}`,
    "a name and a colon without a value": (text) => `${text.slice(0, -1)},"a":}`,
    "an equals sign": (text) => text.replace(":", "="),
    "a comment": (text) => `/**/${text}`,
    "a comment in lines": (text) => `//\n${text}`,
    "a comment of a shell": (text) => `#\n${text}`,
    "an XSSI prefix": (text) => `)]}'\n${text}`,
    "a trailing NUL": (text) => `${text}\0`,
    "a leading NUL": (text) => `\0${text}`,
    "a vertical tab": (text) => `\v${text}`,
    "a form feed": (text) => `${text}\f`,
    "a no-break space": (text) => `\u00a0${text}`,
    "a line separator": (text) => `${text}\u2028`,
    "a record separator": (text) => `\u001e${text}`,
    "in parentheses": (text) => `(${text})`,
    "in a call": (text) => `f(${text})`,
    "in a string": (text) => JSON.stringify(text),
    "a form": () => "alg=HS256&exp=1800003600",
    YAML: () => "alg: HS256\nexp: 1800003600\n",
  };

  attack("invalid JSON", service, [
    CONTROL,
    ...both(
      "control: white space everywhere",
      (text) => ` \t\r\n${text.replace(":", " : ").replace("{", "{\n")} \n`,
      "verified",
    ),
    ...both(
      "control: escapes in names",
      (text) => text.replace(/"([a-z])/, (_, char: string) => `"\\u00${char.charCodeAt(0).toString(16)}`),
      "verified",
    ),
    ...Object.entries(JSONS).flatMap(([name, change]) => both(name, change)),
    ...["\n", "\r", "\t", "\0", "\u001f", "\b"].flatMap((char) =>
      member(`a raw ${JSON.stringify(char)} in a string`, `"a":"${char}"`),
    ),
    ...["\\x41", "\\u004", "\\u{41}", "\\U0041", "\\'", "\\a", "\\0", "\\v", "\\u00g0", "\\"].flatMap((spelling) =>
      member(`the escape ${spelling}`, `"a":"${spelling}"`),
    ),
    ...[
      "True",
      "NULL",
      "None",
      "nil",
      "undefined",
      "yes",
      "'x'",
      "`x`",
      "0x1F",
      "0b1",
      "0o7",
      "01",
      "-01",
      "+1",
      ".5",
      "5.",
      "1e",
      "1e+",
      "1_000",
      "1,000",
      "--1",
      "-",
      "1n",
      "½",
    ].flatMap((value) => member(`the value ${value}`, `"a":${value}`)),
  ]);

  attack("numbers", service, [
    CONTROL,
    ...[
      "0",
      "-0",
      "1.0",
      "1E2",
      "1e-400",
      "0.1e+7",
      "9007199254740993",
      "12345678901234567890",
      "1e308",
      `0.${"1".repeat(300)}`,
      "9".repeat(300),
    ].flatMap((value) => member(`control: ${value.slice(0, 30)}`, `"a":${value}`, "verified")),
    ...[
      "NaN",
      "-NaN",
      "Infinity",
      "-Infinity",
      "1e309",
      "1e999",
      "-1e999",
      "1E400",
      `1${"0".repeat(309)}`,
      "nan",
      "inf",
      "1e99999999999999999999",
    ].flatMap((value) => member(value.slice(0, 30), `"a":${value}`)),
    ...member("1e999 deep inside", '"a":[[{"b":1e999}]]'),
  ]);

  attack("duplicate members", service, [
    CONTROL,
    ...member("control: a name on two levels", '"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]', "verified"),
    ...member("control: names that differ by case and by normal form", '"a":1,"A":1,"é":1,"e\u0301":1', "verified"),
    ...member("control: colons and quotes in strings", '"a":"\\":\\"","b:":":,:{}[]"', "verified"),
    ...member("control: __proto__ once", '"__proto__":{"a":1},"constructor":{},"hasOwnProperty":1', "verified"),
    ["header: alg, the same", { header: headerWith('"alg":"HS256"') }, MALFORMED],
    ["header: alg, none first", { header: ({ algorithm }) => `{"alg":"none","alg":"${algorithm}"}` }, MALFORMED],
    ["header: alg, none last", { header: headerWith('"alg":"none"') }, MALFORMED],
    ["header: alg, one in an escape", { header: headerWith('"\\u0061lg":"none"') }, MALFORMED],
    [
      "header: alg, one in escapes of the other case",
      { header: ({ algorithm }) => `{"\\u006Alg":1,"\\u006alg":2,"alg":"${algorithm}"}` },
      MALFORMED,
    ],
    ["payload: exp, the same", { payload: payloadWith('"exp":1800003600') }, MALFORMED],
    ["payload: exp, one of them past", { payload: payloadWith('"exp":1') }, MALFORMED],
    ["payload: exp, one in an escape", { payload: payloadWith('"\\u0065xp":1800003600') }, MALFORMED],
    ...member("a and a", '"a":1,"a":1'),
    ...member("a and \\u0061", '"a":1,"\\u0061":2'),
    ...member("\\u0061 and \\u0061", '"\\u0061":1,"\\u0061":2'),
    ...member("a slash, escaped and not", '"/":1,"\\/":2'),
    ...member("a letter of four bytes, escaped and not", '"😀":1,"\\ud83d\\uDE00":2'),
    ...member("empty names", '"":1,"":2'),
    ...member("__proto__ twice", '"__proto__":1,"__proto__":2'),
    ...member("__proto__, one in an escape", '"__proto__":{},"\\u005f_proto__":{}'),
    ...member("constructor twice", '"constructor":1,"constructor":2'),
    ...member("numbers for names", '"1":1,"0":0,"1":2'),
    ...member("deep inside", '"a":[{"b":{"c":1,"c":1}}]'),
    ...member("deep inside, with a member less elsewhere", '"a":{"b":1,"b":2},"c":{}'),
    ...member("three times", '"a":1,"a":2,"a":3'),
    ...member("objects", '"a":{"b":1},"a":{"c":2}'),
    ...member("with a string between that looks like members", '"a":1,"b":"\\"a\\":2","a":3'),
  ]);

  const nested = (levels: number, open: string, close: string): string =>
    `${open.repeat(levels)}1${close.repeat(levels)}`;
  const LARGE: Target = { ...HS256, realm: "large", claims: {} };
  attack(
    "large tokens",
    service,
    [
      ["control: an empty object", {}, "verified"],
      ["control: 128 levels", { payload: `{"a":${nested(127, "[", "]")}}` }, "verified"],
      [
        "control: 2,000 members",
        { payload: JSON.stringify(Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`m${index}`, 1]))) },
        "verified",
      ],
      // A realm with a maxTokenLength of 1 MiB admits 131,072 members and elements.
      [
        "control: 70,000 members",
        {
          payload: JSON.stringify(
            Object.fromEntries(Array.from({ length: 70_000 }, (_, index) => [`m${index.toString(36)}`, 1])),
          ),
        },
        "verified",
      ],
      [
        "control: 131,071 elements in a member",
        { payload: JSON.stringify({ a: Array.from({ length: 131_071 }, () => 0) }) },
        "verified",
      ],
      ["control: 700 KiB of text", { payload: `{"a":"${"x".repeat(700_000)}"}` }, "verified"],
      ["129 levels of lists", { payload: `{"a":${nested(128, "[", "]")}}` }, MALFORMED],
      ["129 levels of objects", { payload: nested(129, '{"a":', "}") }, MALFORMED],
      ["20,000 levels of lists", { payload: `{"a":${nested(20_000, "[", "]")}}` }, MALFORMED],
      ["20,000 levels of objects", { payload: nested(20_000, '{"a":', "}") }, MALFORMED],
      ["20,000 levels in the header", { header: `{"alg":"HS256","a":${nested(20_000, "[", "]")}}` }, MALFORMED],
      ["20,000 levels that do not close", { payload: `{"a":${"[".repeat(20_000)}` }, MALFORMED],
      ["300,000 levels that only close", { payload: `{"a":${"]".repeat(300_000)}}` }, MALFORMED],
      [
        "131,072 elements in a member",
        { payload: JSON.stringify({ a: Array.from({ length: 131_072 }, () => 0) }) },
        MALFORMED,
      ],
      [
        "131,072 elements in a member of the header",
        { header: JSON.stringify({ alg: "HS256", a: Array.from({ length: 131_072 }, () => 0) }) },
        MALFORMED,
      ],
      [
        "300,000 empty lists",
        { payload: `{"a":[${Array.from({ length: 200_000 }, () => "[]").join(",")}]}` },
        MALFORMED,
      ],
      ["a token over its realm's bound", { payload: `{"a":"${"x".repeat(800_000)}"}` }, "TOKEN_TOO_LARGE"],
      ["a megabyte of a letter", { after: () => "x".repeat(1_048_576) }, MALFORMED],
      ["a megabyte of dots", { after: () => ".".repeat(1_048_576) }, MALFORMED],
      ["a megabyte and a letter", { after: () => "x".repeat(1_048_577) }, "TOKEN_TOO_LARGE"],
      ["three megabytes", { after: () => "x".repeat(3_000_000) }, "TOKEN_TOO_LARGE"],
      ["half a megabyte of backslashes", { payload: `{"a":"${"\\\\".repeat(250_000)}"}` }, "verified"],
      ["half a megabyte of escapes", { payload: `{"a":"${"\\u0061".repeat(100_000)}"}` }, "verified"],
      ["a number of 500,000 digits", { payload: `{"a":${"1".repeat(500_000)}}` }, MALFORMED],
      ["a number of 500,000 decimals", { payload: `{"a":0.${"1".repeat(500_000)}}` }, "verified"],
      ["a signature of half a megabyte", { signature: () => Buffer.alloc(500_000) }, "SIGNATURE_INVALID"],
    ],
    [LARGE],
  );

  attack(
    "a misspelt token",
    service,
    [
      CONTROL,
      ["a leading control character", whole((token) => `\u0001${token}`), MALFORMED],
      [
        "control: the halves of two identical tokens",
        whole((token) => `${token.slice(0, token.length / 2)}${makeToken(HS256).slice(token.length / 2)}`),
        ({ realm }) => (realm === "hs256" ? "verified" : undefined),
      ],
    ],
    [HS256],
  );
});
