import { DirectoryError } from "./errors.js";
import type { User } from "./model.js";
import type { AuditSubject, OperatorCommand, OperatorCommandKind } from "./operator-commands.js";
import type { Revocation, SelectorKind } from "./revocation.js";
import type { ExportOptions, ImportLine, ImportOptions, ImportReport, StoredEntry } from "./transfer/import.js";

/** A change's place in the feed: its number, and the mark of its commit, which tells two histories apart. */
export interface ChangePosition {
  readonly number: number;
  /** 22 characters of base64url. */
  readonly mark: string;
}

/** A secret as operators see it. Times are in milliseconds since 1970, by the store's clock. */
export interface StoredSecret {
  /** The id under which it was stored; a random one for a secret that was seeded or imported. */
  readonly id: string;
  readonly createdAt: number;
  /** When it goes; null for one that stays. Secrets that are gone are left out. */
  readonly retiresAt: number | null;
}

/** What is known of the change that last wrote an entry. */
interface Written {
  /** The number of that change, from which the entry's etag is made. */
  readonly changed: number;
}

/** An instance as operators see it. */
export interface StoredInstance extends Written {
  readonly id: string;
  readonly appId: string;
  /** The one that was given last comes first. */
  readonly secrets: readonly StoredSecret[];
}

/** A user as operators see it. */
export interface StoredUser extends User, Written {}

/** A client as operators see it. */
export interface StoredClient extends Written {
  readonly clientId: string;
  /** One, or two during a rotation's grace: the new one first. */
  readonly secrets: readonly StoredSecret[];
}

/** A revocation as operators see it. */
export interface StoredRevocation extends Revocation, Written {
  /** When it was made, in milliseconds since 1970. */
  readonly at: number;
  readonly comment: string;
}

/** Which revocations a list has; each member that is given must equal. */
export interface RevocationFilter {
  readonly realm?: string | undefined;
  readonly kind?: SelectorKind | undefined;
  readonly value?: string | undefined;
  /** The instance to which they are limited. */
  readonly instance?: string | undefined;
}

/** Which rows of the audit a list has; each member that is given must hold. */
export interface AuditFilter {
  readonly actor?: string | undefined;
  readonly command?: string | undefined;
  /** Rows of this time or later, in milliseconds since 1970. */
  readonly since?: number | undefined;
  /** Rows before this time, in milliseconds since 1970. */
  readonly before?: number | undefined;
}

/** A row of the audit. */
export interface AuditRow {
  /** The row's place in the audit, without gaps, from 1. */
  readonly number: number;
  /** The number of the change in the feed; null for a change that was refused. */
  readonly change: number | null;
  /** Milliseconds since 1970, by the store's clock. */
  readonly at: number;
  readonly actor: string;
  /** A UUID; null for what no operator asked for, such as a seed. */
  readonly requestId: string | null;
  /** The kind of the command. */
  readonly command: string;
  /** The JSON text of its {@link AuditSubject}, as it is stored. */
  readonly subject: string;
  /** `done`, or the reason why the change was refused, such as `ROLE_TOO_LOW`. */
  readonly outcome: string;
  /** 32 bytes: {@link auditHash} of the row before it and this one. */
  readonly hash: Uint8Array;
}

/** Whose request a change is, and which. */
export interface RequestIdentity {
  /** Who is responsible, for the audit: 1 to 255 characters. */
  readonly actor: string;
  /** A UUID that the operator drew, in lower case. */
  readonly requestId: string;
}

/** A change that was made, now or by an earlier request of the same id. */
export interface AppliedChange {
  /** The mark is empty for a replayed change whose feed row is no longer kept. */
  readonly position: ChangePosition;
  /** When it was made, in milliseconds since 1970, by the store's clock. */
  readonly at: number;
  /** True if the request had been carried out before: nothing was done now, and everything here is the first answer's. */
  readonly replayed: boolean;
  /** The audit subject of the change that was made, {@link auditSubject} of its command. */
  readonly subject: AuditSubject;
}

/** Why a store refuses a command, beyond what a DirectoryError's code says. */
export type Refusal =
  /** The entry exists and was expected not to. */
  | "exists"
  /** The entry was last written by another change than expected, or is gone. */
  | "changed"
  /** A secret key belongs to another instance already. */
  | "secret-taken"
  /** The last secret that stays cannot be retired, and a new entry needs a secret. */
  | "last-secret"
  /** The request id was used within 24 hours for another command or another content. */
  | "request-reused"
  /** The store holds as many revocations as it accepts. */
  | "revocations-full";

