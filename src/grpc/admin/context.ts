import type { Operator, Role } from "../../contract/operator.js";
import { allows } from "../../contract/operator.js";
import { OperatorError, type OperatorFailure } from "../../contract/operator-failures.js";
import { DirectoryError, type DirectoryErrorCode } from "../../directory/errors.js";
import type { MasterKeys } from "../../directory/master-keys.js";
import { type OperatorStore, type Refusal, RefusedChange } from "../../directory/operator-store.js";
import type { Revocation, Selector } from "../../directory/revocation.js";
import type { Clock } from "../../util/clock.js";
import { truncate } from "../../util/printable.js";
import { NEEDED_ROLES, type RequestOf, type ResponseOf, type UnaryName } from "./methods.js";

/** What an operator wants revoked. Times are in whole seconds since 1970. */
export interface AskedRevocation extends Selector {
  /** Tokens issued until then are refused; undefined leaves the time to the service. */
  readonly issuedBefore?: number | undefined;
  /** Refuses tokens whenever they are issued. */
  readonly ban?: boolean | undefined;
  /** The `exp` of the token that a `jti` or `digest` selects; undefined if it is not known. */
  readonly exp?: number | undefined;
}

/** The state of a realm's keys. */
export interface RealmState {
  readonly name: string;
  /** `fresh`, `stale`, `cold` or `failing`. */
  readonly state: string;
  /** Empty for a fresh realm. */
  readonly why: string;
}

/** What the operations work on. */
export interface OperationsContext {
  readonly store: OperatorStore;
  readonly clock: Clock;
  /** Open and seal the secrets of imports and exports. */
  readonly keys: MasterKeys;
  /**
   * Checks a revocation against the realms of the configuration, and completes it.
   *
   * @param now milliseconds since 1970
   * @throws OperatorError REQUEST_INVALID with what the realm would take
   */
  readonly makeRevocation: (asked: AskedRevocation, now: number) => Revocation;
  /** The realms of this replica; empty where no service runs. */
  readonly realms: () => readonly RealmState[];
  /** Called with each error that no operator caused, and with each failure to audit one that an operator did. */
  readonly onFault: (error: unknown) => void;
}

/** One method, for a caller whose role is checked. */
export type Handler<Name extends UnaryName> = (
  request: RequestOf<Name>,
  operator: Operator,
) => Promise<ResponseOf<Name>>;

/** Methods by name. */
export type Handlers<Name extends UnaryName> = { readonly [Each in Name]: Handler<Each> };

/** The longest message of an error, in characters: an import may have much to say, and a status travels as a header. */
const MAX_MESSAGE = 4_000;

const OF_REFUSAL: Readonly<Record<Refusal, OperatorFailure>> = {
  exists: "ENTRY_EXISTS",
  changed: "ENTRY_CHANGED",
  "secret-taken": "SECRET_TAKEN",
  "last-secret": "LAST_SECRET",
  "request-reused": "REQUEST_ID_REUSED",
  "revocations-full": "REVOCATIONS_FULL",
};

/** By the code of a DirectoryError; a code that is not here is one that only the store's operators can do something about. */
const OF_CODE: Partial<Record<DirectoryErrorCode, OperatorFailure>> = {
  invalid: "REQUEST_INVALID",
  conflict: "CONFLICT",
  "not-found": "NOT_FOUND",
  unusable: "STORE_UNUSABLE",
};

/** Failures whose own messages stay in the log: they may name files and hosts. */
const SILENT: ReadonlySet<OperatorFailure> = new Set(["STORE_UNUSABLE", "STORE_UNAVAILABLE"]);

/** The operator's error that anything thrown amounts to. @param onFault gets what the operator is not told */
export function operatorErrorOf(error: unknown, onFault: (error: unknown) => void): OperatorError {
  if (error instanceof OperatorError) return error;
  if (!(error instanceof DirectoryError)) {
    onFault(error);
    return new OperatorError("INTERNAL");
  }
  const reason =
    error instanceof RefusedChange ? OF_REFUSAL[error.refusal] : (OF_CODE[error.code] ?? "STORE_UNAVAILABLE");
  if (!SILENT.has(reason)) return new OperatorError(reason, truncate(error.message, MAX_MESSAGE));
  onFault(error);
  return new OperatorError(reason);
}

/** An error about a field of a request. @param what the field and what is right, as a sentence */
export const invalid = (what: string): OperatorError => new OperatorError("REQUEST_INVALID", what);

/** Refuses an operator whose role does not allow what needs another. @throws OperatorError ROLE_TOO_LOW */
export function needRole({ role }: Operator, needed: Role): void {
  if (allows(role, needed)) return;
  throw new OperatorError("ROLE_TOO_LOW", `This needs the role ${needed}; this operator has the role ${role}.`);
}

/** Refuses an operator whose role does not allow a method. @throws OperatorError ROLE_TOO_LOW */
export const needRoleFor = (operator: Operator, name: keyof typeof NEEDED_ROLES): void =>
  needRole(operator, NEEDED_ROLES[name]);
