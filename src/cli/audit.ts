import type { Command } from "commander";
import type { AuditEntry } from "../../gen/tokenverifier/admin/v1/status_service.js";
import { type AuditFinding, verifyAudit } from "../directory/audit.js";
import type { AuditRow } from "../directory/operator-store.js";
import { timestamp } from "../grpc/admin/messages.js";
import type { Operations } from "../grpc/admin/methods.js";
import { auditRowOf } from "../grpc/admin/status.js";
import { printable } from "../util/printable.js";
import { addCommand, type CliContext } from "./command.js";
import { CommandError, EXIT } from "./errors.js";
import { printList, timeText } from "./operator-output.js";
import { addOperatorOptions, allPages, type OperatorOptions, readLimit, withOperations } from "./operators.js";
import { printLine } from "./output.js";
import { readTime } from "./resolve.js";

const EXAMPLES = {
  list: [
    "token-verifier audit list --limit 20",
    "token-verifier audit list --command revoke --since 2026-01-31T00:00:00Z",
  ],
  verify: ["token-verifier audit verify"],
};

/** The head of a table of the audit. */
export const auditColumns = ["number", "time", "actor", "command", "outcome", "subject"] as const;

/** Rows of the audit as rows of a table. */
export const formatAuditRows = (entries: readonly AuditEntry[]): readonly (readonly string[])[] =>
  entries.map((entry) => rowOf(entry).map(printable));

const rowOf = ({ number, at, actor, command, outcome, subject }: AuditEntry): readonly string[] => [
  String(number),
  timeText(at),
  actor,
  command,
  outcome,
  subject,
];

interface ListOptions extends OperatorOptions {
  readonly actor?: string;
  readonly command?: string;
  readonly since?: string;
  readonly before?: string;
  readonly limit?: string;
}

/** Adds `audit list` and `audit verify`. */
export function addAuditCommands(root: Command, context: CliContext): void {
  const audit = root.command("audit").description("who changed what");

  addOperatorOptions(
    addCommand(audit, "list", "list changes, and changes that were refused, the latest first", EXAMPLES.list)
      .option("--actor <name>", "only by this actor, such as key:deploy")
      .option("--command <name>", "only this command, such as revoke")
      .option("--since <time>", "only from this time on")
      .option("--before <time>", "only before this time")
      .option("--limit <number>", "list at most so many (default: 100)"),
  ).action(async (options: ListOptions): Promise<void> => {
    const { actor = "", command = "" } = options;
    const limit = readLimit(options.limit ?? "100");
    const since = options.since === undefined ? undefined : timestamp(readTime("--since", options.since));
    const before = options.before === undefined ? undefined : timestamp(readTime("--before", options.before));
    const found = await withOperations(options, context, "read", (on) =>
      allPages(limit, (page) => on.listAudit({ actor, command, since, before, ...page })),
    );
    printList(options.json, "entries", found, auditColumns, rowOf);
  });

  const description =
    "check that each row of the audit follows from the one before it, so that none was altered or removed";
  addOperatorOptions(addCommand(audit, "verify", description, EXAMPLES.verify)).action(
    async (options: OperatorOptions): Promise<void> => {
      const finding = await withOperations(options, context, "read", (on) => verifyAudit(rowsOf(on)));
      if (finding.broken !== undefined) throw broken(finding, finding.broken);
      const { rows, oldest, latest } = finding;
      const text =
        rows === 0
          ? "the audit is empty"
          : `${rows} rows, from ${oldest} to ${latest}, each follows from the one before it`;
      printLine(options.json ? JSON.stringify({ rows, oldest, latest }) : text);
    },
  );
}

/** All rows of the audit, the latest first. */
async function* rowsOf(on: Operations): AsyncGenerator<AuditRow> {
  let pageToken = "";
  do {
    const page = await on.listAudit({
      actor: "",
      command: "",
      since: undefined,
      before: undefined,
      pageSize: 1_000,
      pageToken,
    });
    for (const entry of page.entries) yield auditRowOf(entry);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}

function broken({ latest }: AuditFinding, row: number): CommandError {
  const message = `Row ${row} of the audit does not follow from the one before it: rows were altered, removed or exchanged at or before it. The rows after it, up to ${latest}, are as they were written. Compare with a backup.`;
  return new CommandError(message, EXIT.usage, "AUDIT_BROKEN", { row });
}
