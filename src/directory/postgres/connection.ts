import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import pg from "pg";
import type { Secret } from "../../util/secret.js";
import type { Sql, SqlValue } from "../sql/sql.js";
import { directoryError } from "./errors.js";

/** Where a PostgreSQL database is, and how to connect to it. No environment variable and no file adds to it. */
export interface PostgresAddress {
  /** A host name, an IP address, or the folder of a unix socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** Called for every new connection, so that a password can be replaced while the process runs. */
  readonly password: () => Promise<Secret | undefined>;
  /** How TLS is done; false for none. */
  readonly tls: ConnectionOptions | false;
  /** The schema that holds the tables. */
  readonly schema: string;
  /** What `pg_stat_activity` shows. */
  readonly applicationName: string;
}

/** Milliseconds that a statement of each kind of work may take. The server's own limit is shorter, so that it gives up first. */
export const BUDGETS = {
  lookUp: { client: 1_500 },
  write: { client: 6_000, server: 5_000, lock: 3_000 },
  bulk: { client: 630_000, server: 600_000, lock: 10_000 },
} as const;

/** Milliseconds to wait for a connection. */
const CONNECT_TIMEOUT = 1_500;

/** A client that takes nothing from the environment: pg reads some PG* variables where a member is absent. */
export class PostgresClient extends pg.Client {
  constructor(config: pg.ClientConfig) {
    // A pool hides the password from enumeration.
    super({ ...config, password: config.password, sslnegotiation: "postgres" });
    const { connectionParameters, connection } = this as unknown as {
      connectionParameters: Record<string, unknown>;
      connection: EventEmitter & { readonly stream: Socket };
    };
    // Where pg gives up by itself, for want of a password, it leaves the server waiting for one.
    connection.on("error", () => connection.stream.destroy());
    Object.assign(connectionParameters, {
      options: undefined,
      replication: undefined,
      client_encoding: "utf8",
      binary: false,
    });
  }
}

/** What pg connects with. It sends no start-up parameters, which PgBouncer refuses. */
export function clientConfig(address: PostgresAddress): pg.ClientConfig {
  const { host, port, database, user, password, tls, applicationName } = address;
  return {
    host,
    port,
    database,
    user,
    password: async () => (await password())?.reveal() ?? "",
    ssl: tls,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    keepAlive: true,
    types: { getTypeParser },
  };
}

/** The type int8 (pg_type). */
const INT8 = 20;

/** int8 as a number: no count or time here reaches 2^53. */
export const getTypeParser = ((oid: number, format: "text"): ((text: string) => unknown) =>
  oid === INT8
    ? Number
    : (pg.types.getTypeParser(oid, format) as (text: string) => unknown)) as typeof pg.types.getTypeParser;

/** Where a database is, for operators. */
export const placeOf = ({ host, port, database }: PostgresAddress): string => `${host}:${port}/${database}`;

/**
 * Statements on a client, each with a time limit of its own.
 *
 * @param timeout milliseconds
 */
export function sqlOn(client: pg.ClientBase, address: PostgresAddress, timeout: number): Sql {
  const named = tableNames(address.schema);
  return {
    async query<Row extends object>(text: string, values: readonly SqlValue[] = []): Promise<Row[]> {
      // Only a text without values may be several statements.
      const more = values.length === 0 ? {} : { values: [...values] };
      try {
        const query = { text: named(text), ...more, query_timeout: timeout };
        const result = await client.query<Row>(query);
        return result.rows ?? [];
      } catch (error) {
        throw directoryError(error, placeOf(address));
      }
    },
  };
}

const namers = new Map<string, (text: string) => string>();

/** Puts the tables of a schema in place of the names in braces. */
function tableNames(schema: string): (text: string) => string {
  let namer = namers.get(schema);
  if (namer === undefined) {
    const quoted = pg.escapeIdentifier(schema);
    const known = new Map<string, string>();
    namer = (text) => {
      let statement = known.get(text);
      if (statement === undefined) {
        statement = text.replace(/\{(\w+)\}/g, (_, name: string) => `${quoted}.${pg.escapeIdentifier(name)}`);
        known.set(text, statement);
      }
      return statement;
    };
    namers.set(schema, namer);
  }
  return namer;
}
