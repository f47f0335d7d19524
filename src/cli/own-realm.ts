import type { Config } from "../config/load.js";
import type { ConfiguredRealm } from "../config/realms.js";
import { CommandError, EXIT } from "./errors.js";

/**
 * The realm of this name, one with tokens and keys of its own.
 *
 * @throws {CommandError} where there is none, or it hands tokens on; names those that there are
 */
export function ownRealm({ file, realms }: Pick<Config, "file" | "realms">, name: string): ConfiguredRealm {
  const found = realms.find((realm) => realm.name === name);
  if (found === undefined) {
    const names = realms.map((realm) => realm.name).join(", ");
    throw new CommandError(`There is no realm ${name}. ${file} has: ${names}.`, EXIT.usage);
  }
  if (found.byIssuer === undefined) return found;
  const targets = [...new Set(found.byIssuer.values())].join(", ");
  const message = `The realm ${name} hands tokens on, and has no tokens and no keys of its own. Name one of: ${targets}.`;
  throw new CommandError(message, EXIT.usage);
}
