import type { Command, CommandOf } from "./commands.js";
import type { Revocation } from "./model.js";

/**
 * A position in the change feed: the number of changes committed so far, gapless and in commit order. `epoch` names the
 * history: it differs once the store was restored or replaced.
 */
export interface Position {
  readonly epoch: string;
  readonly number: number;
}

/** A value read from the store, and the feed's position in the same snapshot. */
export interface Positioned<Value> {
  readonly value: Value;
  readonly position: Position;
}

/** What one committed change touched. A feed row of a kind that this version does not know is read as a `reset`. */
export type Touched =
  | { readonly kind: "instance"; readonly instanceId: string }
  | { readonly kind: "user"; readonly instanceId: string; readonly userId: string }
  | { readonly kind: "client"; readonly clientId: string }
  | { readonly kind: "revocation"; readonly revocation: Revocation }
  | { readonly kind: "reset" };

/** A row of the change feed: the change that raised the position to `number`. */
export type Change = Touched & { readonly number: number };

/** What a command writes beside its own rows: one feed row and one audit row. */
export interface ChangeRecord {
  /** What the command touched, for the feed. */
  readonly touched: Touched;
  /** Ids and counts for the audit; never a secret or personal data. */
  readonly subject: Readonly<Record<string, unknown>>;
}

const RECORDS: { readonly [Kind in Command["kind"]]: (command: CommandOf<Kind>) => ChangeRecord } = {
  putInstance: ({ id, appId, secretKeys }) => ({
    touched: { kind: "instance", instanceId: id },
    subject: { instanceId: id, appId, secretKeys: secretKeys.length },
  }),
  removeInstance: ({ id }) => ({ touched: { kind: "instance", instanceId: id }, subject: { instanceId: id } }),
  putUser: ({ instanceId, id }) => userRecord(instanceId, id),
  removeUser: ({ instanceId, id }) => userRecord(instanceId, id),
  putClient: ({ clientId }) => clientRecord(clientId),
  removeClient: ({ clientId }) => clientRecord(clientId),
  revoke({ token, until = null }) {
    return { touched: { kind: "revocation", revocation: { token, until } }, subject: { ...token, until } };
  },
  seed: ({ entries }) => ({ touched: { kind: "reset" }, subject: { entries: entries.length } }),
};

function userRecord(instanceId: string, userId: string): ChangeRecord {
  return { touched: { kind: "user", instanceId, userId }, subject: { instanceId, userId } };
}

function clientRecord(clientId: string): ChangeRecord {
  return { touched: { kind: "client", clientId }, subject: { clientId } };
}

/** The feed and audit record of a command. */
export function changeRecord(command: Command): ChangeRecord {
  return (RECORDS[command.kind] as (command: Command) => ChangeRecord)(command);
}

/** A feed row as every engine stores it. */
export interface FeedRow {
  readonly kind: string;
  /** A JSON object. */
  readonly touched: string;
}

/** Encodes what a change touched as a feed row. */
export function encodeChange({ kind, ...touched }: Touched): FeedRow {
  return { kind, touched: JSON.stringify(touched) };
}

const KINDS: ReadonlySet<string> = new Set<Touched["kind"]>(["instance", "user", "client", "revocation", "reset"]);

/**
 * Decodes a feed row. A kind that a later version wrote is read as a reset: readers then drop everything, whatever the
 * change touched.
 */
export function decodeChange(number: number, { kind, touched }: FeedRow): Change {
  return KINDS.has(kind) ? ({ kind, ...JSON.parse(touched), number } as Change) : { kind: "reset", number };
}
