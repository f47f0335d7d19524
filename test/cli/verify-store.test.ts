import { writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect } from "chai";
import { pino } from "pino";
import { loadConfig } from "../../src/config/load.js";
import { openCore } from "../../src/server/core.js";
import { openDirectory } from "../../src/server/store.js";
import { Secret } from "../../src/util/secret.js";
import { Issuer } from "../keys/remote/misbehaving.js";
import { IssuerKey } from "../support/issuer-key.js";
import { keyOf } from "../support/keys.js";
import { contentOf, type Ended, folderOf, MASTER_KEY, run } from "./harness.js";

// Offline `verify` may read the store of a running service at any time, and must change nothing in it.

const HOUR = 3_600_000;
const CONFIG = ["--config", "verifier.yaml"];
const [known, unknown] = [new IssuerKey("known"), new IssuerKey("unknown")];
const CLAIMS = { iss: "https://issuer.example", exp: 4_200_000_000 };
const NEXT_KEY = Buffer.alloc(32, "the next one").toString("base64");

const text = (url: string, masterKeys = "masterKeyFile: ./master.key"): string => `grpc: 127.0.0.1:0
store: sqlite:./verifier.db
${masterKeys}
directory: ./directory.yaml
realms:
  clowk: { preset: clowk }
  partner:
    algorithms: [ES256]
    issuer: https://issuer.example
    audience: null
    explain: anyone
    keys: [{ jwksUri: "${url}", insecure: true, timeout: 10m, refreshMin: 1h, refreshMax: 1h }]
`;

describe("offline verify and the store", () => {
  let issuer: Issuer;
  let folder: string;
  before(async () => {
    issuer = await Issuer.start();
  });
  after(() => issuer.close());
  beforeEach(async () => {
    await issuer.be("publish", { keys: [known.jwk] });
    await issuer.requests();
    folder = folderOf(text(issuer.url));
  });

  const verify = (token: string, ...args: readonly string[]): Promise<Ended> =>
    run(["verify", "--realm", "partner", ...CONFIG, "--json", ...args, "-"], folder, token);
  /** Starts the service so that it saves the issuer's set, and adds a set of another process's realm. */
  async function savedSets(fetchedAt = Date.now() - HOUR): Promise<void> {
    const config = loadConfig(join(folder, "verifier.yaml"), { env: {} });
    const core = await openCore(config, { clock: Date.now, log: pino({ level: "silent" }) });
    const request = { realm: "partner", token: new Secret(known.token(CLAIMS)), credential: undefined, explain: false };
    const call = { requestId: "r", address: "", deadline: Date.now() + 600_000 };
    expect((await core.verifier.verify(request, call)).kind).to.equal("verified");
    await core.close();
    const { directory: db } = await openDirectory(config, Date.now);
    const { sets } = await db.keySets();
    const own = sets.find(({ realm }) => realm === "partner") ?? expect.fail("no set was saved");
    const file = new Database(join(folder, "verifier.db"));
    file.exec("DELETE FROM key_sets");
    file.close();
    await db.saveKeySet({ ...own, fetchedAt });
    await db.saveKeySet({ ...own, realm: "another's", fetchedAt: Date.now() });
    await db.close();
  }

  for (const at of [[], ["--at", "2099-01-01T00:00:00Z"], ["--at", "2001-01-01T00:00:00Z"]]) {
    it(`offline verify with ${at.join(" ") || "no --at"} saves and removes no set, whatever it fetches`, async () => {
      await savedSets();
      const before = contentOf(folder);
      await issuer.be("publish", { keys: [known.jwk, unknown.jwk] });
      for (const one of [known, unknown]) {
        const { code, stdout, stderr } = await verify(one.token(CLAIMS), ...at);
        expect(code, stdout + stderr).to.equal(0);
      }
      expect(await issuer.requests()).to.have.length.above(0);
      expect(contentOf(folder)).to.deep.equal(before);
    });
  }

  it("a saved set keeps its real age, whatever time --at gives", async () => {
    await savedSets(Date.now() - HOUR);
    await issuer.be("503");
    for (const at of [[], ["--at", "2099-01-01T00:00:00Z"], ["--at", "2001-01-01T00:00:00Z"]]) {
      const { code, stdout, stderr } = await verify(known.token(CLAIMS), ...at);
      expect(code, stdout + stderr).to.equal(0);
      const { evidence } = JSON.parse(stdout).verified;
      expect(evidence.keySetStale).to.equal(true);
      expect(Number.parseFloat(evidence.keySetAge)).to.be.within(3600, 3630);
    }
    await issuer.be("publish", { keys: [known.jwk] });
    await savedSets(Date.now() - 25 * HOUR);
    await issuer.be("503");
    for (const at of [[], ["--at", "2099-01-01T00:00:00Z"], ["--at", "2001-01-01T00:00:00Z"]]) {
      const { stderr } = await verify(known.token(CLAIMS), ...at);
      expect(stderr).to.include('"code":"KEYS_UNAVAILABLE"');
      expect(stderr, "the cause is there").to.include("at the moment. Retry. The cause: it answered 503.");
    }
  });

  it("mint says that it fetches no keys if the given key is not in the configuration", async () => {
    writeFileSync(join(folder, "own.pem"), keyOf("p256").signer.export({ type: "pkcs8", format: "pem" }));
    const { code, stderr } = await run(["mint", "--realm", "partner", ...CONFIG, "--key-file", "own.pem"], folder);
    expect(code).to.equal(2);
    expect(stderr).to.equal(
      "The key in own.pem belongs to no key of the realm partner: its keys are fetched from the issuer, and mint fetches none. Sign with the issuer, or add the public key to the realm's keys.\n",
    );
  });

  it("offline verify neither adds nor drops master keys that changed, and re-encrypts nothing", async () => {
    await savedSets();
    const before = contentOf(folder);
    const both = `masterKeys: [${NEXT_KEY}, ${MASTER_KEY}]`;
    writeFileSync(join(folder, "verifier.yaml"), text(issuer.url, both));
    const { code, stderr } = await verify(known.token(CLAIMS));
    expect(code, stderr).to.equal(0);
    expect(contentOf(folder)).to.deep.equal(before);
  });

  const callerIsKnown = async (): Promise<void> => {
    const minted = await run(["mint", "--realm", "clowk", ...CONFIG], folder);
    const args = ["verify", "--realm", "clowk", ...CONFIG, "--secret-key-file", "instance.key", "-"];
    const { code, stderr } = await run(args, folder, minted.stdout);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
  };

  it("offline verify treats an empty store as if the seed had filled it, and leaves it empty", async () => {
    const file = join(folder, "verifier.yaml");
    writeFileSync(file, text(issuer.url).replace(/^directory.*\n/m, ""));
    await savedSets();
    writeFileSync(file, text(issuer.url));
    const before = contentOf(folder);
    await issuer.be("503");
    await callerIsKnown();
    const { code, stderr } = await verify(known.token(CLAIMS));
    expect(code, stderr).to.equal(0);
    expect(contentOf(folder)).to.deep.equal(before);
  });

  it("offline verify does not read a store of an earlier version, and migrates nothing", async () => {
    await savedSets();
    const db = new Database(join(folder, "verifier.db"));
    db.exec("PRAGMA user_version = 2");
    db.close();
    const before = contentOf(folder);
    const { code, stderr } = await verify(known.token(CLAIMS));
    expect(code).to.equal(2);
    expect(stderr).to.include("was written by an earlier version. Start the service once");
    expect(contentOf(folder)).to.deep.equal(before);
  });
});
