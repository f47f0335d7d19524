import { createHash } from "node:crypto";
import type {
  ImportCounts as CountsMessage,
  ExportDirectoryRequest,
  ExportDirectoryResponse,
  ImportDirectoryRequest,
  ImportDirectoryResponse,
  ImportOptions,
} from "../../../gen/tokenverifier/admin/v1/directory_service.js";
import type { Operator } from "../../contract/operator.js";
import type { ImportCounts } from "../../directory/transfer/import.js";
import { readJsonLines, writeJsonLine } from "../../directory/transfer/json-lines.js";
import { changing } from "./changes.js";
import { invalid, needRole, needRoleFor, type OperationsContext, operatorErrorOf } from "./context.js";
import { changeMessage } from "./messages.js";

/** Bytes of lines from which a part of an export is sent. */
const PART = 64 * 1024;

/** Imports what the parts of a call have. @throws OperatorError */
export async function importDirectory(
  context: OperationsContext,
  parts: AsyncIterable<ImportDirectoryRequest>,
  operator: Operator,
): Promise<ImportDirectoryResponse> {
  const iterator = parts[Symbol.asyncIterator]();
  const first = await iterator.next();
  const part = first.done === true ? undefined : first.value.part;
  const options: ImportOptions =
    part?.$case === "options" ? part.value : { requestId: "", prune: false, dryRun: false, fromOtherStore: false };
  const { requestId, prune, dryRun, fromOtherStore } = options;
  return changing(context, operator, { kind: "import", requestId, subject: { prune, dryRun } }, async (by) => {
    if (part?.$case !== "options")
      throw invalid("The first message has no `options`. Send them first, then the lines.");
    if (prune) needRole(operator, "admin");
    const digest = createHash("sha256").update(JSON.stringify([prune, dryRun, fromOtherStore]));
    const bytes = linesOf(iterator, (chunk) => digest.update(chunk));
    const lines = readJsonLines(bytes, context.keys);
    const applied = await context.store.importLines(
      lines,
      { prune, dryRun, fromOtherStore },
      () => digest.digest("base64url"),
      by,
    );
    const { instances, users, clients, revocations } = applied.report;
    return {
      change: changeMessage(applied),
      instances: countsMessage(instances),
      users: countsMessage(users),
      clients: countsMessage(clients),
      revocations: revocations && countsMessage(revocations),
    };
  });
}

/** The lines of the parts after the first one. @throws OperatorError for a part that has none */
async function* linesOf(
  parts: AsyncIterator<ImportDirectoryRequest>,
  seen: (bytes: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for (;;) {
    const next = await parts.next();
    if (next.done === true) return;
    const { part } = next.value;
    if (part?.$case !== "lines") throw invalid("A message after the first has no `lines`.");
    seen(part.value);
    yield part.value;
  }
}

const countsMessage = ({ added, replaced, unchanged, removed }: ImportCounts): CountsMessage => ({
  added: BigInt(added),
  replaced: BigInt(replaced),
  unchanged: BigInt(unchanged),
  removed: BigInt(removed),
});

/** Exports all entries in parts of some 64 KiB. @throws OperatorError */
export async function* exportDirectory(
  { store, keys, onFault }: OperationsContext,
  { revocations, snapshot }: ExportDirectoryRequest,
  operator: Operator,
): AsyncGenerator<ExportDirectoryResponse> {
  needRoleFor(operator, "exportDirectory");
  try {
    let lines: string[] = [];
    let size = 0;
    const part = (): ExportDirectoryResponse => ({ lines: Buffer.from(lines.join("")) });
    for await (const entry of store.export({ revocations, snapshot })) {
      const line = `${writeJsonLine(entry, keys)}\n`;
      lines.push(line);
      size += line.length;
      if (size < PART) continue;
      yield part();
      [lines, size] = [[], 0];
    }
    if (size > 0) yield part();
  } catch (error) {
    throw operatorErrorOf(error, onFault);
  }
}
