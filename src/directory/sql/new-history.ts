import type { Position } from "../position.js";
import { record } from "./head.js";
import type { SqlStore } from "./store.js";
import { beginWriting } from "./write.js";

/**
 * Makes every follower drop its entries and load the revocations again, as after a restored backup. Followers find a restored
 * store by its marks; this is for an operator who wants to be sure, or who has changed rows by hand.
 */
export function beginNewHistory(store: SqlStore, actor: string): Promise<Position> {
  return store.engine.transaction(async (sql) => {
    await beginWriting(store, sql, true);
    const entry = { actor, requestId: null, command: "newEpoch", subject: {}, outcome: "done" };
    return record(sql, store.engine.dialect, {
      touched: [{ kind: "reset" }, { kind: "reset-revocations" }],
      audit: [entry],
      at: store.now(),
    });
  });
}
