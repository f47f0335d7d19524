import { existsSync } from "node:fs";
import type { ExampleValues } from "../../vendors/vendor.js";
import { readSeedFile } from "./core.js";

/** Values for a token where no directory seed gives any. */
export const PLACEHOLDERS: Omit<ExampleValues, "now"> = {
  instanceId: "inst_example",
  appId: "app_example",
  userId: "00000000-0000-4000-8000-000000000000",
  secretKey: "",
  clientId: "client-example",
  clientSecret: "",
};

/**
 * The ids and secrets of a directory seed's first instance, its first user and the first client, as far as there are
 * any; undefined where there is no such file.
 *
 * @throws {ConfigError} where the seed cannot be used
 */
export function seedValues(file: string | undefined): Omit<ExampleValues, "now"> | undefined {
  if (file === undefined || !existsSync(file)) return undefined;
  const entries = readSeedFile(file);
  const instance = entries.find((entry) => entry.kind === "putInstance");
  const user = entries.find((entry) => entry.kind === "putUser" && entry.instanceId === instance?.id);
  const client = entries.find((entry) => entry.kind === "putClient");
  return {
    ...PLACEHOLDERS,
    ...(instance && {
      instanceId: instance.id,
      appId: instance.appId,
      secretKey: instance.secretKeys[0]?.reveal() ?? "",
    }),
    ...(user?.kind === "putUser" && { userId: user.id }),
    ...(client && { clientId: client.clientId, clientSecret: client.clientSecret.reveal() }),
  };
}
