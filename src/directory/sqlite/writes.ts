import type { Database } from "better-sqlite3";
import type { Clock } from "../../util/clock.js";
import type { Command, CommandOf, DirectoryEntry } from "../commands.js";
import { DirectoryError } from "../errors.js";
import { type ChangeRecord, changeRecord, encodeChange } from "../feed.js";
import type { MasterKeys } from "../master-keys.js";
import { clientSecretDigest, seal, secretKeyDigest, secretKeyDigests } from "../sealing.js";
import { sealedAt } from "./reads.js";

/** Seconds that a revocation stays in the store after its end, for the clocks of processes that share the store may differ. */
const REVOCATION_SLACK = 86_400;

/** Carries out commands, by kind. */
type Handlers = { readonly [Kind in Command["kind"]]: (command: CommandOf<Kind>) => void };

/**
 * Prepares all commands.
 *
 * @param retention how many feed rows to keep
 * @returns carries out one command; to be called in a write transaction, it throws SQLite's own errors
 */
export function prepareWrites(
  db: Database,
  keys: MasterKeys,
  clock: Clock,
  retention: number,
): (command: Command, actor: string) => void {
  const position = db.prepare<[], number>("SELECT position FROM feed_head WHERE id = 1").pluck();
  const record = prepareRecord(db, clock, retention);
  const handlers: Handlers = {
    ...instanceHandlers(db, keys),
    ...userHandlers(db),
    ...clientHandlers(db, keys),
    ...revocationHandlers(db, clock),
    seed({ entries }) {
      if (position.get() !== 0) {
        throw new DirectoryError("conflict", "The store was written to before. Import into it instead of seeding it.");
      }
      for (const entry of entries) handle(entry);
    },
  };
  function handle(command: Command | DirectoryEntry): void {
    (handlers[command.kind] as (command: Command) => void)(command);
  }

  return (command, actor) => {
    handle(command);
    record(changeRecord(command), actor, command.kind);
  };
}

/**
 * Prepares what closes every change: it raises the position, and writes a feed row and an audit row.
 *
 * @param retention how many feed rows to keep
 * @returns to be called in the transaction of the change, after it; the last argument names the command
 */
export function prepareRecord(
  db: Database,
  clock: Clock,
  retention: number,
): (trace: ChangeRecord, actor: string, command: string) => void {
  const advance = db
    .prepare<[], number>("UPDATE feed_head SET position = position + 1 WHERE id = 1 RETURNING position")
    .pluck();
  const addToFeed = db.prepare("INSERT INTO feed (position, kind, touched) VALUES (?, ?, ?)");
  const trimFeed = db.prepare("DELETE FROM feed WHERE position <= ?");
  const addToAudit = db.prepare("INSERT INTO audit (position, at, actor, command, subject) VALUES (?, ?, ?, ?, ?)");
  return ({ touched, subject }, actor, command) => {
    const reached = advance.get() ?? 0;
    const row = encodeChange(touched);
    addToFeed.run(reached, row.kind, row.touched);
    trimFeed.run(reached - retention);
    addToAudit.run(reached, Math.trunc(clock()), actor, command, JSON.stringify(subject));
  };
}

function instanceHandlers(db: Database, keys: MasterKeys): Pick<Handlers, "putInstance" | "removeInstance"> {
  const put = db.prepare(
    "INSERT INTO instances (id, app_id) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET app_id = excluded.app_id",
  );
  const remove = db.prepare("DELETE FROM instances WHERE id = ?");
  const owner = db.prepare<[Buffer], string>("SELECT instance_id FROM secret_keys WHERE digest = ?").pluck();
  const dropKeys = db.prepare("DELETE FROM secret_keys WHERE instance_id = ?");
  const addKey = db.prepare(
    "INSERT INTO secret_keys (digest, key_id, instance_id, ordinal, sealed) VALUES (?, ?, ?, ?, ?)",
  );
  return {
    putInstance({ id, appId, secretKeys }) {
      dropKeys.run(id);
      put.run(id, appId);
      for (const [ordinal, secretKey] of secretKeys.entries()) {
        for (const digest of secretKeyDigests(keys, secretKey)) {
          const other = owner.get(digest);
          if (other !== undefined) throw alreadyTaken(id, ordinal, other);
        }
        const digest = secretKeyDigest(keys.current, secretKey);
        addKey.run(digest, keys.current.id, id, ordinal, seal(keys, secretKey, sealedAt(id, digest)));
      }
    },
    removeInstance({ id }) {
      if (remove.run(id).changes === 0) throw absent("instance", id);
    },
  };
}

