import { expect } from "chai";
import type { Command } from "../../src/directory/commands.js";
import type { Directory } from "../../src/directory/directory.js";
import { DirectoryCache } from "../../src/directory/directory-cache.js";
import { DirectoryError, SealError } from "../../src/directory/errors.js";
import { deriveMasterKeys, type MasterKeys } from "../../src/directory/master-keys.js";
import type { ClientRecord } from "../../src/directory/model.js";
import { clientSecretDigest, sameDigest } from "../../src/directory/sealing.js";
import { digestRenewal } from "../../src/directory/sql/digest-renewal.js";
import { sqlDirectory } from "../../src/directory/sql/directory.js";
import { listAudit } from "../../src/directory/sql/operator-audit.js";
import { storeStatus } from "../../src/directory/sql/operator-status.js";
import { dropMasterKey, rekey } from "../../src/directory/sql/rekey.js";
import { writeReplica } from "../../src/directory/sql/replicas.js";
import { rekeyData, removeUnneededKeys, renewClientDigest, valuesLeft } from "../../src/directory/sql/reseal.js";
import type { SqlStore } from "../../src/directory/sql/store.js";
import { Secret } from "../../src/util/secret.js";
import { BENCHES, type StoreBench } from "./benches.js";

const NOW = 1_800_000_000_000;
const DAY = 86_400_000;

/** Master keys made of one repeated byte each, the current one first. */
const keysOf = (...bytes: readonly number[]): MasterKeys =>
  deriveMasterKeys(bytes.map((byte) => new Secret(Buffer.alloc(32, byte).toString("base64"))));
const idOf = (byte: number): string => keysOf(byte).current.id;

const instance = (id: string, text = `secret key of ${id}`): Command => ({
  kind: "putInstance",
  id,
  appId: "app",
  secrets: [{ id: "first", secret: new Secret(text) }],
  expect: "any",
});
const client = (clientId: string): Command => ({
  kind: "putClient",
  clientId,
  secret: { id: "first", secret: new Secret(`secret of ${clientId}`) },
  expect: "any",
});

/** Expects a DirectoryError. */
async function failure(work: Promise<unknown>, code: string, message: RegExp): Promise<DirectoryError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(DirectoryError);
  expect((error as DirectoryError).message).to.match(message);
  expect((error as DirectoryError).code).to.equal(code);
  return error as DirectoryError;
}

