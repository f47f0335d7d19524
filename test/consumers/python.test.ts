import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, shell } from "../cli/harness.js";
import { consumerFolder, runSnippet, snippet } from "./guide.js";
import { expectLines, QUESTIONS, type Services, startServices } from "./questions.js";

/** An interpreter that has what the guide asks for. */
const python = ["python3", "/usr/bin/python3"].find(
  (command) => spawnSync(command, ["-c", "import grpc, grpc_tools"]).status === 0,
);

const title = "a team that generates its Python from proto/";
const withPython = (text: string): string => text.replace(/^python3/m, python ?? "");

(python === undefined ? describe.skip : describe)(
  python === undefined ? `${title} (skipped: no python3 with grpcio and grpcio-tools)` : title,
  () => {
    let services: Services;
    let folder: string;

    before(async function () {
      this.timeout(60_000);
      services = await startServices();
      folder = consumerFolder([]);
      await runSnippet("generate-python.sh", folder, withPython);
      // The modules of pip's googleapis-common-protos, made of the same .proto files: Debian has no package of it. Debian's
      // compiler is older than the word `optional`.
      mkdirSync(join(folder, "rpc/google/rpc"), { recursive: true });
      for (const name of ["status", "error_details"]) {
        const proto = readFileSync(join(ROOT, `node_modules/google-gax/build/protos/google/rpc/${name}.proto`), "utf8");
        writeFileSync(join(folder, `rpc/google/rpc/${name}.proto`), proto.replace(/^ +optional /gm, ""));
        const made = await shell(
          `${python} -m grpc_tools.protoc -I rpc --python_out=. google/rpc/${name}.proto`,
          folder,
        );
        if (made.code !== 0) throw new Error(made.stderr);
      }
    });
    after(() => services?.close());

    for (const to of ["service", "later"] as const) {
      it(`the ${to === "later" ? "later service" : "service"} is understood`, async () => {
        const questions = QUESTIONS.filter((question) => question.to === to);
        const own = consumerFolder(["client.py", "service-config.json"], (text) =>
          text.replaceAll("127.0.0.1:50051", services.addresses[to]),
        );
        const answers = await Promise.all(
          questions.map(({ realm, token }) =>
            shell(
              `export PYTHONPATH='${folder}' TOKEN='${token}'\n${withPython(snippet("run-python.sh")).replace("integuru", `'${realm}'`)}`,
              own,
            ),
          ),
        );
        expectLines(
          answers.map(({ stdout, stderr }) => stdout.trimEnd() || stderr),
          questions,
        );
      }).timeout(60_000);
    }
  },
);
