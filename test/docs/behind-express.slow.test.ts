import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { mint } from "../../src/cli/mint.js";
import { loadConfig } from "../../src/config/load.js";
import { prepareDevelopment } from "../../src/server/development/folder.js";
import { type Running, serve } from "../../src/server/serve.js";
import { COMMAND, type Ended, emptyFolder, linkModules, PACKAGE, Process, patient } from "../cli/harness.js";
import { createMemoryLog } from "../support/log.js";
import { readGuide } from "./guide.js";

// Runs the programs of docs/guides/behind-express.md against a real service, with only the ports changed.

const GUIDE = readGuide("behind-express");

for (const name of ["express", "fastify"]) {
  describe(`docs/guides/behind-express.md: ${name}`, function () {
    this.timeout(60_000);
    let folder: string;
    let file: string;
    let service: Running;
    let program: Process;
    let address: string;

    before(async () => {
      folder = emptyFolder();
      linkModules(folder);
      ({ file } = prepareDevelopment(join(folder, "data")));
      const text = readFileSync(file, "utf8");
      writeFileSync(file, text.replace("127.0.0.1:50051", "127.0.0.1:0").replace("127.0.0.1:8080", "127.0.0.1:0"));
      service = await serve(file, undefined, { env: {}, clock: Date.now, log: createMemoryLog().log });
      // The compiled module replaces the installed package, whose build another test covers.
      const bearer = patient(GUIDE.block("js", "// bearer.mjs"))
        .replace('"token-verifier-client"', JSON.stringify(PACKAGE.entry))
        .replace("127.0.0.1:50051", service.addresses["grpc"] ?? "");
      mkdirSync(join(folder, "project"));
      linkModules(join(folder, "project"));
      const project = join(folder, "project");
      writeFileSync(join(project, "bearer.mjs"), bearer);
      writeFileSync(join(project, `${name}.mjs`), GUIDE.block("js", `// ${name}.mjs`).replace("3000", "0"));
      program = new Process(process.execPath, [...PACKAGE.flags, `${name}.mjs`], project, undefined);
      await program.until(/^port \d+$/m);
      address = `127.0.0.1:${/^port (\d+)$/m.exec(program.stdout)?.[1]}`;
    });
    after(async () => {
      program.kill("SIGTERM");
      expect(await program.ended).to.include({ code: 0, stderr: "" });
    });

    const token = (...claim: string[]): Promise<string> =>
      mint(loadConfig(file, { env: {} }), { realm: "integuru", claim, expires: "1h" }, Date.now());

    async function ask(authorization?: string): Promise<{ status: number; body: string; challenge: string | null }> {
      const headers = { Connection: "close", ...(authorization !== undefined && { Authorization: authorization }) };
      const answer = await fetch(`http://${address}/`, { headers });
      return {
        status: answer.status,
        body: await answer.text(),
        challenge: answer.headers.get("WWW-Authenticate") ?? answer.headers.get("Retry-After"),
      };
    }

    it(`the ${name} program lets a good token through, and names its user`, async () => {
      const { status, body } = await ask(`Bearer ${await token()}`);
      expect(status).to.equal(200);
      expect(body).to.match(/^\{"hello":"[0-9a-f-]{36}"\}$/);
    });

    it(`the ${name} program answers 401 for a bad or missing token`, async () => {
      const bad = { status: 401, body: "", challenge: 'Bearer error="invalid_token"' };
      expect(await ask(`Bearer ${await token("exp=1")}`)).to.deep.equal(bad);
      expect(await ask("Bearer x")).to.deep.equal(bad);
      for (const none of [undefined, "Bearer", "Basic eDp5"]) {
        expect(await ask(none)).to.deep.equal({ status: 401, body: "", challenge: "Bearer" });
      }
      expect(program.stdout).to.include("rejected: TOKEN_EXPIRED exp");
    });

    it(`the ${name} program gives the guide's curl commands the answers that it states`, async () => {
      const [curl = ""] = GUIDE.blocks("sh");
      const here = curl.replaceAll("127.0.0.1:3000", address);
      const script = `shopt -s expand_aliases\nalias token-verifier="${COMMAND.replaceAll("'", "")}"\n${here}`;
      const { stdout }: Ended = await new Process("bash", ["-c", script], folder, undefined).ended;
      expect(stdout.match(/HTTP\/1\.1 \d+/g)).to.deep.equal(["HTTP/1.1 200", "HTTP/1.1 401"]);
    });

    it(`the ${name} program answers 503 for a known good token once the service is gone`, async () => {
      const good = `Bearer ${await token()}`;
      expect((await ask(good)).status).to.equal(200);
      await service.stop();
      expect(await ask(good)).to.deep.equal({ status: 503, body: "", challenge: "1" });
    });
  });
}
