import { Metadata, status } from "@grpc/grpc-js";
import { expect } from "chai";
import { ErrorReason } from "../../gen/tokenverifier/admin/v1/types.js";
import { OPERATOR_FAILURE_REASONS, OPERATOR_FAILURES, OperatorError } from "../../src/contract/operator-failures.js";
import { failure } from "../../src/contract/verifier.js";
import {
  operatorErrorFromStatus,
  operatorErrorToStatus,
  operatorFailureNumber,
} from "../../src/wire/operator-status.js";
import { errorDetails, failureToStatus, statusWithDetails } from "../../src/wire/status.js";

describe("the status of an operator's error", () => {
  it("the catalogue has the reasons of the proto, in its order", () => {
    const names = Object.entries(ErrorReason).filter(([, number]) => number > 0);
    expect(
      OPERATOR_FAILURE_REASONS.map((reason) => [`ERROR_REASON_${reason}`, operatorFailureNumber(reason)]),
    ).to.deep.equal(names);
  });

  for (const reason of OPERATOR_FAILURE_REASONS) {
    it(`${reason} comes back as it was sent, with its message and its wait`, () => {
      const sent = new OperatorError(reason, "What is wrong, and what to do.", 1500);
      const read = operatorErrorFromStatus(operatorErrorToStatus(sent));
      expect(read).to.deep.include({ reason, message: sent.message, retryAfter: 1500 });
      const { code } = operatorErrorToStatus(new OperatorError(reason));
      expect(status[code]).to.equal(OPERATOR_FAILURES[reason].status);
    });
  }

  it("a status of another service is no operator's error", () => {
    expect(operatorErrorFromStatus(failureToStatus(failure("REALM_UNKNOWN")))).to.equal(undefined);
    expect(operatorErrorFromStatus({ code: status.UNAVAILABLE, metadata: new Metadata() })).to.equal(undefined);
  });

  it("a reason of a later version is read by its status", () => {
    const info = { reason: "LATER_REASON", domain: "tokenverifier.admin.v1", metadata: {} };
    const later = (code: status) =>
      operatorErrorFromStatus(statusWithDetails(code, "x", errorDetails(info, undefined)))?.reason;
    expect(later(status.NOT_FOUND)).to.equal("NOT_FOUND");
    expect(later(status.UNAVAILABLE)).to.equal("STORE_UNAVAILABLE");
    expect(later(status.INVALID_ARGUMENT)).to.equal("REQUEST_INVALID");
    expect(later(status.INTERNAL)).to.equal("INTERNAL");
    expect(later(status.FAILED_PRECONDITION)).to.equal("CONFLICT");
  });
});
