import { type MemberPath, valueAt } from "../jws/json.js";
import { memberPath } from "../jws/json-pointer.js";
import { elementTexts, isSameNumber, textAt } from "../jws/raw-text.js";
import { printable, printableList, truncate } from "../util/printable.js";
import type { TokenRule } from "./realm.js";
import { isString } from "./rules.js";

// Conditions on the values of claims, made once for a realm.

/** A value that a claim can be compared with. Numbers are from -(2^53 - 1) to 2^53 - 1. */
export type ClaimValue = string | number | boolean;

/** What a claim must be. All of its forms must hold; it has at least one, and `absent` combines with no other. */
export interface Condition {
  /** Equals one of these. */
  readonly oneOf?: readonly ClaimValue[] | undefined;
  /** Has all of these: elements of a list, words of a `scope` or `scp` that is a text, or any other text as a whole. */
  readonly includes?: readonly ClaimValue[] | undefined;
  /** Has at least one of these. */
  readonly includesAny?: readonly ClaimValue[] | undefined;
  /** Is a text that begins with one of these. */
  readonly prefix?: readonly string[] | undefined;
  /** Is not in the token, not even as null. */
  readonly absent?: true | undefined;
}

/** Whether a claim holds scopes, in a list or in a text of words (RFC 8693, section 4.2; RFC 9068, section 2.2.3). */
export function isScope(path: MemberPath): boolean {
  const name = path.at(-1);
  return name === "scope" || name === "scp";
}

/** Whether a value meets one form of a condition. @param payload the claims' text, for the exact digits of numbers */
type Test = (value: unknown, payload: string) => boolean;

/** The claim, if present, must meet a condition. @param claim a name, or a JSON Pointer */
export function conditionOn(claim: string, condition: Condition): TokenRule {
  const path = memberPath(claim);
  const tests = testsOf(condition, path);
  const test: TokenRule["test"] = (claims, { payload }) => {
    const value = valueAt(claims, path);
    if (value === undefined) return true;
    for (let at = 0; at < tests.length; at++) if (!tests[at]?.(value, payload)) return false;
    return true;
  };
  const wanted = wantedBy(condition);
  return {
    dependsOn: "token",
    check: `${claim} ${condition.absent ? "absent" : "value"}`,
    reason: "CLAIM_MISMATCH",
    claim,
    test,
    detail: (_claims, { payload }) => `${found(claim, path, payload)}; wanted: ${wanted}.`,
  };
}

function testsOf({ oneOf, includes, includesAny, prefix, absent }: Condition, path: MemberPath): readonly Test[] {
  const isMember = memberTest(path);
  return [
    ...(absent ? [() => false] : []),
    ...(oneOf === undefined ? [] : [equalTest(oneOf, path)]),
    ...(prefix === undefined ? [] : [prefixTest(prefix)]),
    ...(includes === undefined
      ? []
      : [(value: unknown, payload: string) => includes.every((one) => isMember(value, one, payload))]),
    ...(includesAny === undefined
      ? []
      : [(value: unknown, payload: string) => includesAny.some((one) => isMember(value, one, payload))]),
  ];
}

function equalTest(values: readonly ClaimValue[], path: MemberPath): Test {
  const set: ReadonlySet<unknown> = new Set(values);
  // JavaScript may read two different numbers as one.
  return (value, payload) =>
    set.has(value) && (typeof value !== "number" || isSameNumber(textAt(payload, path) ?? "", String(value)));
}

function prefixTest(prefixes: readonly string[]): Test {
  return (value) => {
    if (!isString(value)) return false;
    for (let at = 0; at < prefixes.length; at++) if (value.startsWith(prefixes[at] as string)) return true;
    return false;
  };
}

function memberTest(path: MemberPath) {
  const isOfWords = isScope(path);
  return (value: unknown, wanted: ClaimValue, payload: string): boolean => {
    if (isString(value)) return isOfWords ? value.split(" ").includes(wanted as string) : value === wanted;
    if (!Array.isArray(value) || !value.includes(wanted)) return false;
    if (typeof wanted !== "number") return true;
    return elementTexts(textAt(payload, path) ?? "").some((text) => isSameNumber(text, String(wanted)));
  };
}

/** Longest description of a value, in characters. */
const LONGEST_VALUE = 120;

/** Longest description of a condition, in characters. */
const LONGEST_CONDITION = 200;

/** Most elements of a list that an explanation shows. */
const MAX_SHOWN = 10;

/** What a token has for a claim, in one line. */
function found(claim: string, path: MemberPath, payload: string): string {
  const text = textAt(payload, path);
  if (text === undefined) return `'${claim}' is absent`;
  if (!text.startsWith("[")) return `'${claim}' is ${printable(truncate(text, LONGEST_VALUE))}`;
  const elements = elementTexts(text);
  if (elements.length === 0) return `'${claim}' is an empty list`;
  const more = elements.length - MAX_SHOWN;
  const shown = truncate(elements.slice(0, MAX_SHOWN).join(", "), LONGEST_VALUE);
  return `'${claim}' has ${printable(shown)}${more > 0 ? ` and ${more} more` : ""}`;
}

function wantedBy({ oneOf, includes, includesAny, prefix, absent }: Condition): string {
  const parts = [
    absent && "no such claim",
    oneOf && `${oneOf.length > 1 ? "one of " : ""}${printableList(oneOf, MAX_SHOWN)}`,
    prefix && `a text that begins with ${prefix.length > 1 ? "one of " : ""}${printableList(prefix, MAX_SHOWN)}`,
    includes && `all of ${printableList(includes, MAX_SHOWN)}`,
    includesAny && `any of ${printableList(includesAny, MAX_SHOWN)}`,
  ];
  return truncate(parts.filter((part) => part !== undefined).join(" and "), LONGEST_CONDITION);
}
