import type { Command } from "./commands.js";
import type { Change, Touched } from "./directory.js";

/** The trace that a command leaves: what it touched, for the feed, and what it was about, for the audit. */
export interface Trace {
  readonly touched: Touched;
  /** Ids and counts; neither a secret nor what describes a person. */
  readonly subject: Readonly<Record<string, unknown>>;
}

type CommandOf<Kind extends Command["kind"]> = Extract<Command, { kind: Kind }>;

const TRACES: { readonly [Kind in Command["kind"]]: (command: CommandOf<Kind>) => Trace } = {
  putInstance: ({ id, appId, secretKeys }) => ({
    touched: { kind: "instance", instanceId: id },
    subject: { instanceId: id, appId, secretKeys: secretKeys.length },
  }),
  removeInstance: ({ id }) => ({ touched: { kind: "instance", instanceId: id }, subject: { instanceId: id } }),
  putUser: ({ instanceId, id }) => user(instanceId, id),
  removeUser: ({ instanceId, id }) => user(instanceId, id),
  putClient: ({ clientId }) => client(clientId),
  removeClient: ({ clientId }) => client(clientId),
  revoke({ token, until = null }) {
    return { touched: { kind: "revocation", revocation: { token, until } }, subject: { ...token, until } };
  },
  seed: ({ entries }) => ({ touched: { kind: "reset" }, subject: { entries: entries.length } }),
};

function user(instanceId: string, userId: string): Trace {
  return { touched: { kind: "user", instanceId, userId }, subject: { instanceId, userId } };
}

function client(clientId: string): Trace {
  return { touched: { kind: "client", clientId }, subject: { clientId } };
}

/** The trace of a command. */
export function traceOf(command: Command): Trace {
  return (TRACES[command.kind] as (command: Command) => Trace)(command);
}

/** A row of the feed as every engine stores it. */
export interface FeedRow {
  readonly kind: string;
  /** A JSON object. */
  readonly touched: string;
}

/** Writes what was touched as a feed row. */
export function feedRow({ kind, ...touched }: Touched): FeedRow {
  return { kind, touched: JSON.stringify(touched) };
}

const KINDS: ReadonlySet<string> = new Set<Touched["kind"]>(["instance", "user", "client", "revocation", "reset"]);

/**
 * Reads a feed row. A kind that this version does not know, written by a later one beside it, is a reset: whatever it
 * touched is dropped then.
 */
export function changeOf(number: number, { kind, touched }: FeedRow): Change {
  return KINDS.has(kind) ? ({ kind, ...JSON.parse(touched), number } as Change) : { kind: "reset", number };
}
