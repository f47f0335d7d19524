import { expect } from "chai";
import { sqlDirectory } from "../../src/directory/sql/directory.js";
import { readRecentChanges, restoreRevocations } from "../../src/directory/sql/recovery.js";
import type { SqlStore } from "../../src/directory/sql/store.js";
import { revocationOf } from "../support/revoke.js";
import { BENCHES, type StoreBench } from "./benches.js";
import { applyTo, NOW } from "./support.js";

for (const { engine, start } of BENCHES) {
  describe(`recovery of a store on ${engine}`, () => {
    let bench: StoreBench;
    let store: SqlStore;
    const bySubject = (value: string, time: number | null) =>
      revocationOf({ realm: "r", kind: "subject", value }, time);
    const apply = (...revocations: readonly ReturnType<typeof bySubject>[]) =>
      applyTo(sqlDirectory(store), { kind: "revoke", revocations });

    beforeEach(async function () {
      bench = await start(this);
      store = await bench.store();
    });
    afterEach(() => bench.release());

    it("exactly those revocations are made that the store lacks or holds in a narrower form", async () => {
      await apply(bySubject("same", 5), bySubject("narrower", 5), bySubject("wider", 9), bySubject("ban", null));
      const restored = await restoreRevocations(store, [
        bySubject("same", 5),
        bySubject("narrower", 7),
        bySubject("wider", 7),
        bySubject("ban", 7),
        bySubject("lost", 7),
      ]);
      expect(restored).to.equal(2);
      const [row] = await sqlDirectory(store).operators.audit({}, undefined, 1);
      expect(row).to.include({ actor: "recovery", command: "revoke" });
      const held = await sqlDirectory(store).operators.revocations({}, undefined, 10);
      expect(
        Object.fromEntries(held.map(({ selector, issuedBefore }) => [selector.value, issuedBefore])),
      ).to.deep.equal({ same: 5, narrower: 7, wider: 9, ban: null, lost: 7 });
      expect(await restoreRevocations(store, [bySubject("lost", 7)]), "again").to.equal(0);
    });

    it("a revocation that has ended by the policy of its realm is not made again", async () => {
      const ending = await bench.store({ endOf: ({ issuedBefore }) => issuedBefore });
      const restored = await restoreRevocations(ending, [
        bySubject("ended", NOW / 1000 - 1),
        bySubject("lasting", NOW / 1000 + 1),
      ]);
      expect(restored).to.equal(1);
    });

    it("the feed tells what was revoked and taken back since a time, the earliest first", async () => {
      for (let index = 0; index < 25; index++) await apply(bySubject(`s${index}`, 5));
      await applyTo(sqlDirectory(store), { kind: "unrevoke", selectors: [bySubject("s0", 5).selector] });
      const found = await readRecentChanges(store, NOW - 1);
      expect(found.map(({ change }) => change.kind)).to.deep.equal([...Array(25).fill("revoked"), "unrevoked"]);
      expect(found[0]?.change).to.deep.include({ revocations: [bySubject("s0", 5)] });
      expect(await readRecentChanges(store, NOW + 1)).to.deep.equal([]);
    });

    it("a position that the feed no longer holds is of this history, one that it never got to or marks otherwise is not", async () => {
      await apply(bySubject("a", 5));
      const directory = sqlDirectory(store);
      const { head } = await directory.poll(undefined, 1);
      const isOther = async (number: number, mark: string) =>
        (await directory.poll({ number, mark }, 1)).isOtherHistory;
      expect(await isOther(head.number, "another")).to.equal(true);
      expect(await isOther(head.number + 1, head.mark)).to.equal(true);
      await bench.sql(engine === "SQLite" ? "DELETE FROM feed" : "DELETE FROM token_verifier.feed");
      expect(await isOther(head.number, head.mark)).to.equal(false);
    });
  });
}
