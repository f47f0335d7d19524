import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ROOT, shell } from "../cli/harness.js";
import { consumerFolder, runSnippet, snippet } from "./guide.js";
import { expectLines, QUESTIONS, type Services, startServices } from "./questions.js";

const PYTHON = "/usr/bin/python3";

const [, PACKAGES = ""] = /^apt-get install (.*)$/m.exec(snippet("install-python.sh")) ?? [];

/** Whether this machine has the Debian packages that the guide names. */
const isReady = PACKAGES !== "" && spawnSync("dpkg-query", ["-s", ...PACKAGES.split(" ")]).status === 0;

const title = "a team that generates its Python from proto/";
const withPython = (text: string): string => text.replace(/^python3/m, PYTHON);

(isReady ? describe : describe.skip)(
  isReady ? title : `${title} (skipped: Debian's packages of the guide are not installed)`,
  () => {
    let services: Services;
    let folder: string;

    before(async function () {
      this.timeout(60_000);
      services = await startServices();
      folder = consumerFolder([]);
      await runSnippet("generate-python.sh", folder);
      // Debian has no package of pip's googleapis-common-protos, so its modules are generated from the same .proto files.
      const protos = join(ROOT, "node_modules/google-gax/build/protos");
      const made = await shell(
        `/usr/bin/protoc -I '${protos}' --python_out=. google/rpc/status.proto google/rpc/error_details.proto`,
        folder,
      );
      if (made.code !== 0) throw new Error(made.stderr);
    });
    after(() => services?.close());

    for (const to of ["service", "later"] as const) {
      it(`the Python client understands ${to === "later" ? "a later service" : "the service"}`, async () => {
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
