import { AuditEntry, GetStatusResponse } from "../../../gen/tokenverifier/admin/v1/status_service.js";
import type { AuditRow, SeenReplica } from "../../directory/operator-store.js";
import { version } from "../../util/version.js";
import { durationFromMillis } from "../../wire/protobuf.js";
import type { Handlers, OperationsContext } from "./context.js";
import { millisOf, positionMessage, timestamp } from "./messages.js";
import { readPage } from "./pages.js";

/** The methods about the service's state and the audit. */
export function statusHandlers({ store, realms }: OperationsContext): Handlers<"getStatus" | "listAudit"> {
  return {
    async getStatus(_request, { actor, role }) {
      const { head, time, replicas, instances, users, clients, revocations, masterKeys, place } = await store.status();
      return GetStatusResponse.fromPartial({
        version: version(),
        operator: actor,
        role,
        realms: realms().map((realm) => ({ ...realm })),
        store: {
          id: store.id,
          place,
          head: positionMessage(head),
          time: timestamp(time),
          instances: BigInt(instances),
          users: BigInt(users),
          clients: BigInt(clients),
          revocations: BigInt(revocations),
          masterKeys: [...masterKeys],
        },
        replicas: replicas.map(replicaMessage),
      });
    },
    async listAudit(request) {
      const { actor, command, since, before } = request;
      const filter = {
        actor: actor || undefined,
        command: command || undefined,
        since: since && millisOf(since, "since"),
        before: before && millisOf(before, "before"),
      };
      const { entries, nextPageToken } = await readPage(request, {
        storeId: store.id,
        of: ["audit", filter],
        read: (after, limit) => store.audit(filter, after && Number(after[0]), limit),
        placeOf: ({ number }) => [String(number)],
      });
      return { entries: entries.map(auditMessage), nextPageToken };
    },
  };
}

const replicaMessage = ({ id, version: own, position, mark, seen, keys, clockOffset }: SeenReplica) => ({
  id,
  version: own,
  position: positionMessage({ number: position, mark }),
  seenAt: timestamp(seen),
  masterKeys: [...keys],
  clockOffset: durationFromMillis(clockOffset),
});

/** A row of the audit as a message has it. */
const auditMessage = ({
  number,
  change,
  at,
  actor,
  requestId,
  command,
  subject,
  outcome,
  hash,
}: AuditRow): AuditEntry =>
  AuditEntry.fromPartial({
    number: BigInt(number),
    ...(change !== null && { change: BigInt(change) }),
    at: timestamp(at),
    actor,
    requestId: requestId ?? "",
    command,
    subject,
    outcome,
    hash: Buffer.from(hash),
  });

/** The row of the audit that a message has, for a walk along the hashes. */
export const auditRowOf = ({ number, change, at, requestId, ...entry }: AuditEntry): AuditRow => ({
  ...entry,
  number: Number(number),
  change: change === undefined ? null : Number(change),
  at: at === undefined ? 0 : millisOf(at, "at"),
  requestId: requestId === "" ? null : requestId,
});
