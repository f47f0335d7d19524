import { expect } from "chai";
import { FAILURE_REASONS, type FailureReason } from "../../src/contract/failures.js";
import { REASON_NAMES, type ReasonName } from "../../src/contract/reasons.js";
import { failure, type Outcome } from "../../src/contract/verifier.js";
import { VENDORS } from "../../src/vendors/index.js";
import type { Answer, FaceRequest } from "../../src/vendors/vendor.js";

// What no case brings about: that each face has an answer, in its vendor's shape, to every outcome there is.

const REQUEST: FaceRequest = { method: "POST", target: "/", headers: {}, body: () => Promise.resolve(Buffer.alloc(0)) };

/** The statuses of failures at the faces, by the failure. */
const STATUSES: Readonly<Record<FailureReason, number>> = {
  CALLER_MISSING: 401,
  CALLER_UNKNOWN: 401,
  RATE_LIMITED: 429,
  TOO_MANY_STREAMS: 503,
  KEYS_UNAVAILABLE: 503,
  DIRECTORY_UNAVAILABLE: 503,
  NO_VERDICT: 503,
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
  INTERNAL: 500,
};

/** Whether a body is of a vendor's shape for errors. */
const SHAPES: Readonly<Record<string, (body: unknown) => boolean>> = {
  integuru: (body) => typeof (body as { detail?: unknown }).detail === "string",
  clowk: (body) => typeof (body as { error?: unknown }).error === "string",
  fiserv: (body) => {
    const members = ["detail", "errorCode", "instance", "invalid-params", "source", "status", "title"];
    const [first] = body as object[];
    return Array.isArray(body) && body.length === 1 && Object.keys(first ?? {}).join() === members.join();
  },
};

/** The same, for rejections. */
const REJECTIONS: Readonly<Record<string, (answer: Answer) => boolean>> = {
  integuru: ({ status, body }) => status === 401 && SHAPES["integuru"]!(JSON.parse(body)),
  clowk: ({ status, body }) =>
    (status === 401 &&
      (JSON.parse(body) as { valid?: unknown }).valid === false &&
      SHAPES["clowk"]!(JSON.parse(body))) ||
    (status === 404 && body === '{"error":"User not found"}'),
  fiserv: ({ status, body }) => status === 200 && body === '{"valid":false}',
};

for (const vendor of VENDORS) {
  describe(`the face of ${vendor.name}`, () => {
    const defaults = Object.fromEntries(
      Object.entries(vendor.faceSettings).map(([name, schema]) => [
        name,
        (schema as unknown as { parse(value: unknown): unknown }).parse(undefined),
      ]),
    );
    const face = vendor.face(defaults, vendor.maxTokenLength);
    const write = (outcome: Outcome): Answer => face.write(outcome, REQUEST);

    for (const reason of FAILURE_REASONS) {
      it(`answers the failure ${reason}`, () => {
        // No request of this face's brings them about: it is the gateway itself that is at fault, or set up wrongly.
        const expected = vendor.name === "integuru" && STATUSES[reason] === 401 ? 500 : STATUSES[reason];
        const { status, body } = write(failure(reason));
        expect(status).to.equal(expected);
        expect(SHAPES[vendor.name]!(JSON.parse(body)), body).to.equal(true);
        expect(body).to.equal(JSON.stringify(JSON.parse(body)));
      });
    }

    it("says when to try again, in whole seconds and at least one, where that is of use", () => {
      const waits = (retryAfter: number | undefined): unknown =>
        write({ kind: "failure", reason: "DIRECTORY_UNAVAILABLE", retryAfter }).headers?.["Retry-After"];
      expect([1, 999, 1000, 1001, 60_000].map(waits)).to.deep.equal(["1", "1", "1", "2", "60"]);
      expect(waits(0)).to.equal("1");
      expect(waits(undefined)).to.equal(undefined);
      expect(write(failure("INTERNAL")).headers?.["Retry-After"]).to.equal(undefined);
      for (const reason of FAILURE_REASONS.filter((one) => STATUSES[one] === 503 || STATUSES[one] === 429)) {
        expect(write(failure(reason)).headers?.["Retry-After"], reason).to.match(/^[1-9]\d*$/);
      }
    });

    for (const reason of [...REASON_NAMES, undefined] as (ReasonName | undefined)[]) {
      it(`answers the rejection ${reason ?? "of a later version"}`, () => {
        for (const claim of ["", "exp", "sub", "anything"]) {
          const answer = write({ kind: "rejected", reason, claim, checks: [] });
          expect(REJECTIONS[vendor.name]!(answer), JSON.stringify(answer)).to.equal(true);
        }
      });
    }
  });
}
