import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { expect } from "chai";
import { emptyFolder, shell } from "../cli/harness.js";
import { consumerFolder } from "./guide.js";

// Languages whose compilers are not installed: protoc must generate code from proto/ that names the messages.

const missing = spawnSync("protoc", ["--version"]).status !== 0;

describe(missing ? "plain protoc on proto/ (skipped: no protoc)" : "plain protoc on proto/", () => {
  for (const language of ["java", "cpp", "csharp", "python", "ruby", "php", "objc", "kotlin"]) {
    (missing ? it.skip : it)(`protoc generates code for ${language} from proto/`, async () => {
      const out = emptyFolder();
      const folder = consumerFolder([]);
      const { code, stderr } = await shell(
        `protoc -I proto --${language}_out='${out}' proto/tokenverifier/v1/token_verifier.proto`,
        folder,
      );
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
      expect(readdirSync(out, { recursive: true }).length).to.be.greaterThan(0);
      expect((await shell(`grep -rl VerifyTokenResponse '${out}'`, folder)).stdout).to.not.equal("");
    });
  }
});
