import { expect } from "chai";
import { entryCommand } from "../../src/directory/commands.js";
import { sqlDirectory } from "../../src/directory/sql/directory.js";
import type { SqlStore } from "../../src/directory/sql/store.js";
import { copyStore } from "../../src/directory/transfer/copy.js";
import { Secret } from "../../src/util/secret.js";
import { BENCHES, type StoreBench } from "./benches.js";
import { applyTo, putClient, putInstance, putUser, refusal, revoke } from "./support.js";

const TABLES = [
  ["feed_head", "id"],
  ["store_keys", "id"],
  ["wrapped_keys", "key_id"],
  ["instances", "id"],
  ["secret_keys", "digest"],
  ["users", "id"],
  ["clients", "id"],
  ["client_secrets", "client_id"],
  ["revocations", "key"],
  ["revoked_realms", "number"],
  ["audit", "id"],
  ["key_sets", "realm"],
] as const;

/** All that a store holds. */
async function contentOf(bench: StoreBench): Promise<unknown> {
  const content: unknown[] = [];
  for (const [table, key] of TABLES) content.push(await bench.sql(`SELECT * FROM ${table} ORDER BY ${key}`));
  return content;
}

for (const from of BENCHES) {
  for (const to of BENCHES) {
    describe(`copying a store from ${from.engine} to ${to.engine}`, () => {
      let [source, target]: StoreBench[] = [];
      let [a, b]: SqlStore[] = [];

      beforeEach(async function () {
        source = await from.start(this);
        target = await to.start(this);
        a = await source.store();
        b = await target.store();
        const directory = sqlDirectory(a);
        await directory.apply([putInstance("i", "key of i"), putUser("i", "ü")].map(entryCommand), "tester");
        await directory.apply([entryCommand(putClient("c", "secret")), revoke("r", "j")], "tester");
        await directory.saveKeySet({
          realm: "r",
          location: "https://issuer/keys",
          document: "{}",
          fetchedAt: 1,
          trust: "verified",
        });
      });
      afterEach(async () => {
        await source?.release();
        await target?.release();
      });
      const stores = () => [source, target, a, b] as [StoreBench, StoreBench, SqlStore, SqlStore];

      it("a copy has everything, and the old store names the new one to all who open it", async () => {
        const [old, made, one, two] = stores();
        const before = await contentOf(old);
        const { head } = await sqlDirectory(one).poll(undefined, 1);
        expect(await copyStore(one, two)).to.include({ instances: 1, users: 1, clients: 1, revocations: 1, audit: 4 });
        expect(await contentOf(made)).to.deep.equal(before);
        const directory = await made.open();
        expect((await directory.instance(new Secret("key of i"))).value?.id).to.equal("i");
        expect(await directory.poll(head, 10)).to.deep.equal({ head, changes: [] });
        await refusal(sqlDirectory(one).poll(head, 10), "unusable", /was copied to/);
        await refusal(
          sqlDirectory(one).apply([entryCommand(putClient("d", "secret"))], "tester"),
          "unusable",
          /was copied to/,
        );
        await refusal(copyStore(one, two), "unusable", /was copied to .* already/);
      });

      it("a target that was written to is refused, and neither store is changed", async () => {
        const [old, made, one, two] = stores();
        await sqlDirectory(two).apply([entryCommand(putClient("d", "secret"))], "tester");
        const before = [await contentOf(old), await contentOf(made)];
        await refusal(copyStore(one, two), "conflict", /target is not empty/);
        expect([await contentOf(old), await contentOf(made)]).to.deep.equal(before);
        expect(await old.sql("SELECT moved_to FROM store")).to.deep.equal([{ moved_to: null }]);
      });

      it("a copy that breaks off leaves both stores as they were", async () => {
        const [old, made, one, two] = stores();
        const before = [await contentOf(old), await contentOf(made)];
        const engine = {
          ...two.engine,
          connect: async () => {
            const connection = await two.engine.connect();
            const write: typeof connection.write = (work) =>
              connection.write((sql) =>
                work({
                  query: (text, values) => {
                    if (text.includes("INSERT INTO {audit}")) throw new RangeError("broken");
                    return sql.query(text, values);
                  },
                }),
              );
            return { ...connection, write };
          },
        };
        const broken: SqlStore = Object.create(two, { engine: { value: engine } });
        const error = await copyStore(one, broken).catch((thrown: unknown) => thrown);
        expect(error).to.be.instanceOf(RangeError);
        expect([await contentOf(old), await contentOf(made)]).to.deep.equal(before);
        expect(await copyStore(one, two)).to.include({ users: 1 });
      });

      it("a copy whose source was not marked is found complete, and the source marked", async () => {
        const [old, made, one, two] = stores();
        await copyStore(one, two);
        await old.sql("UPDATE store SET moved_to = NULL");
        const content = await contentOf(made);
        expect(await copyStore(one, two)).to.include({ users: 1 });
        expect(await contentOf(made)).to.deep.equal(content);
        expect(await old.sql("SELECT moved_to FROM store")).not.to.deep.equal([{ moved_to: null }]);
      });

      it("5,000 users and 5,000 revocations, with ids of every script, arrive in the same order and nothing else does", async () => {
        const [old, made, one, two] = stores();
        const ids = Array.from({ length: 5_000 }, (_, index) => `${["z", "ä", "Z", "語", "😀"][index % 5]}${index}`);
        await applyTo(
          sqlDirectory(one),
          ...ids.map((id) => putUser("i", id)),
          ...Array.from({ length: 5 }, (_, part) => ({
            kind: "revoke" as const,
            revocations: ids.slice(part * 1_000, (part + 1) * 1_000).map((value) => ({
              selector: { realm: "r", kind: "jti" as const, value },
              issuedBefore: null,
              exp: 1_900_000_000,
            })),
          })),
        );
        const before = await contentOf(old);
        expect(await copyStore(one, two)).to.include({ users: 5_001, revocations: 5_001 });
        expect(await contentOf(made)).to.deep.equal(before);
      });

      it("a store is not copied to itself", async () => {
        const [old, , one] = stores();
        await refusal(copyStore(one, await old.store()), "conflict", /are the same/);
      });
    });
  }
}
