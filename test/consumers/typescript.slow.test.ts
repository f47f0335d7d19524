import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { ROOT, shell } from "../cli/harness.js";
import { consumerFolder, runSnippet, snippet } from "./guide.js";
import { expectLines, GOOD, QUESTIONS, type Services, startServices } from "./questions.js";

interface Consumer {
  connect(address: string): { close(): void };
  verify(client: object, realm: string, token: string): Promise<string>;
}

describe("a team that generates its TypeScript from proto/", () => {
  let services: Services;
  let folder: string;

  before(async function () {
    this.timeout(60_000);
    services = await startServices();
    folder = consumerFolder(
      ["buf.gen.yaml", "tsconfig.json", "service-config.json", "verify-ts-proto.ts", "verify-es.ts", "main-es.ts"],
      (text) => text.replaceAll("127.0.0.1:50051", services.addresses.service),
    );
    const begun = await shell(
      `set -e\n${snippet("install-typescript.sh").replaceAll(/^npm install .*\n/gm, "")}`,
      folder,
    );
    expect(begun.code, begun.stderr).to.equal(0);
    expect(begun.stdout, "it begins as a newcomer does").to.include("package.json");
    // The script generates code and compiles it with the guide's strict tsconfig.
    await runSnippet("generate-typescript.sh", folder);
  });
  after(() => services?.close());

  for (const [generator, program] of [
    ["ts-proto", "verify-ts-proto.ts"],
    ["protobuf-es", "verify-es.ts"],
  ] as const) {
    describe(`with ${generator}`, () => {
      const load = (): Promise<Consumer> => import(pathToFileURL(join(folder, program)).href);

      async function ask(to: "service" | "later", asked: readonly { realm: string; token: string }[]) {
        const { connect, verify } = await load();
        const client = connect(services.addresses[to]);
        try {
          return await Promise.all(asked.map(({ realm, token }) => verify(client, realm, token)));
        } finally {
          client.close();
        }
      }

      for (const question of QUESTIONS) {
        it(`${generator} at ${question.to === "later" ? "a later service" : "the service"} gives "${question.line}"`, async () => {
          expectLines(await ask(question.to, [question]), [question]);
        });
      }
    });
  }

  it("the guide's TypeScript program runs", async () => {
    const { stdout } = await runSnippet("run-typescript.sh", folder, (text) =>
      text.replace("integuru", "lax").replace('"$TOKEN"', GOOD),
    );
    expect(stdout).to.equal("verified: user-1\n");
  });

  it("the guide installs packages that this project uses too", () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Record<
      "dependencies" | "devDependencies",
      Record<string, string>
    >;
    const installed = snippet("install-typescript.sh").replaceAll(/^npm (?!install ).*\n/gm, "");
    const named = installed.match(/(?<= )@?[\w-]+(\/[\w-]+)?(?=[\s])/g) ?? [];
    const packages = named.filter((name) => name !== "install" && !name.startsWith("--"));
    expect(packages).to.have.length(9);
    for (const name of packages) expect({ ...dependencies, ...devDependencies }).to.have.property(name);
  });
});
