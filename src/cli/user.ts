import type { Command } from "commander";
import { User } from "../../gen/tokenverifier/admin/v1/directory_service.js";
import { addCommand, type CliContext } from "./command.js";
import { printChange, printList } from "./operator-output.js";
import {
  addOperatorOptions,
  allPages,
  drawRequestId,
  type OperatorOptions,
  readLimit,
  withOperations,
} from "./operators.js";

const EXAMPLES = {
  put: ["token-verifier user put inst_new jane --email jane@example.com --name 'Jane Doe' --overwrite"],
  remove: ["token-verifier user remove inst_new jane"],
  list: ["token-verifier user list --instance inst_new --json"],
};

interface UserOptions extends OperatorOptions {
  readonly email?: string;
  readonly name?: string;
  readonly avatarUrl?: string;
  readonly provider?: string;
  readonly overwrite?: boolean;
}

/** Adds `user put`, `remove` and `list`. */
export function addUserCommands(root: Command, context: CliContext): void {
  const user = root.command("user").description("users of instances");

  addOperatorOptions(
    addCommand(user, "put", "create a user of an instance, or replace one whole with --overwrite", EXAMPLES.put)
      .argument("<instance>", "the instance's id")
      .argument("<id>", "the user's id: the subject of its tokens")
      .option("--email <address>", "the email address")
      .option("--name <name>", "the display name")
      .option("--avatar-url <url>", "the address of a picture")
      .option("--provider <name>", "the identity provider with which the user signed in, such as google")
      .option("--overwrite", "replace the user if it exists"),
  ).action(async (instanceId: string, id: string, options: UserOptions): Promise<void> => {
    const { email, name, avatarUrl, provider, overwrite = false } = options;
    const put = User.fromPartial({
      instanceId,
      id,
      ...(email !== undefined && { email }),
      ...(name !== undefined && { name }),
      ...(avatarUrl !== undefined && { avatarUrl }),
      ...(provider !== undefined && { provider }),
    });
    const request = { requestId: drawRequestId(), user: put, overwrite };
    const answer = await withOperations(options, context, "change", (on) => on.putUser(request));
    printChange(options.json, answer, `user ${id} of the instance ${instanceId} is there`);
  });

  addOperatorOptions(
    addCommand(user, "remove", "remove a user of an instance", EXAMPLES.remove)
      .argument("<instance>", "the instance's id")
      .argument("<id>", "the user's id"),
  ).action(async (instanceId: string, id: string, options: OperatorOptions): Promise<void> => {
    const request = { requestId: drawRequestId(), instanceId, id, etag: "" };
    const answer = await withOperations(options, context, "change", (on) => on.deleteUser(request));
    printChange(options.json, answer, `user ${id} of the instance ${instanceId} is gone`);
  });

  addOperatorOptions(
    addCommand(user, "list", "list users", EXAMPLES.list)
      .option("--instance <id>", "only users of this instance")
      .option("--limit <number>", "list at most so many (default: all)"),
  ).action(async (options: OperatorOptions & { instance?: string; limit?: string }): Promise<void> => {
    const { instance: instanceId = "" } = options;
    const limit = readLimit(options.limit);
    const found = await withOperations(options, context, "read", (on) =>
      allPages(limit, async (page) => {
        const { users: entries, nextPageToken } = await on.listUsers({ instanceId, ...page });
        return { entries, nextPageToken };
      }),
    );
    printList(options.json, "users", found, ["instance", "user", "email", "name"], (one) => [
      one.instanceId,
      one.id,
      one.email ?? "-",
      one.name ?? "-",
    ]);
  });
}
