import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { expect } from "chai";
import { parse } from "yaml";
import { VENDORS } from "../../src/vendors/index.js";
import { COMMAND, type Ended, end, folderOf, run, serving, shell } from "../cli/harness.js";
import { readGuide } from "./guide.js";

// Runs the configuration, the import and the comparison of docs/guides/replace-a-vendor.md.

const GUIDE = readGuide("replace-a-vendor");
const YAML = GUIDE.block("yaml", "realms:");

/** Runs a block in bash as a user would, with these variables set. */
function command(code: string, cwd: string, variables: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const settings = Object.entries(variables).map(([name, value]) => `${name}='${value}'\n`);
  return shell(`token-verifier() { ${COMMAND} "$@"; }\n${settings.join("")}${code}`, cwd);
}

describe("docs/guides/replace-a-vendor.md", function () {
  this.timeout(90_000);

  it("the guide names every vendor and its path", () => {
    for (const { name, path } of VENDORS) {
      expect(GUIDE.text.toLowerCase()).to.match(new RegExp(`^\\| ${name} \\| \`${path.toLowerCase()}\``, "m"));
    }
    expect(Object.keys((parse(YAML) as { realms: object }).realms)).to.have.members(VENDORS.map(({ name }) => name));
  });

  it("the guide's comparison finds an identical service the same, and a foreign one different", async () => {
    const folder = folderOf(YAML.replace("127.0.0.1:8080", "127.0.0.1:0"));
    writeFileSync(join(folder, "directory.jsonl"), GUIDE.block("json", '"instance"'));
    const imported = await command(GUIDE.block("sh", "token-verifier import"), folder);
    expect(imported.code, imported.stderr).to.equal(0);
    expect(imported.stdout).to.match(/\nimported into \S+verifier\.db\ninstances {2}1 added/);

    const SECRET_KEY = "sk_live_0123456789abcdef";
    writeFileSync(join(folder, "instance.key"), SECRET_KEY);
    const mint = async (realm: string, ...args: string[]): Promise<string> => {
      const ended = await run(["mint", "--config", "verifier.yaml", "--realm", realm, ...args], folder);
      expect(ended.code, ended.stderr).to.equal(0);
      return ended.stdout.trim();
    };
    const claims = ["sub=a1b2c3d4-e5f6-7890-abcd-ef1234567890", "instance_id=inst_abc123"].flatMap((claim) => [
      "--claim",
      claim,
    ]);
    const tokens: [string, string][] = [];
    for (const { name, keysOf } of VENDORS) {
      const signed = keysOf === "instance" ? ["--secret-key-file", "instance.key", ...claims] : [];
      tokens.push([`${name.toUpperCase().replaceAll("-", "_")}_TOKEN`, await mint(name, ...signed)]);
    }
    const { service, http: ours } = await serving(folder);
    const variables = {
      OURS: `http://${ours}`,
      SECRET_KEY,
      ...Object.fromEntries(tokens),
      CLIENT_ID: "vision-api-user",
      CLIENT_SECRET: "abcdefghijklmnopqrstuvwxyz012345",
    };
    const compare = GUIDE.block("sh", "same()");
    const same = await command(compare, folder, { ...variables, THEIRS: variables.OURS });
    expect(same.stdout.trim().split("\n")).to.deep.equal(VENDORS.map(({ path }) => `same: ${path}`));

    // Every token was accepted, since two rejections would count as the same too.
    const stranger = http.createServer((_request, response) => response.writeHead(401).end("no"));
    await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
    const { port } = stranger.address() as { port: number };
    const other = await command(compare, folder, { ...variables, THEIRS: `http://127.0.0.1:${port}` });
    stranger.close();
    expect(other.stdout).not.to.include("same:");
    expect(other.stdout.match(/^> 200$/gm)).to.have.length(VENDORS.length);
    expect((await end(service)).code).to.equal(0);
  });

  it("nginx accepts the guide's configuration", function () {
    if (spawnSync("nginx", ["-v"]).status !== 0) this.skip();
    const folder = folderOf();
    const file = join(folder, "nginx.conf");
    writeFileSync(file, `events {}\npid ${folder}/pid;\nhttp { server { ${GUIDE.block("nginx", "location")} } }\n`);
    expect(spawnSync("nginx", ["-t", "-e", "stderr", "-c", file]).status).to.equal(0);
  });
});