for (const { engine, start } of BENCHES) {
  describe(`the keys of a store on ${engine}`, () => {
    let bench: StoreBench;
    let now = NOW;
    /** Opens the store as a process does that is configured with these master keys. */
    const open = (...bytes: readonly number[]): Promise<SqlStore> =>
      bench.store({ masterKeys: keysOf(...bytes), clock: () => now });
    const owner = async (directory: Directory, text: string): Promise<string | undefined> =>
      (await directory.instance(new Secret(text))).value?.id;
    const keyIds = async (): Promise<string[]> =>
      (await bench.sql<{ id: string }>("SELECT id FROM store_keys ORDER BY id")).map(({ id }) => id);

    beforeEach(async function () {
      now = NOW;
      bench = await start(this);
      const directory = sqlDirectory(await open(1));
      await directory.apply([instance("i"), client("c")], "tester");
    });
    afterEach(() => bench.release());

    describe("under master keys", () => {
      it("a store does not open under a wrong master key, and says which one it needs", async () => {
        const error = await failure(
          open(2),
          "unusable",
          new RegExp(`opens under the master key ${idOf(1)}, which is not`),
        );
        expect(error).to.be.instanceOf(SealError);
        expect((error as SealError).keyId).to.equal(idOf(1));
      });

      for (const [name, bytes] of [
        ["the new key before the old one", [2, 1]],
        ["the new key after the old one", [1, 2]],
      ] as const) {
        it(`a store with ${name} is sealed under both by rekey, once, while replicas of either list serve`, async () => {
          const [before, both] = [await open(1), await open(...bytes)];
          expect(await rekey(both, "op")).to.deep.equal({ added: [idOf(2)], masterKeys: [idOf(1), idOf(2)].sort() });
          const after = await open(2);
          for (const store of [before, both, after]) {
            const directory = sqlDirectory(store);
            expect(await owner(directory, "secret key of i")).to.equal("i");
            const id = `of ${store.settings.masterKeys.current.id} ${store === both}`;
            await directory.apply([instance(id)], "tester");
            expect(await owner(sqlDirectory(before), `secret key of ${id}`)).to.equal(id);
          }
          const audited = (await storeStatus(both)).head.number;
          expect((await rekey(after, "op")).added).to.deep.equal([]);
          expect((await storeStatus(both)).head.number).to.equal(audited);
          const [row] = await listAudit(both.engine, { command: "rekey" }, undefined, 5);
          expect(row).to.deep.include({
            actor: "op",
            change: null,
            outcome: "done",
            subject: `{"added":["${idOf(2)}"]}`,
          });
          expect(await listAudit(both.engine, { command: "rekey" }, undefined, 5)).to.have.length(1);
        });
      }

      it("a start under another list of master keys changes no row", async () => {
        const rows = () => bench.sql("SELECT key_id, master_id, sealed FROM wrapped_keys ORDER BY key_id, master_id");
        const before = await rows();
        await open(2, 1);
        await open(1, 3);
        expect(await rows()).to.deep.equal(before);
      });

      it("a master key is dropped once the store opens without it", async () => {
        const both = await open(2, 1);
        await failure(dropMasterKey(both, idOf(1), "op"), "conflict", /is the only one that opens the store/);
        await failure(dropMasterKey(both, idOf(2), "op"), "not-found", new RegExp(`opens under: ${idOf(1)}`));
        await rekey(both, "op");
        const old = await open(1);
        await failure(dropMasterKey(old, idOf(1), "op"), "conflict", /This configuration opens the store under/);
        await dropMasterKey(both, idOf(1), "op");
        expect((await storeStatus(both)).masterKeys).to.deep.equal([idOf(2)]);
        expect(await owner(sqlDirectory(await open(2)), "secret key of i")).to.equal("i");
        await failure(open(1), "unusable", new RegExp(`opens under the master key ${idOf(2)}`));
        const [row] = await listAudit(both.engine, { command: "rekey" }, undefined, 5);
        expect(row?.subject).to.equal(`{"dropped":"${idOf(1)}"}`);
      });

      it("a master key stays while a replica has no other, and for 10 minutes after its last report", async () => {
        const [old, both] = [await open(1), await open(2, 1)];
        await rekey(both, "op");
        const report = { version: "1", startedAt: NOW, position: { number: 0, mark: "" } };
        await writeReplica(old, { ...report, id: "old-replica" });
        await writeReplica(both, { ...report, id: "new-replica" });
        await failure(dropMasterKey(both, idOf(1), "op"), "conflict", /The replica old-replica opens the store under/);
        now += 600_000;
        await dropMasterKey(both, idOf(1), "op");
      });

      it("two stores under one master key have keys of their own", async function () {
        this.timeout(60_000);
        const other = await start(this);
        try {
          const otherStore = await other.store({ masterKeys: keysOf(1) });
          const [first] = await bench.sql<{ sealed: string }>("SELECT sealed FROM wrapped_keys LIMIT 1");
          const sealed = await other.sql<{ sealed: string }>("SELECT sealed FROM wrapped_keys");
          expect(sealed.map((row) => row.sealed)).not.to.include(first?.sealed);
          expect(await keyIds()).not.to.have.members(
            (await other.sql<{ id: string }>("SELECT id FROM store_keys")).map(({ id }) => id),
          );
          expect(otherStore.id).not.to.equal((await open(1)).id);
        } finally {
          await other.release();
        }
      });
    });

    describe("for the data", () => {
      const isSecretOf = (store: SqlStore, record: ClientRecord | null, secret: Secret): boolean =>
        (record?.secrets ?? []).some(({ keyId, digest }) => {
          const key = store.keys.lookup.byId.get(keyId);
          return key !== undefined && sameDigest(clientSecretDigest(key, record?.clientId ?? "", secret), digest);
        });
      const set = { realm: "r", location: "https://issuer/keys", document: "{}", fetchedAt: NOW, trust: "t" } as never;

      it("secret keys and key sets are put under new keys at once, and found by a replica that has not read them yet", async () => {
        const [store, replica] = [await open(1), await open(1)];
        const directory = sqlDirectory(store);
        await directory.saveKeySet(set);
        await directory.apply(
          Array.from({ length: 999 }, (_, index) => instance(`many ${index}`)),
          "tester",
        );
        await directory.apply([instance("one more"), instance("and one more")], "tester");
        const before = await keyIds();
        const report = await rekeyData(store, "op");
        expect(report).to.deep.include({
          isNew: true,
          removed: [],
          left: { secretKeys: 0, clientSecrets: 1, keySets: 0 },
        });
        expect(before).not.to.include(report.lookup);
        expect(before).not.to.include(report.seal);
        for (const one of [directory, sqlDirectory(replica), sqlDirectory(await open(1))]) {
          expect(await owner(one, "secret key of i")).to.equal("i");
          expect(await owner(one, "secret key of many 998")).to.equal("many 998");
          expect(await owner(one, "secret key of and one more")).to.equal("and one more");
          expect(await owner(one, "secret key of nobody")).to.equal(undefined);
          expect(await one.keySets()).to.deep.equal({ sets: [set], unopened: [] });
        }
        await failure(
          sqlDirectory(replica).apply([instance("thief", "secret key of i")], "tester"),
          "conflict",
          /already belongs to the instance "i"/,
        );
      });

      it("a client's secret is digested again when it is shown, unless it was replaced meanwhile", async () => {
        const store = await open(1);
        const directory = sqlDirectory(store);
        await directory.apply([client("d")], "tester");
        await rekeyData(store, "op");
        const [old] = store.keys.lookup.all.slice(1);
        const secret = new Secret("secret of c");
        expect(isSecretOf(store, (await directory.client("c")).value, secret)).to.equal(true);
        expect(await renewClientDigest(store, "c", old?.id ?? "", new Secret("wrong"))).to.equal(false);
        expect(await renewClientDigest(store, "c", old?.id ?? "", secret)).to.equal(true);
        expect(await renewClientDigest(store, "c", old?.id ?? "", secret)).to.equal(false);
        expect(await renewClientDigest(store, "c", store.keys.lookup.current.id, secret)).to.equal(false);
        const { value } = await directory.client("c");
        expect(value?.secrets.map(({ keyId }) => keyId)).to.deep.equal([store.keys.lookup.current.id]);
        expect(isSecretOf(store, value, secret)).to.equal(true);
        expect((await valuesLeft(store)).clientSecrets).to.equal(1);
      });

      it("a client is moved to the new key by showing its secret, whether the process knew the client before or not", async () => {
        const store = await open(1);
        const directory = sqlDirectory(store);
        await directory.apply([client("d")], "tester");
        let done: (clientId: string) => void = () => {};
        const known: DirectoryCache = new DirectoryCache({
          directory,
          clock: () => now,
          onOlderKey: digestRenewal(store, {
            clock: () => now,
            onDone: (id) => {
              known.dropClient(id);
              done(id);
            },
            onFailure: (error) => {
              throw error;
            },
          }),
        });
        await known.follow();
        const show = async (clientId: string, text = `secret of ${clientId}`): Promise<string | undefined> => {
          const clientSecret = new Secret(text);
          const found = known.client(clientId, clientSecret);
          if (found === undefined)
            await known.load({ kind: "client", clientId, clientSecret }, Number.POSITIVE_INFINITY);
          return known.client(clientId, clientSecret)?.clientId;
        };
        expect(await show("c")).to.equal("c");
        await rekeyData(store, "op");
        await known.follow();
        for (const id of ["c", "d"]) {
          expect(await show(id, "wrong")).to.equal(undefined);
          const moved = new Promise<string>((resolve) => {
            done = resolve;
          });
          expect(await show(id)).to.equal(id);
          expect(await moved).to.equal(id);
          expect(await show(id)).to.equal(id);
        }
        expect((await valuesLeft(store)).clientSecrets).to.equal(0);
        done = (id) => expect.fail(`${id} was moved twice`);
        expect(await show("c")).to.equal("c");
      });

      it("digests are renewed at most ten times a second, each once at a time", async () => {
        const store = await open(1);
        const directory = sqlDirectory(store);
        const ids = Array.from({ length: 12 }, (_, index) => `client ${index}`);
        await directory.apply(ids.map(client), "tester");
        await rekeyData(store, "op");
        const [old] = store.keys.lookup.all.slice(1);
        const done = new Set<string>();
        let wake = (): void => {};
        const renew = digestRenewal(store, {
          clock: () => now,
          onDone: (id) => {
            done.add(id);
            wake();
          },
          onFailure: (error) => {
            throw error;
          },
        });
        const showAll = async (count: number): Promise<void> => {
          // A process reads a client again once its digest was made again.
          for (const id of ids.filter((one) => !done.has(one))) {
            for (let twice = 0; twice < 2; twice++) renew(id, old?.id ?? "", new Secret(`secret of ${id}`));
          }
          while (done.size < count) await new Promise<void>((resolve) => (wake = resolve));
        };
        await showAll(10);
        // The client that the store was filled with is not shown.
        expect((await valuesLeft(store)).clientSecrets).to.equal(1 + 2);
        now += 1_000;
        await showAll(12);
        expect((await valuesLeft(store)).clientSecrets).to.equal(1);
      });

      it("an older key goes when nothing needs it, and not before replicas and answered requests can do without", async () => {
        const store = await open(1);
        const directory = sqlDirectory(store);
        const before = await keyIds();
        const { lookup, seal } = await rekeyData(store, "op");
        const [old] = store.keys.lookup.all.slice(1);
        expect(await removeUnneededKeys(store, "op")).to.deep.equal([]);
        now += 600_010;
        expect(await removeUnneededKeys(store, "op")).to.have.length(1);
        now += DAY;
        expect(await removeUnneededKeys(store, "op")).to.deep.equal([]);
        await renewClientDigest(store, "c", old?.id ?? "", new Secret("secret of c"));
        expect(await removeUnneededKeys(store, "op")).to.deep.equal([old?.id]);
        expect(await keyIds()).to.have.members([lookup, seal]);
        expect(before).to.include(old?.id);
        expect(await owner(directory, "secret key of i")).to.equal("i");
        expect(isSecretOf(store, (await directory.client("c")).value, new Secret("secret of c"))).to.equal(true);
      });

      it("a change of keys that was cut off goes on where it was, with the same new keys", async () => {
        const store = await open(1);
        const first = await rekeyData(store, "op");
        const again = await rekeyData(await open(1), "op");
        expect(again).to.deep.include({ lookup: first.lookup, seal: first.seal, isNew: false });
        expect((await keyIds()).length).to.equal(4);
      });

      it("a new key counts as the newest whatever the clock of the machine that drew it says", async () => {
        now = NOW - DAY;
        const store = await open(1);
        const { lookup, seal } = await rekeyData(store, "op");
        expect([store.keys.lookup.current.id, store.keys.sealing.current.id]).to.deep.equal([lookup, seal]);
        expect((await valuesLeft(store)).secretKeys).to.equal(0);
      });

      it("a secret key that was altered stays as it is, and is counted as left", async () => {
        const store = await open(1);
        await sqlDirectory(store).apply([instance("other")], "tester");
        await bench.sql("UPDATE secret_keys SET sealed = 'v1.altered' WHERE instance_id = 'i'");
        expect((await rekeyData(store, "op")).left.secretKeys).to.equal(1);
        expect(await owner(sqlDirectory(store), "secret key of other")).to.equal("other");
      });

      it("a new master key opens keys that are drawn after it, and those drawn before", async () => {
        const both = await open(2, 1);
        await rekeyData(both, "op");
        expect((await storeStatus(both)).masterKeys).to.deep.equal([idOf(1), idOf(2)].sort());
        await failure(open(2), "unusable", /opens under the master key/);
        expect((await rekey(both, "op")).added).to.deep.equal([idOf(2)]);
        await dropMasterKey(both, idOf(1), "op");
        expect(await owner(sqlDirectory(await open(2)), "secret key of i")).to.equal("i");
      });
    });
  });
}
