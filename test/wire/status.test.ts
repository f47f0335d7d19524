import { Metadata, status } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { expect } from "chai";
import { ErrorInfo, RetryInfo } from "../../gen/google/rpc/error_details.js";
import { Status } from "../../gen/google/rpc/status.js";
import { FAILURE_REASONS, FAILURES, type FailureReason } from "../../src/contract/failures.js";
import { REASON_NAMES, reasonMessage } from "../../src/contract/reasons.js";
import { failure } from "../../src/contract/verifier.js";
import { failureNumber, failureReason, reasonName, reasonNumber, statusNumber } from "../../src/wire/catalogue.js";
import { failureFromStatus, failureToStatus } from "../../src/wire/status.js";

// The proto as another library reads it.
const proto = loadSync("tokenverifier/v1/token_verifier.proto", { includeDirs: ["proto"] });
const valuesOf = (name: string, prefix: string): Record<string, number> => {
  const { value } = (proto[`tokenverifier.v1.${name}`] as any).type as { value: { name: string; number: number }[] };
  return Object.fromEntries(
    value.filter(({ number }) => number !== 0).map((one) => [one.name.replace(prefix, ""), one.number]),
  );
};

const statusWith = (code: number, info?: Partial<ErrorInfo>, retry?: RetryInfo) => {
  const details = [
    ...(info
      ? [
          {
            typeUrl: "type.googleapis.com/google.rpc.ErrorInfo",
            value: Buffer.from(ErrorInfo.encode(ErrorInfo.fromPartial(info)).finish()),
          },
        ]
      : []),
    ...(retry
      ? [{ typeUrl: "type.googleapis.com/google.rpc.RetryInfo", value: Buffer.from(RetryInfo.encode(retry).finish()) }]
      : []),
  ];
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(Status.encode({ code, message: "", details }).finish()));
  return { code, metadata };
};

describe("the catalogues and the proto", () => {
  it("the catalogue and the proto have the same failures with the same numbers", () => {
    expect(Object.fromEntries(FAILURE_REASONS.map((reason) => [reason, failureNumber(reason)]))).to.deep.equal(
      valuesOf("ErrorReason", "ERROR_REASON_"),
    );
    for (const reason of FAILURE_REASONS) expect(failureReason(failureNumber(reason))).to.equal(reason);
    expect([0, 999, -1].map(failureReason)).to.deep.equal([undefined, undefined, undefined]);
  });

  it("the catalogue and the proto have the same reasons with the same numbers, each with a sentence", () => {
    expect(Object.fromEntries(REASON_NAMES.map((name) => [name, reasonNumber(name)]))).to.deep.equal(
      valuesOf("Reason", "REASON_"),
    );
    for (const name of REASON_NAMES) {
      expect(reasonName(reasonNumber(name))).to.equal(name);
      expect(reasonMessage(name, "a$&b"))
        .to.match(/^[A-Z][^{}]*\.$/)
        .and.satisfy((message: string) => !message.includes("'") || message.includes("'a$&b'"));
    }
    expect([0, 999].map(reasonName)).to.deep.equal([undefined, undefined]);
  });
});

describe("a failure's status", () => {
  for (const reason of FAILURE_REASONS) {
    for (const retryAfter of [FAILURES[reason].retryAfter, undefined, 0, 1, 1500, 3_600_000, 0.25]) {
      it(`the failure ${reason} with retryAfter ${retryAfter} survives a round trip`, () => {
        const sent = { kind: "failure", reason, retryAfter } as const;
        const { code, details, metadata } = failureToStatus(sent);
        expect({ code, details }).to.deep.equal({
          code: statusNumber(FAILURES[reason].status),
          details: FAILURES[reason].message,
        });
        expect(failureFromStatus({ code, metadata })).to.deep.equal(sent);
      });
    }
  }

  it("a failure's status has its cause for any retryAfter, and an unknown cause is dropped", () => {
    for (const retryAfter of [FAILURES.KEYS_UNAVAILABLE.retryAfter, 30_000]) {
      const sent = { ...failure("KEYS_UNAVAILABLE", retryAfter), cause: "cooldown" } as const;
      expect(failureFromStatus(failureToStatus(sent))).to.deep.equal(sent);
      const plain = failure("KEYS_UNAVAILABLE", retryAfter);
      expect(failureFromStatus(failureToStatus(plain))).to.deep.equal(plain);
      const later = { ...sent, cause: "later" as "cooldown" };
      expect(failureFromStatus(failureToStatus(later))).to.deep.equal(plain);
    }
  });

  for (const cause of ["malformed", "contradictory", "unsupported", "set aside"] as const) {
    it(`the status of a key refused as ${cause} says so in its ErrorInfo and its message, and survives a round trip`, () => {
      const sent = { ...failure("KEY_REFUSED"), cause, kid: "kid-of-a-token" };
      for (let times = 0; times < 2; times++) {
        const { code, details, metadata } = failureToStatus(sent);
        expect({ code, details }).to.deep.equal({
          code: 9,
          details: `${FAILURES.KEY_REFUSED.message} Cause: ${cause}.`,
        });
        const read = Status.decode(metadata.get("grpc-status-details-bin")[0] as Buffer);
        expect(read.details.map(({ typeUrl }) => typeUrl)).to.deep.equal(["type.googleapis.com/google.rpc.ErrorInfo"]);
        expect(ErrorInfo.decode(read.details[0]?.value as Buffer).metadata).to.deep.equal({ cause });
        expect(failureFromStatus({ code, metadata })).to.deep.equal({ ...failure("KEY_REFUSED"), cause });
      }
    });
  }

  it("a failure's status shows neither the token's kid nor the realm that judged", () => {
    const sent = { ...failure("KEYS_UNAVAILABLE", 2500), kid: "kid-of-a-token", target: "name-of-a-realm" };
    const { metadata } = failureToStatus(sent);
    expect(String(metadata.get("grpc-status-details-bin")[0])).not.to.match(/kid-of|name-of/);
  });

  it("a failure's status has an ErrorInfo of our domain with the reason without its prefix", () => {
    const { metadata } = failureToStatus(failure("KEYS_UNAVAILABLE", 2500));
    const { code, message, details } = Status.decode(metadata.get("grpc-status-details-bin")[0] as Buffer);
    expect({ code, message }).to.deep.equal({ code: 14, message: FAILURES.KEYS_UNAVAILABLE.message });
    expect(details.map(({ typeUrl }) => typeUrl)).to.deep.equal([
      "type.googleapis.com/google.rpc.ErrorInfo",
      "type.googleapis.com/google.rpc.RetryInfo",
    ]);
    expect(ErrorInfo.decode(details[0]?.value as Buffer)).to.deep.equal({
      reason: "KEYS_UNAVAILABLE",
      domain: "tokenverifier.v1",
      metadata: {},
    });
    expect(RetryInfo.decode(details[1]?.value as Buffer)).to.deep.equal({
      retryDelay: { seconds: 2n, nanos: 500_000_000 },
    });
  });
});

