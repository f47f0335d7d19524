import type { Secret } from "../util/secret.js";
import type { User } from "./model.js";
import type { Revocation, Selector } from "./revocation.js";

/** A secret to be stored, under an id by which operators name it; the id says nothing about the secret. */
export interface NewSecret {
  /** 12 characters of base64url, random, unique within its instance or client. */
  readonly id: string;
  readonly secret: Secret;
}

/**
 * What an operator believes of the entry that a command puts or deletes: that it does not exist (`absent`), that the change
 * of this number was the last to write it, or nothing (`any`).
 */
export type Expectation = "absent" | "any" | number;

/** A change that an operator asks for. Each is one transaction: its rows, one feed row, one audit row. */
export type OperatorCommand =
  | {
      readonly kind: "putInstance";
      readonly id: string;
      readonly appId: string;
      /** Take the place of all secret keys, the first one first; undefined keeps those of an instance that exists. */
      readonly secrets: readonly NewSecret[] | undefined;
      readonly expect: Expectation;
    }
  | { readonly kind: "deleteInstance"; readonly id: string; readonly expect: Expectation }
  /**
   * Puts a secret key before all others. The others go after `grace` milliseconds by the store's clock, or earlier where they
   * were to go earlier.
   */
  | { readonly kind: "rotateInstanceSecret"; readonly id: string; readonly secret: NewSecret; readonly grace: number }
  /** Removes one secret key at once; refused (`last-secret`) where no other is left that does not retire. */
  | { readonly kind: "retireInstanceSecret"; readonly id: string; readonly secretId: string }
  | { readonly kind: "putUser"; readonly user: User; readonly expect: Expectation }
  | {
      readonly kind: "deleteUser";
      readonly instanceId: string;
      readonly id: string;
      readonly expect: Expectation;
    }
  | {
      readonly kind: "putClient";
      readonly clientId: string;
      /** Takes the place of all secrets. */
      readonly secret: NewSecret;
      readonly expect: Expectation;
    }
  | { readonly kind: "deleteClient"; readonly clientId: string; readonly expect: Expectation }
  /** Gives a client a second secret. The present one goes after `grace` milliseconds; one that was retiring goes at once. */
  | {
      readonly kind: "rotateClientSecret";
      readonly clientId: string;
      readonly secret: NewSecret;
      readonly grace: number;
    }
  /** Revokes 1 to 1,000 selections of tokens, all or none. */
  | { readonly kind: "revoke"; readonly revocations: readonly Revocation[]; readonly comment: string }
  /** Removes 1 to 1,000 revocations, all or none: `not-found` names the first that is not there. */
  | { readonly kind: "unrevoke"; readonly selectors: readonly Selector[]; readonly comment: string };

/** The name of a command, as the audit has it; an import is a change too. */
export type OperatorCommandKind = OperatorCommand["kind"] | "import";

/** The command of a kind. */
export type OperatorCommandOf<Kind extends OperatorCommand["kind"]> = Extract<OperatorCommand, { kind: Kind }>;

/** What the audit says that a change was about: ids and numbers, never a secret, a name or an email address. */
export type AuditSubject = Readonly<Record<string, unknown>>;

const idsOf = (secrets: readonly NewSecret[] | undefined): { readonly secretIds?: readonly string[] } =>
  secrets === undefined ? {} : { secretIds: secrets.map(({ id }) => id) };

const SUBJECTS: {
  readonly [Kind in OperatorCommand["kind"]]: (command: OperatorCommandOf<Kind>) => AuditSubject;
} = {
  putInstance: ({ id, appId, secrets }) => ({ instanceId: id, appId, ...idsOf(secrets) }),
  deleteInstance: ({ id }) => ({ instanceId: id }),
  rotateInstanceSecret: ({ id, secret, grace }) => ({ instanceId: id, ...idsOf([secret]), grace }),
  retireInstanceSecret: ({ id, secretId }) => ({ instanceId: id, secretIds: [secretId] }),
  putUser: ({ user }) => ({ instanceId: user.instanceId, userId: user.id }),
  deleteUser: ({ instanceId, id }) => ({ instanceId, userId: id }),
  putClient: ({ clientId, secret }) => ({ clientId, ...idsOf([secret]) }),
  deleteClient: ({ clientId }) => ({ clientId }),
  rotateClientSecret: ({ clientId, secret, grace }) => ({ clientId, ...idsOf([secret]), grace }),
  revoke: ({ revocations, comment }) => ({
    revocations: revocations.map(({ selector, issuedBefore, exp }) => ({ ...selector, issuedBefore, exp })),
    comment,
  }),
  unrevoke: ({ selectors, comment }) => ({ selectors, comment }),
};

/** The audit subject of a command: what a repeated request is answered from, too. */
export function auditSubject(command: OperatorCommand): AuditSubject {
  return (SUBJECTS[command.kind] as (command: OperatorCommand) => AuditSubject)(command);
}
