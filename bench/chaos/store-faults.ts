import pg from "pg";
import { startPostgres } from "../../test/support/postgres.js";
import { now, pause } from "./clock.js";
import type { Fault, Scene } from "./fault.js";

// Faults of PostgreSQL, and of the way to it. In all of them verdicts go on from memory until `staleFor`; calls may fail
// that need what is not in memory.

/** What all of them have in common. */
const COMMON = { needs: ["postgres"], failing: "all", deaf: "all" } as const;

export const STORE_FAULTS: readonly Fault[] = [
  {
    ...COMMON,
    name: "PostgreSQL is killed (SIGKILL) and started again",
    lasts: 3,
    recovery: 3,
    async begin({ rig }) {
      await rig.postgres?.kill("SIGKILL");
      return () => rig.postgres?.restart();
    },
  },
  {
    ...COMMON,
    name: "PostgreSQL is frozen (SIGSTOP) for 5 s",
    lasts: 5,
    recovery: 5,
    begin: freeze,
  },
  {
    ...COMMON,
    name: "PostgreSQL is frozen past `staleFor`",
    lasts: 15,
    recovery: 5,
    begin: freeze,
  },
  {
    ...COMMON,
    name: "PostgreSQL is frozen and the issuer's key server is away",
    lasts: 5,
    recovery: 5,
    async begin(scene) {
      scene.rig.issuer.setAway(true);
      const end = await freeze(scene);
      return async () => {
        scene.rig.issuer.setAway(false);
        await end();
      };
    },
  },
  {
    ...COMMON,
    name: "PostgreSQL is 200 ms away, each way",
    lasts: 8,
    recovery: 2,
    begin: ({ rig }) => proxied(rig.databaseProxies(), { delayThere: 200, delayBack: 200 }),
  },
  {
    ...COMMON,
    name: "PostgreSQL is 3 s away from a replica, each way",
    failing: "victim and gateways",
    deaf: "victim and gateways",
    lasts: 8,
    recovery: 8,
    begin: ({ victim }) => proxied([victim.database], { delayThere: 3_000, delayBack: 3_000 }),
  },
  {
    ...COMMON,
    name: "a replica's connections to PostgreSQL are cut",
    failing: "victim and gateways",
    deaf: "victim and gateways",
    lasts: 1,
    recovery: 2,
    async begin({ victim }) {
      victim.database?.cut();
      return () => {};
    },
  },
  {
    ...COMMON,
    name: "a replica's connections to PostgreSQL go half-open",
    failing: "victim and gateways",
    deaf: "victim and gateways",
    lasts: 5,
    recovery: 8,
    begin: ({ victim }) => proxied([victim.database], { halfOpen: true }),
  },
  {
    ...COMMON,
    name: "all connections of PostgreSQL are taken",
    deaf: "none",
    lasts: 5,
    recovery: 2,
    begin: takeConnections,
  },
  {
    ...COMMON,
    name: "a long snapshot is held",
    failing: "none",
    deaf: "none",
    lasts: 8,
    recovery: 1,
    async begin(scene) {
      const client = await clientOf(scene);
      await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
      await readAllTables(client);
      return () => client.end();
    },
  },
  {
    ...COMMON,
    name: "DDL waits 2 s behind a long read, and all readers behind it",
    lasts: 2,
    recovery: 3,
    async begin(scene) {
      const [reader, changer] = [await clientOf(scene), await clientOf(scene)];
      await reader.query("BEGIN");
      const tables = await readAllTables(reader);
      await changer.query("BEGIN; SET LOCAL lock_timeout = '2s'");
      const waiting = changer.query(`LOCK TABLE ${tables.join(", ")} IN ACCESS EXCLUSIVE MODE`).catch(() => {});
      return async () => {
        await waiting;
        await Promise.all([reader.end(), changer.end()]);
      };
    },
  },
  {
    ...COMMON,
    name: "PostgreSQL goes back to a disk copy, and loses 2 s of changes",
    lasts: 0,
    recovery: 5,
    async begin({ rig, operator }) {
      const moment = now();
      const copy = rig.postgres?.copyFolder();
      await pause(2_000);
      const repeat = operator.loseSince(moment);
      await rig.postgres?.restart(copy);
      copy?.remove();
      return repeat;
    },
  },
  {
    ...COMMON,
    // The proxies lead past PgBouncer afterwards.
    needs: ["postgres", "direct"],
    name: "a standby is promoted that lacks 2 s of changes",
    lasts: 0,
    recovery: 5,
    async begin({ rig, operator }) {
      const old = rig.postgres;
      const moment = now();
      const copy = old?.copyFolder();
      await pause(2_000);
      const repeat = operator.loseSince(moment);
      await old?.kill("SIGKILL");
      const standby = await startPostgres({ ...(copy !== undefined && { copy }), standby: true });
      await standby.query("SELECT pg_promote()");
      rig.postgres = standby;
      for (const proxy of rig.databaseProxies()) {
        proxy.retarget(standby.port);
        proxy.cut();
      }
      await old?.close();
      return repeat;
    },
  },
];

async function freeze({ rig }: Scene): Promise<() => unknown> {
  await rig.postgres?.kill("SIGSTOP");
  return () => rig.postgres?.kill("SIGCONT");
}

async function proxied(
  proxies: readonly Scene["victim"]["database"][],
  faults: Parameters<NonNullable<Scene["victim"]["database"]>["set"]>[0],
): Promise<() => void> {
  for (const proxy of proxies) proxy?.set(faults);
  return () => {
    for (const proxy of proxies) proxy?.set({});
  };
}

/** Connects to the store's database directly. */
async function clientOf({ rig }: Scene): Promise<pg.Client> {
  const url = new URL(rig.postgres?.url ?? "");
  url.pathname = rig.database;
  const client = new pg.Client({ connectionString: url.href });
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** Reads all tables of the store, which holds a lock and a snapshot of each while the transaction is open. @returns their names */
async function readAllTables(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`,
  );
  const names = rows.map(({ name }) => name);
  for (const name of names) await client.query(`SELECT count(*) FROM ${name}`);
  return names;
}

/** Opens connections until PostgreSQL refuses them. */
async function takeConnections(scene: Scene): Promise<() => Promise<unknown>> {
  const taken: pg.Client[] = [];
  try {
    for (;;) taken.push(await clientOf(scene));
  } catch (error) {
    // 53300 is too_many_connections; superusers get the last three.
    if ((error as { code?: string }).code !== "53300") throw error;
  }
  return () => Promise.all(taken.map((client) => client.end()));
}