describe("a status as a failure", () => {
  const plain: Record<string, [code: number | undefined, FailureReason]> = {
    "a deadline": [status.DEADLINE_EXCEEDED, "TIMED_OUT"],
    "no connection": [status.UNAVAILABLE, "VERIFIER_UNAVAILABLE"],
    "a cancellation": [status.CANCELLED, "VERIFIER_UNAVAILABLE"],
    "a proxy's limit": [status.RESOURCE_EXHAUSTED, "VERIFIER_UNAVAILABLE"],
    "an HTTP error": [status.UNKNOWN, "VERIFIER_UNAVAILABLE"],
    "an unknown method": [status.UNIMPLEMENTED, "INTERNAL"],
    "a proxy's refusal": [status.UNAUTHENTICATED, "INTERNAL"],
    "an undecodable message": [status.INTERNAL, "INTERNAL"],
    "something thrown": [undefined, "INTERNAL"],
  };
  for (const [what, [code, reason]] of Object.entries(plain)) {
    it(`${what} without our ErrorInfo reads as ${reason}`, () => {
      expect(failureFromStatus(code === undefined ? {} : { code })).to.deep.equal(failure(reason));
      expect(failureFromStatus({ ...(code !== undefined && { code }), metadata: new Metadata() })).to.deep.equal(
        failure(reason),
      );
    });
  }

  const ours = (code: status, reason: string) =>
    failureFromStatus(statusWith(code, { reason, domain: "tokenverifier.v1" }));
  it("a status with an unknown reason is read by its code", () => {
    expect(ours(status.UNAVAILABLE, "MOON_PHASE").reason).to.equal("VERIFIER_UNAVAILABLE");
    expect(ours(status.NOT_FOUND, "MOON_PHASE").reason).to.equal("REALM_UNKNOWN");
    expect(ours(status.UNAUTHENTICATED, "MOON_PHASE").reason).to.equal("CALLER_UNKNOWN");
    expect(ours(status.RESOURCE_EXHAUSTED, "MOON_PHASE").reason).to.equal("RATE_LIMITED");
    expect(ours(status.FAILED_PRECONDITION, "MOON_PHASE").reason).to.equal("INTERNAL");
  });

  it("a reason from the prototype or from another service's ErrorInfo is ignored", () => {
    for (const name of ["constructor", "__proto__", "toString", ""]) {
      expect(ours(status.UNAVAILABLE, name).reason).to.equal("VERIFIER_UNAVAILABLE");
    }
    const foreign = statusWith(status.UNAVAILABLE, { reason: "REALM_UNKNOWN", domain: "example.com" });
    expect(failureFromStatus(foreign).reason).to.equal("VERIFIER_UNAVAILABLE");
  });

  it("a status keeps the retry delay that a proxy gives", () => {
    const error = statusWith(status.UNAVAILABLE, undefined, { retryDelay: { seconds: 7n, nanos: 0 } });
    expect(failureFromStatus(error)).to.deep.equal(failure("VERIFIER_UNAVAILABLE", 7000));
  });

  it("a status with garbled details is read by its code", () => {
    const metadata = new Metadata();
    metadata.set("grpc-status-details-bin", Buffer.from([0x1a, 0xff, 0xff]));
    expect(failureFromStatus({ code: status.UNAVAILABLE, metadata })).to.deep.equal(failure("VERIFIER_UNAVAILABLE"));
  });
});
