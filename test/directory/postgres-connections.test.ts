import { expect } from "chai";
import { postgresEngine } from "../../src/directory/postgres/engine.js";
import { Secret } from "../../src/util/secret.js";
import { query } from "../support/postgres.js";
import { sharedPostgres } from "../support/shared-postgres.js";

describe("connections to PostgreSQL", () => {
  it("that are lost between two statements of a transaction reject the next one, and harm nothing else", async function () {
    const { url } = await sharedPostgres(this);
    const { hostname, port, username, password, pathname } = new URL(url);
    const engine = postgresEngine({
      address: {
        host: hostname,
        port: Number(port),
        database: pathname.slice(1),
        user: username,
        password: async () => new Secret(decodeURIComponent(password)),
        tls: false,
        schema: "token_verifier",
        applicationName: "a test",
      },
    });
    try {
      const outcome = await engine
        .transaction(async (sql) => {
          const [row] = (await sql.query("SELECT pg_backend_pid() AS pid")) as { pid: number }[];
          await query(url, `SELECT pg_terminate_backend(${row?.pid}, 10000)`);
          // The end of the connection arrives while no statement is under way.
          await new Promise((resolve) => setTimeout(resolve, 50));
          return sql.query("SELECT 1");
        })
        .then(
          () => "done",
          () => "rejected",
        );
      expect(outcome).to.equal("rejected");
      expect(await engine.query("SELECT 1 AS one")).to.have.lengthOf(1);
    } finally {
      await engine.close();
    }
  });
});
