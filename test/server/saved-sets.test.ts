import Database from "better-sqlite3";
import { expect } from "chai";
import { loadConfig } from "../../src/config/load.js";
import { openSavedSets } from "../../src/server/saved-sets.js";
import { Bench, masterKeys, NOW } from "../directory/support.js";
import { createMemoryLog } from "../support/log.js";

// Key sets between two starts, and the log lines about them.

const URL = "https://a.example/jwks";
const SET = { document: '{"keys":[]}', fetchedAt: NOW, trust: "t" };
const CONFIG = `grpc: 127.0.0.1:0
realms:
  a: { algorithms: [ES256], issuer: https://a.example, audience: x, keys: [{ jwksUri: "${URL}?key=hidden" }] }
`;
const { realms } = loadConfig("verifier.yaml", { env: {}, readFile: () => CONFIG });
const LOCATION = `${URL}?key=hidden`;

describe("key sets over a restart", () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.release());

  const linesOf = (text: string): Record<string, unknown>[] =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it("key sets survive the rotation of the master key", async () => {
    const first = await bench.open();
    await first.saveKeySet({ realm: "a", location: LOCATION, ...SET });
    const { log, text } = createMemoryLog();
    const saved = await openSavedSets(await bench.open({ masterKeys: masterKeys(2, 1) }), realms, log);
    expect(saved.get("a", LOCATION)).to.include(SET);
    expect(text()).to.equal("");
  });

  it("a saved key set that does not open is logged if its realm is configured", async () => {
    const directory = await bench.open();
    for (const realm of ["a", "gone"]) await directory.saveKeySet({ realm, location: LOCATION, ...SET });
    bench.sql("UPDATE key_sets SET sealed = 'altered'");
    const { log, text } = createMemoryLog();
    const saved = await openSavedSets(directory, realms, log);
    expect(saved.get("a", LOCATION)).to.equal(undefined);
    const [line, ...more] = linesOf(text());
    expect(more).to.deep.equal([]);
    expect(line).to.include({ msg: "saved key set does not open", realm: "a", location: `${URL}?…` });
  });

  it("failures to save key sets are logged at growing intervals, and the recovery once", async () => {
    const { log, text } = createMemoryLog();
    const directory = await bench.open({ busyTimeout: 1 });
    const saves: Promise<void>[] = [];
    const saved = await openSavedSets(
      {
        keySets: () => directory.keySets(),
        saveKeySet: (set) => {
          const save = directory.saveKeySet(set);
          saves.push(save);
          return save;
        },
      },
      realms,
      log,
    );
    const save = async (times: number): Promise<void> => {
      for (let time = 0; time < times; time++) saved.set("a", LOCATION, { ...SET, fetchedAt: NOW + time });
      await Promise.allSettled(saves);
    };
    const other = new Database(bench.path);
    other.exec("BEGIN IMMEDIATE");
    await save(20);
    expect(linesOf(text()).map(({ msg, failures }) => [msg, failures])).to.deep.equal(
      [1, 2, 4, 8, 16].map((failures) => ["key set not saved", failures]),
    );
    expect(text()).to.include("https://a.example/jwks?…").and.not.include("hidden");
    other.close();
    await save(3);
    const after = linesOf(text()).slice(5);
    expect(after).to.have.length(1);
    expect(after[0]).to.include({ msg: "key sets can be saved again", failures: 20 });
    expect((await directory.keySets()).sets).to.deep.equal([
      { realm: "a", location: LOCATION, ...SET, fetchedAt: NOW + 2 },
    ]);
  });
});
