import { User } from "../../../gen/tokenverifier/admin/v1/directory_service.js";
import { checkCommand } from "../../directory/commands.js";
import type { StoredUser } from "../../directory/operator-store.js";
import { changing, contentOf, etagOf, expectationOf, expectationOfDelete } from "./changes.js";
import { type Handlers, invalid, type OperationsContext } from "./context.js";
import { found } from "./instances.js";
import { changeMessage } from "./messages.js";
import { readPage } from "./pages.js";

/** A user as a message has it. */
const userMessage = ({ instanceId, id, email, name, avatarUrl, provider, changed }: StoredUser): User =>
  User.fromPartial({
    instanceId,
    id,
    ...(email !== null && { email }),
    ...(name !== null && { name }),
    ...(avatarUrl !== null && { avatarUrl }),
    ...(provider !== null && { provider }),
    etag: etagOf(changed),
  });

/** The methods about users. */
export function userHandlers(context: OperationsContext): Handlers<"putUser" | "getUser" | "deleteUser" | "listUsers"> {
  const { store } = context;
  return {
    putUser(request, operator) {
      const { requestId, user: given, overwrite } = request;
      const { instanceId = "", id = "", email = null, name = null, avatarUrl = null, provider = null } = given ?? {};
      const change = { kind: "putUser", requestId, subject: { instanceId, userId: id } } as const;
      return changing(context, operator, change, async (by) => {
        if (given === undefined) throw invalid("`user` is missing.");
        const user = { instanceId, id, email, name, avatarUrl, provider };
        const command = { kind: "putUser", user, expect: expectationOf({ etag: given.etag, overwrite }) } as const;
        checkCommand(command);
        const applied = await store.change(command, contentOf(request), by);
        return { change: changeMessage(applied), etag: etagOf(applied.position.number) };
      });
    },
    async getUser({ instanceId, id }) {
      return { user: userMessage(found(await store.user(instanceId, id), "user", id)) };
    },
    deleteUser(request, operator) {
      const { requestId, instanceId, id, etag } = request;
      const change = { kind: "deleteUser", requestId, subject: { instanceId, userId: id } } as const;
      return changing(context, operator, change, async (by) => {
        const command = { kind: "deleteUser", instanceId, id, expect: expectationOfDelete(etag) } as const;
        checkCommand(command);
        return { change: changeMessage(await store.change(command, contentOf(request), by)) };
      });
    },
    async listUsers(request) {
      const instanceId = request.instanceId === "" ? undefined : request.instanceId;
      const { entries, nextPageToken } = await readPage(request, {
        storeId: store.id,
        of: ["users", request.instanceId],
        read: (after, limit) => store.users(instanceId, after && [after[0] ?? "", after[1] ?? ""], limit),
        placeOf: (user) => [user.instanceId, user.id],
      });
      return { users: entries.map(userMessage), nextPageToken };
    },
  };
}
