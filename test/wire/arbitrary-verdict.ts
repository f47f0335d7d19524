import fc from "fast-check";
import { FORM_FAULTS, REASON_NAMES } from "../../src/contract/reasons.js";
import type { Check, Evidence, Instant, Rejected, Token, Verdict, Verified } from "../../src/contract/verifier.js";

// Arbitrary verdicts of every kind, for property tests of writing and reading.

export const text = fc.string({ unit: "grapheme", maxLength: 300 });
const instant: fc.Arbitrary<Instant | undefined> = fc.option(
  fc.record({
    seconds: fc.integer({ min: 0, max: 253_402_300_799 }),
    nanos: fc.oneof(
      fc.constantFrom(0, 250_000_000, 999_999_000),
      fc.integer({ min: 0, max: 999_999 }).map((micros) => micros * 1000),
    ),
  }),
  { nil: undefined },
);
const reason = fc.option(fc.constantFrom(...REASON_NAMES), { nil: undefined });
const token: fc.Arbitrary<Token> = fc.record({
  subject: text,
  issuer: text,
  audience: fc.array(text, { maxLength: 4 }),
  expiresAt: instant,
  notBefore: instant,
  issuedAt: instant,
  id: text,
  keyId: text,
  algorithm: text,
  payload: text,
  confirmation: fc.option(fc.record({ jkt: text, x5tS256: text }), { nil: undefined }),
});
const optional = fc.option(text, { nil: undefined });
const principal = fc.record({
  user: fc.option(
    fc.record({
      id: text,
      email: optional,
      name: optional,
      avatarUrl: optional,
      provider: optional,
      instanceId: text,
      issuer: text,
    }),
    { nil: undefined },
  ),
  client: fc.option(fc.record({ clientId: text }), { nil: undefined }),
});
const bytes = (length: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes).toString("base64url"));
export const evidence: fc.Arbitrary<Evidence> = fc.record({
  keySetAge: fc.option(fc.integer({ min: 0, max: 1e12 }), { nil: undefined }),
  keySetStale: fc.boolean(),
  position: fc.option(fc.record({ number: fc.maxSafeNat(), mark: bytes(16) }), { nil: undefined }),
  cacheableUntil: instant,
  trustedKey: fc.oneof(fc.constant(""), bytes(16)),
  realmVersion: fc.oneof(fc.constant(""), bytes(8)),
  evaluatedAt: fc.integer({ min: 0, max: 253_402_300_799_000 }),
  feedAge: fc.option(fc.integer({ min: 0, max: 1e12 }), { nil: undefined }),
});
const checks: fc.Arbitrary<Check[]> = fc.array(
  fc.record({
    name: text,
    result: fc.constantFrom("passed", "failed", "skipped", undefined),
    reason,
    claim: text,
    message: text,
  }),
  { maxLength: 3 },
);
/** Adds the nonce that a verdict may have. */
const withNonce = <Kind extends Verdict>(one: Kind, dpopNonce: string): Kind => ({
  ...one,
  ...(dpopNonce !== "" && { dpopNonce }),
});
const nonce = fc.constantFrom("", "a-nonce");
export const verified: fc.Arbitrary<Verified> = fc
  .tuple(
    fc.record({
      kind: fc.constant("verified" as const),
      token,
      principal: fc.option(principal, { nil: undefined }),
      evidence,
      checks,
    }),
    nonce,
  )
  .map(([one, dpopNonce]) => withNonce<Verified>(one, dpopNonce));
export const rejected: fc.Arbitrary<Rejected> = fc
  .record({
    kind: fc.constant("rejected" as const),
    reason,
    claim: text,
    signatureVerified: fc.boolean(),
    checks,
    hint: fc.option(text),
    form: fc.option(fc.constantFrom(...FORM_FAULTS)),
    nonce,
  })
  .map(({ hint, form, nonce: dpopNonce, ...others }) =>
    withNonce<Rejected>(
      {
        ...others,
        ...(hint !== null && hint !== "" && { hint }),
        ...(form !== null && others.reason === "TOKEN_MALFORMED" && { form }),
      },
      dpopNonce,
    ),
  );
export const verdict: fc.Arbitrary<Verdict> = fc.oneof(verified, rejected);
