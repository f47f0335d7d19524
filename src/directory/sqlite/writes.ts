import type { Database } from "better-sqlite3";
import type { Clock } from "../../util/clock.js";
import type { Command, DirectoryEntry } from "../commands.js";
import { DirectoryError } from "../errors.js";
import { changeRecord } from "../feed.js";
import type { MasterKeys } from "../master-keys.js";
import { clientSecretDigest, seal, secretKeyDigest, secretKeyDigests } from "../sealing.js";
import { sealedAt } from "./reads.js";
import { prepareRecord } from "./record.js";

/** Seconds that a revocation stays in the store after its end: the clocks of the processes that share it may differ. */
const REVOCATION_SLACK = 86_400;

type CommandOf<Kind extends Command["kind"]> = Extract<Command, { kind: Kind }>;
type Changes = { readonly [Kind in Command["kind"]]: (command: CommandOf<Kind>) => void };

/**
 * All writing to a SQLite store.
 *
 * @param retention how many feed rows are kept
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
  const changes: Changes = {
    ...instanceChanges(db, keys),
    ...userChanges(db),
    ...clientChanges(db, keys),
    ...revocationChanges(db, clock),
    seed({ entries }) {
      if (position.get() !== 0) {
        throw new DirectoryError("conflict", "The store was written to before. Import into it instead of seeding it.");
      }
      for (const entry of entries) change(entry);
    },
  };
  function change(command: Command | DirectoryEntry): void {
    (changes[command.kind] as (command: Command) => void)(command);
  }

  return (command, actor) => {
    change(command);
    record(changeRecord(command), actor, command.kind);
  };
}

function instanceChanges(db: Database, keys: MasterKeys): Pick<Changes, "putInstance" | "removeInstance"> {
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
      ? "stands in its list twice. Leave one of the two out."
      : `already belongs to the instance ${JSON.stringify(owner)}. Give each instance keys of its own.`;
  return new DirectoryError("conflict", `secretKeys[${ordinal}] of the instance ${JSON.stringify(id)} ${message}`);
}

function userChanges(db: Database): Pick<Changes, "putUser" | "removeUser"> {
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

function clientChanges(db: Database, keys: MasterKeys): Pick<Changes, "putClient" | "removeClient"> {
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

function revocationChanges(db: Database, clock: Clock): Pick<Changes, "revoke"> {
  // NULL is for good. A revocation never becomes shorter: that would be taking it back.
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
    `There is no ${what} ${JSON.stringify(id)}${where}. Look at the id; it is case-sensitive.`,
  );
}
