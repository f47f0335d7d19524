import { status } from "@grpc/grpc-js";
import { CheckResult as CheckResultNumber, ErrorReason, Reason } from "../../gen/tokenverifier/v1/token_verifier.js";
import type { FailureReason, StatusName } from "../contract/failures.js";
import type { ReasonName } from "../contract/reasons.js";
import type { CheckResult } from "../contract/verifier.js";

// The numbers of the contract's names. The compiler checks both ways: a catalogue with a name that the proto lacks fails
// to compile here, and so does a proto with a value that the catalogue lacks.

/** The names of an enum's values without their prefix, but for the one that is never sent. */
type NameOf<Values, Prefix extends string> = {
  [Key in keyof Values]: Key extends `${Prefix}${infer Name}` ? Exclude<Name, "UNSPECIFIED"> : never;
}[keyof Values];

function byNumber<Values extends Readonly<Record<string, number>>, Prefix extends string>(
  values: Values,
  prefix: Prefix,
): ReadonlyMap<number, NameOf<Values, Prefix>> {
  const known = Object.entries(values).filter(([, number]) => number > 0);
  return new Map(known.map(([name, number]) => [number, name.slice(prefix.length) as NameOf<Values, Prefix>]));
}

const REASONS: ReadonlyMap<number, ReasonName> = byNumber(Reason, "REASON_");
const FAILURES: ReadonlyMap<number, FailureReason> = byNumber(ErrorReason, "ERROR_REASON_");
const CHECK_RESULTS: ReadonlyMap<number, Uppercase<CheckResult>> = byNumber(CheckResultNumber, "CHECK_RESULT_");

/** The number of a reason in the proto; 0 for none. */
export function reasonNumber(name: ReasonName | undefined): Reason {
  return name === undefined ? 0 : Reason[`REASON_${name}`];
}

/** The reason with a number; undefined for one of a later version, and for 0. */
export function reasonName(number: number): ReasonName | undefined {
  return REASONS.get(number);
}

/** The number of a failure in the proto. */
export function failureNumber(reason: FailureReason): ErrorReason {
  return ErrorReason[`ERROR_REASON_${reason}`];
}

/** The failure with a number; undefined for one of a later version. */
export function failureReason(number: number): FailureReason | undefined {
  return FAILURES.get(number);
}

/** The name of a check's result in the proto. */
export function checkResultName(result: CheckResult): `CHECK_RESULT_${Uppercase<CheckResult>}` {
  return `CHECK_RESULT_${result.toUpperCase() as Uppercase<CheckResult>}`;
}

/** The number of a check's result in the proto; 0 for none. */
export function checkResultNumber(result: CheckResult | undefined): CheckResultNumber {
  return result === undefined ? 0 : CheckResultNumber[checkResultName(result)];
}

/** The check's result with a number; undefined for one of a later version. */
export function checkResult(number: number): CheckResult | undefined {
  return CHECK_RESULTS.get(number)?.toLowerCase() as CheckResult | undefined;
}

/** The gRPC status code of a name. */
export function statusNumber(name: StatusName): Exclude<status, status.OK> {
  return status[name];
}
