import type { Command } from "commander";
import { loadConfig } from "../config/load.js";
import { revocableRealmsOf } from "../server/realms.js";
import { makeSelector } from "../verifier/revocation-request.js";
import { addCommand, type CliContext } from "./command.js";
import { UsageError } from "./errors.js";
import { checkLocal } from "./operators.js";
import { printLine } from "./output.js";
import { actorOfCommand, configFile, onDirectory } from "./resolve.js";
import { unrevokeOnService } from "./revoke-service.js";
import {
  addSelectorOptions,
  asUsage,
  describeSelector,
  readSelector,
  type SelectorOptions,
} from "./selector-options.js";

const EXAMPLES = ["token-verifier unrevoke --realm integuru --jti example-1 --comment 'revoked by mistake'"];

interface UnrevokeOptions extends SelectorOptions {
  readonly comment?: string;
}

/** Adds `unrevoke`. */
export function addUnrevokeCommand(root: Command, context: CliContext): void {
  addSelectorOptions(addCommand(root, "unrevoke", "take a revocation back, named as it was made", EXAMPLES)).action(
    async (options: UnrevokeOptions) => {
      const { comment } = options;
      if (comment === undefined || comment.trim() === "") {
        throw new UsageError("Say with --comment why the tokens are good again; the audit keeps it.");
      }
      if (options.admin !== undefined) {
        return unrevokeOnService(await readSelector(options, context), comment, options, context);
      }
      checkLocal(options);
      const config = loadConfig(configFile(options.config), context);
      const request = await readSelector(options, context);
      const selector = asUsage(() => makeSelector(request, revocableRealmsOf(config.realms)));
      await onDirectory(config, context.clock, "change", ({ directory }) =>
        directory.apply([{ kind: "unrevoke", selectors: [selector], comment }], actorOfCommand()),
      );
      printLine(options.json ? JSON.stringify(selector) : `took back the revocation of ${describeSelector(selector)}`);
    },
  );
}
