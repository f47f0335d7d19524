import { KeyError, loadSecret } from "../keys/load.js";
import type { Secret } from "../util/secret.js";
import { DirectoryError } from "./errors.js";
import type { RevokedToken, User } from "./model.js";
import { ID_LENGTH, isId, isText, JTI_LENGTH, SECRET_LENGTH, TEXT_LENGTH } from "./texts.js";

/** Puts an instance, replacing the one of its id whole; its users stay. */
export interface PutInstance {
  readonly kind: "putInstance";
  readonly id: string;
  readonly appId: string;
  /** At least one. None may belong to another instance. */
  readonly secretKeys: readonly Secret[];
}

/** Puts a user, replacing the one of its id whole. Its instance must exist. */
export interface PutUser extends User {
  readonly kind: "putUser";
}

/** Puts a client, replacing the one of its id whole. */
export interface PutClient {
  readonly kind: "putClient";
  readonly clientId: string;
  readonly clientSecret: Secret;
}

/** Something that stays in the directory until it is removed. */
export type Entry = PutInstance | PutUser | PutClient;

/**
 * A change to the directory. There is no other way to write.
 *
 * To remove what is not there is an error (`not-found`): an operator who mistypes an id must learn of it.
 */
export type Command =
  | Entry
  /** Removes an instance with its secret keys and users. */
  | { readonly kind: "removeInstance"; readonly id: string }
  | { readonly kind: "removeUser"; readonly instanceId: string; readonly id: string }
  | { readonly kind: "removeClient"; readonly clientId: string }
  /**
   * Revokes a token. `until`, in whole seconds since 1970, is when it may be forgotten: the token's `exp` plus the
   * realm's `clockTolerance`, or later; left out, never. A revocation given twice holds until the later time.
   */
  | { readonly kind: "revoke"; readonly token: RevokedToken; readonly until?: number }
  /** Fills a store into which nothing was ever written (`conflict` otherwise); one feed row and one audit row for all. */
  | { readonly kind: "seed"; readonly entries: readonly Entry[] };

type CommandOf<Kind extends Command["kind"]> = Extract<Command, { kind: Kind }>;

const CHECKS: { readonly [Kind in Command["kind"]]: (command: CommandOf<Kind>) => void } = {
  putInstance({ id, appId, secretKeys }) {
    checkId("id of an instance", id);
    checkId("app id of an instance", appId);
    if (secretKeys.length === 0)
      throw invalid(`The instance ${JSON.stringify(id)} has no secret key. Give at least one.`);
    for (const secretKey of secretKeys) {
      checkSecret(`secret key of the instance ${JSON.stringify(id)}`, secretKey);
      checkLoads(id, secretKey);
    }
  },
  putUser({ instanceId, id, email, name, avatarUrl, provider }) {
    checkId("id of an instance", instanceId);
    checkId("id of a user", id);
    for (const [member, text] of Object.entries({ email, name, avatarUrl, provider })) {
      if (text !== null && !isText(text, TEXT_LENGTH)) {
        throw invalid(
          `The ${member} of the user ${JSON.stringify(id)} is not a text of at most ${TEXT_LENGTH} characters of valid Unicode without NUL.`,
        );
      }
    }
  },
  putClient({ clientId, clientSecret }) {
    checkId("id of a client", clientId);
    checkSecret(`secret of the client ${JSON.stringify(clientId)}`, clientSecret);
  },
  removeInstance: ({ id }) => checkId("id of an instance", id),
  removeUser({ instanceId, id }) {
    checkId("id of an instance", instanceId);
    checkId("id of a user", id);
  },
  removeClient: ({ clientId }) => checkId("id of a client", clientId),
  revoke({ token, until }) {
    if (token.digest !== undefined) {
      checkId("digest of a token", token.digest);
    } else {
      checkId("name of a realm", token.realm);
      if (!isId(token.jti, JTI_LENGTH)) {
        throw invalid(`A jti cannot be stored unless it is ${rule(JTI_LENGTH)}. Revoke the token by its digest.`);
      }
    }
    if (until !== undefined && (!Number.isSafeInteger(until) || until < 0)) {
      throw invalid("The end of a revocation is not a whole number of seconds since 1970. Round it up.");
    }
  },
  seed({ entries }) {
    for (const entry of entries) checkCommand(entry);
  },
};

/** Refuses what no engine could store and find again. @throws DirectoryError `invalid` */
export function checkCommand(command: Command): void {
  (CHECKS[command.kind] as (command: Command) => void)(command);
}

/** Refuses an actor that could not stand in the audit. @throws DirectoryError `invalid` */
export function checkActor(actor: string): void {
  checkId("actor", actor);
}

function checkId(what: string, id: string): void {
  if (!isId(id, ID_LENGTH)) throw invalid(`The ${what} is not ${rule(ID_LENGTH)}. Give another.`);
}

function checkSecret(what: string, secret: Secret): void {
  if (!isId(secret.reveal(), SECRET_LENGTH)) throw invalid(`A ${what} is not ${rule(SECRET_LENGTH)}. Give another.`);
}

/** A secret key is going to verify tokens: one that could not be loaded for that must not get into the store. */
function checkLoads(instanceId: string, secretKey: Secret): void {
  try {
    loadSecret(secretKey.reveal(), { algorithm: "HS256", minBytes: 1 });
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    throw invalid(`A secret key of the instance ${JSON.stringify(instanceId)} is refused: ${error.message}.`);
  }
}

function rule(length: number): string {
  return `1 to ${length} characters of valid Unicode without control characters`;
}

function invalid(message: string): DirectoryError {
  return new DirectoryError("invalid", message);
}
