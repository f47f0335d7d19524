import { createHmac, hash, type KeyObject } from "node:crypto";
import { type Selector, SelectorKind } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { Verified } from "../contract/verifier.js";

/** Bytes of a selector's digest. */
const DIGEST_BYTES = 16;

/** The keys of digests, by day. */
export type DigestKeys = ReadonlyMap<number, KeyObject>;

/** Everything that a watch may select a verified token by, as texts that those of {@link selectorTexts} are equal to. */
export function selectorsOf(
  token: string,
  { token: content, principal, evidence }: Verified,
  keys: DigestKeys,
): string[] {
  const claims = readClaims(content.payload);
  const claim = (name: string): string | undefined => {
    const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
    return typeof value === "string" ? value : undefined;
  };
  const values: readonly (readonly [SelectorKind, string, string | undefined])[] = [
    [SelectorKind.SELECTOR_KIND_JTI, "JTI", claim("jti")],
    [SelectorKind.SELECTOR_KIND_DIGEST, "DIGEST", hash("sha256", token.slice(0, token.lastIndexOf(".")), "base64url")],
    [SelectorKind.SELECTOR_KIND_SUBJECT, "SUBJECT", principal?.user?.id ?? claim("sub")],
    [SelectorKind.SELECTOR_KIND_SESSION, "SESSION", claim("sid")],
    [SelectorKind.SELECTOR_KIND_CLIENT, "CLIENT", claim("client_id") ?? claim("azp")],
    [SelectorKind.SELECTOR_KIND_INSTANCE, "INSTANCE", principal?.user?.instanceId || undefined],
  ];
  const texts = [...keys].flatMap(([day, key]) =>
    values.flatMap(([kind, name, value]) =>
      value === undefined ? [] : [textOf(day, kind, digestOf(key, name, value))],
    ),
  );
  return evidence.trustedKey === "" ? texts : [...texts, textOf(0, KEY, evidence.trustedKey)];
}

/** The texts of a change's selectors; undefined if it selects every token. @param day that of the key of their digests */
export function selectorTexts(selectors: readonly Selector[], day: number): string[] | undefined {
  const texts: string[] = [];
  for (const { kind, digest } of selectors) {
    // One of a later version may mean anything.
    if (!KNOWN.has(kind)) return undefined;
    texts.push(textOf(kind === KEY ? 0 : day, kind, Buffer.from(digest).toString("base64url")));
  }
  return texts;
}

const KEY = SelectorKind.SELECTOR_KIND_KEY;

const KNOWN: ReadonlySet<SelectorKind> = new Set([
  SelectorKind.SELECTOR_KIND_JTI,
  SelectorKind.SELECTOR_KIND_DIGEST,
  SelectorKind.SELECTOR_KIND_SUBJECT,
  SelectorKind.SELECTOR_KIND_SESSION,
  SelectorKind.SELECTOR_KIND_CLIENT,
  SelectorKind.SELECTOR_KIND_INSTANCE,
  KEY,
]);

const textOf = (day: number, kind: SelectorKind, digest: string): string => `${day} ${kind} ${digest}`;

const digestOf = (key: KeyObject, name: string, value: string): string =>
  createHmac("sha256", key).update(`${name}\n${value}`).digest().toString("base64url", 0, DIGEST_BYTES);

/** What JSON.parse tells a reviver of a number: its text (Node 22 or later). */
interface NumberSource {
  readonly source: string;
}

/** Reads the claims, each number as the text that it is written as: a JavaScript number may be another. */
function readClaims(payload: string): Readonly<Record<string, unknown>> {
  const read = JSON.parse as (
    text: string,
    revive: (name: string, value: unknown, context: NumberSource) => unknown,
  ) => Readonly<Record<string, unknown>>;
  return read(payload, (_name, value, { source }) => (typeof value === "number" ? source : value));
}
