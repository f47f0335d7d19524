import type { StoreStatus } from "../operator-store.js";
import { theRow } from "./lookups.js";
import { listReplicas } from "./replicas.js";
import type { SqlStore } from "./store.js";

interface Counts {
  readonly number: number;
  readonly mark: string;
  readonly revocations: number;
  readonly instances: number;
  readonly users: number;
  readonly clients: number;
}

/** What a store says of itself. Counting takes time in proportion to the entries, so it has a connection of its own. */
export async function storeStatus(store: SqlStore): Promise<StoreStatus> {
  const { engine } = store;
  const connection = await engine.connect();
  try {
    const { number, mark, ...counts } = theRow(
      await connection.query<Counts>(
        `SELECT h.number, h.mark, h.revocations, (SELECT count(*) FROM {instances}) AS instances,
          (SELECT count(*) FROM {users}) AS users, (SELECT count(*) FROM {clients}) AS clients
        FROM {feed_head} h WHERE h.id = 1`,
      ),
    );
    const masters = await connection.query<{ id: string }>(
      `SELECT DISTINCT master_id AS id FROM {wrapped_keys} ORDER BY master_id`,
    );
    const time = store.now();
    return {
      place: engine.place,
      head: { number, mark },
      time,
      ...counts,
      masterKeys: masters.map(({ id }) => id),
      replicas: await listReplicas(connection, time),
    };
  } finally {
    await connection.close();
  }
}
