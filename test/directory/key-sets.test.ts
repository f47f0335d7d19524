import { expect } from "chai";
import type { SavedKeySet } from "../../src/directory/model.js";
import { applyTo, Bench, NOW, putClient, refusal } from "./support.js";

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
    const directory = await bench.open();
    expect(await directory.keySets()).to.deep.equal({ sets: [], unopened: [] });
    for (const one of [set("a"), set("b"), set("a", "https://b.example")]) await directory.saveKeySet(one);
    const newer = { ...set("a", undefined, '{"keys":[1]}'), fetchedAt: NOW + 1, trust: "of b" };
    await directory.saveKeySet(newer);
    expect((await (await bench.open()).keySets()).sets).to.have.deep.members([
      newer,
      set("b"),
      set("a", "https://b.example"),
    ]);
  });

  it("saving a key set does not change the directory's position", async () => {
    const directory = await bench.open();
    await applyTo(directory, putClient("c", "secret"));
    const before = bench.sql("SELECT * FROM feed_head");
    await directory.saveKeySet(set("a"));
    expect(bench.sql("SELECT * FROM feed_head")).to.deep.equal(before);
  });

  it("a saved key set cannot be read, written or moved without the master key", async () => {
    const directory = await bench.open();
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

  it("an older key set does not take the place of a newer one, which another process has saved", async () => {
    const directory = await bench.open();
    await directory.saveKeySet({ ...set("a"), fetchedAt: NOW + 5 });
    await directory.saveKeySet(set("a"));
    expect((await directory.keySets()).sets).to.deep.equal([{ ...set("a"), fetchedAt: NOW + 5 }]);
  });

  it("removal deletes key sets older than a time, except those to keep", async () => {
    const directory = await bench.open();
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

  it("removal leaves key sets that do not open for 30 days, for another process may have their key", async () => {
    const directory = await bench.open();
    await directory.saveKeySet(set("a"));
    bench.sql("UPDATE key_sets SET sealed = 'altered'");
    const day = 86_400_000;
    await directory.removeKeySets(NOW + 30 * day, []);
    expect((await directory.keySets()).unopened).to.have.length(1);
    await directory.removeKeySets(NOW + 30 * day + 1, []);
    expect((await directory.keySets()).unopened).to.have.length(0);
  });

  it("a closed store neither saves nor returns key sets", async () => {
    const directory = await bench.open();
    await directory.close();
    await refusal(() => directory.saveKeySet(set("a")), "unavailable", /./);
    await refusal(() => directory.keySets(), "unavailable", /./);
    await refusal(() => directory.removeKeySets(NOW, []), "unavailable", /./);
  });
});
