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
  put: ["token-verifier client put api-user --overwrite"],
  rotate: ["token-verifier client rotate api-user --grace 1h --json"],
  remove: ["token-verifier client remove api-user"],
  list: ["token-verifier client list --json"],
};

/** Adds `client put`, `rotate`, `remove` and `list`. */
export function addClientCommands(root: Command, context: CliContext): void {
  const client = root.command("client").description("clients and their secrets");

  addOperatorOptions(
    addCommand(client, "put", "create a client, or give one another secret at once with --overwrite", EXAMPLES.put)
      .argument("<id>", "the client's id")
      .option("--secret-file <file>", "its secret (default: a new one, printed once)")
      .option("--overwrite", "replace the client if it exists"),
  ).action(
    async (
      clientId: string,
      options: OperatorOptions & { secretFile?: string; overwrite?: boolean },
    ): Promise<void> => {
      const { secretFile, overwrite = false } = options;
      const clientSecret = secretFile === undefined ? "" : readSecretFile(secretFile);
      const request = { requestId: drawRequestId(), clientId, clientSecret, etag: "", overwrite };
      const answer = await withOperations(options, context, "change", (on) => on.putClient(request));
      printChange(options.json, answer, `client ${clientId} is there`, answer.clientSecret && [answer.clientSecret]);
    },
  );

  addOperatorOptions(
    addCommand(
      client,
      "rotate",
      "give a client a new secret; the present one works for a grace period",
      EXAMPLES.rotate,
    )
      .argument("<id>", "the client's id")
      .option("--grace <duration>", "how long the present secret keeps working, at most 90d", "24h")
      .option("--secret-file <file>", "the new secret (default: a new one, printed once)"),
  ).action(
    async (clientId: string, options: OperatorOptions & { grace: string; secretFile?: string }): Promise<void> => {
      const clientSecret = options.secretFile === undefined ? "" : readSecretFile(options.secretFile);
      const request = { requestId: drawRequestId(), clientId, grace: readGrace(options.grace), clientSecret };
      const answer = await withOperations(options, context, "change", (on) => on.rotateClientSecret(request));
      const until = `client ${clientId} has a new secret; the one before works until ${timeText(answer.earlierRetireAt)}`;
      printChange(options.json, answer, until, answer.clientSecret && [answer.clientSecret]);
    },
  );

  addOperatorOptions(
    addCommand(client, "remove", "remove a client", EXAMPLES.remove).argument("<id>", "the client's id"),
  ).action(async (clientId: string, options: OperatorOptions): Promise<void> => {
    const request = { requestId: drawRequestId(), clientId, etag: "" };
    const answer = await withOperations(options, context, "change", (on) => on.deleteClient(request));
    printChange(options.json, answer, `client ${clientId} is gone`);
  });

  addOperatorOptions(
    addCommand(client, "list", "list clients and the ids of their secrets", EXAMPLES.list).option(
      "--limit <number>",
      "list at most so many (default: all)",
    ),
  ).action(async (options: OperatorOptions & { limit?: string }): Promise<void> => {
    const limit = readLimit(options.limit);
    const found = await withOperations(options, context, "read", (on) =>
      allPages(limit, async (page) => {
        const { clients: entries, nextPageToken } = await on.listClients(page);
        return { entries, nextPageToken };
      }),
    );
    printList(options.json, "clients", found, ["client", "secrets"], (one) => [one.clientId, secretsText(one.secrets)]);
  });
}
