import { loadConfig } from "../../src/config/load.js";
import type { Command } from "../../src/directory/commands.js";
import type { Directory } from "../../src/directory/directory.js";
import { DirectoryError } from "../../src/directory/errors.js";
import { openDirectory } from "../../src/server/store.js";
import { now, pause } from "./clock.js";
import type { Change } from "./history.js";
import type { Rig } from "./rig.js";
import type { Token } from "./tokens.js";

// The operator, who changes the directory while the run goes on, and knows to the millisecond when each change was sent and
// when the store acknowledged it.

/** What a change does to the right answers about one token. */
export interface Effect {
  readonly token: Token;
  readonly outcomes: readonly string[];
}

/** A change to make. */
export interface Order {
  /** What it is called in reports: `revoke by jti`. */
  readonly what: string;
  readonly isRevocation: boolean;
  readonly commands: readonly Command[];
  readonly effects: readonly Effect[];
}

/** Makes changes, one after the other. */
export interface Operator {
  /**
   * Makes a change. All of them may be made twice, so one whose outcome is unknown is made again until the store acknowledges
   * it. Resolves then, or when the operator is closed.
   */
  make(order: Order): Promise<void>;
  /**
   * Notes that the store goes back to an earlier moment: the changes acknowledged after it, or not yet, may be gone from now
   * on. @returns a function that makes them again, in order
   */
  loseSince(moment: number): () => Promise<void>;
  /** The number of changes that were acknowledged. */
  readonly made: number;
  /** Milliseconds from sending to acknowledgement of each change. */
  readonly delays: readonly number[];
  close(): Promise<void>;
}

/** The pause before a change is made again, in milliseconds. */
const AGAIN = 250;

/** Opens the store as the operator's own process would. */
export async function openOperator(rig: Rig): Promise<Operator> {
  // The configuration is read again, since master keys may have been replaced.
  const open = async (): Promise<Directory> =>
    (await openDirectory(loadConfig(rig.operatorConfig, { env: {} }), Date.now)).directory;
  let directory = await open();
  const state = { isOpen: true, made: 0 };
  const delays: number[] = [];
  const journal: { readonly order: Order; readonly changes: readonly Change[] }[] = [];
  let last: Promise<unknown> = Promise.resolve();

  const make = async (order: Order): Promise<void> => {
    const began = now();
    const changes = order.effects.map(({ token, outcomes }): Change => {
      const { what, isRevocation } = order;
      const change = { item: token.name, what, isRevocation, began, acknowledged: undefined, outcomes };
      token.changes.push(change);
      return change;
    });
    journal.push({ order, changes });
    const acknowledge = (): void => {
      const acknowledged = now();
      for (const change of changes) change.acknowledged = acknowledged;
      state.made += 1;
      delays.push(acknowledged - began);
    };
    while (state.isOpen) {
      try {
        await directory.apply(order.commands, "chaos");
        acknowledge();
        return;
      } catch (error) {
        // An earlier attempt, whose outcome was unknown, has removed it.
        if (error instanceof DirectoryError && error.code === "not-found") {
          acknowledge();
          return;
        }
        await pause(AGAIN);
        // A store that was replaced must be opened again.
        await directory.close().catch(() => {});
        directory = await open().catch(() => directory);
      }
    }
  };
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const next = last.then(work);
    last = next.catch(() => {});
    return next;
  };

  return {
    make: (order) => inTurn(() => make(order)),
    loseSince(moment) {
      const lost = journal.filter(({ changes }) => changes.some(({ acknowledged = moment }) => acknowledged >= moment));
      const began = now();
      for (const token of new Set(lost.flatMap(({ order }) => order.effects.map((effect) => effect.token)))) {
        const kept = token.changes.filter(({ acknowledged = moment }) => acknowledged < moment);
        const gone = token.changes.filter((change) => !kept.includes(change));
        const outcomes = [...(kept.at(-1)?.outcomes ?? token.outcomes), ...gone.flatMap((change) => change.outcomes)];
        token.changes.push({
          item: token.name,
          what: "restore an earlier store",
          isRevocation: false,
          began,
          acknowledged: undefined,
          outcomes: [...new Set(outcomes)],
        });
      }
      return async () => {
        for (const { order } of lost) await inTurn(() => make(order));
      };
    },
    get made() {
      return state.made;
    },
    delays,
    async close() {
      state.isOpen = false;
      await last;
      await directory.close();
    },
  };
}
