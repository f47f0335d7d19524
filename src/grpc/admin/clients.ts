import type { Client } from "../../../gen/tokenverifier/admin/v1/directory_service.js";
import { checkCommand } from "../../directory/commands.js";
import type { StoredClient } from "../../directory/operator-store.js";
import { broughtOrMade, changing, contentOf, etagOf, expectationOf, expectationOfDelete } from "./changes.js";
import type { Handlers, OperationsContext } from "./context.js";
import { found } from "./instances.js";
import { changeMessage, graceOf, newSecretMessages, secretMessage, timestamp } from "./messages.js";
import { readPage } from "./pages.js";

/** The prefix of the client secrets that the service makes. */
const PREFIX = "cs_";

/** A client as a message has it. */
const clientMessage = ({ clientId, secrets, changed }: StoredClient): Client => ({
  clientId,
  secrets: secrets.map(secretMessage),
  etag: etagOf(changed),
});

/** The methods about clients. */
export function clientHandlers(
  context: OperationsContext,
): Handlers<"putClient" | "getClient" | "deleteClient" | "listClients" | "rotateClientSecret"> {
  const { store } = context;
  return {
    putClient(request, operator) {
      const { requestId, clientId, clientSecret } = request;
      return changing(context, operator, { kind: "putClient", requestId, subject: { clientId } }, async (by) => {
        const secret = broughtOrMade(clientSecret, "client_secret", PREFIX);
        const command = { kind: "putClient", clientId, secret, expect: expectationOf(request) } as const;
        checkCommand(command);
        const applied = await store.change(command, contentOf(request), by);
        return {
          change: changeMessage(applied),
          etag: etagOf(applied.position.number),
          clientSecret: newSecretMessages(applied, [secret], clientSecret !== "")[0],
        };
      });
    },
    async getClient({ clientId }) {
      return { client: clientMessage(found(await store.client(clientId), "client", clientId)) };
    },
    deleteClient(request, operator) {
      const { requestId, clientId, etag } = request;
      return changing(context, operator, { kind: "deleteClient", requestId, subject: { clientId } }, async (by) => {
        const command = { kind: "deleteClient", clientId, expect: expectationOfDelete(etag) } as const;
        checkCommand(command);
        return { change: changeMessage(await store.change(command, contentOf(request), by)) };
      });
    },
    async listClients(request) {
      const { entries, nextPageToken } = await readPage(request, {
        storeId: store.id,
        of: ["clients"],
        read: (after, limit) => store.clients(after?.[0], limit),
        placeOf: ({ clientId }) => [clientId],
      });
      return { clients: entries.map(clientMessage), nextPageToken };
    },
    rotateClientSecret(request, operator) {
      const { requestId, clientId, clientSecret } = request;
      const change = { kind: "rotateClientSecret", requestId, subject: { clientId } } as const;
      return changing(context, operator, change, async (by) => {
        const grace = graceOf(request.grace);
        const secret = broughtOrMade(clientSecret, "client_secret", PREFIX);
        const command = { kind: "rotateClientSecret", clientId, secret, grace } as const;
        checkCommand(command);
        const applied = await store.change(command, contentOf(request), by);
        return {
          change: changeMessage(applied),
          etag: etagOf(applied.position.number),
          clientSecret: newSecretMessages(applied, [secret], clientSecret !== "")[0],
          earlierRetireAt: timestamp(applied.at + grace),
        };
      });
    },
  };
}
