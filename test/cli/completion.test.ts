import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { emptyFolder, run } from "./harness.js";

// What each shell completes; bash is asked as it asks itself, zsh and fish where they are installed.

const isInstalled = (shell: string): boolean => spawnSync(shell, ["-c", "exit 0"]).status === 0;

describe("completion", () => {
  let folder: string;
  before(async () => {
    folder = emptyFolder();
    mkdirSync(join(folder, "config dir"));
    for (const name of ["verifier.yaml", "verifier other.yaml"]) writeFileSync(join(folder, name), "");
    for (const shell of ["bash", "zsh", "fish"]) {
      const { code, stdout, stderr } = await run(["completion", shell], folder);
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
      writeFileSync(join(folder, `completion.${shell}`), stdout);
    }
  });

  it("a shell that it does not know: exit code 2, and which it knows", async () => {
    const { code, stderr } = await run(["completion", "tcsh"], folder);
    expect(code).to.equal(2);
    expect(stderr).to.include("Allowed choices are bash, zsh, fish");
  });

  describe("bash", () => {
    /** What bash offers for the last of these words, as readline splits them. */
    const offered = (...words: string[]): string[] => {
      const script = `
        source ./completion.bash
        COMP_WORDS=(token-verifier "$@")
        COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 ))
        "$(complete -p token-verifier | sed -E 's/.*-F ([^ ]+).*/\\1/')"
        [[ \${#COMPREPLY[@]} == 0 ]] || printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout, stderr, status } = spawnSync("bash", ["--norc", "-c", script, "bash", ...words], {
        cwd: folder,
        encoding: "utf8",
      });
      expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
      return stdout.split("\n").filter((line) => line !== "");
    };

    for (const [words, want] of [
      [
        [""],
        ["serve", "verify", "mint", "check", "keys", "import", "export", "revoke", "version", "completion", "help"],
      ],
      [["ver"], ["verify", "version"]],
      [["-"], ["-V", "--version", "-h", "--help"]],
      [
        ["check", "--"],
        ["--config", "--only", "--json", "--help"],
      ],
      [["check", "--o"], ["--only"]],
      [
        ["serve", "--only", ""],
        ["grpc", "http"],
      ],
      [["serve", "--json", "--only", "g"], ["grpc"]],
      [["serve", "--only", "=", "h"], ["http"]],
      [
        ["serve", "--only", "="],
        ["grpc", "http"],
      ],
      [
        ["completion", ""],
        ["bash", "zsh", "fish"],
      ],
      [
        ["check", "--config", "ver"],
        ["verifier.yaml", "verifier other.yaml"],
      ],
      [["check", "-c", "conf"], ["config dir"]],
      [["import", "verifier."], ["verifier.yaml"]],
      // A value that is named as a command is: the command stays what it was.
      [["verify", "--realm", "mint", "--exp"], ["--explain"]],
      [["verify", "--realm", ""], []],
      [["verify", ""], []],
    ] as const) {
      it(JSON.stringify(words), () => expect(offered(...words)).to.have.members([...want]));
    }
  });

  for (const shell of ["zsh", "fish"]) {
    it(`${shell}: its own parser takes the script`, function () {
      if (!isInstalled(shell)) this.skip();
      const { status, stderr } = spawnSync(shell, ["-n", `completion.${shell}`], { cwd: folder, encoding: "utf8" });
      expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
    });
  }

  it("fish: offers commands, choices and options", function () {
    const shell: string = "fish";
    if (!isInstalled(shell)) this.skip();
    const offered = (line: string): string[] => {
      const script = `source ./completion.fish; complete -C ${JSON.stringify(line)}`;
      const { stdout } = spawnSync(shell, ["--no-config", "-c", script], { cwd: folder, encoding: "utf8" });
      return stdout.split("\n").flatMap((one) => (one === "" ? [] : [one.split("\t")[0] ?? ""]));
    };
    expect(offered("token-verifier ver")).to.have.members(["verify", "version"]);
    expect(offered("token-verifier serve --only ")).to.have.members(["grpc", "http"]);
    expect(offered("token-verifier completion ")).to.have.members(["bash", "zsh", "fish"]);
    expect(offered("token-verifier verify --exp")).to.have.members(["--explain"]);
  });

  for (const shell of ["zsh", "fish"]) {
    it(`${shell}: every command and option stands in the script, quotes in pairs`, async () => {
      const { stdout } = await run(["completion", shell], folder);
      for (const command of [
        "serve",
        "verify",
        "mint",
        "check",
        "import",
        "export",
        "revoke",
        "version",
        "completion",
      ]) {
        expect(stdout).to.include(command);
        const help = (await run([command, "--help"], folder)).stdout;
        for (const [, name = ""] of help.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)) {
          expect(stdout).to.include(shell === "fish" ? `-l ${name} ` : `--${name}[`);
        }
      }
      for (const line of stdout.split("\n").filter((one) => !one.startsWith("#")))
        expect((line.replaceAll("'\\''", "").match(/(?<!\\)'/g) ?? []).length % 2, line).to.equal(0);
    });
  }
});
