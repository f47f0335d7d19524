import Database from "better-sqlite3";
import { expect } from "chai";
import type { SavedKeySet } from "../../src/directory/model.js";
import { readSqliteDirectory } from "../../src/directory/sqlite/directory.js";
import { Bench, masterKeys, NOW, putClient, refusal } from "./support.js";

// Key sets that the store keeps for the next start.

const set = (realm: string, location = "https://a.example/jwks", document = '{"keys":[]}'): SavedKeySet => ({
  realm,
  location,
  document,
  fetchedAt: NOW,
  trust: "of a",
});

describe("the key sets of the store", () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.release());

  it("saved key sets come back as last saved, one for each realm and location", async () => {
    const directory = bench.open();
    expect(await directory.keySets()).to.deep.equal({ sets: [], unopened: [] });
    for (const one of [set("a"), set("b"), set("a", "https://b.example")]) await directory.saveKeySet(one);
    const newer = { ...set("a", undefined, '{"keys":[1]}'), fetchedAt: NOW + 1, trust: "of b" };
    await directory.saveKeySet(newer);
    expect((await bench.open().keySets()).sets).to.have.deep.members([newer, set("b"), set("a", "https://b.example")]);
  });

  it("saving a key set does not change the directory's position", async () => {
    const directory = bench.open();
    await directory.apply([putClient("c", "secret")], "tester");
    const before = bench.sql("SELECT * FROM feed_head");
    await directory.saveKeySet(set("a"));
    expect(bench.sql("SELECT * FROM feed_head")).to.deep.equal(before);
  });

  it("a saved key set cannot be read, written or moved without the master key", async () => {
    const directory = bench.open();
    for (const realm of ["a", "b", "c", "d"]) await directory.saveKeySet(set(realm));
    expect(JSON.stringify(bench.sql("SELECT * FROM key_sets"))).not.to.include("keys\\");
    bench.sql("UPDATE key_sets SET sealed = (SELECT sealed FROM key_sets WHERE realm = 'b') WHERE realm = 'a'");
    bench.sql("UPDATE key_sets SET location = 'https://evil.example' WHERE realm = 'c'");
    bench.sql("UPDATE key_sets SET sealed = ? WHERE realm = 'd'", JSON.stringify({ document: "{}", fetchedAt: NOW }));
    const { sets, unopened } = await directory.keySets();
    expect(sets).to.deep.equal([set("b")]);
    expect(unopened).to.have.deep.members([
      { realm: "a", location: set("a").location },
      { realm: "c", location: "https://evil.example" },
      { realm: "d", location: set("d").location },
    ]);
  });

  it("a key set sealed under a removed master key counts as absent and does not stop a start", async () => {
    const directory = bench.open();
    await directory.saveKeySet(set("a"));
    expect((await bench.open({ masterKeys: masterKeys(2, 1) }).keySets()).sets).to.deep.equal([set("a")]);
    expect(await bench.open({ masterKeys: masterKeys(2) }).keySets()).to.deep.equal({
      sets: [],
      unopened: [{ realm: "a", location: set("a").location }],
    });
  });

  it("resealing seals key sets of an earlier master key under the current one, so that they outlive it", async () => {
    await bench.open().saveKeySet(set("a"));
    const feed = bench.sql("SELECT * FROM feed_head");
    await bench.open({ masterKeys: masterKeys(2, 1) }).resealKeySets();
    const rows = bench.sql("SELECT * FROM key_sets");
    await bench.open({ masterKeys: masterKeys(2) }).resealKeySets();
    expect(await bench.open({ masterKeys: masterKeys(2) }).keySets()).to.deep.equal({ sets: [set("a")], unopened: [] });
    expect(bench.sql("SELECT * FROM key_sets"), "those of the current one stay as they are").to.deep.equal(rows);
    expect(bench.sql("SELECT * FROM feed_head")).to.deep.equal(feed);
  });

  it("resealing leaves key sets that no master key opens as they are", async () => {
    await bench.open().saveKeySet(set("a"));
    const rows = bench.sql("SELECT * FROM key_sets");
    bench.open({ masterKeys: masterKeys(2, 1) });
    await bench.open({ masterKeys: masterKeys(2) }).resealKeySets();
    expect(bench.sql("SELECT * FROM key_sets")).to.deep.equal(rows);
    expect((await bench.open({ masterKeys: masterKeys(2, 1) }).keySets()).sets).to.deep.equal([set("a")]);
  });

  it("removal deletes key sets older than a time, except those to keep", async () => {
    const directory = bench.open();
    const sets = [
      set("old"),
      set("kept"),
      set("kept", "https://moved.example"),
      { ...set("at the time"), fetchedAt: NOW + 1 },
      { ...set("young"), fetchedAt: NOW + 2 },
    ];
    for (const one of sets) await directory.saveKeySet(one);
    const feed = bench.sql("SELECT * FROM feed_head");
    await directory.removeKeySets(NOW + 1, [set("kept")]);
    expect((await directory.keySets()).sets.map(({ realm, location }) => [realm, location])).to.have.deep.members([
      ["kept", set("").location],
      ["at the time", set("").location],
      ["young", set("").location],
    ]);
    expect(bench.sql("SELECT * FROM feed_head")).to.deep.equal(feed);
  });

  it("removal leaves key sets sealed under another process's master key, since their age is unknown", async () => {
    await bench.open().saveKeySet(set("a"));
    await bench.open({ masterKeys: masterKeys(2, 1) }).saveKeySet(set("b"));
    await bench.open({ masterKeys: masterKeys(2) }).removeKeySets(NOW + 1, []);
    expect((await bench.open({ masterKeys: masterKeys(2, 1) }).keySets()).sets).to.deep.equal([set("a")]);
  });

  it("a store of the previous version gets a place for key sets", async () => {
    await bench.open().apply([putClient("c", "secret")], "tester");
    const db = new Database(bench.path);
    db.exec("DROP TABLE key_sets");
    db.pragma("user_version = 1");
    db.close();
    const reading = readSqliteDirectory({ path: bench.path, masterKeys: masterKeys(1), clock: () => NOW });
    expect(await reading?.isEmpty()).to.equal(false);
    expect(await reading?.keySets()).to.deep.equal({ sets: [], unopened: [] });
    await reading?.close();
    const directory = bench.open();
    await directory.saveKeySet(set("a"));
    expect((await directory.keySets()).sets).to.deep.equal([set("a")]);
    expect(bench.sql("SELECT count(*) AS count FROM clients")).to.deep.equal([{ count: 1 }]);
  });

  it("a closed store neither saves nor returns key sets", async () => {
    const directory = bench.open();
    await directory.close();
    await refusal(() => directory.saveKeySet(set("a")), "unavailable", /./);
    await refusal(() => directory.keySets(), "unavailable", /./);
    await refusal(() => directory.resealKeySets(), "unavailable", /./);
    await refusal(() => directory.removeKeySets(NOW, []), "unavailable", /./);
  });
});
