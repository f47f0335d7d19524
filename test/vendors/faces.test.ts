import { expect } from "chai";
import { z } from "zod";
import { FAILURE_REASONS, type FailureReason } from "../../src/contract/failures.js";
import { REASON_NAMES, type ReasonName } from "../../src/contract/reasons.js";
import { failure, type Outcome } from "../../src/contract/verifier.js";
import type { Answer, FaceRequest, Vendor } from "../../src/vendors/vendor.js";
import { type Case, readCases } from "../support/cases.js";
import { TEST_VENDORS } from "../support/vendors.js";

// Each face answers every possible outcome with one of its cases' answers, byte by byte.

const REQUEST: FaceRequest = { method: "POST", values: () => [] };

/** The HTTP status of each failure at the faces. */
const STATUSES: Readonly<Record<FailureReason, number>> = {
  CALLER_MISSING: 401,
  CALLER_UNKNOWN: 401,
  RATE_LIMITED: 429,
  TOO_MANY_STREAMS: 503,
  TOO_MANY_WATCHES: 503,
  KEYS_UNAVAILABLE: 503,
  DIRECTORY_UNAVAILABLE: 503,
  NO_VERDICT: 503,
  TOO_MANY_KEYS: 503,
  KEY_REFUSED: 503,
  TOO_MANY_PROOFS: 503,
  TIMED_OUT: 503,
  SHUTTING_DOWN: 503,
  VERIFIER_UNAVAILABLE: 503,
  REALM_UNKNOWN: 500,
  TOKEN_EMPTY: 500,
  CREDENTIAL_REFUSED: 500,
  CALLER_DENIED: 500,
  EXPLAIN_DENIED: 500,
  BATCH_TOO_LARGE: 500,
  TOO_MANY_CALLERS: 500,
  ID_TOO_LONG: 500,
  WATCH_DENIED: 500,
  WATCH_NOT_OPENED: 500,
  INTERNAL: 500,
};

/** Returns all answers that cases expect of a vendor's face, and those to rejected tokens. */
function answersInCases({ path }: Vendor): { readonly all: string[]; readonly rejections: string[] } {
  const cases = readCases().filter(({ rest }) => rest?.request.target === path);
  const told = (these: readonly Case[]): string[] =>
    these.flatMap(({ rest }) => (rest === undefined ? [] : [`${rest.answer.status} ${rest.answer.body}`]));
  return {
    all: told(cases),
    rejections: told(cases.filter(({ grpc }) => grpc !== undefined && "rejected" in grpc.outcome)),
  };
}

for (const vendor of TEST_VENDORS) {
  describe(`the face of ${vendor.name}`, () => {
    const face = vendor.face(z.object(vendor.faceSettings).parse({}), vendor.maxTokenLength);
    const write = (outcome: Outcome): Answer => face.write(outcome, REQUEST);
    const { all, rejections } = answersInCases(vendor);

    for (const reason of FAILURE_REASONS) {
      it(`the face of ${vendor.name} answers the failure ${reason} as in its cases`, () => {
        // If anyone may call, no caller is unknown, so that such a failure is a fault of the gateway or its configuration.
        const expected = vendor.callers === "anyone" && STATUSES[reason] === 401 ? 500 : STATUSES[reason];
        const { status, body } = write(failure(reason));
        expect(status).to.equal(expected);
        expect(all).to.include(`${status} ${body}`);
        expect(body).to.equal(JSON.stringify(JSON.parse(body)));
      });
    }

    it("the face sends Retry-After in whole seconds, at least one, if a retry can help", () => {
      const waits = (retryAfter: number | undefined): unknown =>
        write({ kind: "failure", reason: "DIRECTORY_UNAVAILABLE", retryAfter }).headers?.["Retry-After"];
      expect([1, 999, 1000, 1001, 60_000].map(waits)).to.deep.equal(["1", "1", "1", "2", "60"]);
      expect(waits(0)).to.equal("1");
      expect(waits(undefined)).to.equal(undefined);
      expect(write(failure("INTERNAL")).headers?.["Retry-After"]).to.equal(undefined);
      for (const reason of FAILURE_REASONS.filter((one) => STATUSES[one] === 503 || STATUSES[one] === 429)) {
        const wait = write(failure(reason)).headers?.["Retry-After"];
        // To ask again cannot help while the issuer publishes the same key.
        if (reason === "KEY_REFUSED") expect(wait).to.equal(undefined);
        else expect(wait, reason).to.match(/^[1-9]\d*$/);
      }
    });

    for (const reason of [...REASON_NAMES, undefined] as (ReasonName | undefined)[]) {
      it(`the face of ${vendor.name} answers the rejection ${reason ?? "of a later version"} as in its cases`, () => {
        for (const claim of ["", "exp", "sub", "anything"]) {
          const { status, body } = write({ kind: "rejected", reason, claim, signatureVerified: false, checks: [] });
          expect(rejections).to.include(`${status} ${body}`);
        }
      });
    }
  });
}
