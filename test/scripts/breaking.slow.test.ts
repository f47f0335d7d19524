import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type Ended, emptyFolder, linkModules, ROOT, shell } from "../cli/harness.js";

// Runs the check in its own repository, with a release and changes after it.

describe("npm run breaking", () => {
  let folder: string;
  const git = async (commands: string): Promise<void> => {
    const { code, stdout, stderr } = await shell(
      `set -e\ngit() { command git -c user.name=test -c user.email=test@example.com -c commit.gpgsign=false -c tag.gpgsign=false "$@"; }\n${commands}`,
      folder,
    );
    if (code !== 0) throw new Error(stdout + stderr);
  };
  const check = (): Promise<Ended> => shell("bash scripts/breaking.sh", folder);
  const edit = (from: string, to: string): void => {
    const file = join(folder, "proto/tokenverifier/v1/token_verifier.proto");
    const text = readFileSync(file, "utf8");
    expect(text).to.include(from);
    writeFileSync(file, text.replace(from, to));
  };

  beforeEach(async () => {
    folder = emptyFolder();
    linkModules(folder);
    for (const name of ["proto", "buf.yaml", "scripts/breaking.sh"]) {
      cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    }
    await git("git init -q -b main; git add proto buf.yaml; git commit -q -m first");
  });

  it("npm run breaking fails if a field of the last release was renamed", async () => {
    await git("git tag v0.1.0");
    edit("string realm = 1;", "string realm_name = 1;");
    await git("git commit -q -a -m rename");
    const { code, stdout } = await check();
    expect(stdout).to.match(/^against v0\.1\.0$/m);
    expect(stdout).to.match(/token_verifier\.proto:\d+:\d+:Field "1" with name "realm_name".*"realm"/);
    expect(code).to.not.equal(0);
  });

  it("npm run breaking passes if the contract only grew since the last release", async () => {
    await git("git tag v0.1.0");
    edit("string realm = 1;", "string realm = 1;\n\n  // More.\n  string more = 99;");
    expect(await check()).to.include({ code: 0, stdout: "against v0.1.0\n" });
  });

  it("npm run breaking compares with the newest of several releases", async () => {
    await git("git tag v0.1.0");
    edit("string realm = 1;", "string realm_name = 1;");
    await git("git commit -q -a -m rename; git tag v0.2.0");
    expect(await check()).to.include({ code: 0, stdout: "against v0.2.0\n" });
  });

  it("npm run breaking compares nothing before the first release, and says so", async () => {
    edit("string realm = 1;", "bytes realm = 1;");
    expect(await check()).to.include({
      code: 0,
      stdout: "no tag v* behind this commit: no release to compare with\n",
    });
  });
});
