import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEachFile } from "./after-file.js";
import { type PostgresServer, query, startPostgres, whyNoPostgres } from "./postgres.js";

// One server for all test files of a run. mocha's main process starts it when the first file needs it, and tells its URL to
// the processes that run the files over a unix socket, whose path is in this variable.
const BROKER = "TEST_POSTGRES_BROKER";

/** The PostgreSQL server that test files share. A test that stops a server starts its own with `startPostgres`. */
export interface SharedPostgres {
  /** The URL of a database of the server, for statements that concern the whole server. */
  readonly url: string;
  /** Makes an empty database, which goes after the tests of this file. @returns its URL */
  freshDatabase(): Promise<string>;
}

/** Lets test processes ask this one for the server. Called once, in mocha's main process. @returns a function that ends both */
export async function offerPostgres(): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "token-verifier-broker-"));
  const path = join(folder, "socket");
  let starting: Promise<PostgresServer> | undefined;
  const broker = net.createServer((socket) => {
    starting ??= startPostgres();
    starting.then(
      ({ url }) => socket.end(JSON.stringify({ url })),
      (error: unknown) => socket.end(JSON.stringify({ error: String(error) })),
    );
    socket.on("error", () => {});
  });
  broker.listen(path).unref();
  await once(broker, "listening");
  process.env[BROKER] = path;
  return async () => {
    broker.close();
    rmSync(folder, { recursive: true, force: true });
    await (await starting?.catch(() => undefined))?.close();
  };
}

/**
 * Returns the server that test files share: the one of `TEST_POSTGRES_URL`, whose user may create databases, or a new one of
 * the npm package. Call it in `before`: where PostgreSQL cannot run it skips the tests and writes why to stderr.
 */
export async function sharedPostgres(context: Mocha.Context): Promise<SharedPostgres> {
  const given = process.env["TEST_POSTGRES_URL"];
  if (given !== undefined) return sharedAt(given, "");
  const reason = whyNoPostgres();
  if (reason !== undefined) {
    process.stderr.write(
      `skipped: ${context.currentTest?.fullTitle() ?? context.test?.parent?.fullTitle()}: ${reason}\n`,
    );
    context.skip();
  }
  return sharedAt(await askedUrl(), "STRATEGY file_copy");
}

async function askedUrl(): Promise<string> {
  const path = process.env[BROKER];
  if (path === undefined) throw new Error("the test run offers no PostgreSQL server: run the tests with mocha");
  let text = "";
  for await (const chunk of net.connect(path)) text += String(chunk);
  const { url, error } = JSON.parse(text) as { url?: string; error?: string };
  if (url === undefined) throw new Error(error);
  return url;
}

const made: { readonly url: string; readonly name: string }[] = [];

function sharedAt(url: string, how: string): SharedPostgres {
  return {
    url,
    async freshDatabase() {
      const name = `test_${randomBytes(8).toString("hex")}`;
      await query(url, `CREATE DATABASE ${name} TEMPLATE template0 ${how}`);
      made.push({ url, name });
      const database = new URL(url);
      database.pathname = name;
      return database.href;
    },
  };
}

afterEachFile(async () => {
  for (const { url, name } of made.splice(0)) await query(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
});
