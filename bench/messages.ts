import {
  type BatchItem,
  BatchVerifyTokensResponse,
  ErrorReason,
  Reason,
  StreamVerifyTokensResponse,
  VerifyTokenResponse,
} from "../gen/tokenverifier/v1/token_verifier.js";
import { METHODS } from "./calls.js";
import { framed } from "./grpc-load.js";

// The messages of the three methods that verify tokens, encoded item by item, so that a round of fresh tokens costs the
// client little; and the look at an answer that tells whether every token verified.

/** The number of a field whose content has a length, and the content. */
function field(number: number, content: Uint8Array): Buffer {
  const head: number[] = [(number << 3) | 2];
  let length = content.length;
  for (; length > 127; length >>>= 7) head.push((length & 127) | 128);
  head.push(length);
  return Buffer.concat([Buffer.from(head), content]);
}

/** How tokens travel: one a call, or many in a batch or in a message of a stream. */
export interface Shape {
  readonly name: string;
  readonly method: string;
  readonly isStream: boolean;
  /** The tokens in a message. */
  readonly tokens: number;
  /** Makes the message, with gRPC's prefix. @param items each made by {@link item} */
  frame(items: readonly Buffer[]): Buffer;
  /** Tells whether an answer, with gRPC's prefix, verifies all tokens of its request. */
  isGood(answer: Buffer): boolean;
}

/** Encodes a VerifyTokenRequest. */
export const item = (realm: string, token: string): Buffer =>
  Buffer.concat([field(1, Buffer.from(realm)), field(2, Buffer.from(token))]);

const VERIFIED = 0x0a;

const unary: Shape = {
  name: "unary",
  method: METHODS.verify,
  isStream: false,
  tokens: 1,
  frame: (items) => framed(Buffer.concat(items)),
  isGood: (answer) => answer[5] === VERIFIED,
};

const batch = (tokens: number): Shape => ({
  name: `batch of ${tokens}`,
  method: METHODS.batch,
  isStream: false,
  tokens,
  frame: (items) => framed(Buffer.concat(items.map((one) => field(1, one)))),
  isGood: (answer) => goodItems(answer, 1) === tokens,
});

const stream = (tokens: number): Shape => ({
  name: `stream, ${tokens} a message`,
  method: METHODS.stream,
  isStream: true,
  tokens,
  frame: (items) => framed(Buffer.concat([field(1, Buffer.from("0")), ...items.map((one) => field(2, one))])),
  isGood: (answer) => goodItems(answer, 2) === tokens,
});

/** All shapes that the benchmarks compare. */
export const SHAPES = {
  unary,
  batch10: batch(10),
  batch100: batch(100),
  batch1000: batch(1000),
  stream1: stream(1),
  stream16: stream(16),
} as const;

/** Tells how many outcomes of each kind an answer has, as `990 verified, 10 ERROR_REASON_TIMED_OUT`. */
export function describeAnswer({ isStream, tokens }: Shape, answer: Buffer): string {
  const message = answer.subarray(5);
  const items: readonly BatchItem[] = isStream
    ? StreamVerifyTokensResponse.decode(message).responses
    : tokens > 1
      ? BatchVerifyTokensResponse.decode(message).responses
      : [{ outcome: { $case: "verdict", value: VerifyTokenResponse.decode(message) } }];
  const counts = new Map<string, number>();
  for (const one of items.map(outcomeOf)) counts.set(one, (counts.get(one) ?? 0) + 1);
  return [...counts].map(([outcome, count]) => `${count} ${outcome}`).join(", ") || "no outcomes";
}

function outcomeOf({ outcome }: BatchItem): string {
  if (outcome === undefined) return "without an outcome";
  if (outcome.$case === "error") return nameIn(ErrorReason, outcome.value.reason);
  const { verdict } = outcome.value;
  return verdict?.$case === "rejected" ? nameIn(Reason, verdict.value.reason) : (verdict?.$case ?? "without a verdict");
}

const nameIn = (names: Readonly<Record<string, unknown>>, value: unknown): string =>
  Object.keys(names).find((name) => names[name] === value) ?? String(value);

/** Counts the items whose outcome is a verdict, and whose verdict is `verified`. @param number of the field of items */
function goodItems(answer: Buffer, number: number): number {
  let good = 0;
  for (let at = 5; at < answer.length; ) {
    const tag = answer[at++] ?? 0;
    const outer = varint(answer, at);
    if (tag === ((number << 3) | 2) && answer[outer.end] === VERIFIED) {
      const inner = varint(answer, outer.end + 1);
      if (answer[inner.end] === VERIFIED) good++;
    }
    at = outer.end + outer.value;
  }
  return good;
}

function varint(bytes: Buffer, from: number): { readonly value: number; readonly end: number } {
  let value = 0;
  let end = from;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[end++] ?? 0;
    value |= (byte & 127) << shift;
    if (byte < 128) return { value, end };
  }
}
