// Imports in another process, which is killed on the way: its arguments are the task and the store's address as JSON.
import { writeSync } from "node:fs";
import { importLines } from "../../src/directory/sql/import.js";
import type { Connection, Sql } from "../../src/directory/sql/sql.js";
import { openStoreAt } from "../../src/directory/stores.js";
import type { ImportLine } from "../../src/directory/transfer/import.js";
import { Secret } from "../../src/util/secret.js";
import { masterKeys, NOW, putInstance, putUser } from "./support.js";

const [task, text = ""] = process.argv.slice(2);
const { password, ...address } = JSON.parse(text);
const store = await openStoreAt({
  address: { ...address, password: async () => new Secret(password) },
  masterKeys: masterKeys(1),
  clock: () => NOW,
});
const die = () => process.kill(process.pid, "SIGKILL");

async function* lines(): AsyncGenerator<ImportLine> {
  writeSync(1, "importing\n");
  for (let n = 0; n < 1_500; n++) {
    yield { line: 2 * n + 1, entry: putInstance(`i${n}`, `secret ${n}`) };
    yield { line: 2 * n + 2, entry: putUser(`i${n}`, "u") };
  }
  if (task === "dieInStaging") die();
}

/** Dies when the head of the feed is to be raised: after all entries are in, and before COMMIT. */
const dyingIn = (sql: Sql): Sql => ({
  query(query, values) {
    if (/UPDATE \{feed_head\} SET number/.test(query)) die();
    return sql.query(query, values);
  },
});
const dying = (connection: Connection): Connection => ({
  ...connection,
  write: (work) => connection.write((sql) => work(dyingIn(sql))),
});
const engine = { ...store.engine, connect: async () => dying(await store.engine.connect()) };
await importLines(
  Object.create(store, { engine: { value: engine } }),
  lines(),
  {},
  { actor: "child", requestId: null },
);
writeSync(1, "survived\n");
