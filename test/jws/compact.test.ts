import { expect } from "chai";
import * as fc from "fast-check";
import { mostItems, type ReadOptions, readCompact, readJwt } from "../../src/jws/compact.js";
import type { FormFault } from "../../src/jws/form-fault.js";
import { readObjectOrFault } from "../../src/jws/json.js";
import { anyObject, hasDouble, treeValue, whimsical, write } from "./json-tree.js";

const NOTHING: ReadonlySet<string> = new Set();
const encode = (text: string | Buffer): string => Buffer.from(text as string).toString("base64url");

/** Returns a token of this header and payload, with a signature that these tests do not check. */
const tokenOf = (header: string, payload = '{"sub":"someone"}', signature = "c2ln"): string =>
  `${encode(header)}.${encode(payload)}.${signature}`;

const read = (token: string, ignore: readonly string[] = []) => readJwt(token, { ignoreHeaders: new Set(ignore) });
const malformed = (form: FormFault, claim = "") => ({ ok: false, reason: "TOKEN_MALFORMED", claim, form });
const refused = (claim: string) => ({ ok: false, reason: "HEADER_REFUSED", claim });

const GOOD = tokenOf('{"alg":"HS256","typ":"JWT"}');
const [H = "", P = "", S = ""] = GOOD.split(".");

