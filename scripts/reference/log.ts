import { FIELDS } from "../../src/observability/fields.js";
import { LINES } from "../../src/observability/lines.js";
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
    `The service logs to standard output, one line for each event. As JSON (\`log.format: json\`), a line has \`level\` (a name), \`time\`
(RFC 3339, UTC) and \`msg\`, which is exactly one of the messages below; values are in fields. No line ever contains a token or a secret.
[\`log\`](configuration.md#log) in the configuration selects which lines are written.`,
    "## Lines",
    table(["`msg`", "`level`", "fields", "optional fields", "meaning"], lines),
    "## Fields",
    table(
      ["field", "meaning"],
      Object.entries(FIELDS).map(([name, says]) => [code(name), says]),
    ),
    `If standard output is full, closed or not read, lines are lost and the service goes on. Standard error says so once; the line
\`log lines lost\` follows if the reader resumes. If the service cannot start, standard error says why, and so does the [exit code](exit-codes.md).`,
  );
}
