import type { Command } from "commander";
import type { GetStatusResponse, ListAuditResponse } from "../../gen/tokenverifier/admin/v1/status_service.js";
import { printable } from "../util/printable.js";
import { auditColumns, formatAuditRows } from "./audit.js";
import { addCommand, type CliContext } from "./command.js";
import { messageToJson, timeText } from "./operator-output.js";
import { addOperatorOptions, type OperatorOptions, withOperations } from "./operators.js";
import { alignColumns, printLine } from "./output.js";

/** Rows of the audit that `status` shows. */
const TAIL = 5;

const EXAMPLES = ["token-verifier status", "token-verifier status --json"];

/** Adds `status`. */
export function addStatusCommand(root: Command, context: CliContext): void {
  const description = "show the state of a running service and its store: realms, replicas, counts, the latest changes";
  addOperatorOptions(addCommand(root, "status", description, EXAMPLES)).action(
    async (options: OperatorOptions): Promise<void> => {
      const [status, audit] = await withOperations(options, context, "read", async (on) => [
        await on.getStatus({}),
        await on.listAudit({
          actor: "",
          command: "",
          since: undefined,
          before: undefined,
          pageSize: TAIL,
          pageToken: "",
        }),
      ]);
      const json = { ...(messageToJson(status) as object), audit: messageToJson(audit.entries) };
      printLine(options.json ? JSON.stringify(json) : formatStatus(status, audit));
    },
  );
}

function formatStatus(
  { version, operator, role, realms, store, replicas }: GetStatusResponse,
  audit: ListAuditResponse,
): string {
  const facts = [
    ["version", version],
    ["operator", `${operator} (${role})`],
    ["store", `${store?.place}, id ${store?.id}`],
    ["change", `${store?.head?.number}`],
    ["entries", `${store?.instances} instances, ${store?.users} users, ${store?.clients} clients`],
    ["revocations", `${store?.revocations}`],
    ["master keys", store?.masterKeys.join(", ") || "none in use"],
    ...realms.map(({ name, state, why }) => [`realm ${name}`, why === "" ? state : `${state}: ${why}`]),
    ...replicas.map(({ id, version: own, position, seenAt }) => [
      `replica ${id}`,
      `${own}, at change ${position?.number}, seen ${timeText(seenAt)}`,
    ]),
  ];
  const tail =
    audit.entries.length === 0 ? [] : ["", ...alignColumns([auditColumns, ...formatAuditRows(audit.entries)])];
  return [...alignColumns(facts.map((row) => row.map(printable))), ...tail].join("\n");
}