describe("readJwt", () => {
  it("reads a token's header, claims, payload text, signing input and signature", () => {
    const payload = ' {"sub" : "a\\u0062", "n":18446744073709551616}\n';
    const token = tokenOf('{"alg":"HS256"}', payload);
    expect(read(token)).to.deep.equal({
      ok: true,
      header: { alg: "HS256" },
      signingInput: token.slice(0, token.lastIndexOf(".")),
      payload: Buffer.from(payload),
      signature: Buffer.from("sig"),
      claims: { sub: "ab", n: 2 ** 64 },
      payloadText: payload,
    });
  });

  it("reads the example of RFC 7519 section 3.1", () => {
    const token =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const jwt = read(token);
    expect(jwt).to.deep.include({
      ok: true,
      header: { typ: "JWT", alg: "HS256" },
      claims: { iss: "joe", exp: 1300819380, "http://example.com/is_root": true },
    });
  });

  it("reads a token with an empty signature, which no key verifies", () => {
    const jwt = read(`${H}.${P}.`);
    expect(jwt.ok && jwt.signature).to.deep.equal(Buffer.alloc(0));
  });

  const MALFORMED: Record<string, readonly [form: FormFault, token: string]> = {
    "the empty text": ["one segment", ""],
    "a dot": ["two segments", "."],
    "two dots": ["empty segment", ".."],
    "no dot": ["one segment", H],
    "one dot": ["two segments", `${H}.${P}`],
    "three dots": ["many segments", `${GOOD}.`],
    "four segments": ["many segments", `${GOOD}.${S}`],
    "a dot in front": ["many segments", `.${GOOD}`],
    "an empty header": ["empty segment", `.${P}.${S}`],
    "an empty payload": ["empty segment", `${H}..${S}`],
    "header and payload empty": ["empty segment", `..${S}`],
    "a JWE": ["five segments", `${H}.${P}.${S}.${P}.${S}`],
    "a JWE with a key agreed on directly": ["five segments", `${H}..${S}.${P}.${S}`],
    "the flattened JSON serialization": [
      "JSON serialization",
      JSON.stringify({ protected: H, payload: P, signature: S }),
    ],
    "the general JSON serialization": [
      "JSON serialization",
      JSON.stringify({ payload: P, signatures: [{ protected: H, signature: S }] }),
    ],
    "the JSON serialization with two dots in it": [
      "JSON serialization",
      JSON.stringify({ protected: `${H}..`, payload: P, signature: S }),
    ],
    "a scheme before it": ["scheme", `Bearer ${GOOD}`],
    "a space before it": ["white space", ` ${GOOD}`],
    "a space behind it": ["white space", `${GOOD} `],
    "a line end behind it": ["line end", `${GOOD}\n`],
    "a line end within": ["white space", `${H}.\n${P}.${S}`],
    "a NUL behind it": ["characters", `${GOOD}\0`],
    "quotes around it": ["quotes", `"${GOOD}"`],
    "a byte order mark before it": ["white space", `\ufeff${GOOD}`],
    "padding behind the header": ["standard base64", `${H}=.${P}.${S}`],
    "padding behind the payload": ["standard base64", `${H}.${P}==.${S}`],
    "padding behind the signature": ["standard base64", `${H}.${P}.c2lnbg==`],
    "base64 in the signature": ["standard base64", `${H}.${P}.+/+/`],
    "spare bits in the signature": ["cut or changed", `${H}.${P}.c2l`],
    "spare bits in the payload": ["cut or changed", `${H}.${encode('{"a":1} ').replace(/A$/, "B")}.${S}`],
    "non-ASCII in the signature": ["characters", `${H}.${P}.c2lné`],
    "a dot of another script": ["one segment", `${H}．${P}．${S}`],
    "percent-encoding": ["percent-encoding", `${H}%2E${P}%2E${S}`],
    "a scheme in lower case before it": ["scheme", `bearer ${GOOD}`],
    "the scheme DPoP before it": ["scheme", `DPoP ${GOOD}`],
    "a scheme and a tab before it": ["scheme", `BEARER\t${GOOD}`],
    "a whole header line": ["scheme", `Authorization: Bearer ${GOOD}\r\n`],
    "a scheme and quotes before it": ["scheme", `Bearer "${GOOD}"`],
    "typographic quotes around it": ["quotes", `\u201c${GOOD}\u201d`],
    "a line end of Windows behind it": ["line end", `${GOOD}\r\n`],
    "line ends every 64 characters": ["white space", GOOD.replace(/.{20}/g, "$&\n")],
    "an SD-JWT": ["disclosures", `${GOOD}~WyJzYWx0IiwiYSIsMV0~`],
    "two tokens in one header": ["several tokens", `${GOOD}, ${GOOD}`.replace(" ", "")],
    "two tokens in a row": ["several tokens", GOOD + GOOD],
    "a parameter of a form": ["characters", `access_token=${GOOD}`],
    "padding that a URL encoded": ["percent-encoding", `${H}.${P}%3D.${S}`],
    "six segments": ["many segments", `${GOOD}.${GOOD}`],
    "an opaque token in base64": ["one segment", "mF_9.B5f-4.1JqM".replaceAll(".", "+/=")],
    "a signature of another alphabet": ["characters", `${H}.${P}.c2ln!`],
    "a payload that was cut off": ["cut or changed", `${H}.${P.slice(0, 5)}.${S}`],
  };
  for (const [name, [form, token]] of Object.entries(MALFORMED)) {
    it(`refuses ${name}, and names its form`, () => expect(read(token)).to.deep.equal(malformed(form)));
  }

  const FAULTS: Record<string, FormFault> = {
    "two members of one name": "duplicate member",
    "two members of one name, one escaped": "duplicate member",
    "__proto__ twice": "duplicate member",
    "1e999": "number too large",
    "half of a surrogate pair": "half a character",
    "20,000 levels": "too deep",
    "100,000 members": "too many items",
  };
  const NOT_OBJECTS: Record<string, string | Buffer> = {
    "a text": "foo",
    "a JSON string": '"foo"',
    "a number": "1",
    null: "null",
    "an array": '[{"alg":"HS256"}]',
    "an object cut short": '{"alg":"HS256"',
    "two members of one name": '{"alg":"none","alg":"HS256"}',
    "two members of one name, one escaped": '{"alg":"HS256","\\u0061lg":"none"}',
    "__proto__ twice": '{"__proto__":{"alg":"HS256"},"__proto__":{}}',
    "a byte order mark": '\ufeff{"alg":"HS256"}',
    "invalid UTF-8": Buffer.from([0x7b, 0x22, 0x80, 0x22, 0x3a, 0x31, 0x7d]),
    "UTF-16": Buffer.from('{"alg":"HS256"}', "utf16le"),
    NaN: '{"alg":"HS256","x":NaN}',
    "1e999": '{"alg":"HS256","x":1e999}',
    "half of a surrogate pair": '{"alg":"HS256","x":"\\ud800"}',
    "20,000 levels": `{"x":${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
    "100,000 members": `{${Array.from({ length: 100_000 }, (_, n) => `"${n}":0`).join()}}`,
  };
  for (const [name, text] of Object.entries(NOT_OBJECTS)) {
    it(`refuses a header with ${name}, and names the fault`, () =>
      expect(read(`${encode(text)}.${P}.${S}`)).to.deep.equal(malformed(FAULTS[name] ?? "header is not JSON")));
    it(`refuses a payload with ${name}, and names the fault`, () =>
      expect(read(`${H}.${encode(text)}.${S}`)).to.deep.equal(malformed(FAULTS[name] ?? "payload is not JSON")));
  }

  const SOME_VALUES: Record<string, readonly string[]> = {
    crit: ["[]", '["exp"]', '["b64"]', '["alg"]', "null", '"x"'],
    b64: ["false", "true", "null", '"false"'],
    zip: ['"DEF"', '"none"', "null"],
    enc: ['"A128GCM"', "null"],
    jwk: ["{}", '{"kty":"oct","k":"AAAA"}', "null"],
    jku: ['"https://attacker.example/jwks"', '"file:///etc/passwd"', '""', "null"],
    x5u: ['"https://attacker.example/cert"', "null"],
    x5c: ["[]", '["MIIB"]', "null"],
  };
  for (const [name, values] of Object.entries(SOME_VALUES)) {
    for (const value of values) {
      it(`refuses the header parameter ${name}: ${value}`, () => {
        expect(read(tokenOf(`{"alg":"HS256","${name}":${value}}`))).to.deep.equal(refused(name));
      });
    }
    it(`refuses the header parameter ${name} under an escape`, () => {
      const escaped = `\\u${name.charCodeAt(0).toString(16).padStart(4, "0")}${name.slice(1)}`;
      expect(read(tokenOf(`{"alg":"HS256","${escaped}":1}`))).to.deep.equal(refused(name));
    });
    it(`reads the header without ${name} if the realm ignores it`, () => {
      const jwt = read(tokenOf(`{"alg":"HS256","${name}":${values[0]},"typ":"JWT"}`), [name]);
      expect(jwt.ok && jwt.header).to.deep.equal({ alg: "HS256", typ: "JWT" });
    });
    it(`accepts a claim named ${name}, and a header parameter with a similar name`, () => {
      const jwt = read(tokenOf(`{"alg":"HS256","${name.toUpperCase()}":1,"x-${name}":2}`, `{"${name}":1}`));
      expect(jwt.ok && jwt.claims).to.deep.equal({ [name]: 1 });
    });
  }

  it("names one of several refused header parameters, and refuses those that the realm does not ignore", () => {
    const token = tokenOf('{"jku":"x","crit":["jku"],"alg":"HS256"}');
    expect(read(token)).to.deep.equal(refused("crit"));
    expect(read(token, ["crit"])).to.deep.equal(refused("jku"));
    expect(read(token, ["crit", "jku"]).ok).to.equal(true);
  });

  for (const name of ["kid", "typ", "cty"]) {
    for (const value of ["null", "1", "true", "[]", '["JWT"]', "{}"]) {
      it(`refuses ${name}: ${value} and names the parameter`, () => {
        expect(read(tokenOf(`{"alg":"HS256","${name}":${value}}`))).to.deep.equal(
          malformed("header parameter is no string", name),
        );
      });
    }
    it(`reads the header without a mistyped ${name} if the realm ignores it`, () => {
      const jwt = read(tokenOf(`{"alg":"HS256","${name}":1}`), [name]);
      expect(jwt.ok && jwt.header).to.deep.equal({ alg: "HS256" });
    });
    it(`accepts any string for ${name}`, () => {
      for (const value of ["", "../../etc/passwd", "' OR 1=1 --", "__proto__", "a\0b\n", "ключ", "x".repeat(5_000)]) {
        const jwt = read(tokenOf(JSON.stringify({ alg: "HS256", [name]: value })));
        expect(jwt.ok && jwt.header[name]).to.equal(value);
      }
    });
  }

  for (const alg of ["", '"alg":null,', '"alg":1,', '"alg":"none",', '"alg":["HS256"],', '"ALG":"HS256",']) {
    it(`reads a header with ${alg || "no alg"}, which the caller judges`, () => {
      expect(read(tokenOf(`{${alg}"typ":"JWT"}`)).ok).to.equal(true);
    });
  }

  it("reads __proto__ as a plain member", () => {
    const header = '{"alg":"HS256","__proto__":{"crit":["x"],"kid":7,"polluted":true}}';
    for (const ignore of [[], ["jku"]]) {
      const jwt = read(tokenOf(header, '{"__proto__":{"sub":"root"}}'), ignore);
      if (!jwt.ok) throw new Error(jwt.reason);
      expect(Object.keys(jwt.header)).to.deep.equal(["alg", "__proto__"]);
      expect(Object.getPrototypeOf(jwt.header)).to.equal(Object.prototype);
      expect(Object.keys(jwt.claims)).to.deep.equal(["__proto__"]);
      expect(({} as Record<string, unknown>).polluted).to.equal(undefined);
    }
  });

  it("refuses malformed tokens of megabytes", () => {
    expect(read("a".repeat(5_000_000))).to.deep.equal(malformed("one segment"));
    expect(read(".".repeat(1_000_000))).to.deep.equal(malformed("many segments"));
    expect(read(`${H}.${"A".repeat(4_000_000)}.${S}`)).to.deep.equal(malformed("payload is not JSON"));
    expect(read(`${H}.${" ".repeat(4_000_000)}x.${S}`)).to.deep.equal(malformed("white space"));
    expect(read(`${H}.${"A".repeat(4_000_001)}=.${S}`)).to.deep.equal(malformed("standard base64"));
  });

  it("reads every strict payload and refuses every other", () => {
    fc.assert(
      fc.property(anyObject, fc.infiniteStream(fc.boolean()), (tree, whims) => {
        const text = write(
          tree,
          whimsical(() => whims.next().value as boolean),
        );
        const jwt = read(tokenOf('{"alg":"HS256"}', text));
        if (hasDouble(tree)) expect(jwt).to.deep.equal(malformed("duplicate member"));
        else expect(jwt).to.deep.include({ ok: true, claims: treeValue(tree), payloadText: text });
      }),
    );
  });

  it("changing any one character of a token makes it refused or changes what is read", () => {
    const original = read(GOOD);
    const chars = fc.constantFrom("A", "B", "_", "-", "+", "/", "=", " ", ".", "\n", "é", "\0", "");
    fc.assert(
      fc.property(fc.nat(GOOD.length), chars, fc.boolean(), (at, char, insert) => {
        const changed = GOOD.slice(0, at) + char + GOOD.slice(insert ? at : at + 1);
        if (changed !== GOOD) expect(read(changed)).to.not.deep.equal(original);
      }),
      { numRuns: 2_000 },
    );
  });

  it("readJwt never throws", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void read(text)));
    const piece = fc.oneof(fc.base64String(), fc.string(), fc.json().map(encode));
    fc.assert(fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => void read(pieces.join("."))));
  });
});

describe("readCompact", () => {
  it("readCompact accepts a payload of any bytes", () => {
    const jws = readCompact(`${H}.${encode(Buffer.from([0xff, 0, 0x7b]))}.${S}`, { ignoreHeaders: NOTHING });
    expect(jws.ok && jws.payload).to.deep.equal(Buffer.from([0xff, 0, 0x7b]));
  });

  it("readCompact refuses the same headers as readJwt", () => {
    expect(readCompact(tokenOf('{"crit":[]}'), { ignoreHeaders: NOTHING })).to.deep.equal(refused("crit"));
    expect(readCompact(tokenOf('{"kid":1}'), { ignoreHeaders: NOTHING })).to.deep.equal(
      malformed("header parameter is no string", "kid"),
    );
    expect(readCompact(`${H}.${P}=.${S}`, { ignoreHeaders: NOTHING })).to.deep.equal(malformed("standard base64"));
  });
});

describe("headers that were read before", () => {
  const reads = (token: string, options: Partial<ReadOptions> = {}) =>
    readCompact(token, { ignoreHeaders: NOTHING, ...options });

  it("tokens with the same header text share one header, which nobody can change", () => {
    const text = '{"alg":"HS256","kid":"shared","list":[{"a":[1]}],"o":{"p":{}}}';
    const [first, second] = [tokenOf(text, "{}"), tokenOf(text, '{"sub":"b"}', "")].map((token) => reads(token));
    if (!first?.ok || !second?.ok) throw new Error("refused");
    expect(second.header).to.equal(first.header);
    expect(second.header).to.deep.equal({ alg: "HS256", kid: "shared", list: [{ a: [1] }], o: { p: {} } });
    const frozen = (value: unknown): boolean =>
      typeof value !== "object" || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen));
    expect(frozen(first.header)).to.equal(true);
  });

  it("a header is read again for a realm that reads it in another way, whatever was read before", () => {
    const token = tokenOf('{"alg":"HS256","kid":null,"jku":"x","cty":"y"}');
    const ways: readonly (readonly [options: Partial<ReadOptions>, expected: unknown])[] = [
      [{}, refused("jku")],
      [{ ignoreHeaders: new Set(["jku"]) }, malformed("header parameter is no string", "kid")],
      [
        { ignoreHeaders: new Set(["jku"]), nullClaims: true },
        { alg: "HS256", cty: "y" },
      ],
      [{ ignoreHeaders: new Set(["jku", "kid"]) }, { alg: "HS256", cty: "y" }],
      [{ ignoreHeaders: new Set(["jku", "kid", "cty"]) }, { alg: "HS256" }],
      [{ nullClaims: true }, refused("jku")],
      [{ ignoreHeaders: new Set(["jku", "kid"]), maxItems: 3 }, malformed("too many items")],
      [
        { ignoreHeaders: new Set(["jku", "kid"]), embeddedKey: true },
        { alg: "HS256", cty: "y" },
      ],
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...ways), { maxLength: 20 }), (sequence) => {
        for (const [options, expected] of sequence) {
          const jws = reads(token, options);
          expect(jws.ok ? jws.header : jws).to.deep.equal(expected);
        }
      }),
    );
  });

  it("an embedded key that one reading admits is refused by every other", () => {
    const token = tokenOf('{"alg":"ES256","jwk":{"kty":"EC"}}');
    for (let round = 0; round < 3; round++) {
      expect(reads(token, { embeddedKey: true }).ok).to.equal(true);
      expect(reads(token)).to.deep.equal(refused("jwk"));
    }
  });

  it("every header is read right, however many others came before and however alike they are", () => {
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 1_000; n++) {
        const kid = `key-${n}-${"x".repeat(n % 400)}`;
        const jws = reads(tokenOf(JSON.stringify({ alg: "HS256", kid })));
        expect(jws.ok && jws.header).to.deep.equal({ alg: "HS256", kid });
      }
    }
  });

  it("another spelling of a known header's text is refused as if it was not known", () => {
    const header = '{"alg":"HS256","kid":"k1"}';
    const text = encode(header);
    for (let round = 0; round < 2; round++) {
      expect(reads(`${text}.${P}.`).ok).to.equal(true);
      expect(reads(`${text}=.${P}.`)).to.deep.equal(malformed("standard base64"));
      expect(
        reads(`${text.slice(0, -1)}${String.fromCharCode(text.charCodeAt(text.length - 1) + 0x100)}.${P}.`),
      ).to.deep.equal(malformed("characters"));
      expect(reads(`${encode(header.replace("{", "{ "))}.${P}.`)).to.deep.include({ header: JSON.parse(header) });
    }
  });
});

describe("the bound on members and elements", () => {
  it("is 2,000, or one for every 8 characters of the longest token where that is more", () => {
    const bounds = [16, 16_000, 16_008, 16_384, 16_391, 256 * 1024, 1024 ** 2].map(mostItems);
    expect(bounds).to.deep.equal([2000, 2000, 2001, 2048, 2048, 32_768, 131_072]);
  });

  it("counts members and elements of all levels, of header and payload alone", () => {
    const listOf = (count: number): string => JSON.stringify({ groups: Array.from({ length: count - 1 }, () => 0) });
    for (const maxItems of [1, 2, 2000, 5000]) {
      const options = { ignoreHeaders: NOTHING, maxItems };
      expect(readJwt(tokenOf(listOf(maxItems), listOf(maxItems)), options)).to.include({ ok: true });
      for (const token of [tokenOf(listOf(maxItems + 1), "{}"), tokenOf("{}", listOf(maxItems + 1))]) {
        expect(readJwt(token, options)).to.deep.equal(malformed("too many items"));
      }
    }
    expect(readObjectOrFault(Buffer.from(listOf(2001)))).to.equal("too many items");
  });
});
