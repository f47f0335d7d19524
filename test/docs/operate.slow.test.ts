import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { expect } from "chai";
import { parse } from "yaml";
import { FAILURES } from "../../src/contract/failures.js";
import { REASON_NAMES } from "../../src/contract/reasons.js";
import { LINES } from "../../src/observability/lines.js";
import {
  COMMAND,
  configuration,
  type Ended,
  end,
  folderOf,
  MASTER_KEY,
  ROOT,
  run,
  serving,
  shell,
} from "../cli/harness.js";
import { readGuide } from "./guide.js";

// Runs the commands and uses the files of docs/guides/operate.md, with only their paths changed.

const GUIDE = readGuide("operate");
const CONFIG = ["--config", "verifier.yaml"];
const NEW_KEY = Buffer.alloc(32, "another").toString("base64");

/** Makes a folder whose store has the path that the guide uses. */
function folder(): string {
  const made = folderOf(configuration("metrics: 127.0.0.1:0").replace("./verifier.db", "./data/verifier.db"));
  mkdirSync(join(made, "data"), { mode: 0o700 });
  return made;
}

/** Runs a command of the guide as a user would. */
const command = (code: string, cwd: string): Promise<Ended> =>
  shell(`token-verifier() { ${COMMAND} "$@"; }\nset -e -o pipefail\n${code}`, cwd);

