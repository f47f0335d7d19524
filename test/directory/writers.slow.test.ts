import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import { verifyAudit } from "../../src/directory/audit.js";
import { type Command, entryCommand } from "../../src/directory/commands.js";
import type { Directory } from "../../src/directory/directory.js";
import { DirectoryError } from "../../src/directory/errors.js";
import type { Change } from "../../src/directory/feed.js";
import type { AuditRow } from "../../src/directory/operator-store.js";
import type { Position } from "../../src/directory/position.js";
import { rekey } from "../../src/directory/sql/rekey.js";
import { rekeyData } from "../../src/directory/sql/reseal.js";
import { readJsonLines } from "../../src/directory/transfer/json-lines.js";
import { BENCHES, type StoreBench } from "./benches.js";
import { headOf, masterKeys, putClient, putInstance, putUser, revoke } from "./support.js";

/** Transactions of each writer. */
const ROUNDS = 10;

const put = (...entries: Parameters<typeof entryCommand>[0][]): Command[] => entries.map(entryCommand);

/** What eight writers do in each round, two of a kind. Those of a kind touch the same rows, in opposite orders. */
const WORK: readonly ((writer: number, round: number) => readonly Command[])[] = [
  (writer, round) => put(putUser("shared", `u${round}`, { name: `of ${writer}` }), putClient(`c${round}`, "a secret")),
  (writer, round) => put(putClient(`c${round}`, "another"), putUser("shared", `u${round}`, { name: `of ${writer}` })),
  (_, round) => [revoke("one", `a${round}`), revoke("two", `a${round}`)],
  (_, round) => [revoke("two", `a${round}`), revoke("one", `a${round}`)],
];
const WRITERS = [...WORK, ...WORK];

for (const { engine, start } of BENCHES) {
  describe(`many writers at once on ${engine}`, () => {
    let bench: StoreBench;
    beforeEach(async function () {
      bench = await start(this);
    });
    afterEach(() => bench.release());

    it("each change is carried out once, in one order that every reader sees, and none fails for another's sake", async () => {
      const directories = await Promise.all(Array.from({ length: 4 }, () => bench.open()));
      const on = (index: number): Directory => directories[index % directories.length] as Directory;
      await on(0).apply(put(putInstance("shared", "key of shared")), "setup");
      const first = await headOf(on(0));
      const state = { isOver: false };
      const following = follow(on(0), first, state);

      const writers = WRITERS.map(async (work, writer) => {
        for (let round = 0; round < ROUNDS; round++) await on(writer).apply(work(writer, round), `writer ${writer}`);
      });
      // Many selectors in one command, forwards and backwards.
      const revokers = [0, 1].map(async (index) => {
        const ids = Array.from({ length: 40 }, (_, id) => (index === 0 ? id : 39 - id));
        for (let round = 0; round < ROUNDS; round++) await on(index).apply([revokeMany("one", ids)], "revoker");
      });
      const imports = [0, 1].map((index) => importOnce(on(index), index));
      const changeOfKeys = bench.store({ masterKeys: masterKeys(2, 1) }).then(async (store) => {
        await rekey(store, "rekey");
        return rekeyData(store, "rekey");
      });
      const contests = Array.from({ length: ROUNDS }, (_, round) => contest(directories, round));

      await Promise.all([...writers, ...revokers, ...imports, changeOfKeys, ...contests]);
      const { number } = await headOf(on(0));
      state.isOver = true;
      const changes = await following;
      expect(changes.map((change) => change.number)).to.deep.equal(
        Array.from({ length: number - first.number }, (_, index) => first.number + 1 + index),
      );
      // Two of each writer's transaction, one of each revoker's, one winner of each contest, two feed rows of each import.
      expect(changes).to.have.length((WRITERS.length * 2 + revokers.length + 1) * ROUNDS + imports.length * 2);
      expect(await verifyAudit(auditOf(on(0)))).to.have.property("broken", undefined);
      const [counted] = await bench.sql("SELECT revocations FROM feed_head");
      expect(counted).to.deep.equal({ revocations: (await bench.sql("SELECT key FROM revocations")).length });
      const owners = await bench.sql(
        "SELECT count(DISTINCT instance_id) AS owners FROM secret_keys WHERE instance_id LIKE 'owner%'",
      );
      expect(owners).to.deep.equal([{ owners: ROUNDS }]);
      const users = await bench.sql("SELECT id FROM users WHERE id LIKE 'imported%'");
      expect(users).to.have.length(200);
    });

    it("of two seeds at once, one is loaded and the other refused", async () => {
      const directories = [await bench.open(), await bench.open()];
      const seeds = await Promise.allSettled(
        directories.map((directory, index) =>
          directory.apply([{ kind: "seed", entries: [putInstance(`i${index}`, `key of ${index}`)] }], "seed"),
        ),
      );
      const refused = seeds.filter((seed) => seed.status === "rejected");
      expect(refused.map(({ reason }) => (reason as DirectoryError).code)).to.deep.equal(["conflict"]);
      expect(await bench.sql("SELECT id FROM instances")).to.have.length(1);
    });
  });
}

