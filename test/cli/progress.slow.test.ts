import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { COMMAND, folderOf, shell } from "./harness.js";

// The output of an import on a pseudo terminal, which util-linux's `script` makes.

const hasScript = String(spawnSync("script", ["--version"]).stdout).includes("util-linux");
const CLEARED = "\r\u001b[K";

const instance = { instance: { id: "i", appId: "app", secretKeys: ["sk_live_0123456789abcdef"] } };
const users = Array.from({ length: 5_000 }, (_, n) => ({ user: { instance: "i", id: `u${n}`, name: "Jane Doe" } }));

describe("an import on a terminal", () => {
  before(function () {
    if (!hasScript) this.skip();
  });
  /** Runs an import and returns the bars that it draws and the text after the last bar is cleared. */
  const imported = async (lines: readonly unknown[]): Promise<{ bars: string[]; said: string }> => {
    const folder = folderOf();
    writeFileSync(join(folder, "bulk.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    writeFileSync(join(folder, "import.sh"), `${COMMAND} import bulk.jsonl --config verifier.yaml\n`);
    const { stdout } = await shell("script -qec 'sh import.sh' /dev/null", folder);
    const [shown = "", said = ""] = stdout.split(CLEARED);
    return { bars: shown.split("\r").filter((bar) => bar !== ""), said };
  };

  it("an import redraws one progress bar until it is full, then clears it for the report", async () => {
    const { bars, said } = await imported([instance, ...users]);
    expect(bars.length).to.be.greaterThan(1);
    for (const bar of bars) {
      expect(bar).to.match(/^\[#* *\] read \d+\.\d MiB, \d+ %(; working on the store)?$/);
      expect(bar.length).to.be.lessThan(80);
    }
    expect(bars.at(-1)).to.match(/^\[#{30}\] read \d+\.\d MiB, 100 %; working on the store$/);
    expect(said).to.match(/^imported into [^\r]+verifier\.db\r\ninstances +1 added/);
  });

  it("an import clears its progress bar before it reports errors", async () => {
    const { said } = await imported([instance, ...users.slice(0, 10), "no entry"]);
    expect(said).to.match(/^Nothing was imported:\r\nline 12[:,] /);
  });
});
