import { BinaryReader } from "@bufbuild/protobuf/wire";
import { Metadata, status } from "@grpc/grpc-js";
import { expect } from "chai";
import fc from "fast-check";
import { ErrorInfo, RetryInfo } from "../../gen/google/rpc/error_details.js";
import { Status } from "../../gen/google/rpc/status.js";
import {
  BatchItem,
  BatchVerifyTokensResponse,
  type ErrorReason,
  Rejected,
  StreamVerifyTokensResponse,
  VerifyTokenRequest,
  VerifyTokenResponse,
} from "../../gen/tokenverifier/v1/token_verifier.js";
import { FAILURE_REASONS, FAILURES } from "../../src/contract/failures.js";
import { FORM_FAULTS, formFaultOf, reasonMessage } from "../../src/contract/reasons.js";
import {
  type Failure,
  failure,
  type Instant,
  type Outcome,
  type Verdict,
  type VerificationRequest,
} from "../../src/contract/verifier.js";
import { Secret } from "../../src/util/secret.js";
import { encodeBatch, encodeStreamMessage, encodeVerdict } from "../../src/wire/answers.js";
import { checkResultNumber, failureNumber, reasonNumber, statusNumber } from "../../src/wire/catalogue.js";
import { outcomeFromItem, outcomeFromWire, requestFromWire, requestToWire } from "../../src/wire/messages.js";
import { durationFromMillis, millisFromDuration } from "../../src/wire/protobuf.js";
import { ERROR_DOMAIN, failureFromStatus } from "../../src/wire/status.js";
import { evidence, rejected, text, verdict, verified } from "./arbitrary-verdict.js";

// Failures as the verifier gives them: with a retryAfter only if a retry can help.
const failures: fc.Arbitrary<Failure> = fc
  .constantFrom(...FAILURE_REASONS)
  .chain((reason) =>
    (FAILURES[reason].retryAfter === undefined ? fc.constant(undefined) : fc.integer({ min: 0, max: 86_400_000 })).map(
      (retryAfter) => ({ kind: "failure" as const, reason, retryAfter }),
    ),
  );
const outcome: fc.Arbitrary<Outcome> = fc.oneof(verified, rejected, failures);

const timestamp = (time: Instant | undefined) => time && { seconds: BigInt(time.seconds), nanos: time.nanos };

/** Returns a verdict as the generated code's message, the reference for the bytes that we assemble. */
function message(of: Verdict): VerifyTokenResponse {
  const checks = of.checks.map(({ result, reason, ...others }) => ({
    ...others,
    result: checkResultNumber(result),
    reason: reasonNumber(reason),
  }));
  if (of.kind === "verified") {
    const { token, principal, evidence } = of;
    const value = {
      token: {
        ...token,
        audience: [...token.audience],
        expiresAt: timestamp(token.expiresAt),
        notBefore: timestamp(token.notBefore),
        issuedAt: timestamp(token.issuedAt),
      },
      principal,
      evidence: {
        keySetAge: evidence.keySetAge === undefined ? undefined : durationFromMillis(evidence.keySetAge),
        keySetStale: evidence.keySetStale,
        position: evidence.position && {
          number: BigInt(evidence.position.number),
          mark: Buffer.from(evidence.position.mark, "base64url"),
        },
        cacheableUntil: timestamp(evidence.cacheableUntil),
        trustedKey: Buffer.from(evidence.trustedKey, "base64url"),
        realmVersion: Buffer.from(evidence.realmVersion, "base64url"),
        evaluatedAt: {
          seconds: BigInt(Math.floor(evidence.evaluatedAt / 1000)),
          nanos: (evidence.evaluatedAt % 1000) * 1e6,
        },
        feedAge: evidence.feedAge === undefined ? undefined : durationFromMillis(evidence.feedAge),
      },
    };
    return { verdict: { $case: "verified", value }, checks, dpopNonce: of.dpopNonce ?? "" };
  }
  const { reason, claim, form, hint = "", signatureVerified } = of;
  const text = reasonMessage(reason, claim, form);
  const value = { reason: reasonNumber(reason), claim, message: text, hint, signatureVerified };
  return { verdict: { $case: "rejected", value }, checks, dpopNonce: of.dpopNonce ?? "" };
}

