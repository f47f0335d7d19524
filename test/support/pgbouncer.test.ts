import { expect } from "chai";
import pg from "pg";
import { type PgBouncer, startPgBouncer, whyNoPgBouncer } from "./pgbouncer.js";
import { query } from "./postgres.js";
import { sharedPostgres } from "./shared-postgres.js";

describe("PgBouncer in front of a PostgreSQL server of the tests", () => {
  let bouncer: PgBouncer;
  let url: string;
  before(async function () {
    if (whyNoPgBouncer() !== undefined) this.skip();
    const shared = await sharedPostgres(this);
    url = await shared.freshDatabase();
    bouncer = await startPgBouncer(shared.url, 1);
  });
  after(() => bouncer?.close());

  it("gives one server connection to the transactions of two clients in turn", async () => {
    const clients = [1, 2].map(() => new pg.Client({ connectionString: bouncer.through(url) }));
    const pids = await Promise.all(
      clients.map(async (client) => {
        await client.connect();
        const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
        return rows[0]?.pid;
      }),
    );
    await Promise.all(clients.map((client) => client.end()));
    expect(pids[0]).to.equal(pids[1]);
  });

  it("leads to the database of the URL", async () => {
    await query(bouncer.through(url), "CREATE TABLE mine (n int)");
    expect(await query(url, "SELECT * FROM mine")).to.deep.equal([]);
  });
});
