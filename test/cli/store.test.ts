import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { deriveMasterKeys } from "../../src/directory/master-keys.js";
import { Secret } from "../../src/util/secret.js";
import { sharedPostgres } from "../support/shared-postgres.js";
import { configuration, type Ended, folderOf, run } from "./harness.js";

const [OLD, NEW] = ["old", "new"].map((name) => Buffer.alloc(32, name).toString("base64")) as [string, string];
const idOf = (text: string): string => deriveMasterKeys([new Secret(text)]).current.id;

/** Where the store is, by engine. */
const STORES: Readonly<Record<string, (context: Mocha.Context) => Promise<string>>> = {
  SQLite: async () => "sqlite:./verifier.db",
  PostgreSQL: async (context) => (await sharedPostgres(context)).freshDatabase(),
};

for (const [engine, storeOf] of Object.entries(STORES)) {
  describe(`token-verifier store, on ${engine}`, () => {
    let folder: string;
    const storeUrl = async (): Promise<string> =>
      /(?:sqlite|postgres):[^\s"',}]+/.exec(readFileSync(join(folder, "verifier.yaml"), "utf8"))?.[0] ?? "";
    /** Writes the configuration with these master keys, the current one first. */
    let configure: (...keys: readonly string[]) => void;
    const store = async (...args: readonly string[]): Promise<Ended> =>
      run(["store", ...args, "--config", "verifier.yaml"], folder);
    const done = async (...args: readonly string[]): Promise<any> => {
      const { code, stdout, stderr } = await store(...args, "--json");
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
      return JSON.parse(stdout);
    };
    /** Whether the instance's secret key is known: a caller who is not gets no verdict, not even on nonsense. */
    const callerIsKnown = async (): Promise<boolean> => {
      const args = ["--realm", "clowk", "--config", "verifier.yaml", "--secret-key-file", "instance.key"];
      return (await run(["verify", ...args, "nonsense"], folder)).code === 1;
    };

    beforeEach(async function () {
      folder = folderOf();
      const url = await storeOf(this);
      const text = configuration().replace("sqlite:./verifier.db", url);
      configure = (...keys) => {
        const lines = text.replace(/^masterKeyFile:.*$/m, `masterKeys: [${keys.join(", ")}]`);
        writeFileSync(join(folder, "verifier.yaml"), lines);
      };
      configure(OLD);
      await done("migrate");
      const seed = readFileSync(join(folder, "directory.yaml"), "utf8");
      expect(seed).to.include("inst_abc123");
      const instance = {
        id: "inst_abc123",
        appId: "app_xyz789",
        secretKeys: [readFileSync(join(folder, "instance.key"), "utf8").trim()],
      };
      const client = { clientId: "c", clientSecret: "the secret of a client" };
      const lines = [{ instance }, { user: { instance: instance.id, id: "u" } }, { client }].map((line) =>
        JSON.stringify(line),
      );
      const { code, stderr } = await run(["import", "-", "--config", "verifier.yaml"], folder, lines.join("\n"));
      expect(code, stderr).to.equal(0);
    });

    it("migrate makes the store once", async () => {
      expect(await done("migrate")).to.have.property("changed", false);
    });

    it("copy moves everything to another store, which the old one names from then on", async () => {
      const { from, to, rows } = await done("copy", await storeUrl(), "sqlite:./moved.db");
      expect(to).to.equal(join(folder, "moved.db"));
      expect(rows).to.include({ instances: 1, users: 1, clients: 1 });
      const { code, stderr } = await store("new-epoch");
      expect(code).to.equal(2);
      expect(stderr).to.include(`was copied to ${to}`);
      expect(await callerIsKnown()).to.equal(false);
      expect(from).not.to.equal(to);
      const text = readFileSync(join(folder, "verifier.yaml"), "utf8");
      writeFileSync(join(folder, "verifier.yaml"), text.replace(await storeUrl(), "sqlite:./moved.db"));
      expect(await callerIsKnown()).to.equal(true);
    });

    it("copy refuses a store that is not there, and an address that is none", async () => {
      for (const [from, message] of [
        ["sqlite:./nothing.db", "There is no store at"],
        ["somewhere", "The address of a store must be sqlite:"],
      ] as const) {
        const { code, stderr } = await store("copy", from, "sqlite:./moved.db");
        expect(code).to.equal(2);
        expect(stderr).to.include(message);
      }
    });

    it("a master key is replaced without writing any secret again", async () => {
      configure(OLD, NEW);
      expect(await done("rekey")).to.deep.equal({ added: [idOf(NEW)], masterKeys: [idOf(NEW), idOf(OLD)].sort() });
      configure(NEW, OLD);
      expect(await callerIsKnown()).to.equal(true);
      configure(NEW);
      expect(await callerIsKnown()).to.equal(true);
      expect(await done("rekey", "--drop", idOf(OLD))).to.deep.equal({ dropped: idOf(OLD) });
      configure(OLD);
      const { code, stderr } = await store("rekey");
      expect(code).to.equal(2);
      expect(stderr).to.include(`opens under the master key ${idOf(NEW)}, which is not configured`);
    });

    it("the last master key is not dropped", async () => {
      const { code, stderr } = await store("rekey", "--drop", idOf(OLD));
      expect(code).to.equal(2);
      expect(stderr).to.include("is the only one that opens the store");
    });

    it("--data puts secret keys under new keys, and says what is left", async () => {
      const { left, isNew } = await done("rekey", "--data");
      expect({ left, isNew }).to.deep.equal({ left: { secretKeys: 0, clientSecrets: 1, keySets: 0 }, isNew: true });
      expect(await callerIsKnown()).to.equal(true);
    });

    it("new-epoch is a change that everything is read again after", async () => {
      const { change } = await done("new-epoch");
      expect(change).to.equal(3);
    });

    it("without a master key there is no store to maintain", async () => {
      writeFileSync(
        join(folder, "verifier.yaml"),
        "grpc: 127.0.0.1:0\nrealms: { partner: { algorithms: [HS256], issuer: null, audience: null, keys: [{ secret: 0123456789abcdef0123456789abcdef }] } }\n",
      );
      expect((await store("migrate")).stderr).to.include("has no masterKey");
    });
  });
}
