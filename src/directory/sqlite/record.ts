import type { Database } from "better-sqlite3";
import type { Clock } from "../../util/clock.js";
import { type ChangeRecord, encodeChange } from "../feed.js";

/**
 * The closing act of every change: the position is raised, and what happened is written to the feed and to the audit.
 *
 * @param retention how many feed rows are kept
 * @returns to be called in the change's transaction, after it; the last argument names the command
 */
export function prepareRecord(
  db: Database,
  clock: Clock,
  retention: number,
): (trace: ChangeRecord, actor: string, command: string) => void {
  const advance = db
    .prepare<[], number>("UPDATE feed_head SET position = position + 1 WHERE id = 1 RETURNING position")
    .pluck();
  const addToFeed = db.prepare("INSERT INTO feed (position, kind, touched) VALUES (?, ?, ?)");
  const trimFeed = db.prepare("DELETE FROM feed WHERE position <= ?");
  const addToAudit = db.prepare("INSERT INTO audit (position, at, actor, command, subject) VALUES (?, ?, ?, ?, ?)");
  return ({ touched, subject }, actor, command) => {
    const reached = advance.get() ?? 0;
    const row = encodeChange(touched);
    addToFeed.run(reached, row.kind, row.touched);
    trimFeed.run(reached - retention);
    addToAudit.run(reached, Math.trunc(clock()), actor, command, JSON.stringify(subject));
  };
}
