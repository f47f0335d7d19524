import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { ROLES } from "../../src/contract/operator.js";
import { emptyFolder, ROOT, run } from "../cli/harness.js";
import { load } from "../config/harness.js";
import { keyOf, type RunningAdmin, startAdmin } from "../grpc/admin/harness.js";
import { pki } from "../support/certificates.js";
import { readGuide } from "./guide.js";

// Runs the commands and uses the configuration of docs/guides/operators.md, with only the address changed.

const GUIDE = readGuide("operators");

describe("docs/guides/operators.md", () => {
  let admin: RunningAdmin;
  let folder: string;
  before(async () => {
    admin = await startAdmin();
    folder = emptyFolder();
    writeFileSync(join(folder, "deploy.key"), keyOf("write"));
  });

  it("the guide's configuration is accepted", () => {
    const { authority, server } = pki();
    const { admin: read } = load(`${GUIDE.block("yaml", "admin:")}realms: {}\n`, {
      "server.pem": server.cert,
      "server.key": server.key,
      "operators-ca.pem": authority.cert,
      "dashboard.key": keyOf("read"),
      "night-shift.key": keyOf("revoke"),
    });
    expect(read?.keys.map(({ name, role }) => [name, role])).to.deep.equal([
      ["dashboard", "read"],
      ["night-shift", "revoke"],
    ]);
  });

  it("the guide's table has the roles in their order", () => {
    const rows = Array.from(GUIDE.text.matchAll(/^\| `(\w+)` \|/gm), ([, role]) => role);
    expect(rows).to.deep.equal(ROLES);
  });

  it("the guide's commands work on a running service", async () => {
    for (const line of GUIDE.block("sh", "token-verifier status").trim().split("\n")) {
      const [program, ...words] = line.replaceAll("127.0.0.1:50052", admin.address).split(" ");
      expect(program).to.equal("token-verifier");
      const { code, stderr } = await run(words, folder);
      expect(code, `${line}\n${stderr}`).to.equal(0);
    }
  });

  it("the guide's call from another program makes the instance", async () => {
    const code = GUIDE.block("sh", "buf curl").replaceAll("127.0.0.1:50052", admin.address);
    const bin = join(ROOT, "node_modules/.bin");
    const env = { ...process.env, PATH: `${bin}:${process.env["PATH"]}`, KEY: keyOf("write") };
    const { stdout } = await promisify(execFile)("bash", ["-c", code], { env });
    expect(JSON.parse(stdout).secretKeys[0].secret).to.match(/^sk_/);
    expect((await admin.as("read").getInstance({ id: "inst_other" })).instance?.appId).to.equal("app_new");
  });
});
