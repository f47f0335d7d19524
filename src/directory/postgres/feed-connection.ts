import pg from "pg";
import { DirectoryError } from "../errors.js";
import type { FeedConnection, Sql, SqlValue } from "../sql/sql.js";
import { BUDGETS, clientConfig, type PostgresAddress, PostgresClient, placeOf, sqlOn } from "./connection.js";
import { directoryError, PostgresError } from "./errors.js";

/** Milliseconds from one poll to the next where notifications arrive, and where they do not. */
const INTERVALS = { notified: 250, unnotified: 100 };
/** Milliseconds after which a connection is replaced, so that a name that follows the primary is resolved again. */
const MAX_AGE = 600_000;

/** The channel on which commits to a schema are notified. */
export const channelOf = (schema: string): string => `token_verifier ${schema}`.slice(0, 63);

interface Open {
  readonly client: PostgresClient;
  readonly sql: Sql;
  readonly openedAt: number;
}

/** A connection of its own for the feed, made at the first poll and made again after a failure. */
export function feedConnection(address: PostgresAddress): FeedConnection & { close(): Promise<void> } {
  let open: Promise<Open> | undefined;
  let notified: boolean | undefined;
  let isClosed = false;
  const listeners: (() => void)[] = [];

  async function connect(): Promise<Open> {
    const client = new PostgresClient(clientConfig(address));
    client.on("error", () => {});
    client.on("notification", ({ payload, processId }) => {
      if (payload !== "test") for (const listener of listeners) listener();
      // PgBouncer passes a notification on if it comes while the server connection is lent to us, as that of the test does, and
      // hardly any other. It gives its clients a process id that is not the server's.
      else if (processId === (client as { readonly processID?: number }).processID) notified = true;
    });
    try {
      await client.connect();
      const sql = sqlOn(client, address, BUDGETS.lookUp.client);
      await testNotifications(sql);
      return { client, sql, openedAt: performance.now() };
    } catch (error) {
      await client.end().catch(() => {});
      throw directoryError(error, placeOf(address));
    }
  }

  /** Notifies ourselves: if the notification arrives, at any time, so will those of commits. */
  async function testNotifications(sql: Sql): Promise<void> {
    const channel = pg.escapeIdentifier(channelOf(address.schema));
    notified = false;
    await sql.query(`LISTEN ${channel}`);
    await sql.query(`NOTIFY ${channel}, 'test'`);
  }

  async function drop(): Promise<void> {
    const dropped = open;
    open = undefined;
    const { client } = (await dropped?.catch(() => undefined)) ?? {};
    await client?.end().catch(() => {});
  }

  return {
    async query<Row extends object>(text: string, values?: readonly SqlValue[]): Promise<Row[]> {
      if (isClosed) throw new DirectoryError("unavailable", "The store is closed. Open it again.");
      open ??= connect();
      const { sql, openedAt } = await open.catch((error: unknown) => {
        open = undefined;
        throw error;
      });
      try {
        const rows = await sql.query<Row>(text, values);
        if (performance.now() - openedAt > MAX_AGE) void drop();
        return rows;
      } catch (error) {
        if (!(error instanceof PostgresError && error.isAnswer)) void drop();
        throw error;
      }
    },
    get interval() {
      return notified === true ? INTERVALS.notified : INTERVALS.unnotified;
    },
    get notified() {
      return notified ?? false;
    },
    onNotification: (listener) => void listeners.push(listener),
    close: async () => {
      isClosed = true;
      await drop();
    },
  };
}
