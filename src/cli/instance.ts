import type { Command } from "commander";
import { addCommand, type CliContext } from "./command.js";
import { printChange, printList, secretsText, timeText } from "./operator-output.js";
import {
  addOperatorOptions,
  allPages,
  drawRequestId,
  type OperatorOptions,
  readGrace,
  readLimit,
  withOperations,
} from "./operators.js";
import { readSecretFile } from "./resolve.js";

const EXAMPLES = {
  create: [
    "token-verifier instance create inst_new --app app_new",
    "token-verifier instance create inst_other --app app_new --json",
  ],
  rotate: ["token-verifier instance rotate inst_new --grace 24h"],
  retire: ["token-verifier instance retire inst_new --secret unknown-id   # exit code 2"],
  remove: ["token-verifier instance remove inst_other"],
  list: ["token-verifier instance list --json"],
};

/** Adds `instance create`, `rotate`, `retire`, `remove` and `list`. */
export function addInstanceCommands(root: Command, context: CliContext): void {
  const instance = root.command("instance").description("instances and their secret keys");

  addOperatorOptions(
    addCommand(instance, "create", "create an instance, with a new secret key unless one is given", EXAMPLES.create)
      .argument("<id>", "the instance's id")
      .requiredOption("--app <id>", "the id of its application")
      .option("--secret-key-file <file...>", "its secret keys, one in each file (default: a new one, printed once)")
      .option("--overwrite", "replace the instance if it exists; without a secret key it keeps its own"),
  ).action(
    async (
      id: string,
      options: OperatorOptions & { app: string; secretKeyFile?: string[]; overwrite?: boolean },
    ): Promise<void> => {
      const { app: appId, secretKeyFile = [], overwrite = false } = options;
      const secretKeys = secretKeyFile.map(readSecretFile);
      const request = { requestId: drawRequestId(), id, appId, secretKeys, etag: "", overwrite };
      const answer = await withOperations(options, context, "change", (on) => on.putInstance(request));
      printChange(options.json, answer, `instance ${id} of the application ${appId} is there`, answer.secretKeys);
    },
  );

  addOperatorOptions(
    addCommand(
      instance,
      "rotate",
      "give an instance a new secret key; the others work for a grace period",
      EXAMPLES.rotate,
    )
      .argument("<id>", "the instance's id")
      .option("--grace <duration>", "how long the present secret keys keep working, at most 90d", "24h")
      .option("--secret-key-file <file>", "the new secret key (default: a new one, printed once)"),
  ).action(async (id: string, options: OperatorOptions & { grace: string; secretKeyFile?: string }): Promise<void> => {
    const secretKey = options.secretKeyFile === undefined ? "" : readSecretFile(options.secretKeyFile);
    const request = { requestId: drawRequestId(), id, grace: readGrace(options.grace), secretKey };
    const answer = await withOperations(options, context, "change", (on) => on.rotateInstanceSecret(request));
    const until = `instance ${id} has a new secret key; the others work until ${timeText(answer.earlierRetireAt)}`;
    printChange(options.json, answer, until, answer.secretKey && [answer.secretKey]);
  });

  addOperatorOptions(
    addCommand(instance, "retire", "remove a secret key of an instance at once", EXAMPLES.retire)
      .argument("<id>", "the instance's id")
      .requiredOption("--secret <id>", "the id of the secret key, as instance list shows it"),
  ).action(async (id: string, options: OperatorOptions & { secret: string }): Promise<void> => {
    const request = { requestId: drawRequestId(), id, secretId: options.secret };
    const answer = await withOperations(options, context, "change", (on) => on.retireInstanceSecret(request));
    printChange(options.json, answer, `the secret key ${options.secret} of the instance ${id} is gone`);
  });

  addOperatorOptions(
    addCommand(instance, "remove", "remove an instance with its secret keys and users", EXAMPLES.remove).argument(
      "<id>",
      "the instance's id",
    ),
  ).action(async (id: string, options: OperatorOptions): Promise<void> => {
    const request = { requestId: drawRequestId(), id, etag: "" };
    const answer = await withOperations(options, context, "change", (on) => on.deleteInstance(request));
    printChange(options.json, answer, `instance ${id} is gone, with its users`);
  });

  addOperatorOptions(
    addCommand(instance, "list", "list instances and the ids of their secret keys", EXAMPLES.list).option(
      "--limit <number>",
      "list at most so many (default: all)",
    ),
  ).action(async (options: OperatorOptions & { limit?: string }): Promise<void> => {
    const limit = readLimit(options.limit);
    const found = await withOperations(options, context, "read", (on) =>
      allPages(limit, async (page) => {
        const { instances: entries, nextPageToken } = await on.listInstances(page);
        return { entries, nextPageToken };
      }),
    );
    printList(options.json, "instances", found, ["instance", "application", "secret keys"], (one) => [
      one.id,
      one.appId,
      secretsText(one.secretKeys),
    ]);
  });
}
