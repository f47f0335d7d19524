import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { FIELDS } from "../../src/observability/fields.js";
import { LINES } from "../../src/observability/lines.js";
import { ROOT } from "../cli/harness.js";
import { undocumented } from "../support/log.js";

// Compares the tables of src/observability/lines.ts, the source of docs/reference/log.md, with the lines that src writes.

const SOURCES = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && name !== join("observability", "lines.ts"))
  .map((name) => [name, readFileSync(join(ROOT, "src", name), "utf8")] as const);

describe("log lines", () => {
  it("every log line is written by tell()", () => {
    for (const [name, text] of SOURCES) {
      expect(text, name).not.to.match(/\b(?:log|logger)(?:\.(?:trace|debug|info|warn|error|fatal)\b|\[)/);
    }
  });

  it("every documented message is written somewhere, and no other", () => {
    const written = new Set(
      SOURCES.flatMap(([, text]) =>
        Array.from(text.matchAll(/\btell\(\s*log,\s*"([^"]+)"/g), ([, message]) => message),
      ),
    );
    expect([...written]).to.have.members(Object.keys(LINES));
  });

  it("every documented field is used by a line", () => {
    const used = Object.values(LINES).flatMap((line) => [
      ...line.fields,
      ...("sometimes" in line ? line.sometimes : []),
    ]);
    expect([...new Set<string>(used)].sort()).to.deep.equal(Object.keys(FIELDS).sort());
  });

  it("undocumented() finds lines with an unknown message, level or field, or a missing field", () => {
    const line = { level: "info", time: "2026-01-31T12:00:00Z", msg: "directory seed loaded", file: "f", entries: 1 };
    expect(undocumented(line)).to.equal(undefined);
    expect(undocumented({ ...line, level: 30 })).to.equal(undefined);
    expect(undocumented({ ...line, msg: "directory seed eaten" })).to.equal("no such message");
    expect(undocumented({ ...line, level: "warn" })).to.equal("not at warn");
    expect(undocumented({ ...line, more: 1 })).to.equal("more: more; missing: ");
    const { file: _file, ...without } = line;
    expect(undocumented(without)).to.equal("more: ; missing: file");
  });
});
