import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { DirectoryCache } from "../../src/directory/directory-cache.js";
import { revocationWords } from "../../src/directory/revocation.js";
import { sqlDirectory } from "../../src/directory/sql/directory.js";
import { rekeyData } from "../../src/directory/sql/reseal.js";
import type { SqlStore } from "../../src/directory/sql/store.js";
import { openStoreAt } from "../../src/directory/stores.js";
import { readJsonLines } from "../../src/directory/transfer/json-lines.js";
import { Secret } from "../../src/util/secret.js";
import { type PgBouncer, startPgBouncer, whyNoPgBouncer } from "../support/pgbouncer.js";
import { sharedPostgres } from "../support/shared-postgres.js";
import { applyTo, headOf, masterKeys, NOW, putClient, putInstance, putUser, refusal, revoke } from "./support.js";

describe("a store on PostgreSQL through PgBouncer in transaction mode", () => {
  let bouncer: PgBouncer;
  let stores: SqlStore[] = [];
  before(async function () {
    const reason = whyNoPgBouncer();
    if (reason !== undefined) {
      process.stderr.write(`skipped: ${reason}\n`);
      this.skip();
    }
    // Fewer connections to the server than clients have: transactions of different clients take turns on one.
    bouncer = await startPgBouncer((await sharedPostgres(this)).url, 3);
  });
  after(() => bouncer?.close());
  beforeEach(async function () {
    const url = new URL(await (await sharedPostgres(this)).freshDatabase());
    const open = () =>
      openStoreAt({
        masterKeys: masterKeys(1),
        clock: () => NOW,
        address: {
          engine: "postgres",
          host: "127.0.0.1",
          port: bouncer.port,
          database: url.pathname.slice(1),
          user: url.username,
          password: async () => new Secret(decodeURIComponent(url.password)),
          tls: false,
          schema: "token_verifier",
          pool: 4,
        },
      });
    // Two processes make the schema at once.
    stores = await Promise.all([open(), open()]);
  });
  afterEach(async () => {
    for (const { engine } of stores.splice(0)) await engine.close();
  });
  const directories = () =>
    stores.map(sqlDirectory) as [ReturnType<typeof sqlDirectory>, ReturnType<typeof sqlDirectory>];

  it("entries and revocations of one process are found by the other, at a poll without notifications", async () => {
    const [one, two] = directories();
    const known = new DirectoryCache({ directory: two, clock: () => NOW });
    await known.follow();
    await applyTo(
      one,
      putInstance("i", "key of i"),
      putUser("i", "u"),
      putClient("c", "secret of c"),
      revoke("r", "j"),
    );
    await known.follow();
    expect(two.polling).to.deep.equal({ interval: 100, notified: false });
    expect(known.revocations.revokedUntil(0, revocationWords({ realm: "r", kind: "jti", value: "j" }))).not.to.equal(
      -1,
    );
    expect((await two.instance(new Secret("key of i"))).value?.id).to.equal("i");
    expect((await two.user("i", "u")).value?.id).to.equal("u");
    expect((await two.client("c")).value?.clientId).to.equal("c");
    const again = new DirectoryCache({ directory: two, clock: () => NOW });
    await again.follow();
    expect(again.revocations.size).to.equal(1);
  });

  it("changes of both at once are all carried out, in one order", async () => {
    const [one, two] = directories();
    const before = await headOf(one);
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        applyTo(index % 2 === 0 ? one : two, putClient(`c${index}`, "a secret"), revoke("r", `j${index}`)),
      ),
    );
    const { changes } = await two.poll(before, 100);
    expect((changes as readonly { number: number }[]).map(({ number }) => number - before.number)).to.deep.equal(
      Array.from({ length: 40 }, (_, index) => index + 1),
    );
  });

  it("a request is carried out once, a refused change leaves nothing, and an import, an export and new keys work", async () => {
    const [one, two] = directories();
    const [store] = stores as [SqlStore];
    await applyTo(one, putInstance("i", "key of i"));
    const by = { actor: "a", requestId: randomUUID() };
    const command = { kind: "deleteInstance", id: "i", expect: "any" } as const;
    const answers = await Promise.all([one, two].map(({ operators }) => operators.change(command, "content", by)));
    expect(answers.map(({ replayed }) => replayed)).to.have.members([false, true]);
    await refusal(applyTo(one, putUser("i", "u")), "not-found", /"i"/);
    const lines = [
      { instance: { id: "j", appId: "a", secretKeys: ["key of instance j"] } },
      { user: { instance: "j", id: "u" } },
    ];
    const report = await two.import(readJsonLines(chunksOf(lines), masterKeys(1)), {}, "tester");
    expect(report.users.added).to.equal(1);
    await rekeyData(store, "op");
    expect((await two.instance(new Secret("key of instance j"))).value?.id).to.equal("j");
    const kinds: string[] = [];
    for await (const { kind } of one.export({ revocations: true, snapshot: true })) kinds.push(kind);
    expect(kinds).to.deep.equal(["store", "putStoredInstance", "putUser"]);
    await Promise.all([one.maintain(), two.maintain()]);
  });
});

async function* chunksOf(lines: readonly unknown[]): AsyncGenerator<Uint8Array> {
  yield Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}
