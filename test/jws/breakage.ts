import type { Random } from "./random.js";

// Ways to break texts, JSON and base64url.

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const ODD = ["=", "+", "/", ".", " ", "\n", "\t", "\0", "é", "\ufeff", "\u2028", "~", "%", "?", "\ud800"];

const anyChar = (random: Random): string => (random.oneIn(4) ? random.of(ODD) : ALPHABET.charAt(random.below(64)));

/** Changes base64url so that a lenient decoder still returns the same bytes, or nearly. */
export function misspell(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  return random.of<() => string>([
    () => `${text}=`,
    () => `${text}==`,
    () => text.replace("-", "+").replace("_", "/"),
    () => `${text.slice(0, at)}${random.of([" ", "\n", "\r\n", "\t", "="])}${text.slice(at)}`,
    () => `${text.slice(0, -1)}${ALPHABET[(ALPHABET.indexOf(text.at(-1) ?? "A") + 1 + random.below(3)) % 64]}`,
    () => `${text}A`,
  ])();
}

/** Breaks a compact token in up to three places. @param other returns another valid token */
export function breakText(token: string, random: Random, other: () => string): string {
  let broken = token;
  for (let times = 1 + random.below(3); times > 0; times--) broken = breakOnce(broken, random, other);
  return broken;
}

function breakOnce(token: string, random: Random, other: () => string): string {
  const at = random.below(token.length + 1);
  const segments = token.split(".");
  const which = random.below(segments.length);
  const segment = segments[which] ?? "";
  const put = (text: string): string => segments.with(which, text).join(".");
  switch (random.below(11)) {
    case 0:
      return token.slice(0, at) + anyChar(random) + token.slice(at + 1);
    case 1:
      return token.slice(0, at) + anyChar(random) + token.slice(at);
    case 2:
      return token.slice(0, at) + token.slice(at + 1 + random.below(4));
    case 3:
      return put(misspell(segment, random));
    case 4: {
      const bytes = Buffer.from(segment, "base64url");
      if (bytes.length > 0) {
        const place = random.below(bytes.length);
        bytes.writeUInt8(bytes[place]! ^ (1 << random.below(8)), place);
      }
      return put(bytes.toString("base64url"));
    }
    case 5:
      return put(other().split(".")[random.below(3)] ?? "");
    case 6:
      return put(Buffer.alloc(Buffer.from(segment, "base64url").length).toString("base64url"));
    case 7:
      return put(Buffer.concat([Buffer.from(segment, "base64url"), random.bytes(1)]).toString("base64url"));
    case 8:
      return put(random.of(["", segment + segment, segment.slice(0, random.below(segment.length + 1))]));
    case 9:
      return random.of([`${token}.`, `.${token}`, `${token}.${segment}`, `${segment}.${token}`, segments.join("")]);
    default:
      return token.slice(0, at) + random.of([token, token.slice(at).toUpperCase(), token.slice(at).toLowerCase()]);
  }
}

const VALUES = ["1e999", "-1e999", "NaN", "0x10", "01", "+1", "1.", "-0", "1E400", "'a'", "undefined", "nul"];
const STRINGS = ['"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\x41"', '"\n"', '"\\u00"', '"\\u0000"'];

const nested = (depth: number): string => `${"[".repeat(depth)}1${"]".repeat(depth)}`;

/** Members to add to a header or payload, with or without a meaning. */
const MEMBERS: readonly ((random: Random) => string)[] = [
  (random) => `"a":${random.of(VALUES)}`,
  (random) => `"a":${random.of(STRINGS)}`,
  (random) => `${random.of(STRINGS)}:1`,
  (random) => `"a":${nested(random.of([1, 126, 127, 128, 129, 2_000]))}`,
  (random) => `"a":[${Array.from({ length: random.of([1, 1_990, 2_001]) }, () => "0").join(",")}]`,
  (random) => `"${random.of(["alg", "sub", "exp", "a\\u006cg", "\\u0073ub", "\\u0065xp"])}":"x"`,
  () => '"a":1,"\\u0061":1',
  () => '"a":{"b":[{"c":1,"c":1}]}',
  () => '"__proto__":{"alg":"none"},"constructor":1',
  () => '"":1,"":1',
];

/** Breaks or respells a JSON object's text, and returns its bytes. */
export function breakJson(bytes: Buffer, random: Random): Buffer {
  const text = bytes.toString();
  const inner = text.slice(1, -1);
  const place = random.below(bytes.length + 1);
  const splice = (middle: Buffer, skip = 0): Buffer =>
    Buffer.concat([bytes.subarray(0, place), middle, bytes.subarray(place + skip)]);
  const member = random.of(MEMBERS)(random);
  switch (random.below(10)) {
    case 0:
      return Buffer.from(`{${inner},${member}}`);
    case 1:
      return Buffer.from(`{${member},${inner}}`);
    case 2:
      return splice(random.bytes(1), random.below(2));
    case 3:
      return splice(Buffer.from(random.of(["c0af", "eda080", "f4908080", "ff", "efbbbf", "80", "00"]), "hex"));
    case 4:
      return splice(Buffer.from(random.of([" ", "\n", "\t", "/**/", ",", ":", '"', "\\", "{", "}", "\u00a0"])));
    case 5:
      return Buffer.from(random.of([`\ufeff${text}`, ` ${text}\n`, `${text}${text}`, `[${text}]`, `${text}\0`, ""]));
    case 6:
      return Buffer.from(random.of(["null", "true", "7", '"x"', "[]", "{}", nested(130), text.slice(0, place)]));
    case 7:
      return Buffer.from(text.replaceAll('"', "'"));
    case 8:
      return Buffer.from(text, random.of(["utf16le", "latin1"] as const));
    default:
      return Buffer.from(text.replace(/[a-z]/, (char) => `\\u00${char.charCodeAt(0).toString(16)}`));
  }
}

/** Sets a header parameter that has a meaning, to a value of any type. */
export function breakMember(bytes: Buffer, algorithm: string, random: Random): Buffer {
  const header = JSON.parse(bytes.toString()) as Record<string, unknown>;
  const name = random.of(["alg", "kid", "typ", "cty", "crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c", "x5t"]);
  header[name] = random.of<unknown>([algorithm, "none", 7, null, true, [], ["b64"], [algorithm], {}, "at+jwt", ""]);
  return Buffer.from(JSON.stringify(header));
}
