import { randomBytes } from "node:crypto";
import type { Operator } from "../../contract/operator.js";
import type { OperatorError, OperatorFailure } from "../../contract/operator-failures.js";
import { newSecret } from "../../directory/commands.js";
import type { AuditSubject, Expectation, NewSecret, OperatorCommandKind } from "../../directory/operator-commands.js";
import type { RequestIdentity } from "../../directory/operator-store.js";
import { printable, truncate } from "../../util/printable.js";
import { Secret } from "../../util/secret.js";
import { invalid, needRole, type OperationsContext, operatorErrorOf } from "./context.js";
import { NEEDED_ROLES } from "./methods.js";

// What every change has: a role, a request id, an expectation of what is there, and a row in the audit if it is refused.

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Failures that are not audited: nothing was decided, and the store may be what fails. */
const UNDECIDED: ReadonlySet<OperatorFailure> = new Set(["STORE_UNAVAILABLE", "STORE_UNUSABLE", "INTERNAL"]);

/** A change as it is asked for. */
interface AskedChange {
  readonly kind: OperatorCommandKind;
  readonly requestId: string;
  /** What it is about, for the audit if it is refused: ids as the caller wrote them. */
  readonly subject: AuditSubject;
}

/**
 * Carries out a change, for an operator whose role allows it, and audits it if it is refused.
 *
 * @param work gets the identity of the request
 * @throws OperatorError
 */
export async function changing<Result>(
  { store, onFault }: OperationsContext,
  operator: Operator,
  { kind, requestId, subject }: AskedChange,
  work: (by: RequestIdentity) => Promise<Result>,
): Promise<Result> {
  const { actor } = operator;
  const by = { actor, requestId: requestId.toLowerCase() };
  const isUuid = UUID.test(requestId);
  try {
    needRole(operator, NEEDED_ROLES[kind === "import" ? "importDirectory" : kind]);
    if (!isUuid)
      throw invalid("`request_id` is not a UUID. Draw one for each request, and keep it when you repeat it.");
    return await work(by);
  } catch (error) {
    const failed: OperatorError = operatorErrorOf(error, onFault);
    if (!UNDECIDED.has(failed.reason)) {
      const row = { actor, requestId: isUuid ? by.requestId : null, command: kind, outcome: failed.reason };
      await store.refused({ ...row, subject: shortened(subject) }).catch(onFault);
    }
    throw failed;
  }
}

/** The longest id in the audit of a refused change, in characters: a caller may have written anything. */
const MAX_ID = 255;

const shortened = (subject: AuditSubject): AuditSubject =>
  Object.fromEntries(
    Object.entries(subject).map(([name, value]) => [
      name,
      typeof value === "string" ? truncate(printable(value), MAX_ID) : value,
    ]),
  );

/** What makes two requests the same: all that a caller sent but the request id. Secrets in it go to the store alone. */
export const contentOf = (request: { readonly requestId: string }): string =>
  JSON.stringify({ ...request, requestId: undefined }, (_name, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );

/** The etag of an entry. @param changed the number of the change that last wrote it */
export const etagOf = (changed: number): string => String(changed);

/** What a request expects of the entry that it puts. @throws OperatorError */
export function expectationOf({
  etag,
  overwrite,
}: {
  readonly etag: string;
  readonly overwrite: boolean;
}): Expectation {
  if (etag !== "") return numberOf(etag);
  return overwrite ? "any" : "absent";
}

/** What a request expects of the entry that it deletes. @throws OperatorError */
export const expectationOfDelete = (etag: string): Expectation => (etag === "" ? "any" : numberOf(etag));

function numberOf(etag: string): number {
  if (!/^[1-9]\d{0,15}$/.test(etag)) throw invalid("`etag` is none. Send the one that Get returned, or none.");
  return Number(etag);
}

/** The shortest secret that a caller may bring, in characters. */
const MIN_SECRET = 16;

/** Bytes of a secret that the service makes. */
const SECRET_BYTES = 32;

/** The secret that a caller brings, or one that the service makes: 43 random characters after a prefix. @throws OperatorError */
export function broughtOrMade(brought: string, field: string, prefix: string): NewSecret {
  if (brought === "") return newSecret(new Secret(prefix + randomBytes(SECRET_BYTES).toString("base64url")));
  return newSecret(checkedSecret(brought, field));
}

/** A secret that a caller brings. @throws OperatorError if it is too short */
export function checkedSecret(brought: string, field: string): Secret {
  if (brought.length < MIN_SECRET) {
    throw invalid(
      `\`${field}\` has fewer than ${MIN_SECRET} characters. Bring a longer one, or leave it to the service.`,
    );
  }
  return new Secret(brought);
}
