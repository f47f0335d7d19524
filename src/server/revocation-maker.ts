import { OperatorError } from "../contract/operator-failures.js";
import type { OperationsContext } from "../grpc/admin/context.js";
import { makeRevocation, type RevocableRealms, RevocationRequestError } from "../verifier/revocation-request.js";

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
