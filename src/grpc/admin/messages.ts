import type { Duration } from "../../../gen/google/protobuf/duration.js";
import type { Timestamp } from "../../../gen/google/protobuf/timestamp.js";
import { type NewSecretInfo, SecretInfo } from "../../../gen/tokenverifier/admin/v1/directory_service.js";
import type { Change, Position } from "../../../gen/tokenverifier/admin/v1/types.js";
import type { NewSecret } from "../../directory/operator-commands.js";
import type { AppliedChange, ChangePosition, StoredSecret } from "../../directory/operator-store.js";
import { millisFromDuration } from "../../wire/protobuf.js";
import { invalid } from "./context.js";

// What several messages of the admin proto have in common, and the store's forms of it.

/** A time as a message has it. @param millis since 1970 */
export function timestamp(millis: number): Timestamp {
  const seconds = Math.floor(millis / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((millis - seconds * 1000) * 1e6) };
}

/** The milliseconds since 1970 of a time. @throws OperatorError for one outside the years 1970 to 9999 */
export function millisOf({ seconds, nanos }: Timestamp, field: string): number {
  const whole = Number(seconds);
  if (whole < 0 || whole >= 253_402_300_800 || nanos < 0 || nanos > 999_999_999) {
    throw invalid(`\`${field}\` is not a time of the years 1970 to 9999.`);
  }
  return whole * 1000 + Math.floor(nanos / 1e6);
}

/** The longest grace period, in milliseconds: 90 days. */
const LONGEST_GRACE = 90 * 86_400_000;

/** The milliseconds of a grace period. @throws OperatorError */
export function graceOf(grace: Duration | undefined): number {
  if (grace === undefined) {
    throw invalid("`grace` is missing. Say how long the present secret keeps working, 0s for not at all.");
  }
  const millis = millisFromDuration(grace);
  if (!(millis >= 0 && millis <= LONGEST_GRACE)) throw invalid("`grace` is not a duration of 0 to 90 days.");
  return Math.round(millis);
}

/** A position as a message has it. */
export const positionMessage = ({ number, mark }: ChangePosition): Position => ({
  number: BigInt(number),
  mark: Buffer.from(mark, "base64url"),
});

/** A change as a message has it. */
export const changeMessage = ({ position, at, replayed }: AppliedChange): Change => ({
  position: positionMessage(position),
  madeAt: timestamp(at),
  replayed,
});

/** A stored secret as a message has it. */
export const secretMessage = ({ id, createdAt, retiresAt }: StoredSecret): SecretInfo =>
  SecretInfo.fromPartial({
    id,
    createdAt: timestamp(createdAt),
    ...(retiresAt !== null && { retiresAt: timestamp(retiresAt) }),
  });

/**
 * The secrets that a change gave, as a message has them: those that the service made are shown, unless the change is an
 * earlier request's.
 *
 * @param brought whether the caller brought them
 */
export function newSecretMessages(
  { replayed, subject }: AppliedChange,
  secrets: readonly NewSecret[],
  brought: boolean,
): NewSecretInfo[] {
  const { secretIds = [] } = subject as { readonly secretIds?: readonly string[] };
  return secretIds.map((id) => {
    const made = replayed || brought ? undefined : secrets.find((one) => one.id === id);
    return { id, secret: made?.secret.reveal() ?? "" };
  });
}
