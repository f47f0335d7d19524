import type { Directory } from "../directory.js";
import { exportEntries } from "./export.js";
import { importLines } from "./import.js";
import { readKeySets, removeKeySets, saveKeySet } from "./key-sets.js";
import { lookUpClient, lookUpInstance, lookUpUser, theRow } from "./lookups.js";
import { maintainStore } from "./maintain.js";
import { operatorStore } from "./operator-store.js";
import { pollFeed } from "./poll.js";
import { countRevocations, revocationPages } from "./revocations.js";
import type { SqlStore } from "./store.js";
import { applyCommands } from "./write.js";

/** Revocations read at a time: some 0.5 MB. */
const PAGE = 20_000;
/** The same where the rows are read in this process: about a millisecond. */
const PAGE_HERE = 500;

/** The directory in a store. */
export function sqlDirectory(store: SqlStore): Directory {
  const { engine, settings } = store;
  const { feed } = engine;
  return {
    id: store.id,
    place: engine.place,
    get lookupKeys() {
      return store.keys.lookup;
    },
    get clockOffset() {
      return store.clockOffset;
    },
    get polling() {
      return { interval: feed.interval, notified: feed.notified };
    },
    onNotification: (listener) => {
      feed.onNotification(listener);
    },
    instance: async (secretKey) => {
      const { value, position } = await store.lookUp((sql, keys) => lookUpInstance(sql, keys, secretKey));
      return { value, position };
    },
    client: async (clientId) => {
      const { value, position } = await store.lookUp((sql) => lookUpClient(sql, clientId));
      return { value, position };
    },
    user: async (instanceId, userId) => {
      const { value, position } = await lookUpUser(engine, instanceId, userId);
      return { value, position };
    },
    poll: async (after, limit) => {
      const sent = settings.clock();
      const { time, keysVersion, ...poll } = await pollFeed(feed, engine.dialect, after, limit);
      store.noteTime(time, sent);
      await store.refreshKeys(engine, keysVersion);
      return poll;
    },
    async *revocationPages() {
      const connection = await engine.connect();
      try {
        yield* revocationPages(connection, engine.dialect, engine.dialect === "sqlite" ? PAGE_HERE : PAGE);
      } finally {
        await connection.close();
      }
    },
    countRevocations: async () => {
      const connection = await engine.connect();
      try {
        return await countRevocations(connection);
      } finally {
        await connection.close();
      }
    },
    isEmpty: async () =>
      theRow(await engine.query<{ number: number }>(`SELECT number FROM {feed_head} WHERE id = 1`)).number === 0,
    apply: (commands, actor) => applyCommands(store, commands, actor),
    import: async (lines, options, actor) =>
      (await importLines(store, lines, options, { actor, requestId: null })).report,
    export: (options) => exportEntries(store, options),
    keySets: () => readKeySets(engine, store.keys),
    saveKeySet: (set) => saveKeySet(engine, store.keys, set),
    removeKeySets: (before, except) => removeKeySets(engine, store.keys, before, except),
    maintain: () => maintainStore(store),
    operators: operatorStore(store),
    close: () => engine.close(),
  };
}