describe("verdicts on the wire", () => {
  it("the message of a malformed token says its form, and a reader finds the form by it", () => {
    const messages = FORM_FAULTS.map((form) => reasonMessage("TOKEN_MALFORMED", "kid", form));
    expect(new Set(messages)).to.have.property("size", FORM_FAULTS.length);
    for (const [index, form] of FORM_FAULTS.entries()) {
      expect(messages[index]).to.match(/^(A|An|Quotes|The) [^{}]*\.$/);
      const rejected = { kind: "rejected", reason: "TOKEN_MALFORMED", claim: "kid", signatureVerified: false } as const;
      const bytes = encodeVerdict({ ...rejected, form, checks: [] });
      expect(outcomeFromWire(VerifyTokenResponse.decode(bytes))).to.include({ ...rejected, form });
    }
    expect(formFaultOf(reasonMessage("TOKEN_MALFORMED", ""), "")).to.equal(undefined);
    expect(formFaultOf("A sentence of a later version.", "")).to.equal(undefined);
  });

  it("a verdict's bytes are those that the generated code writes", () => {
    fc.assert(
      fc.property(verdict, (one) => {
        expect(encodeVerdict(one).equals(VerifyTokenResponse.encode(message(one)).finish())).to.equal(true);
      }),
    );
  });

  it("a verdict survives a round trip", () => {
    fc.assert(
      fc.property(verdict, (one) => {
        expect(outcomeFromWire(VerifyTokenResponse.decode(encodeVerdict(one)))).to.deep.equal(one);
      }),
    );
  });

  it("a verdict's bytes are the same when written again and with another evidence", () => {
    fc.assert(
      fc.property(verified, evidence, (one, another) => {
        const first = Buffer.from(encodeVerdict(one));
        expect(encodeVerdict(one).equals(first)).to.equal(true);
        const other = { ...one, evidence: another };
        expect(encodeVerdict(other).equals(VerifyTokenResponse.encode(message(other)).finish())).to.equal(true);
      }),
    );
  });

  it("a verdict of a later kind or without a token reads as VERIFIER_UNAVAILABLE", () => {
    const bytes = [[], [0x7a, 2, 0x0a, 0], [0x0a, 0]];
    for (const later of bytes) {
      expect(outcomeFromWire(VerifyTokenResponse.decode(Buffer.from(later)))).to.include({
        kind: "failure",
        reason: "VERIFIER_UNAVAILABLE",
      });
    }
  });

  it("a rejection with an unknown reason reads as a rejection without one", () => {
    const later = VerifyTokenResponse.decode(Buffer.from([0x12, 3, 0x08, 0xe7, 0x07]));
    expect(outcomeFromWire(later)).to.deep.equal({
      kind: "rejected",
      reason: undefined,
      claim: "",
      signatureVerified: false,
      checks: [],
    });
  });
});

const detail = (type: string, value: Uint8Array) => ({
  typeUrl: `type.googleapis.com/google.rpc.${type}`,
  value: Buffer.from(value),
});

describe("signature_verified on the wire", () => {
  const signed: Verdict = {
    kind: "rejected",
    reason: "TOKEN_EXPIRED",
    claim: "exp",
    signatureVerified: true,
    checks: [],
  };

  it("a rejection by a service that does not know signature_verified reads as one of an unsigned token", () => {
    const { verdict } = VerifyTokenResponse.decode(encodeVerdict(signed));
    if (verdict?.$case !== "rejected") throw new Error("no rejection");
    const { signatureVerified: _later, ...earlier } = verdict.value;
    const sent = VerifyTokenResponse.fromPartial({ verdict: { $case: "rejected", value: earlier } });
    const back = VerifyTokenResponse.decode(VerifyTokenResponse.encode(sent).finish());
    expect(outcomeFromWire(back)).to.deep.equal({ ...signed, signatureVerified: false });
  });

  it("a client that does not know signature_verified reads the rest of the rejection", () => {
    const { verdict } = VerifyTokenResponse.decode(encodeVerdict(signed));
    if (verdict?.$case !== "rejected") throw new Error("no rejection");
    const reader = new BinaryReader(Rejected.encode(verdict.value).finish());
    const fields = new Map<number, unknown>();
    const unknown: number[] = [];
    while (reader.pos < reader.len) {
      const [number, type] = reader.tag();
      if (number === 1) fields.set(number, reader.int32());
      else if (number < 5) fields.set(number, reader.string());
      else {
        unknown.push(number);
        reader.skip(type);
      }
    }
    expect([...fields]).to.deep.equal([
      [1, reasonNumber("TOKEN_EXPIRED")],
      [2, "exp"],
      [3, reasonMessage("TOKEN_EXPIRED", "exp")],
    ]);
    expect(unknown).to.deep.equal([5]);
  });
});

