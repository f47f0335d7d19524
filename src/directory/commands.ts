import { randomBytes } from "node:crypto";
import { KeyError } from "../keys/key.js";
import { loadSecret } from "../keys/secret.js";
import type { Secret } from "../util/secret.js";
import { DirectoryError } from "./errors.js";
import type { User } from "./model.js";
import type { NewSecret, OperatorCommand } from "./operator-commands.js";
import { type Revocation, type Selector, TIMELESS_KINDS } from "./revocation.js";

/** The longest id, realm name, digest or actor, in UTF-16 code units. */
export const ID_LENGTH = 255;

/** The longest value or issuer of a selector, in UTF-16 code units. */
const VALUE_LENGTH = 1024;

/** The most revocations of one command. */
const MAX_REVOCATIONS = 1_000;

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

/** Fills a store that was never written to (`conflict` otherwise), with one feed row and one audit row in all. */
export interface Seed {
  readonly kind: "seed";
  readonly entries: readonly DirectoryEntry[];
}

/** A change to the directory: what an operator asks for, or a seed. */
export type Command = OperatorCommand | Seed;

/** The command of a kind. */
export type CommandOf<Kind extends Command["kind"]> = Extract<Command, { kind: Kind }>;

/** The command that puts an entry, whatever is there, under secret ids that are drawn at random. */
export function entryCommand(entry: DirectoryEntry): OperatorCommand {
  switch (entry.kind) {
    case "putInstance": {
      const { id, appId, secretKeys } = entry;
      return { kind: "putInstance", id, appId, secrets: secretKeys.map(newSecret), expect: "any" };
    }
    case "putUser": {
      const { kind, ...user } = entry;
      return { kind, user, expect: "any" };
    }
    case "putClient": {
      const { clientId, clientSecret } = entry;
      return { kind: "putClient", clientId, secret: newSecret(clientSecret), expect: "any" };
    }
  }
}

/** A secret under a random id. */
export const newSecret = (secret: Secret): NewSecret => ({ id: randomBytes(9).toString("base64url"), secret });

const CHECKS: { readonly [Kind in Command["kind"]]: (command: CommandOf<Kind>) => void } = {
  putInstance({ id, appId, secrets }) {
    checkId("id of an instance", id);
    checkId("app id of an instance", appId);
    if (secrets?.length === 0) {
      throw invalid(`The instance ${JSON.stringify(id)} has no secret key. Give at least one.`);
    }
    for (const { secret } of secrets ?? []) checkSecretKey(id, secret);
  },
  deleteInstance: ({ id }) => checkId("id of an instance", id),
  rotateInstanceSecret({ id, secret: { secret }, grace }) {
    checkId("id of an instance", id);
    checkSecretKey(id, secret);
    checkGrace(grace);
  },
  retireInstanceSecret({ id, secretId }) {
    checkId("id of an instance", id);
    checkId("id of a secret key", secretId);
  },
  putUser: ({ user }) => checkUser(user),
  deleteUser({ instanceId, id }) {
    checkId("id of an instance", instanceId);
    checkId("id of a user", id);
  },
  putClient({ clientId, secret }) {
    checkId("id of a client", clientId);
    if (secret !== undefined) checkClientSecret(clientId, secret.secret);
  },
  deleteClient: ({ clientId }) => checkId("id of a client", clientId),
  rotateClientSecret({ clientId, secret: { secret }, grace }) {
    checkId("id of a client", clientId);
    checkClientSecret(clientId, secret);
    checkGrace(grace);
  },
  revoke({ revocations, comment }) {
    checkCount(revocations);
    checkComment(comment);
    for (const revocation of revocations) checkRevocation(revocation);
  },
  unrevoke({ selectors, comment }) {
    checkCount(selectors);
    checkComment(comment);
    for (const selector of selectors) checkSelector(selector);
  },
  seed({ entries }) {
    for (const entry of entries) checkCommand(entryCommand(entry));
  },
};

function checkUser({ instanceId, id, email, name, avatarUrl, provider }: User): void {
  checkId("id of an instance", instanceId);
  checkId("id of a user", id);
  for (const [member, text] of Object.entries({ email, name, avatarUrl, provider })) {
    if (text !== null && !isText(text, TEXT_LENGTH)) {
      throw invalid(
        `The ${member} of the user ${JSON.stringify(id)} is not at most ${TEXT_LENGTH} characters of valid Unicode without NUL.`,
      );
    }
  }
}

function checkCount({ length }: readonly unknown[]): void {
  if (length > 0 && length <= MAX_REVOCATIONS) return;
  throw invalid(`A command has ${length} revocations. Give 1 to ${MAX_REVOCATIONS}.`);
}

function checkComment(comment: string): void {
  if (!isText(comment, TEXT_LENGTH)) {
    throw invalid(`The comment is not at most ${TEXT_LENGTH} characters of valid Unicode without NUL. Shorten it.`);
  }
}

function checkSelector({ realm, kind, value, instance, issuer }: Selector): void {
  // A digest may be revoked in every realm.
  if (realm !== "" || kind !== "digest") checkId("realm of a revocation", realm);
  if (kind === "all" ? value !== "" : !isId(value, VALUE_LENGTH)) {
    const otherwise = kind === "jti" ? " Revoke the token by its digest." : "";
    throw invalid(
      kind === "all"
        ? "A revocation of all tokens has a value. Leave it out."
        : `A revocation cannot be stored unless its ${kind} is ${rule(VALUE_LENGTH)}.${otherwise}`,
    );
  }
  if (instance !== undefined) checkId("instance of a revocation", instance);
  if (issuer !== undefined && issuer !== "" && !isId(issuer, VALUE_LENGTH)) {
    throw invalid(`A revocation cannot be stored unless its issuer is empty, or ${rule(VALUE_LENGTH)}.`);
  }
  if (instance !== undefined && (issuer !== undefined || kind === "instance")) {
    throw invalid("A revocation is limited to an instance twice, or to an instance and an issuer. Give one.");
  }
}

function checkRevocation({ selector, issuedBefore, exp }: Revocation): void {
  checkSelector(selector);
  const { kind } = selector;
  for (const time of [issuedBefore, exp]) {
    if (time !== null && !(Number.isSafeInteger(time) && time >= 0)) {
      throw invalid("A time of a revocation is not a whole number of seconds since 1970. Round it up.");
    }
  }
  if (issuedBefore !== null && TIMELESS_KINDS.has(kind)) {
    throw invalid(`A revocation by ${kind} refuses every such token. Leave the time of issue out.`);
  }
  if (issuedBefore === null && kind === "all") {
    throw invalid("A revocation of all tokens has no time of issue. Give one.");
  }
  if (exp !== null && kind !== "jti" && kind !== "digest") {
    throw invalid(`A revocation by ${kind} concerns tokens of any expiry. Leave it out.`);
  }
}

function checkGrace(grace: number): void {
  if (!Number.isSafeInteger(grace) || grace < 0) {
    throw invalid("The grace is not a whole number of milliseconds. Give 0 or more.");
  }
}

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

function checkSecretKey(instanceId: string, secretKey: Secret): void {
  checkSecret(`secret key of the instance ${JSON.stringify(instanceId)}`, secretKey);
  checkVerifies(instanceId, secretKey);
}

function checkClientSecret(clientId: string, secret: Secret): void {
  checkSecret(`secret of the client ${JSON.stringify(clientId)}`, secret);
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
