import { expect } from "chai";
import { FAILURES, type FailureReason } from "../../src/contract/failures.js";
import type { ReasonName } from "../../src/contract/reasons.js";
import type { Outcome } from "../../src/contract/verifier.js";
import { encodeVerdict } from "../../src/wire/answers.js";
import { statusNumber } from "../../src/wire/catalogue.js";
import { failureToStatus } from "../../src/wire/status.js";
import type { Case, ExpectedAnswer, ExpectedOutcome } from "./cases.js";
import { type Answer, decodeVerdict, type Message, readError } from "./grpc.js";
import { type HttpAnswer, valuesOf } from "./http.js";

/** Headers that every answer of the gateway has. */
const EVERY: Readonly<Record<string, string>> = {
  "Content-Type": "application/json",
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
};

/** Headers that no answer has unless a case says so. */
const NEVER = ["X-Powered-By", "ETag", "Allow", "WWW-Authenticate", "Retry-After", "Server", "Set-Cookie"];

/** Compares an HTTP answer with the expected one, to the byte. */
export function expectAnswer(got: HttpAnswer, want: ExpectedAnswer): void {
  expect({ status: got.status, body: got.body }).to.deep.equal({ status: want.status, body: want.body });
  const headers: Record<string, string | null> = {
    ...Object.fromEntries(NEVER.map((name) => [name, null])),
    ...EVERY,
    ...want.headers,
  };
  for (const [name, value] of Object.entries(headers)) {
    expect(valuesOf(got, name), name).to.deep.equal(value === null ? [] : [value]);
  }
  expect(valuesOf(got, "X-Request-Id")).to.have.length(1);
}

/** Reasons that are found before the signature has verified. Others may be as well: their cases say so. */
const UNSIGNED: ReadonlySet<string> = new Set<ReasonName>([
  "TOKEN_TOO_LARGE",
  "TOKEN_MALFORMED",
  "HEADER_REFUSED",
  "ALGORITHM_MISMATCH",
  "KEY_UNKNOWN",
  "KEY_WEAK",
  "SIGNATURE_INVALID",
  "INSTANCE_MISMATCH",
]);

/** An outcome encoded as on the wire and read by the independent client. */
export function answerOf(outcome: Outcome): Answer {
  if (outcome.kind === "failure") {
    const { code, details, metadata } = failureToStatus(outcome);
    return { error: readError({ code, details, metadata }) };
  }
  return { verdict: decodeVerdict(encodeVerdict(outcome)) };
}

/** Compares a gRPC answer, or an item of a batch, with the expected one. */
export function expectOutcome(got: Answer, want: ExpectedOutcome, { payload }: Pick<Case, "payload">): void {
  if ("error" in want) {
    const entry = FAILURES[want.error as FailureReason];
    const retry = want.retryAfter ?? (entry.retryAfter === undefined ? undefined : entry.retryAfter / 1000);
    expect(got).to.deep.equal({
      error: {
        code: statusNumber(entry.status),
        reason: want.error,
        domain: "tokenverifier.v1",
        retryAfter: retry,
        message: want.cause === undefined ? entry.message : `${entry.message} Cause: ${want.cause}.`,
      },
    });
    return;
  }
  if ("error" in got) throw new Error(`an error: ${JSON.stringify(got.error)}`);
  const { verified, rejected, checks } = got.verdict as Readonly<Record<string, Message | undefined>>;
  if ("rejected" in want) {
    if (rejected === undefined) throw new Error(`no rejection: ${JSON.stringify(got.verdict)}`);
    const { message, hint, ...others } = rejected;
    const claim = want.claim === "" ? {} : { claim: want.claim };
    const signed = (want.signed ?? !UNSIGNED.has(want.rejected)) ? { signature_verified: true } : {};
    expect(others).to.deep.equal({ reason: `REASON_${want.rejected as ReasonName}`, ...claim, ...signed });
    if (want.signed === false) expect(hint).to.equal(undefined);
    expect(message).to.be.a("string").that.is.not.empty;
    if (want.message !== undefined) expect(message).to.equal(want.message);
    if (want.hint !== undefined) expect(hint).to.equal(want.hint);
    else if (hint !== undefined) {
      expect(hint).to.match(
        want.rejected === "ISSUER_MISMATCH"
          ? /^The key that signed the token is for other issuers\.$/
          : /^This issuer's clock is .* ahead of ours\.$/,
      );
    }
  } else {
    if (verified === undefined) throw new Error(`not verified: ${JSON.stringify(got.verdict)}`);
    const { token, principal, evidence } = verified as Readonly<Record<string, Message | undefined>>;
    if (payload !== undefined) expect(token?.["payload"]).to.equal(payload);
    const { payload: _payload, ...said } = token ?? {};
    if (want.verified.token !== undefined) expect(said).to.deep.equal(want.verified.token);
    if (want.verified.principal !== undefined) expect(principal ?? null).to.deep.equal(want.verified.principal);
    if (want.verified.evidence !== undefined) expect(evidence).to.deep.include(want.verified.evidence);
  }
  if (want.checks !== undefined) expect(checks).to.deep.equal(want.checks);
  else expect(checks ?? []).to.deep.equal([]);
}
