import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { LineIssue } from "../../src/directory/transfer/import.js";
import {
  COMMAND,
  configuration,
  contentOf,
  type Ended,
  end,
  folderOf,
  MAIN,
  MASTER_KEY,
  type Process,
  run,
  serving,
  shell,
} from "./harness.js";

// import, export and revoke as a user runs them.

const CONFIG = ["--config", "verifier.yaml"];
const LINES = [
  { instance: { id: "inst_new", appId: "app", secretKeys: ["sk_live_0123456789abcdef"] } },
  { user: { instance: "inst_new", id: "u1", email: "jane@example.com" } },
  { client: { clientId: "new-client", clientSecret: "0123456789abcdef0123" } },
];
const jsonl = (lines: readonly unknown[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join("");

describe("the directory's commands", () => {
  let folder: string;
  const command = (name: string, args: readonly string[] = [], stdin = ""): Promise<Ended> =>
    run([name, ...args, ...CONFIG], folder, stdin);
  beforeEach(() => {
    folder = folderOf();
    writeFileSync(join(folder, "bulk.jsonl"), jsonl(LINES));
  });

  it("import FILE reports its changes", async () => {
    expect(await command("import", ["bulk.jsonl"])).to.deep.equal({
      code: 0,
      signal: null,
      stdout: `imported into ${join(folder, "verifier.db")}
instances  1 added, 0 replaced, 0 unchanged, 0 removed
users      1 added, 0 replaced, 0 unchanged, 0 removed
clients    1 added, 0 replaced, 0 unchanged, 0 removed
`,
      stderr: "",
    });
  });

  it("import --dry-run --prune --json reports what it would do, and changes nothing", async () => {
    await command("import", ["bulk.jsonl"]);
    const dry = await command("import", ["-", "--dry-run", "--prune", "--json"], jsonl(LINES.slice(0, 1)));
    expect(JSON.parse(dry.stdout)).to.deep.equal({
      dryRun: true,
      store: join(folder, "verifier.db"),
      instances: { added: 0, replaced: 0, unchanged: 1, removed: 0 },
      users: { added: 0, replaced: 0, unchanged: 0, removed: 1 },
      clients: { added: 0, replaced: 0, unchanged: 0, removed: 1 },
    });
    expect((await command("export")).stdout).to.include("new-client");
  });

  it("import reports an error with its line, and exits with 2", async () => {
    const { code, stderr } = await command(
      "import",
      ["-"],
      jsonl([...LINES, { user: { instance: "nobody", id: "u" } }]),
    );
    expect(stderr).to.match(/^Nothing was imported:\nline 4, user\.instance: is the unknown instance "nobody"/);
    expect(code).to.equal(2);
    const { stderr: formless } = await command("import", ["-"], "{}\n");
    expect(formless).to.include("see docs/configuration.md, Changing the directory");
    expect((await command("export")).stdout, "the store alone").to.match(/^\{"store":[^\n]+\n$/);
    expect(await command("import", ["absent.jsonl"])).to.include({
      code: 2,
      stderr: "absent.jsonl cannot be read (ENOENT: there is no such file).\n",
    });
  });

  it("import reports all bad lines at once, with --json in one document", async () => {
    const short = { client: { clientId: "c2", clientSecret: "short" } };
    const input = `${jsonl(LINES)}not json\n${jsonl([short])}`;
    const { stderr } = await command("import", ["-"], input);
    expect(stderr.split("\n")).to.have.length(4);
    expect(stderr).to.match(/\nline 4: is not a well-formed JSON object.*\nline 5, client\.clientSecret: has fewer/);
    const { code, stdout, stderr: told } = await command("import", ["-", "--json"], input);
    expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    const { error } = JSON.parse(told);
    expect(error).to.include({ code: "DIRECTORY_INVALID", more: 0, message: stderr.trimEnd() });
    expect(error.problems.map(({ line, place }: LineIssue) => [line, place])).to.deep.equal([
      [4, ""],
      [5, "client.clientSecret"],
    ]);
    expect((await command("export")).stdout, "the store alone").to.match(/^\{"store":[^\n]+\n$/);
  });

  it("import reports the first hundred bad lines and the number of the others", async () => {
    const { stderr } = await command("import", ["-", "--json"], "{}\n".repeat(2_345));
    const { error } = JSON.parse(stderr);
    expect(error.problems).to.have.length(100);
    expect(error.more).to.equal(2_245);
    expect(error.message).to.match(/\nline 100: .*\nand 2245 more$/);
  });

  it("import prints no control characters from a file, and only lines of limited length", async () => {
    const members = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`\u001b[2J${n}`, 1]));
    const { stderr } = await command("import", ["-"], jsonl([{ user: members }]));
    const [head, ...issues] = stderr.trimEnd().split("\n");
    expect(head).to.equal("Nothing was imported:");
    expect(issues).to.have.length(101);
    for (const issue of issues.slice(0, -1)) expect(issue).to.match(/^line 1, user[^\p{Cc}]{1,600}$/u);
  });

  it("export leaves the store unchanged, and adds no new master key", async () => {
    await command("import", ["bulk.jsonl"]);
    const before = contentOf(folder);
    const keys = [Buffer.alloc(32, "the next one").toString("base64"), MASTER_KEY];
    const renewed = configuration().replace("masterKeyFile: ./master.key", `masterKeys: ${JSON.stringify(keys)}`);
    writeFileSync(join(folder, "verifier.yaml"), renewed);
    const { code, stdout } = await command("export");
    expect(code).to.equal(0);
    expect(stdout).to.include("new-client");
    expect(contentOf(folder)).to.deep.equal(before);
  });

  it("import runs at the lowest priority", async () => {
    const args = [...MAIN, "import", "-", ...CONFIG];
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ["pipe", "ignore", "ignore"] });
    const exited = once(child, "exit");
    try {
      // The import waits for its input and uses no processor time meanwhile.
      while (os.getPriority(child.pid) !== os.constants.priority.PRIORITY_LOW)
        await Promise.race([
          new Promise((resolve) => setTimeout(resolve, 20)),
          exited.then(() => expect.fail("it ended")),
        ]);
    } finally {
      child.kill("SIGKILL");
      await exited;
    }
  });

  it("importing an export changes nothing in the directory", async () => {
    await command("import", ["bulk.jsonl"]);
    const { code, stdout, stderr } = await shell(
      `${COMMAND} export --config verifier.yaml | ${COMMAND} import - --json --prune --config verifier.yaml`,
      folder,
    );
    expect(code, stderr).to.equal(0);
    const same = { added: 0, replaced: 0, unchanged: 1, removed: 0 };
    expect(JSON.parse(stdout)).to.deep.equal({
      dryRun: false,
      store: join(folder, "verifier.db"),
      instances: same,
      users: same,
      clients: same,
    });
  });

  for (const [name, args] of Object.entries({
    "missing arguments": [],
    "a realm alone": ["--realm", "partner"],
    "an unknown realm": ["--realm", "nowhere", "--jti", "j"],
    "an instance for a realm whose instances do not sign": ["--realm", "partner", "--jti", "j", "--instance", "i"],
    "an invalid time": ["--realm", "partner", "--jti", "j", "--exp", "soon"],
    "a token that has expired": ["--realm", "partner", "--jti", "j", "--exp", "2020-01-01T00:00:00Z"],
    "a file that holds no token": ["--realm", "partner", "--token", "verifier.yaml"],
  })) {
    it(`revoke refuses ${name}`, async () => {
      const { code, stdout } = await command("revoke", args);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    });
  }

  for (const [name, ...args] of [["revoke", "--realm", "partner", "--jti", "j"], ["export"]] as const) {
    it(`${name} makes no store to replace a lost one`, async () => {
      const { code, stdout, stderr } = await command(name, args);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
      expect(stderr).to.match(/^There is no store at \S+verifier\.db\. If there was one, restore it from a backup/);
      expect(existsSync(join(folder, "verifier.db"))).to.equal(false);
    });
  }

  it("revoke refuses an instance that is not in the directory", async () => {
    expect((await command("import", ["bulk.jsonl"])).code).to.equal(0);
    const { code, stderr } = await command("revoke", ["--realm", "clowk", "--jti", "j", "--instance", "inst_nope"]);
    expect({ code, stderr }).to.deep.equal({
      code: 2,
      stderr: "There is no instance inst_nope in the directory. Check the id.\n",
    });
  });

  describe("beside a running service", () => {
    let service: Process;
    let address: string;
    beforeEach(async () => {
      ({ service, grpc: address } = await serving(folder));
    });
    afterEach(() => end(service));

    const mint = async (realm: string, ...args: string[]): Promise<string> =>
      (await command("mint", ["--realm", realm, ...args])).stdout.trim();
    const verdict = async (realm: string, token: string, ...args: string[]): Promise<string> =>
      (await run(["verify", "--realm", realm, "--address", address, ...args, "-"], folder, token)).stdout.split(
        "\n",
      )[0]!;
    /** Asks until the service, which reads the store from time to time, gives the expected text. */
    const settles = async (ask: () => Promise<string>, text: RegExp): Promise<void> => {
      while (!text.test(await ask()));
    };

    it("revoke --token and revoke --jti reject tokens at a running service, and print until when", async () => {
      const clowk = ["--secret-key-file", "instance.key"];
      const one = await mint("partner");
      const two = await mint("clowk", "--claim", "jti=j2");
      expect(await verdict("partner", one)).to.equal("verified");
      expect(await verdict("clowk", two, ...clowk)).to.equal("verified");
      expect((await command("revoke", ["--realm", "partner", "--token", "-"], `${one}\n`)).stdout).to.match(
        /^revoked token [\w-]{43} in the realm partner, until it expires at /,
      );
      const args = ["--realm", "clowk", "--jti", "j2", "--instance", "inst_abc123", "--exp", "4102444800", "--json"];
      const { stdout } = await command("revoke", args);
      expect(JSON.parse(stdout)).to.include({ realm: "clowk", value: "j2", instance: "inst_abc123" });
      await settles(() => verdict("partner", one), /TOKEN_REVOKED/);
      await settles(() => verdict("clowk", two, ...clowk), /TOKEN_REVOKED/);
    });

    it("import changes the answers of a running service", async () => {
      const token = await mint("clowk");
      const clowk = ["--secret-key-file", "instance.key"];
      expect(await verdict("clowk", token, ...clowk)).to.equal("verified");
      expect((await command("import", ["bulk.jsonl", "--prune"])).code).to.equal(0);
      await settles(
        async () =>
          (await run(["verify", "--realm", "clowk", "--address", address, ...clowk, "-"], folder, token)).stderr +
          (await verdict("clowk", token, ...clowk)),
        /CALLER|UNAUTHENTICATED|CREDENTIAL/i,
      );
    });
  });
});
