import { KeyError } from "../keys/key.js";
import { loadSecret } from "../keys/secret.js";
import type { Secret } from "../util/secret.js";
import { DirectoryError } from "./errors.js";
import type { RevokedToken, User } from "./model.js";

/** The longest id, realm name, digest or actor, in UTF-16 code units. */
export const ID_LENGTH = 255;

/** The longest `jti` that a revocation may name, in UTF-16 code units. */
const JTI_LENGTH = 1024;

/** The longest scope of a `jti`, which may contain an issuer, in UTF-16 code units. */
const SCOPE_LENGTH = 1024;

/** The longest secret key or client secret, in UTF-16 code units. */
export const SECRET_LENGTH = 1024;

/** The longest email, name, URL or provider of a user, in UTF-16 code units. */
const TEXT_LENGTH = 2048;

/** Puts an instance in place of the one with its id; its users stay. */
export interface PutInstance {
  readonly kind: "putInstance";
  readonly id: string;
  readonly appId: string;
  /** At least one; none may belong to another instance. */
  readonly secretKeys: readonly Secret[];
}

/** Puts a user in place of the one with its id. Its instance must exist. */
export interface PutUser extends User {
  readonly kind: "putUser";
}

/** Puts a client in place of the one with its id. */
export interface PutClient {
  readonly kind: "putClient";
  readonly clientId: string;
  readonly clientSecret: Secret;
}

/** An instance, user or client to put: it stays in the directory until it is removed. */
export type DirectoryEntry = PutInstance | PutUser | PutClient;

/**
 * A change to the directory.
 *
 * Removing an entry that does not exist is an error (`not-found`), so that an operator notices a mistyped id.
 */
export type Command =
  | DirectoryEntry
  /** Removes an instance with its secret keys and users. */
  | { readonly kind: "removeInstance"; readonly id: string }
  | { readonly kind: "removeUser"; readonly instanceId: string; readonly id: string }
  | { readonly kind: "removeClient"; readonly clientId: string }
  /**
   * Revokes a token. `until`, in whole seconds since 1970, is when the revocation ends: the token's `exp` plus the realm's
   * `clockTolerance`, or later; default never. A token that is revoked twice stays revoked until the later end.
   */
  | { readonly kind: "revoke"; readonly token: RevokedToken; readonly until?: number }
  /** Fills a store that was never written to (`conflict` otherwise), with one feed row and one audit row in all. */
  | { readonly kind: "seed"; readonly entries: readonly DirectoryEntry[] };

/** The command of a kind. */
export type CommandOf<Kind extends Command["kind"]> = Extract<Command, { kind: Kind }>;

const CHECKS: { readonly [Kind in Command["kind"]]: (command: CommandOf<Kind>) => void } = {
  putInstance({ id, appId, secretKeys }) {
    checkId("id of an instance", id);
    checkId("app id of an instance", appId);
    if (secretKeys.length === 0)
      throw invalid(`The instance ${JSON.stringify(id)} has no secret key. Give at least one.`);
    for (const secretKey of secretKeys) {
      checkSecret(`secret key of the instance ${JSON.stringify(id)}`, secretKey);
      checkVerifies(id, secretKey);
    }
  },
  putUser({ instanceId, id, email, name, avatarUrl, provider }) {
    checkId("id of an instance", instanceId);
    checkId("id of a user", id);
    for (const [member, text] of Object.entries({ email, name, avatarUrl, provider })) {
      if (text !== null && !isText(text, TEXT_LENGTH)) {
        throw invalid(
          `The ${member} of the user ${JSON.stringify(id)} is not at most ${TEXT_LENGTH} characters of valid Unicode without NUL.`,
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
      if (!isId(token.realm, SCOPE_LENGTH)) {
        throw invalid(
          `A realm with an issuer cannot be stored unless it is ${rule(SCOPE_LENGTH)}. Revoke the token by its digest.`,
        );
      }
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

/** Refuses a command that no engine could store and find again. @throws DirectoryError `invalid` */
export function checkCommand(command: Command): void {
  (CHECKS[command.kind] as (command: Command) => void)(command);
}

/** Refuses an actor that the audit could not store. @throws DirectoryError `invalid` */
export function checkActor(actor: string): void {
  checkId("actor", actor);
}

function checkId(what: string, id: string): void {
  if (!isId(id, ID_LENGTH)) throw invalid(`The ${what} is not ${rule(ID_LENGTH)}. Give another.`);
}

function checkSecret(what: string, secret: Secret): void {
  if (!isId(secret.reveal(), SECRET_LENGTH)) throw invalid(`A ${what} is not ${rule(SECRET_LENGTH)}. Give another.`);
}

/** Refuses a secret key that could not be loaded later to verify tokens. */
function checkVerifies(instanceId: string, secretKey: Secret): void {
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

// A lone surrogate has no UTF-8 form: every engine would store U+FFFD in its place, and two different ids would collide.
const UNSTORABLE = /[\p{Surrogate}\0]/u;
const UNSTORABLE_OR_CONTROL = /[\p{Surrogate}\p{Control}]/u;

/** True for a valid id or secret. No store holds any other, so a look-up of one needs no read. */
export function isId(text: string, maxLength: number): boolean {
  return text.length > 0 && text.length <= maxLength && !UNSTORABLE_OR_CONTROL.test(text);
}

/** True for a valid describing text, which may be empty and span lines. */
export function isText(text: string, maxLength: number): boolean {
  return text.length <= maxLength && !UNSTORABLE.test(text);
}
