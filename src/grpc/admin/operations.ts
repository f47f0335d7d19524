import type { Operator } from "../../contract/operator.js";
import { clientHandlers } from "./clients.js";
import { type Handlers, needRoleFor, type OperationsContext, operatorErrorOf } from "./context.js";
import { instanceHandlers } from "./instances.js";
import type { Operations, UnaryName } from "./methods.js";
import { revocationHandlers } from "./revocations.js";
import { statusHandlers } from "./status.js";
import { exportDirectory, importDirectory } from "./transfer.js";
import { userHandlers } from "./users.js";

/** Makes what each operator can do on a store. */
export function operationsOn(context: OperationsContext): (operator: Operator) => Operations {
  const handlers: Handlers<UnaryName> = {
    ...instanceHandlers(context),
    ...userHandlers(context),
    ...clientHandlers(context),
    ...revocationHandlers(context),
    ...statusHandlers(context),
  };
  const changes: ReadonlySet<string> = CHANGES;

  /** Checks the role for a method that changes nothing; one that does checks it itself, and audits who is refused. */
  const bind =
    (name: UnaryName, operator: Operator) =>
    async (request: unknown): Promise<unknown> => {
      try {
        if (!changes.has(name)) needRoleFor(operator, name);
        return await (handlers[name] as (request: unknown, operator: Operator) => Promise<unknown>)(request, operator);
      } catch (error) {
        throw operatorErrorOf(error, context.onFault);
      }
    };

  return (operator) => ({
    ...(Object.fromEntries(
      (Object.keys(handlers) as UnaryName[]).map((name) => [name, bind(name, operator)]),
    ) as unknown as Pick<Operations, UnaryName>),
    importDirectory: (parts) => importDirectory(context, parts, operator),
    exportDirectory: (request) => exportDirectory(context, request, operator),
  });
}

/** The methods that change something. */
export const CHANGES: ReadonlySet<UnaryName> = new Set<UnaryName>([
  "putInstance",
  "deleteInstance",
  "rotateInstanceSecret",
  "retireInstanceSecret",
  "putUser",
  "deleteUser",
  "putClient",
  "deleteClient",
  "rotateClientSecret",
  "revoke",
  "unrevoke",
]);
