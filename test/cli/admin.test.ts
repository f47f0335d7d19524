import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { keyOf, type RunningAdmin, startAdmin } from "../grpc/admin/harness.js";
import { certify, pki } from "../support/certificates.js";
import { material } from "../support/tls.js";
import { type Ended, emptyFolder, run } from "./harness.js";

// The operators' commands on a running service.

describe("the command line with --admin", () => {
  let admin: RunningAdmin;
  let folder: string;
  beforeEach(async () => {
    admin = await startAdmin();
    folder = emptyFolder();
    for (const role of ["read", "admin"] as const) writeFileSync(join(folder, `${role}.key`), `${keyOf(role)}\n`);
  });

  const as = (role: string, line: string, stdin = ""): Promise<Ended> =>
    run([...line.split(" "), "--admin", admin.address, "--admin-key-file", `${role}.key`], folder, stdin);
  async function json(line: string, stdin = ""): Promise<any> {
    const { code, stdout, stderr } = await as("admin", `${line} --json`, stdin);
    expect(code, stderr).to.equal(0);
    return JSON.parse(stdout);
  }

  it("an instance is created, rotated, listed, its earlier secret key retired, and removed", async () => {
    const created = await json("instance create inst --app app");
    expect(created.change).to.deep.include({
      position: { number: 1, mark: created.change.position.mark },
      replayed: false,
    });
    const [{ id: first, secret }] = created.secretKeys;
    expect(admin.store.hasSecret("inst", secret)).to.equal(true);
    const rotated = await json("instance rotate inst --grace 1h");
    expect(rotated.earlierRetireAt).to.equal("2027-01-15T09:00:00Z");
    const listed = await json("instance list");
    expect(listed.instances).to.have.length(1);
    expect(listed.instances[0].secretKeys.map((one: { id: string }) => one.id)).to.deep.equal([
      rotated.secretKey.id,
      first,
    ]);
    await json(`instance retire inst --secret ${first}`);
    expect(admin.store.hasSecret("inst", secret)).to.equal(false);
    await json("instance remove inst");
    expect((await json("instance list")).instances).to.deep.equal([]);
  });

  it("what a command did is said in a sentence, and a new secret on a line of its own", async () => {
    const { stdout } = await as("admin", "instance create inst --app app");
    expect(stdout).to.match(
      /^instance inst of the application app is there \(change 1\)\nsecret [\w-]{12}, shown now and never again: sk_[\w-]{43}\n$/,
    );
    expect((await as("admin", "instance list")).stdout).to.match(
      /^instance {2}application {2}secret keys\ninst {6}app/,
    );
    expect((await as("admin", "client list")).stdout).to.equal("no clients\n");
  });

  it("a secret that is brought in a file is stored and not printed", async () => {
    writeFileSync(join(folder, "secret"), "sk_brought_in_a_file\n");
    const { stdout } = await as("admin", "instance create inst --app app --secret-key-file secret");
    expect(stdout).not.to.include("sk_brought");
    expect(admin.store.hasSecret("inst", "sk_brought_in_a_file")).to.equal(true);
  });

  it("users and clients are put, listed and removed", async () => {
    await json("instance create inst --app app");
    await json("user put inst jane --email jane@example.com");
    expect((await json("user list --instance inst")).users).to.deep.equal([
      { instanceId: "inst", id: "jane", email: "jane@example.com", etag: "2" },
    ]);
    expect((await as("admin", "user put inst jane")).code).to.equal(2);
    await json("user put inst jane --overwrite");
    await json("user remove inst jane");
    expect((await json("client put api")).clientSecret.secret).to.match(/^cs_/);
    expect((await json("client rotate api --grace 0s")).clientSecret.secret).to.match(/^cs_/);
    expect((await json("client list")).clients[0].secrets).to.have.length(1);
    await json("client remove api");
  });

  it("a long list is printed whole, and up to --limit", async () => {
    for (let at = 0; at < 12; at++) await json(`client put client-${at}`);
    expect((await json("client list")).clients).to.have.length(12);
    expect((await json("client list --limit 5")).clients).to.have.length(5);
  });

  it("a directory is exported from one service and imported into another", async () => {
    await json("instance create inst --app app");
    const { stdout } = await as("admin", "export");
    expect(stdout).to.match(/^\{"instance":\{"id":"inst".*sealed:v1/);
    writeFileSync(join(folder, "directory.jsonl"), stdout);
    const report = await json("import directory.jsonl");
    expect(report).to.deep.include({ dryRun: false, admin: admin.address });
    expect(report.instances).to.deep.equal({ added: 1, replaced: 0, unchanged: 0, removed: 0 });
    expect((await json("import - --dry-run", stdout)).dryRun).to.equal(true);
    const bad = await as("admin", "import - --json", "{}\n");
    expect(bad.code).to.equal(2);
    expect(JSON.parse(bad.stderr).error.code).to.equal("REQUEST_INVALID");
  });

  it("status says who asks, and has the store, the replicas and the latest changes", async () => {
    await json("instance create inst --app app");
    const status = await json("status");
    expect(status).to.deep.include({
      operator: "key:admin",
      role: "admin",
      realms: [{ name: "web", state: "fresh", why: "" }],
    });
    expect(status.store).to.deep.include({ instances: 1, place: "memory" });
    expect(status.audit).to.have.length(1);
    const { stdout } = await as("read", "status");
    expect(stdout).to.match(/^operator\s+key:read \(read\)$/m);
    expect(stdout).to.match(/^replica replica-1\s+0\.1\.0, at change 1, seen 2027-01-15T08:00:00Z$/m);
    expect(stdout).to.match(/^1\s+2027-01-15T08:00:00Z\s+key:admin\s+putInstance\s+done/m);
  });

  it("the audit is listed by its filters, verified, and found broken where a row was altered", async () => {
    for (const id of ["a", "b", "c"]) await json(`client put ${id}`);
    await as("read", "client remove a");
    expect((await json("audit list --actor key:read")).entries.map((one: any) => one.outcome)).to.deep.equal([
      "ROLE_TOO_LOW",
    ]);
    expect((await json("audit list --limit 2")).entries).to.have.length(2);
    expect((await json("audit list --before 2027-01-15T08:00:00Z")).entries).to.deep.equal([]);
    expect(await json("audit verify")).to.deep.equal({ rows: 4, oldest: 1, latest: 4 });
    const [, second] = admin.store.rows;
    admin.store.rows[1] = { ...second!, actor: "key:other" };
    const { code, stderr } = await as("admin", "audit verify --json");
    expect(code).to.equal(2);
    expect(JSON.parse(stderr).error).to.deep.include({ code: "AUDIT_BROKEN", row: 2 });
  });

  it("a refusal has the reason as its code, and nothing on standard output", async () => {
    const { code, stdout, stderr } = await as("read", "client put api --json");
    expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    expect(JSON.parse(stderr).error).to.deep.equal({
      code: "ROLE_TOO_LOW",
      message: "This needs the role write; this operator has the role read.",
    });
  });

  it("a command is sent again with its request id when the store could not be reached, and ends with 3 if it stays away", async () => {
    const { DirectoryError } = await import("../../src/directory/errors.js");
    admin.store.fail(new DirectoryError("unavailable", "locked"));
    const pending = as("admin", "client put api");
    const once = (): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => void (admin.ended.length > 0 ? resolve() : setImmediate(look));
        look();
      });
    await once();
    admin.store.fail();
    expect((await pending).code).to.equal(0);
    expect(admin.store.rows).to.have.length(1);
  });

  it("a port that does not answer is UNREACHABLE with the exit code 3", async () => {
    const { code, stderr } = await run(["client", "list", "--admin", "127.0.0.1:1", "--json"], folder);
    expect(code).to.equal(3);
    expect(JSON.parse(stderr).error.code).to.equal("UNREACHABLE");
  });

  it("an operator with a client certificate needs no key", async () => {
    const { authority, server } = pki();
    const own = certify("operator", { issuer: authority, names: [["URI", "spiffe://internal.example/deploy"]] });
    const secured = await startAdmin({
      certificates: [{ san: "URI:spiffe://internal.example/deploy", role: "write" }],
      listener: { tls: material(server, authority) },
    });
    for (const [name, text] of [
      ["ca", authority.cert],
      ["cert", own.cert],
      ["key", own.key],
    ] as const) {
      writeFileSync(join(folder, `${name}.pem`), text);
    }
    const address = secured.address.replace("127.0.0.1", "localhost");
    const tls = ["--ca-file", "ca.pem", "--cert-file", "cert.pem", "--key-file", "key.pem"];
    const { code, stderr } = await run(["client", "put", "api", "--admin", address, ...tls], folder);
    expect(code, stderr).to.equal(0);
    expect(secured.store.rows.map(({ actor }) => actor)).to.deep.equal(["cert:URI:spiffe://internal.example/deploy"]);
  });

  const MISTAKES: Readonly<Record<string, RegExp>> = {
    "client list --admin x:1 --config verifier.yaml": /^Give either --admin .* or --config/,
    "client list --admin-key-file read.key": /^--admin-key-file and the options of TLS are for a running service/,
    "export --tls": /^--admin-key-file and the options of TLS/,
    "client list --admin 127.0.0.1:1 --admin-key-file none.key": /none\.key cannot be read/,
    "client rotate api --grace soon": /^--grace must be a duration/,
    "client list --limit 0": /^--limit must be a number from 1/,
    "audit list --since yesterday": /^--since must be a time/,
    "instance create inst": /required option '--app <id>' not specified/,
  };
  for (const [line, message] of Object.entries(MISTAKES)) {
    it(`the mistake in "${line}" is named`, async () => {
      const { code, stderr } = await run(line.split(" "), folder);
      expect(code).to.equal(2);
      expect(stderr).to.match(message);
    });
  }
});
