import { writeFileSync } from "node:fs";
import path from "node:path";
import { call, channel, clowkRequest, verified } from "./calls.js";
import { type Contender, compare, type Plan } from "./compare.js";
import { deploy, withDirectory } from "./deployment.js";
import { removeStores, storeOf } from "./directory-store.js";
import { load, type Measured, start } from "./measured.js";
import { runImport } from "./run-import.js";

// Compares the CPU of a verification with a user look-up in a directory of a million users with one of a thousand, for
// cached users and for users read from the store.

const [LARGE, SMALL] = [1_000_000, 1_000] as const;

/**
 * The maximum ratio of a look-up's cost in the large directory to that in the small one: it allows for noise and for the
 * deeper tree of the large store.
 */
const BOUND = 1.2;

/** The number of users looked up in a round, which is all of the small directory. */
const ASKED = SMALL;

/** A service with a directory of a given size. */
interface Subject {
  readonly known: Contender;
  readonly unknown: Contender;
  stop(): void;
}

async function subjectOf(users: number): Promise<Subject> {
  const deployment = deploy(withDirectory(await storeOf(users)));
  const server: Measured = await start("service", deployment.config);
  const client = channel(server.ready.addresses?.["grpc"] ?? "");
  const spread = Math.floor(users / ASKED);
  const someUser = (n: number): number => (n % ASKED) * spread + Math.floor(Math.random() * spread);
  const fixed = Array.from({ length: ASKED }, (_, n) => clowkRequest(someUser(n)));
  let fresh: Buffer[] = [];
  let turn = 0;
  const sending = (requests: () => readonly Buffer[]) =>
    load(64, async () => {
      const answer = await call(client, requests()[turn++ % ASKED] ?? Buffer.alloc(0));
      if (verified(answer) === undefined) throw new Error("a good token is not verified");
    });
  const positionOf = async (): Promise<string> => verified(await call(client, clowkRequest(0)))?.position ?? "";
  let round = 0;
  /** Empties the service's cache by an import that changes one client. */
  const forget = async (): Promise<void> => {
    const before = await positionOf();
    const bulk = path.join(deployment.folder, "one.jsonl");
    const secret = `of the benchmark ${Date.now()}`;
    writeFileSync(bulk, JSON.stringify({ client: { clientId: "one", clientSecret: secret } }));
    await runImport(bulk, deployment.config);
    while ((await positionOf()) === before) await new Promise((resolve) => setTimeout(resolve, 20));
    round += 1;
    fresh = Array.from({ length: ASKED }, (_, n) => clowkRequest(someUser(n), { round }));
  };
  const name = `${users} users`;
  return {
    known: { name, server, send: sending(() => fixed) },
    unknown: { name, server, send: sending(() => fresh), prepare: forget },
    stop() {
      server.stop();
      deployment.remove();
    },
  };
}

/** Compares a large directory with a small one; sets the exit code to 1 if it costs more. @param isFresh rebuild the stores */
export async function directory({ rounds, requests }: Plan, isFresh: boolean): Promise<void> {
  if (isFresh) removeStores();
  const large = await subjectOf(LARGE);
  const small = await subjectOf(SMALL);
  try {
    const known = await compare("users that are known", large.known, small.known, { rounds, requests });
    const asked = { rounds, requests: ASKED };
    const unknown = await compare("a first look-up of each user, new tokens", large.unknown, small.unknown, asked);
    const isBounded = Math.max(known, unknown) <= BOUND;
    console.log(`${isBounded ? "" : "NOT "}within ${BOUND} x, known or not`);
    if (!isBounded) process.exitCode = 1;
  } finally {
    large.stop();
    small.stop();
  }
}
