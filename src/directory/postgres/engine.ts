import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { until } from "../../util/timeouts.js";
import { DirectoryError } from "../errors.js";
import type { Connection, Engine, Sql } from "../sql/sql.js";
import { BUDGETS, clientConfig, type PostgresAddress, PostgresClient, placeOf, sqlOn } from "./connection.js";
import { directoryError, PostgresError } from "./errors.js";
import { channelOf, feedConnection } from "./feed-connection.js";

/** Times that a transaction is repeated after a deadlock or a serialization failure. */
const MAX_REPEATS = 5;
/** Milliseconds within which a repetition begins, at random. */
const REPEAT_WITHIN = 50;

/** The most milliseconds that closing the connections takes. */
const LONGEST_CLOSE = 2_000;

/** What an engine on PostgreSQL needs. */
export interface PostgresEngineOptions {
  readonly address: PostgresAddress;
  /** The most connections for look-ups and changes; the feed has one more. Default 4. */
  readonly pool?: number | undefined;
}

/** An engine on a PostgreSQL database, versions 14 to 18, also through PgBouncer in transaction mode. */
export function postgresEngine({ address, pool: max = 4 }: PostgresEngineOptions): Engine {
  const pool = new pg.Pool({
    ...clientConfig(address),
    Client: PostgresClient as unknown as new () => pg.ClientBase,
    max,
    idleTimeoutMillis: 30_000,
    // A name that follows the primary is so resolved again.
    maxLifetimeSeconds: 600,
    allowExitOnIdle: true,
  });
  // Idle connections that a failover closes; the next statement finds out by itself.
  pool.on("error", () => {});
  // Those that are lost between two statements of a transaction; the next statement is rejected.
  pool.on("connect", (client) => client.on("error", () => {}));
  const feed = feedConnection(address);

  async function onClient<Result>(work: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
    const client = await pool.connect().catch((error: unknown) => {
      throw directoryError(error, placeOf(address));
    });
    let isSound = true;
    try {
      return await work(client);
    } catch (error) {
      // After a time-out the statement may still be under way, in front of whatever comes next on this connection.
      isSound = error instanceof PostgresError ? error.isAnswer : !isUnknownOutcome(error);
      throw error;
    } finally {
      client.release(!isSound);
    }
  }

  return {
    dialect: "postgres",
    place: placeOf(address),
    query: (text, values) => onClient((client) => sqlOn(client, address, BUDGETS.lookUp.client).query(text, values)),
    feed,
    transaction: async (work) => {
      for (let repeats = 0; ; repeats++) {
        try {
          return await onClient((client) => transaction(client, address, "write", work));
        } catch (error) {
          if (!(error instanceof PostgresError && error.isRepeatable) || repeats === MAX_REPEATS) throw error;
          await delay(Math.random() * REPEAT_WITHIN * (repeats + 1));
        }
      }
    },
    connect: () => connect(address),
    close: async () => {
      // A server that is frozen does not close its side.
      await until(Promise.all([feed.close(), pool.ended ? undefined : pool.end()]), LONGEST_CLOSE);
    },
  };
}

/** Opens a connection of its own for long work. @throws DirectoryError */
export async function connect(address: PostgresAddress): Promise<Connection> {
  const client = new PostgresClient(clientConfig(address));
  // What is under way is rejected all the same.
  client.on("error", () => {});
  try {
    await client.connect();
  } catch (error) {
    throw directoryError(error, placeOf(address));
  }
  const sql = sqlOn(client, address, BUDGETS.bulk.client);
  return {
    query: sql.query,
    write: (work) => transaction(client, address, "bulk", work),
    snapshot: async (work) => {
      await sql.query(`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${limits("bulk")}`);
      try {
        return await work(sql);
      } finally {
        await sql.query("ROLLBACK").catch(() => {});
      }
    },
    close: () => client.end(),
  };
}

async function transaction<Result>(
  client: pg.ClientBase,
  address: PostgresAddress,
  budget: "write" | "bulk",
  work: (sql: Sql) => Promise<Result>,
): Promise<Result> {
  const sql = sqlOn(client, address, BUDGETS[budget].client);
  await sql.query(`BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ${limits(budget)}; ${DURABLE}`);
  let result: Result;
  try {
    result = await work(sql);
  } catch (error) {
    // On a lost connection, or behind a statement that is still under way, it would only wait.
    if (!(error instanceof PostgresError) || error.isAnswer) await sql.query("ROLLBACK").catch(() => {});
    throw error;
  }
  try {
    // The statement's own limit would end the wait for a standby, and the change would be committed on the primary alone.
    await sql.query("SET LOCAL statement_timeout = 0; COMMIT");
  } catch (error) {
    if (error instanceof PostgresError && error.isAnswer) throw error;
    throw new DirectoryError(
      "unknown-outcome",
      `The connection to the database ${placeOf(address)} was lost while a change was committed: it may have been carried out. Look, then try again.`,
    );
  }
  // A hint for followers, which poll as well: nothing waits for it.
  client.query(`NOTIFY ${pg.escapeIdentifier(channelOf(address.schema))}`).catch(() => {});
  return result;
}

const isUnknownOutcome = (error: unknown): boolean =>
  error instanceof DirectoryError && error.code === "unknown-outcome";

const limits = (budget: "write" | "bulk"): string => {
  const { server, lock } = BUDGETS[budget];
  return (
    `SET LOCAL statement_timeout = ${server}; SET LOCAL lock_timeout = ${lock}; ` +
    `SET LOCAL idle_in_transaction_session_timeout = ${server}`
  );
};

/** What is acknowledged is on the disk, whatever the server's default is; a stricter default stays. */
const DURABLE = `SELECT set_config('synchronous_commit', 'on', true)
  WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')`;
