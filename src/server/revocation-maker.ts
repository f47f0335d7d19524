import type { ConfiguredRealm } from "../config/realms.js";
import { OperatorError } from "../contract/operator-failures.js";
import { endOfRevocation, type Revocation } from "../directory/revocation.js";
import type { OperationsContext } from "../grpc/admin/context.js";
import { makeRevocation, type RevocableRealms, RevocationRequestError } from "../verifier/revocation-request.js";
import { revocableRealmsOf } from "./realms.js";

/** Makes the revocations that operators ask for. @param realmsAt the realms, at a time in milliseconds since 1970 */
export const revocationMaker =
  (realmsAt: (now: number) => RevocableRealms): OperationsContext["makeRevocation"] =>
  (asked, now) => {
    try {
      return makeRevocation(asked, realmsAt(now), now).revocation;
    } catch (error) {
      throw error instanceof RevocationRequestError ? new OperatorError("REQUEST_INVALID", error.message) : error;
    }
  };

/** When revocations end in the store, by the policies of realms that a reload replaces. */
export function endsByPolicy(realms: readonly ConfiguredRealm[]): {
  /** Seconds since 1970; null for never, as in a realm that is not configured here. */
  readonly endOf: (revocation: Revocation) => number | null;
  readonly setRealms: (realms: readonly ConfiguredRealm[]) => void;
} {
  let current = revocableRealmsOf(realms);
  return {
    endOf: (revocation) => {
      const realm = current.get(revocation.selector.realm);
      if (realm === undefined || !("policy" in realm)) return null;
      const end = endOfRevocation(revocation, realm.policy);
      return Number.isFinite(end) ? Math.ceil(end) : null;
    },
    setRealms: (next) => {
      current = revocableRealmsOf(next);
    },
  };
}
