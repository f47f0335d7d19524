import type { Timestamp } from "../../gen/google/protobuf/timestamp.js";
import type { NewSecretInfo, SecretInfo } from "../../gen/tokenverifier/admin/v1/directory_service.js";
import type { Change } from "../../gen/tokenverifier/admin/v1/types.js";
import { printable } from "../util/printable.js";
import { alignColumns, printLine } from "./output.js";

// How the operators' commands print what they did and found.

/** A time of a message as RFC 3339; empty for none. */
export const timeText = (time: Timestamp | undefined): string =>
  time === undefined
    ? ""
    : new Date(Number(time.seconds) * 1000 + Math.trunc(time.nanos / 1e6)).toISOString().replace(/\.000Z$/, "Z");

/** A message as `--json` prints it: numbers as numbers, times as RFC 3339, bytes in base64url, unset fields left out. */
export function messageToJson(message: unknown): unknown {
  if (typeof message === "bigint") return Number(message);
  if (message instanceof Uint8Array) return Buffer.from(message).toString("base64url");
  if (Array.isArray(message)) return message.map(messageToJson);
  if (typeof message !== "object" || message === null) return message;
  const members = message as Record<string, unknown>;
  if (typeof members["seconds"] === "bigint") return timeText(message as Timestamp);
  return Object.fromEntries(
    Object.entries(members)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, messageToJson(value)]),
  );
}

/** Prints the answer to a change: as JSON, or a sentence and the secrets that it gave. */
export function printChange(
  json: boolean | undefined,
  answer: { readonly change: Change | undefined },
  sentence: string,
  secrets: readonly NewSecretInfo[] = [],
): void {
  if (json) {
    printLine(JSON.stringify(messageToJson(answer)));
    return;
  }
  const { position, replayed = false } = answer.change ?? {};
  printLine(`${sentence} (change ${position?.number ?? 0n}${replayed ? ", made by an earlier request" : ""})`);
  for (const { id, secret } of secrets) {
    printLine(secret === "" ? `secret ${id}` : `secret ${id}, shown now and never again: ${secret}`);
  }
}

/** Prints a list: as one JSON object, or a table with a head. */
export function printList<Entry>(
  json: boolean | undefined,
  name: string,
  entries: readonly Entry[],
  head: readonly string[],
  rowOf: (entry: Entry) => readonly string[],
): void {
  if (json) {
    printLine(JSON.stringify({ [name]: messageToJson(entries) }));
    return;
  }
  if (entries.length === 0) {
    printLine(`no ${name}`);
    return;
  }
  const rows = [head, ...entries.map((entry) => rowOf(entry).map(printable))];
  for (const line of alignColumns(rows)) printLine(line);
}

/** Secrets in a cell of a table: their ids, and when they go. */
export const secretsText = (secrets: readonly SecretInfo[]): string =>
  secrets
    .map(({ id, retiresAt }) => (retiresAt === undefined ? id : `${id} (until ${timeText(retiresAt)})`))
    .join(", ");
