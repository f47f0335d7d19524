import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { type PostgresServer, query, startPostgres, whyNoPostgres } from "./postgres.js";
import { sharedPostgres } from "./shared-postgres.js";

/** Returns the state of a process as Linux names it (T: stopped, Z: ended), or undefined once it has gone. */
function stateOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.[0];
  } catch {
    return undefined;
  }
}
const runs = (pid: number): boolean => ![undefined, "Z"].includes(stateOf(pid));

describe("a PostgreSQL server of the tests", () => {
  let server: PostgresServer;
  before(async function () {
    if (process.platform !== "linux" || whyNoPostgres() !== undefined) this.skip();
    server = await startPostgres();
  });
  after(() => server?.close());

  it("keeps what was committed when all its processes are killed and it starts again on its folder and port", async () => {
    const url = await server.freshDatabase();
    await query(url, "CREATE TABLE kept AS SELECT 1 AS one");
    const before = server.pid;
    await server.kill("SIGKILL");
    const error = await query(url, "SELECT 1").then(
      () => undefined,
      (one: unknown) => (one as NodeJS.ErrnoException).code,
    );
    expect(error).to.equal("ECONNREFUSED");
    await server.restart();
    expect(server.pid).not.to.equal(before);
    expect(await query(url, "SELECT one FROM kept")).to.deep.equal([{ one: 1 }]);
  });

  it("answers nothing while it is frozen, and then what was asked meanwhile", async () => {
    await server.kill("SIGSTOP");
    let isAnswered = false;
    const answer = server.query("SELECT 1 AS one").then((rows) => {
      isAnswered = true;
      return rows;
    });
    const [state, wasAnswered] = [stateOf(server.pid), isAnswered];
    await server.kill("SIGCONT");
    expect([state, wasAnswered]).to.deep.equal(["T", false]);
    expect(await answer).to.deep.equal([{ one: 1 }]);
  });

  it("goes back to a copy of its folder, which a running server gives, and loses what came after", async () => {
    const url = await server.freshDatabase();
    await query(url, "CREATE TABLE history (n int)");
    await query(url, "INSERT INTO history VALUES (1)");
    const copy = server.copyFolder();
    await query(url, "INSERT INTO history VALUES (2)");
    await server.restart(copy);
    expect(await query(url, "SELECT n FROM history")).to.deep.equal([{ n: 1 }]);
    copy.remove();
  });

  it("runs a copy of its folder as a standby that is promoted to a timeline of its own", async () => {
    const standby = await startPostgres({ copy: server.copyFolder(), standby: true });
    try {
      expect(await standby.query("SELECT pg_is_in_recovery() AS standby")).to.deep.equal([{ standby: true }]);
      await standby.query("SELECT pg_promote()");
      await standby.query("CHECKPOINT");
      const timeline = "SELECT timeline_id AS timeline FROM pg_control_checkpoint()";
      expect(await standby.query(timeline)).to.deep.equal([{ timeline: 2 }]);
    } finally {
      await standby.close();
    }
  });

  it("ends, with its folder, when the process that started it is killed", async () => {
    const module = fileURLToPath(new URL("./postgres.ts", import.meta.url));
    const script = `const { startPostgres } = await import(${JSON.stringify(module)});
      const server = await startPostgres();
      console.log(JSON.stringify({ pid: server.pid, folder: server.folder }));
      setInterval(() => {}, 1e6);`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const { pid, folder } = JSON.parse(String(line)) as { pid: number; folder: string };
    expect(runs(pid)).to.equal(true);
    child.kill("SIGKILL");
    while (runs(pid) || existsSync(dirname(folder))) await new Promise((resolve) => setTimeout(resolve, 10));
  });
});

describe("the PostgreSQL server that test files share", () => {
  it("gives each caller an empty database of its own", async function () {
    const shared = await sharedPostgres(this);
    const [one, other] = [await shared.freshDatabase(), await shared.freshDatabase()];
    await query(one, "CREATE TABLE mine (n int)");
    const tables = "SELECT count(*)::int AS count FROM pg_tables WHERE schemaname = 'public'";
    expect(await query(one, tables)).to.deep.equal([{ count: 1 }]);
    expect(await query(other, tables)).to.deep.equal([{ count: 0 }]);
  });
});