function alreadyTaken(id: string, ordinal: number, owner: string): DirectoryError {
  const message =
    owner === id
      ? "is in its list twice. Remove one of the two."
      : `already belongs to the instance ${JSON.stringify(owner)}. Give each instance keys of its own.`;
  return new DirectoryError("conflict", `secretKeys[${ordinal}] of the instance ${JSON.stringify(id)} ${message}`);
}

function userHandlers(db: Database): Pick<Handlers, "putUser" | "removeUser"> {
  const hasInstance = db.prepare<[string], number>("SELECT 1 FROM instances WHERE id = ?").pluck();
  const put = db.prepare(`
    INSERT INTO users (instance_id, id, email, name, avatar_url, provider) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (instance_id, id) DO UPDATE SET email = excluded.email, name = excluded.name,
      avatar_url = excluded.avatar_url, provider = excluded.provider`);
  const remove = db.prepare("DELETE FROM users WHERE instance_id = ? AND id = ?");
  return {
    putUser({ instanceId, id, email, name, avatarUrl, provider }) {
      if (hasInstance.get(instanceId) === undefined) throw absent("instance", instanceId);
      put.run(instanceId, id, email, name, avatarUrl, provider);
    },
    removeUser({ instanceId, id }) {
      if (remove.run(instanceId, id).changes === 0) throw absent("user", id, instanceId);
    },
  };
}

function clientHandlers(db: Database, keys: MasterKeys): Pick<Handlers, "putClient" | "removeClient"> {
  const put = db.prepare(`
    INSERT INTO clients (id, key_id, secret_digest) VALUES (?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET key_id = excluded.key_id, secret_digest = excluded.secret_digest`);
  const remove = db.prepare("DELETE FROM clients WHERE id = ?");
  return {
    putClient({ clientId, clientSecret }) {
      put.run(clientId, keys.current.id, clientSecretDigest(keys.current, clientId, clientSecret));
    },
    removeClient({ clientId }) {
      if (remove.run(clientId).changes === 0) throw absent("client", clientId);
    },
  };
}

function revocationHandlers(db: Database, clock: Clock): Pick<Handlers, "revoke"> {
  // NULL is permanent. A revocation never ends earlier than it was to, for that would take it back.
  const longer = `until = CASE WHEN until IS NULL OR excluded.until IS NULL THEN NULL ELSE max(until, excluded.until) END`;
  const byJti = db.prepare(`
    INSERT INTO revocations (realm, jti, until) VALUES (?, ?, ?)
    ON CONFLICT (realm, jti) WHERE digest IS NULL DO UPDATE SET ${longer}`);
  const byDigest = db.prepare(`
    INSERT INTO revocations (digest, until) VALUES (?, ?)
    ON CONFLICT (digest) WHERE digest IS NOT NULL DO UPDATE SET ${longer}`);
  const forget = db.prepare("DELETE FROM revocations WHERE until <= ?");
  return {
    revoke({ token, until = null }) {
      if (token.digest === undefined) byJti.run(token.realm, token.jti, until);
      else byDigest.run(token.digest, until);
      forget.run(Math.trunc(clock() / 1000) - REVOCATION_SLACK);
    },
  };
}

function absent(what: string, id: string, instanceId?: string): DirectoryError {
  const where = instanceId === undefined ? "" : ` in the instance ${JSON.stringify(instanceId)}`;
  return new DirectoryError(
    "not-found",
    `There is no ${what} ${JSON.stringify(id)}${where}. Check the id; it is case-sensitive.`,
  );
}