describe("docs/guides/operate.md", function () {
  this.timeout(90_000);

  it("the guide's check before a start exits with 0, 2 or 3", async () => {
    const code = GUIDE.block("sh", "token-verifier check");
    const made = folder();
    const first = await command(code, made);
    expect(first.code).to.equal(0);
    expect(first.stdout).to.include("(store-absent)");
    const realm =
      "{ algorithms: [ES256], issuer: x, audience: x, keys: [{ jwksUri: 'http://127.0.0.1:9/', insecure: true }] }";
    writeFileSync(join(made, "verifier.yaml"), `grpc: 127.0.0.1:0\nrealms: { a: ${realm} }`);
    expect((await command(code, made)).code).to.equal(3);
    writeFileSync(join(made, "verifier.yaml"), "realms: { a: {} }");
    expect((await command(code, made)).code).to.equal(2);
  });

  it("a running service has the guide's probes, metrics and log lines, reloads on SIGHUP and drains on SIGTERM", async () => {
    const made = folder();
    const { service } = await serving(made);
    const { metrics } = await service.ready();
    const probes = parse(GUIDE.block("yaml", "livenessProbe")) as Record<string, { httpGet: { path: string } }>;
    for (const { httpGet } of Object.values(probes)) {
      expect((await fetch(`http://${metrics}${httpGet.path}`)).status).to.equal(200);
    }
    const exposed = await (await fetch(`http://${metrics}/metrics`)).text();
    const named = Array.from(GUIDE.text.matchAll(/\b(?:tokenverifier|nodejs)_\w+/g), ([name]) => name);
    expect(named).to.have.length.above(5);
    for (const name of named) expect(exposed, name).to.include(`# TYPE ${name} `);
    service.kill("SIGHUP");
    await service.until(/"msg":"configuration reloaded"/);
    expect((await end(service)).code).to.equal(0);
    expect(service.stdout).to.match(/"msg":"draining"[\s\S]*"msg":"stopped"/);
  });

  it("the guide names only reasons, gRPC codes, log messages and configuration keys that exist", () => {
    const reasons = Array.from(GUIDE.text.matchAll(/\b[A-Z]{4,}(?:_[A-Z]+)+\b/g), ([name]) => name);
    const known = [...Object.keys(FAILURES), ...REASON_NAMES, ...Object.keys(status)];
    expect(reasons.filter((name) => !known.includes(name))).to.deep.equal([]);
    for (const message of [
      "ready",
      "draining",
      "stopped",
      "upstream serving",
      "upstream not serving",
      "store locked",
      "configuration reloaded",
      "restart needed",
      "configuration not reloaded",
      "directory cannot be read",
      "directory can be read again",
      "store made",
      "key set not saved",
      "key sets can be saved again",
      "saved key set does not open",
      "unexpected fault",
    ]) {
      expect(GUIDE.text, message).to.include(`\`${message}\``);
      expect(LINES).to.have.property(message);
    }
    const documented = readFileSync(join(ROOT, "docs/reference/configuration.md"), "utf8");
    for (const [, key = ""] of GUIDE.text.matchAll(/`((?:drain|store|limits)\.\w+)`/g)) {
      expect(documented, key).to.include(`| \`${key}\` |`);
    }
  });

  it("the guide's steps replace a master key, and the old one opens the store no more", async () => {
    const made = folder();
    const file = join(made, "verifier.yaml");
    const withKeys = (...keys: string[]): void =>
      writeFileSync(file, readFileSync(file, "utf8").replace(/^master.*$/m, `masterKeys: [${keys.join(", ")}]`));
    const start = async (): Promise<number | null> => {
      const { service } = await serving(made);
      return (await end(service)).code;
    };
    const rekey = (...args: string[]) => run(["store", "rekey", ...args, ...CONFIG, "--json"], made);
    withKeys(MASTER_KEY);
    expect(await start()).to.equal(0);
    withKeys(MASTER_KEY, NEW_KEY);
    expect(await start()).to.equal(0);
    const { masterKeys, added } = JSON.parse((await rekey()).stdout) as Record<string, string[]>;
    const old = masterKeys?.find((id) => !added?.includes(id)) ?? "";
    withKeys(NEW_KEY);
    expect(await start()).to.equal(0);
    expect((await rekey("--drop", old)).code).to.equal(0);
    expect((await run(["export", ...CONFIG], made)).stdout.trim().split("\n")).to.have.length(4);
    withKeys(MASTER_KEY);
    expect((await run(["export", ...CONFIG], made)).code).to.equal(2);
  });

  it("the guide's commands add entries, and remove them with an edited export", async () => {
    const made = folder();
    await end((await serving(made)).service);
    const exported = async (): Promise<string> => (await run(["export", ...CONFIG], made)).stdout;
    const before = await exported();
    const added = await command(GUIDE.block("sh", 'echo \'{"user"'), made);
    expect(added.code, added.stderr).to.equal(0);
    const after = await exported();
    expect(after).to.include("john@example.com").and.include("vision-api-user");
    const removed = await command(GUIDE.block("sh", "--prune"), made);
    expect(removed.code, removed.stderr).to.equal(0);
    expect(removed.stdout.match(/clients +0 added, 0 replaced, 0 unchanged, 1 removed/g)).to.have.length(2);
    const left = await exported();
    expect(left).to.include("john@example.com").and.not.include("vision-api-user");
    expect(left.split("\n")).to.have.length(before.split("\n").length);
  });

  it("the guide's commands list revocations beside a running service, and take one back", async () => {
    const made = folder();
    const { service, grpc } = await serving(made);
    const [token, other] = await Promise.all(
      ["token-17", "token-18"].map(async (jti) => {
        const minted = await run(
          ["mint", "--realm", "partner", "--claim", `jti="${jti}"`, "--claim", "scope=read", ...CONFIG],
          made,
        );
        const revoked = await run(["revoke", "--realm", "partner", "--jti", jti, ...CONFIG], made);
        expect(revoked.code, revoked.stderr).to.equal(0);
        return minted.stdout;
      }),
    );
    const verdict = async (address: string, asked = ""): Promise<string> =>
      (await run(["verify", "--address", address, "--realm", "partner", "--json", "-"], made, asked)).stdout;
    const seen = await command(GUIDE.block("sh", "export --config verifier.yaml --revocations"), made);
    expect(seen.stdout, seen.stderr).to.match(/^\{"revocation":\{"realm":"partner","jti":"token-17"/m);
    expect(seen.stdout).to.match(/cli:\S+ +revoke +done +\{.*"value":"token-18".*\}/m);
    // The service reads the store from time to time.
    while (!(await verdict(grpc, token)).includes("TOKEN_REVOKED"));
    const taken = await command(GUIDE.block("sh", "token-verifier unrevoke"), made);
    expect(taken.code, taken.stderr).to.equal(0);
    while (!(await verdict(grpc, token)).includes("verified"));
    expect(await verdict(grpc, other)).to.include("TOKEN_REVOKED");
    await end(service);
  });

  it("a backup made beside a running service restores its revocations", async function () {
    if (spawnSync("sqlite3", ["--version"]).status !== 0) this.skip();
    const made = folder();
    const { service } = await serving(made);
    const token = (await run(["mint", "--realm", "integuru", ...CONFIG], made)).stdout;
    writeFileSync(join(made, "token.txt"), token);
    expect((await run(["revoke", "--realm", "integuru", "--token", "token.txt", ...CONFIG], made)).code).to.equal(0);
    const backup = await command(GUIDE.block("sh", ".backup"), made);
    expect(backup.code, backup.stderr).to.equal(0);
    expect(existsSync(join(made, "copy.db"))).to.equal(true);
    await end(service);
    writeFileSync(join(made, "data/verifier.db"), "not a store any more");
    expect((await command(GUIDE.block("sh", "rm -f"), made)).code).to.equal(0);
    const again = await serving(made);
    const verdict = await run(["verify", "--address", again.grpc, "--realm", "integuru", "--json", "-"], made, token);
    expect(verdict.code).to.equal(1);
    expect(verdict.stdout).to.include("TOKEN_REVOKED");
    await end(again.service);
  });
});