/** A store refused a command and changed nothing. */
export class RefusedChange extends DirectoryError {
  override readonly name = "RefusedChange";

  /** @param message what is wrong and what to do next; may name ids, never a secret */
  constructor(
    readonly refusal: Refusal,
    message: string,
  ) {
    super(refusal === "request-reused" ? "invalid" : "conflict", message);
  }
}

/** A replica of the service that reported to the store within the last 10 minutes. Times are in milliseconds since 1970. */
export interface SeenReplica {
  readonly id: string;
  readonly version: string;
  /** The number of the last change that it has applied. */
  readonly position: number;
  /** The mark at that number. */
  readonly mark: string;
  /** When it reported last. */
  readonly seen: number;
  /** The ids of its master keys, the current one first. */
  readonly keys: readonly string[];
  /** Milliseconds by which its clock is ahead of the store's. */
  readonly clockOffset: number;
}

/** What a store says of itself. */
export interface StoreStatus {
  /** Where it is, for operators; never a user or password. */
  readonly place: string;
  readonly head: ChangePosition;
  /** The store's clock, in milliseconds since 1970. */
  readonly time: number;
  readonly instances: number;
  readonly users: number;
  readonly clients: number;
  readonly revocations: number;
  /** The ids of the master keys that values in it need. */
  readonly masterKeys: readonly string[];
  /** Those that connected to it; empty for a store of one machine whose service does not run. */
  readonly replicas: readonly SeenReplica[];
}

/**
 * The store as operators need it. Lists are in the order of their ids' UTF-8 bytes (`COLLATE "C"`), begin after a given
 * place, and have no more rows than asked for, so that entries made or removed between two pages move no other entry.
 *
 * All methods reject with a {@link DirectoryError}, and with nothing else.
 */
export interface OperatorStore {
  /** Identifies the store's content, random, made with it: 22 characters of base64url. */
  readonly id: string;

  instance(id: string): Promise<StoredInstance | null>;
  user(instanceId: string, id: string): Promise<StoredUser | null>;
  client(clientId: string): Promise<StoredClient | null>;

  /** @param after an id; undefined begins with the first @param limit 1 to 1,001 */
  instances(after: string | undefined, limit: number): Promise<readonly StoredInstance[]>;
  /** Users of one instance, or of all, by instance and id. @param after the instance and id of a user */
  users(
    instanceId: string | undefined,
    after: readonly [instanceId: string, id: string] | undefined,
    limit: number,
  ): Promise<readonly StoredUser[]>;
  clients(after: string | undefined, limit: number): Promise<readonly StoredClient[]>;
  /** In the order of {@link revocationKey}. @param after such a key in base64url */
  revocations(filter: RevocationFilter, after: string | undefined, limit: number): Promise<readonly StoredRevocation[]>;
  /** The latest first. @param before the number of a row; undefined begins with the latest */
  audit(filter: AuditFilter, before: number | undefined, limit: number): Promise<readonly AuditRow[]>;

  /**
   * Carries out a command in one transaction, with its feed row and its audit row, whose subject is {@link auditSubject}.
   * What a request id was used for within 24 hours is looked up first: the same command with the same content is not
   * carried out again. The store does this too before it repeats a transaction whose outcome it does not know.
   *
   * @param content what makes two requests the same, secrets included; the store keeps only an HMAC of it, under its look-up
   * key
   * @throws RefusedChange; DirectoryError `not-found` for an entry, secret or revocation that is not there
   */
  change(command: OperatorCommand, content: string, by: RequestIdentity): Promise<AppliedChange>;

  /**
   * Imports as `Directory.import` does, under a request id. An import that changes nothing writes nothing, and has the
   * store's head as its position; so has one with `dryRun`.
   *
   * @param contentOf called when all lines were read, see {@link change}
   * @returns the subject is the report with `prune`
   */
  importLines(
    lines: AsyncIterable<ImportLine>,
    options: ImportOptions,
    contentOf: () => string,
    by: RequestIdentity,
  ): Promise<AppliedChange & { readonly report: ImportReport }>;

  /** See `Directory.export`. */
  export(options?: ExportOptions): AsyncIterable<StoredEntry>;

  /** Writes a change that was refused or denied to the audit alone, without a feed row; its request id may be used again. */
  refused(
    row: Pick<RequestIdentity, "actor"> & {
      /** Null if the caller's was no UUID. */
      readonly requestId: string | null;
      readonly command: OperatorCommandKind;
      readonly subject: AuditSubject;
      readonly outcome: string;
    },
  ): Promise<void>;

  status(): Promise<StoreStatus>;
}