/** Several replicas at once give one secret key to an instance each: one of them succeeds. */
async function contest(directories: readonly Directory[], round: number): Promise<void> {
  const outcomes = await Promise.allSettled(
    directories.map((directory, index) =>
      directory.apply(put(putInstance(`owner ${round} ${index}`, `contested ${round}`)), "contest"),
    ),
  );
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  expect(refused.map(({ reason }) => reason.code)).to.deep.equal(directories.slice(1).map(() => "conflict"));
}

/** Imports users that the other import has too, and some of its revocations; again where the store got new keys meanwhile. */
async function importOnce(directory: Directory, index: number): Promise<void> {
  const users = Array.from({ length: 200 }, (_, user) => ({
    user: { instance: "shared", id: `imported ${user}`, name: `by import ${index}` },
  }));
  const revocations = Array.from({ length: 60 }, (_, id) => ({
    revocation: { realm: "one", jti: `m${id + 40 + index * 20}`, exp: 1_900_000_000 + index },
  }));
  const text = [...users, ...revocations].map((line) => `${JSON.stringify(line)}\n`).join("");
  for (;;) {
    try {
      await directory.import(readJsonLines(chunksOf(text), masterKeys(1)), {}, `import ${index}`);
      return;
    } catch (error) {
      if (!(error instanceof DirectoryError && error.message.includes("another look-up key"))) throw error;
    }
  }
}

async function* chunksOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

const revokeMany = (realm: string, ids: readonly number[]): Command => ({
  kind: "revoke",
  revocations: ids.map((id) => ({
    selector: { realm, kind: "jti", value: `m${id}` },
    issuedBefore: null,
    exp: 1_900_000_000,
  })),
  comment: "",
});

/** Reads the feed until it is over and read to its end. @throws if a change appears behind one that was read */
async function follow(
  directory: Directory,
  from: Position,
  state: { readonly isOver: boolean },
): Promise<readonly Change[]> {
  const read: Change[] = [];
  let at = from;
  for (;;) {
    await nextTurn();
    const { isOver } = state;
    const { changes, head } = await directory.poll(at, 7);
    if (changes === "restart") throw new Error("the feed restarted");
    for (const change of changes) {
      expect(change.number).to.equal(at.number + 1);
      at = { number: change.number, mark: change.mark };
      read.push(change);
    }
    if (isOver && at.number === head.number) return read;
  }
}

async function* auditOf({ operators }: Directory): AsyncGenerator<AuditRow> {
  for (let before: number | undefined; ; ) {
    const rows = await operators.audit({}, before, 100);
    yield* rows;
    if (rows.length < 100) return;
    before = rows.at(-1)?.number;
  }
}
