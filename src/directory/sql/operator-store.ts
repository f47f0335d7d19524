import type { OperatorStore } from "../operator-store.js";
import { exportEntries } from "./export.js";
import { importLines } from "./import.js";
import { auditRefused, listAudit } from "./operator-audit.js";
import { operatorEntries } from "./operator-entries.js";
import { listRevocations } from "./operator-revocations.js";
import { storeStatus } from "./operator-status.js";
import type { SqlStore } from "./store.js";
import { changeOnce } from "./write.js";

/** A store as operators see and change it. */
export function operatorStore(store: SqlStore): OperatorStore {
  const { engine } = store;
  return {
    id: store.id,
    ...operatorEntries(store),
    revocations: (filter, after, limit) => listRevocations(engine, filter, after, limit),
    audit: (filter, before, limit) => listAudit(engine, filter, before, limit),
    change: (command, content, by) => changeOnce(store, command, content, by),
    importLines: (lines, options, contentOf, by) =>
      importLines(store, lines, options, by, { id: by.requestId, contentOf }),
    export: (options) => exportEntries(store, options),
    refused: (row) => auditRefused(store, row),
    status: () => storeStatus(store),
  };
}
