import type { Instance } from "../../../gen/tokenverifier/admin/v1/directory_service.js";
import { OperatorError } from "../../contract/operator-failures.js";
import { checkCommand, newSecret } from "../../directory/commands.js";
import type { Expectation } from "../../directory/operator-commands.js";
import { type AppliedChange, RefusedChange, type StoredInstance } from "../../directory/operator-store.js";
import {
  broughtOrMade,
  changing,
  checkedSecret,
  contentOf,
  etagOf,
  expectationOf,
  expectationOfDelete,
} from "./changes.js";
import type { Handlers, OperationsContext } from "./context.js";
import { changeMessage, graceOf, newSecretMessages, secretMessage, timestamp } from "./messages.js";
import { readPage } from "./pages.js";

/** The prefix of the secret keys that the service makes. */
const PREFIX = "sk_";

/** How often an overwriting Put is tried against a store in which the instance comes and goes meanwhile. */
const TRIES = 5;

/** An instance as a message has it. */
const instanceMessage = ({ id, appId, secrets, changed }: StoredInstance): Instance => ({
  id,
  appId,
  secretKeys: secrets.map(secretMessage),
  etag: etagOf(changed),
});

/** The methods about instances. */
export function instanceHandlers(
  context: OperationsContext,
): Handlers<
  "putInstance" | "getInstance" | "deleteInstance" | "listInstances" | "rotateInstanceSecret" | "retireInstanceSecret"
> {
  const { store } = context;
  return {
    putInstance(request, operator) {
      const { requestId, id, appId, secretKeys } = request;
      const change = { kind: "putInstance", requestId, subject: { instanceId: id, appId } } as const;
      return changing(context, operator, change, async (by) => {
        const brought = secretKeys.map((key, at) => newSecret(checkedSecret(key, `secret_keys[${at}]`)));
        const made = brought.length > 0 ? brought : [broughtOrMade("", "", PREFIX)];
        checkCommand({ kind: "putInstance", id, appId, secrets: made, expect: "any" });
        const asked = expectationOf(request);
        const put = (expect: Expectation, secrets: typeof made | undefined): Promise<AppliedChange> =>
          store.change({ kind: "putInstance", id, appId, secrets, expect }, contentOf(request), by);
        const applied =
          asked === "any" && brought.length === 0
            ? await overwriting(async () => {
                const { changed } = (await store.instance(id)) ?? {};
                return changed === undefined ? put("absent", made) : put(changed, undefined);
              })
            : await put(asked, brought.length > 0 || asked === "absent" ? made : undefined);
        return {
          change: changeMessage(applied),
          etag: etagOf(applied.position.number),
          secretKeys: newSecretMessages(applied, made, brought.length > 0),
        };
      });
    },
    async getInstance({ id }) {
      return { instance: instanceMessage(found(await store.instance(id), "instance", id)) };
    },
    deleteInstance(request, operator) {
      const { requestId, id, etag } = request;
      return changing(
        context,
        operator,
        { kind: "deleteInstance", requestId, subject: { instanceId: id } },
        async (by) => {
          const command = { kind: "deleteInstance", id, expect: expectationOfDelete(etag) } as const;
          checkCommand(command);
          return { change: changeMessage(await store.change(command, contentOf(request), by)) };
        },
      );
    },
    async listInstances(request) {
      const { entries, nextPageToken } = await readPage(request, {
        storeId: store.id,
        of: ["instances"],
        read: (after, limit) => store.instances(after?.[0], limit),
        placeOf: ({ id }) => [id],
      });
      return { instances: entries.map(instanceMessage), nextPageToken };
    },
    rotateInstanceSecret(request, operator) {
      const { requestId, id, secretKey } = request;
      const change = { kind: "rotateInstanceSecret", requestId, subject: { instanceId: id } } as const;
      return changing(context, operator, change, async (by) => {
        const grace = graceOf(request.grace);
        const secret = broughtOrMade(secretKey, "secret_key", PREFIX);
        const command = { kind: "rotateInstanceSecret", id, secret, grace } as const;
        checkCommand(command);
        const applied = await store.change(command, contentOf(request), by);
        return {
          change: changeMessage(applied),
          etag: etagOf(applied.position.number),
          secretKey: newSecretMessages(applied, [secret], secretKey !== "")[0],
          earlierRetireAt: timestamp(applied.at + grace),
        };
      });
    },
    retireInstanceSecret(request, operator) {
      const { requestId, id, secretId } = request;
      const change = { kind: "retireInstanceSecret", requestId, subject: { instanceId: id, secretId } } as const;
      return changing(context, operator, change, async (by) => {
        const command = { kind: "retireInstanceSecret", id, secretId } as const;
        checkCommand(command);
        const applied = await store.change(command, contentOf(request), by);
        return { change: changeMessage(applied), etag: etagOf(applied.position.number) };
      });
    },
  };
}

/** Tries a change again that rests on what was read before it, as long as the entry changes in between. */
async function overwriting(attempt: () => Promise<AppliedChange>): Promise<AppliedChange> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      const isRace = error instanceof RefusedChange && (error.refusal === "exists" || error.refusal === "changed");
      if (!isRace || tries === TRIES) throw error;
    }
  }
}

/** An entry that must exist. @throws OperatorError NOT_FOUND */
export function found<Entry>(entry: Entry | null, what: string, id: string): Entry {
  if (entry !== null) return entry;
  throw new OperatorError("NOT_FOUND", `There is no ${what} ${JSON.stringify(id.slice(0, 255))}. Check the id.`);
}
