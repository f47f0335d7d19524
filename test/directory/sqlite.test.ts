import { chmodSync, copyFileSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect } from "chai";
import { SealError } from "../../src/directory/errors.js";
import { sqlDirectory } from "../../src/directory/sql/directory.js";
import { openSqliteStore } from "../../src/directory/sqlite/store.js";
import { Secret } from "../../src/util/secret.js";
import {
  applyTo,
  Bench,
  headOf,
  masterKeys,
  NOW,
  putClient,
  putInstance,
  putUser,
  refusal,
  revocationsOf,
  revoke,
} from "./support.js";

describe("the SQLite store", () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.release());

  describe("its file", () => {
    it("the store's file, its folders and its journal are created readable to their owner only", async () => {
      const path = join(bench.folder, "a", "b", "verifier.db");
      const store = await openSqliteStore({ path, masterKeys: masterKeys(1), clock: () => NOW });
      await applyTo(sqlDirectory(store), putClient("c", "s"));
      const mode = (file: string) => (statSync(file).mode & 0o777).toString(8);
      for (const file of [path, `${path}-wal`, `${path}-shm`]) expect(mode(file), file).to.equal("600");
      expect(mode(join(bench.folder, "a"))).to.equal("700");
      expect(mode(join(bench.folder, "a", "b"))).to.equal("700");
    });

    it("the store's file keeps the mode that an operator gave it", async () => {
      await (await bench.open()).close();
      chmodSync(bench.path, 0o640);
      await bench.open();
      expect(statSync(bench.path).mode & 0o777).to.equal(0o640);
    });

    it("the store's file holds all entries after it is closed and opened again", async () => {
      const first = await bench.open();
      const position = await applyTo(first, putInstance("i", "k"), putUser("i", "u"), revoke("r", "j"));
      await first.close();
      const second = await bench.open();
      expect(await headOf(second)).to.deep.equal(position);
      expect((await second.instance(new Secret("k"))).value?.id).to.equal("i");
      expect(await revocationsOf({ sql: async (text) => bench.sql(text) })).to.have.length(1);
    });

    it("every commit is written through to the disk, so that a revocation survives power loss", async () => {
      const seen: unknown[] = [];
      const original = Database.prototype.pragma;
      Database.prototype.pragma = function (source, options) {
        seen.push(source);
        return original.call(this, source, options);
      };
      try {
        await bench.open();
      } finally {
        Database.prototype.pragma = original;
      }
      expect(seen).to.include("synchronous = FULL");
      expect(bench.sql("PRAGMA journal_mode")).to.deep.equal([{ journal_mode: "wal" }]);
    });

    it("the store's file holds no secret and no key in the clear", async () => {
      const directory = await bench.open();
      await applyTo(directory, putInstance("i", "sk_live_in_the_clear"), putClient("c", "client secret in the clear"));
      const everything = [
        "instances",
        "secret_keys",
        "client_secrets",
        "feed",
        "audit",
        "store_keys",
        "wrapped_keys",
      ].flatMap((table) => bench.sql(`SELECT * FROM ${table}`));
      expect(JSON.stringify(everything)).not.to.include("in the clear");
      expect(JSON.stringify(everything)).not.to.include(Buffer.alloc(32, 1).toString("base64").slice(0, 20));
    });
  });

  describe("opening a file", () => {
    it("refuses to open a store of a later version, and leaves it as it is", async () => {
      await (await bench.open()).close();
      bench.sql("CREATE TABLE later (id INTEGER)");
      const db = new Database(bench.path);
      db.pragma("user_version = 99");
      db.close();
      await refusal(
        bench.open(),
        "unusable",
        /is of version 99; this program knows versions up to 3\. Run the newer program/,
      );
      expect(bench.sql("PRAGMA user_version")).to.deep.equal([{ user_version: 99 }]);
    });

    it("refuses to open another program's database, and leaves it as it is", async () => {
      bench.sql("CREATE TABLE theirs (id INTEGER)");
      await refusal(bench.open(), "unusable", /another program's database/);
      expect(bench.sql("SELECT name FROM sqlite_schema")).to.deep.equal([{ name: "theirs" }]);
      expect(bench.sql("PRAGMA journal_mode")).to.deep.equal([{ journal_mode: "delete" }]);
    });

    it("refuses to open a file that is not a database", async () => {
      writeFileSync(bench.path, "instances:\n  - id: i\n".repeat(100));
      await refusal(bench.open(), "unusable", /is no SQLite file.*\(SQLITE_NOTADB\)/);
    });

    it("refuses to open a folder", async () => {
      mkdirSync(bench.path);
      await refusal(bench.open(), "unavailable", /cannot be opened/);
    });

    it("refuses to open a path that leads through a file", async () => {
      writeFileSync(join(bench.folder, "file"), "");
      await refusal(
        openSqliteStore({
          path: join(bench.folder, "file", "verifier.db"),
          masterKeys: masterKeys(1),
          clock: () => NOW,
        }),
        "unavailable",
        /cannot be made \((ENOTDIR|EEXIST)\)/,
      );
    });

    it("opens an empty file, which a killed process may have left", async () => {
      writeFileSync(bench.path, "");
      expect(await (await bench.open()).isEmpty()).to.equal(true);
    });
  });

  describe("a lock that another process holds", () => {
    let holder: Database.Database;
    beforeEach(async () => {
      await bench.open();
      holder = new Database(bench.path);
      holder.exec("BEGIN IMMEDIATE");
    });
    afterEach(() => void holder.close());

    it("a lock held by another process makes a writer unavailable after the busy timeout", async () => {
      await refusal(
        applyTo(await bench.open({ busyTimeout: 50 }), putClient("c", "s")),
        "unavailable",
        /is locked by another process.*\(SQLITE_BUSY\)/,
      );
    });

    it("a lock on the whole file is reported at once, waited for, and then an error", async () => {
      const own = new Bench();
      await (await own.open()).close();
      const exclusive = new Database(own.path);
      exclusive.pragma("locking_mode = EXCLUSIVE");
      exclusive.exec("BEGIN IMMEDIATE; DELETE FROM audit WHERE 0; COMMIT");
      const told: number[] = [];
      const open = () => own.open({ opening: { timeout: 300, onLocked: (timeout) => told.push(timeout) } });
      await refusal(open(), "unavailable", /is locked by another process/);
      expect(told).to.deep.equal([300]);
      exclusive.close();
      await open();
      expect(told, "no word where there is no lock").to.deep.equal([300]);
      await own.release();
    });

    it("a writer's lock does not affect readers", async () => {
      const directory = await bench.open();
      expect((await directory.client("c")).value).to.equal(null);
      expect((await directory.poll(await headOf(directory), 10)).changes).to.deep.equal([]);
    });

    it("a writer succeeds once the other process releases its lock", async () => {
      const directory = await bench.open({ busyTimeout: 0 });
      await refusal(applyTo(directory, putClient("c", "s")), "unavailable", /locked/);
      holder.exec("COMMIT");
      expect((await applyTo(directory, putClient("c", "s"))).number).to.equal(1);
    });
  });

  describe("an error of SQLite's own", () => {
    it("an error of SQLite's own is reported without its SQL", async () => {
      const directory = await bench.open();
      bench.sql("DROP TABLE users");
      const { message } = await refusal(
        directory.user("i", "u"),
        "unusable",
        /^The store returned an unexpected error/,
      );
      expect(message).not.to.match(/SELECT|users|no such table/);
    });
  });

  describe("master keys", () => {
    const K = new Secret("the secret key of i");

    it("wrong master keys are found when the store is opened, before any look-up fails", async () => {
      await applyTo(await bench.open(), putInstance("i", K.reveal()));
      const error = await refusal(bench.open({ masterKeys: masterKeys(2) }), "unusable", /Add that key to masterKeys/);
      expect(error).to.be.instanceOf(SealError);
      expect(error.message).to.include(`under the master key ${masterKeys(1).current.id}, which is not configured`);
      expect((error as SealError).keyId).to.equal(masterKeys(1).current.id);
    });

    it("wrong master keys are found even while nothing is sealed", async () => {
      await bench.open();
      await refusal(bench.open({ masterKeys: masterKeys(2) }), "unusable", /not configured/);
    });
  });

  describe("a sealed value", () => {
    const open = () => bench.open();

    it("a sealed value does not open in another row", async () => {
      await applyTo(await open(), putInstance("i", "k"), putInstance("j", "l"));
      bench.sql(
        "UPDATE secret_keys SET sealed = (SELECT sealed FROM secret_keys WHERE instance_id = 'j') WHERE instance_id = 'i'",
      );
      await refusal((await open()).instance(new Secret("k")), "unusable", /does not open: it was altered, or moved/);
      expect((await (await open()).instance(new Secret("l"))).value?.id).to.equal("j");
    });

    it("a sealed value does not open if its row is given to another instance", async () => {
      await applyTo(await open(), putInstance("i", "k"), putInstance("j", "l"));
      bench.sql("UPDATE secret_keys SET instance_id = 'j', ordinal = 1 WHERE instance_id = 'i'");
      await refusal((await open()).instance(new Secret("k")), "unusable", /does not open: it was altered, or moved/);
    });

    it("a sealed value does not open if it was altered", async () => {
      await applyTo(await open(), putInstance("i", "k"));
      bench.sql("UPDATE secret_keys SET sealed = 'nonsense'");
      await refusal((await open()).instance(new Secret("k")), "unusable", /is not of the form v1/);
    });
  });

  it("a follower of the store notices that it now reads an older copy", async () => {
    const directory = await bench.open();
    await applyTo(directory, putClient("c", "s"));
    await directory.close();
    copyFileSync(bench.path, `${bench.path}.copy`);
    const position = await applyTo(await bench.open(), putClient("d", "s"));
    const copy = await openSqliteStore({ path: `${bench.path}.copy`, masterKeys: masterKeys(1), clock: () => NOW });
    expect((await sqlDirectory(copy).poll(position, 10)).changes).to.equal("restart");
    await copy.engine.close();
  });
});
