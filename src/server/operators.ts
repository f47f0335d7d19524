import type { Logger } from "pino";
import type { Config } from "../config/load.js";
import { deriveMasterKeys } from "../directory/master-keys.js";
import type { OperatorStore } from "../directory/operator-store.js";
import type { OperationsContext, RealmState } from "../grpc/admin/context.js";
import { METHODS } from "../grpc/admin/methods.js";
import { CHANGES, operationsOn } from "../grpc/admin/operations.js";
import type { FinishedOperatorCall, OperatorService } from "../grpc/admin/services.js";
import { tell } from "../observability/lines.js";
import type { ServiceState } from "../observability/observed.js";
import { addressReader } from "../util/client-address.js";
import type { Clock } from "../util/clock.js";
import { operatorAccess } from "./operator-access.js";

/** What the operators' services need of a running service. */
export interface OperatorsContext extends Pick<OperationsContext, "makeRevocation"> {
  readonly store: OperatorStore;
  readonly serviceState: () => ServiceState;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The operators' services of a configuration. */
export interface Operators {
  readonly service: OperatorService;
  /** Puts the operators of a reloaded configuration in place of those before. */
  renew(config: Pick<Config, "admin">): void;
}

/** Makes the operators' services of a configuration with an `admin` port and a store. */
export function operatorsOf(
  config: Pick<Config, "failures" | "trustedProxies" | "masterKeys"> & { readonly admin: NonNullable<Config["admin"]> },
  { store, serviceState, makeRevocation, clock, log }: OperatorsContext,
): Operators {
  const access = operatorAccess(config.admin, config.failures, clock);
  const fault = (err: unknown, requestId: string): void => tell(log, "operator call failed", { err, requestId });
  const operationsFor = operationsOn({
    store,
    clock,
    keys: deriveMasterKeys(config.masterKeys),
    makeRevocation,
    realms: () => realmStates(serviceState()),
    onFault: (err) => fault(err, ""),
  });
  return {
    service: {
      operationsFor,
      authenticate: (credential) => access.authenticate(credential),
      clock,
      addressOf: addressReader(config.trustedProxies),
      ended: (call) => logCall(log, call),
      fault,
    },
    renew: ({ admin }) => {
      if (admin !== undefined) access.renew(admin);
    },
  };
}

const realmStates = ({ realms, why = {} }: ServiceState): readonly RealmState[] =>
  Object.entries(realms).map(([name, state]) => ({ name, state, why: why[name] ?? "" }));

/** Logs changes, and calls that failed. */
function logCall(log: Logger, { method, requestId, address, operator, reason, millis }: FinishedOperatorCall): void {
  const isChange = method === "importDirectory" || method === "exportDirectory" || CHANGES.has(method);
  if (!isChange && reason === undefined) return;
  tell(log, "operator call", {
    requestId,
    via: METHODS[method].path.replace(/.*\//, ""),
    outcome: reason === undefined ? "done" : "refused",
    millis: Math.round(millis),
    ...(operator !== undefined && { operator: operator.actor }),
    ...(address !== "" && { address }),
    ...(reason !== undefined && { reason }),
  });
}