describe("batches and streams on the wire", () => {
  it("batches and streams have each outcome in order", () => {
    fc.assert(
      fc.property(fc.array(outcome, { maxLength: 5 }), text, (outcomes, id) => {
        const batch = BatchVerifyTokensResponse.decode(encodeBatch(outcomes));
        expect(batch.responses.map(outcomeFromItem)).to.deep.equal(outcomes);
        const stream = StreamVerifyTokensResponse.decode(encodeStreamMessage(id, outcomes));
        expect(stream.id).to.equal(id);
        expect(stream.responses.map(outcomeFromItem)).to.deep.equal(outcomes);
      }),
    );
  });

  for (const reason of FAILURE_REASONS) {
    it(`an item for ${reason} has its code, number, message and retry time`, () => {
      const { status, message, retryAfter } = FAILURES[reason];
      const { responses } = BatchVerifyTokensResponse.decode(encodeBatch([{ kind: "failure", reason, retryAfter }]));
      expect(responses[0]?.outcome).to.deep.equal({
        $case: "error",
        value: {
          code: statusNumber(status),
          reason: failureNumber(reason),
          message,
          retryAfter: retryAfter === undefined ? undefined : durationFromMillis(retryAfter),
        },
      });
    });
  }

  it("an item for a refused key has the cause in its message", () => {
    const refused: Failure = { ...failure("KEY_REFUSED"), cause: "set aside" };
    const { responses } = BatchVerifyTokensResponse.decode(encodeBatch([refused]));
    expect(responses[0]?.outcome).to.have.nested.property(
      "value.message",
      `${FAILURES.KEY_REFUSED.message} Cause: set aside.`,
    );
    expect(outcomeFromItem(responses[0]!)).to.deep.equal(failure("KEY_REFUSED"));
  });

  it("an item with an unknown reason is read by its code, like a call", () => {
    for (let code = 0; code <= 17; code++) {
      for (const retryAfter of [undefined, 1500]) {
        const duration = retryAfter === undefined ? undefined : durationFromMillis(retryAfter);
        const value = { code, reason: 999 as ErrorReason, message: "", retryAfter: duration };
        const sent = BatchItem.encode({ outcome: { $case: "error", value } }).finish();
        const details = [
          detail("ErrorInfo", ErrorInfo.encode({ reason: "MOON_PHASE", domain: ERROR_DOMAIN, metadata: {} }).finish()),
          detail("RetryInfo", RetryInfo.encode({ retryDelay: duration }).finish()),
        ];
        const metadata = new Metadata();
        metadata.set("grpc-status-details-bin", Buffer.from(Status.encode({ code, message: "", details }).finish()));
        const ofCall = failureFromStatus({ code, metadata });
        expect(outcomeFromItem(BatchItem.decode(sent)), `${code}`).to.deep.equal(ofCall);
      }
    }
    const denied = { code: status.PERMISSION_DENIED, reason: 999 as ErrorReason, message: "", retryAfter: undefined };
    expect(outcomeFromItem({ outcome: { $case: "error", value: denied } })).to.deep.equal(failure("EXPLAIN_DENIED"));
  });

  it("an item without an outcome reads as VERIFIER_UNAVAILABLE", () => {
    expect(outcomeFromItem({ outcome: undefined })).to.include({ kind: "failure", reason: "VERIFIER_UNAVAILABLE" });
  });
});

describe("requests on the wire", () => {
  const secret = text.map((value) => new Secret(value));
  const dpop = fc.record({ proof: secret, method: text, url: text, nonceRequired: fc.boolean() });
  const clientCertificate = fc.record({
    form: fc.constantFrom("sha256" as const, "der" as const),
    bytes: fc.uint8Array({ maxLength: 40 }),
  });
  const proof = fc.oneof(
    fc.record({ dpop, clientCertificate: fc.option(clientCertificate, { nil: undefined }) }),
    fc.record({ dpop: fc.constant(undefined), clientCertificate }),
  );
  const request: fc.Arbitrary<VerificationRequest> = fc.record({
    realm: text,
    token: secret,
    credential: fc.oneof(
      fc.constant(undefined),
      fc.record({ kind: fc.constant("instance" as const), secretKey: secret }),
      fc.record({ kind: fc.constant("client" as const), clientId: text, clientSecret: secret }),
    ),
    explain: fc.boolean(),
    proof: fc.option(proof, { nil: undefined }),
  });

  it("a proof without a member reads as none, and a certificate without a form as one of no bytes", () => {
    const read = (sent: VerifyTokenRequest["proof"]) =>
      requestFromWire(VerifyTokenRequest.fromPartial({ proof: sent })).proof;
    expect(read({ dpop: undefined, clientCertificate: undefined })).to.equal(undefined);
    expect(read({ dpop: undefined, clientCertificate: { form: undefined } })).to.deep.equal({
      dpop: undefined,
      clientCertificate: { form: "sha256", bytes: Buffer.alloc(0) },
    });
  });

  it("a request survives a round trip", () => {
    fc.assert(
      fc.property(request, (one) => {
        const sent = requestToWire(one);
        const back = VerifyTokenRequest.decode(VerifyTokenRequest.encode(sent).finish());
        expect(requestToWire(requestFromWire(back))).to.deep.equal(sent);
      }),
    );
  });
});

describe("durations on the wire", () => {
  it("a duration survives a round trip to the microsecond", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e12 }), (micros) => {
        const { seconds, nanos } = durationFromMillis(micros / 1000);
        expect(nanos).to.be.within(0, 999_999_999);
        expect(millisFromDuration({ seconds, nanos })).to.be.closeTo(micros / 1000, 0.001);
      }),
    );
  });
});
