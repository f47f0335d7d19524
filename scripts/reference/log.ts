import { FIELDS, LINES } from "../../src/observability/lines.js";
import { code, page, table } from "./markdown.js";

/** docs/reference/log.md. */
export function logPage(): string {
  const lines = Object.entries(LINES).map(([message, line]) => {
    const sometimes = "sometimes" in line ? line.sometimes : [];
    return [
      code(message),
      line.levels.map(code).join(", "),
      line.fields.map(code).join(", "),
      sometimes.map(code).join(", "),
      line.meaning,
    ];
  });
  return page(
    "src/observability/lines.ts",
    "# Log",
    `Standard output, a line for each event. As JSON (\`log.format: json\`) a line has \`level\` (a name), \`time\` (RFC 3339, UTC)
and \`msg\`, which is one of the messages here, word for word; values stand in fields. No line ever holds a token or a secret.
[\`log\`](configuration.md#log) in the configuration says which lines are written.`,
    "## Lines",
    table(["`msg`", "`level`", "fields", "some have", "meaning"], lines),
    "## Fields",
    table(
      ["field", "what it says"],
      Object.entries(FIELDS).map(([name, says]) => [code(name), says]),
    ),
    `Where standard output is full, closed or not read lines are lost, and the service goes on; standard error says so once, or \`log lines lost\` where it is read again. What keeps a
service from starting is told on standard error, in words, and by the [exit code](exit-codes.md).`,
  );
}
