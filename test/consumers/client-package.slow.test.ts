import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { mint } from "../../src/cli/mint.js";
import { loadConfig } from "../../src/config/load.js";
import { prepareDevelopment } from "../../src/server/development/folder.js";
import { type Running, serve } from "../../src/server/serve.js";
import { type Ended, emptyFolder, Process, patient, ROOT } from "../cli/harness.js";
import { createMemoryLog } from "../support/log.js";

// The Node client packed by `npm run pack:client`, and installed with its two dependencies but nothing else of this
// repository.

const readme = (file: string): string => readFileSync(join(ROOT, file), "utf8");
/** The first JavaScript program of a page. */
const programOf = (page: string): string => /^```js\n([\s\S]*?)^```/m.exec(page)?.[1] ?? "";
const PROGRAM = programOf(readme("README.md"));

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly engines: Readonly<Record<string, string>>;
}
const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

describe("token-verifier-client, packed and installed", function () {
  this.timeout(120_000);
  let folder: string;
  let installed: string;
  let service: Running;
  let file: string;

  before(async () => {
    folder = emptyFolder();
    const packed = await new Process(process.execPath, [join(ROOT, "scripts/pack-client.mjs"), folder], ROOT, undefined)
      .ended;
    expect(packed.code, packed.stderr).to.equal(0);
    installed = join(folder, "node_modules/token-verifier-client");
    mkdirSync(installed, { recursive: true });
    execFileSync("tar", ["xzf", join(folder, packed.stdout.trim()), "--strip-components=1", "-C", installed]);
    for (const name of [...Object.keys(manifestOf(installed).dependencies), "@types/node"]) {
      const place = join(folder, "node_modules", name);
      mkdirSync(dirname(place), { recursive: true });
      symlinkSync(join(ROOT, "node_modules", name), place);
    }
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');

    ({ file } = prepareDevelopment(join(folder, "data")));
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace("127.0.0.1:50051", "127.0.0.1:0").replace("127.0.0.1:8080", "127.0.0.1:0"));
    service = await serve(file, undefined, { env: {}, clock: Date.now, log: createMemoryLog().log });
  });
  after(() => service.stop());

  const run = (...args: string[]): Promise<Ended> => new Process(process.execPath, args, folder, undefined).ended;
  const token = (...claim: string[]): Promise<string> =>
    mint(loadConfig(file, { env: {} }), { realm: "integuru", claim, expires: "1h" }, Date.now());

  it("the client package depends on grpc-js and the protobuf runtime, in ranges that include the service's versions", () => {
    const server = manifestOf(ROOT);
    const { version, engines, dependencies } = manifestOf(installed);
    expect({ version, engines }).to.deep.equal({ version: server.version, engines: server.engines });
    expect(dependencies).to.deep.equal({
      "@bufbuild/protobuf": `^${server.dependencies["@bufbuild/protobuf"]}`,
      "@grpc/grpc-js": `^${server.dependencies["@grpc/grpc-js"]}`,
    });
  });

  it("the client package has no server, no native code and no install script", () => {
    const names = readdirSync(installed, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(installed.length + 1));
    const other = names.filter(
      (name) => !/^dist\/(gen|src\/(client|contract|net|util|wire))\/.*\.(js|d\.ts)$/.test(name),
    );
    expect(other).to.have.members(["LICENSE", "README.md", "package.json"]);
    expect(names.filter((name) => name.startsWith("dist/src/net/"))).to.have.members([
      "dist/src/net/internals.d.ts",
      "dist/src/net/internals.js",
      "dist/src/net/tls.d.ts",
      "dist/src/net/tls.js",
    ]);
    const imported = names
      .filter((name) => name.endsWith(".js"))
      .flatMap((name) => [...readFileSync(join(installed, name), "utf8").matchAll(/^import .*? from "([^."][^"]*)"/gm)])
      .map(([, name = ""]) => name);
    const packages = new Set(imported.filter((name) => !name.startsWith("node:")));
    expect([...packages]).to.have.members(["@bufbuild/protobuf/wire", "@grpc/grpc-js"]);
    expect(manifestOf(installed)).not.to.have.any.keys("scripts", "bin", "gypfile");
  });

  it("the README's program runs with the client package against a service", async () => {
    const program = patient(PROGRAM).replace("127.0.0.1:50051", service.addresses["grpc"] ?? "");
    writeFileSync(join(folder, "program.mjs"), program);
    const good = await run("program.mjs", await token());
    expect(good.code, good.stderr).to.equal(0);
    expect(good.stdout).to.match(/^[0-9a-f-]{36} \{"token_type":"access",.*\}\n$/);
    const bad = await run("program.mjs", await token("exp=1"));
    expect(bad).to.include({ code: 0, stdout: "rejected: TOKEN_EXPIRED exp\n", stderr: "" });
  });

  it("the README's program type-checks with the types of the client package", async () => {
    writeFileSync(join(folder, "program.mts"), PROGRAM);
    const wrong =
      'import { connect } from "token-verifier-client";\nvoid connect("a").verify({ realm: 1, token: "t" });\n';
    writeFileSync(join(folder, "wrong.mts"), wrong);
    const check = (name: string): Promise<Ended> => {
      const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "--types", "node"];
      return run(join(ROOT, "node_modules/typescript/bin/tsc"), ...options, "--skipLibCheck", "false", name);
    };
    expect(await check("program.mts")).to.include({ code: 0, stdout: "" });
    expect((await check("wrong.mts")).stdout).to.match(/^wrong\.mts\(2,28\): error TS2322: /);
  });

  it("the client package's README has the program of the service's README", () => {
    expect(programOf(readme("src/client/README.md"))).to.equal(PROGRAM);
  });
});
