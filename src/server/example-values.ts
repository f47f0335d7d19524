import { existsSync } from "node:fs";
import type { PutInstance } from "../directory/commands.js";
import type { Secret } from "../util/secret.js";
import type { ExampleValues } from "../vendors/vendor.js";
import { readSeedFile } from "./seed.js";

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
 * @param secretKey the instance that has this key instead of the first; undefined is given where none has
 * @throws {ConfigError} where the seed cannot be used
 */
export function seedValues(file: string | undefined, secretKey?: Secret): Omit<ExampleValues, "now"> | undefined {
  if (file === undefined || !existsSync(file)) return undefined;
  const entries = readSeedFile(file);
  const wanted = secretKey?.reveal();
  const keyOf = ({ secretKeys }: PutInstance): string | undefined =>
    secretKeys.map((key) => key.reveal()).find((key) => wanted === undefined || key === wanted);
  const instance = entries.find((entry) => entry.kind === "putInstance" && keyOf(entry) !== undefined) as
    | PutInstance
    | undefined;
  if (wanted !== undefined && instance === undefined) return undefined;
  const user = entries.find((entry) => entry.kind === "putUser" && entry.instanceId === instance?.id);
  const client = entries.find((entry) => entry.kind === "putClient");
  return {
    ...PLACEHOLDERS,
    ...(instance && {
      instanceId: instance.id,
      appId: instance.appId,
      secretKey: keyOf(instance) ?? "",
    }),
    ...(user?.kind === "putUser" && { userId: user.id }),
    ...(client && { clientId: client.clientId, clientSecret: client.clientSecret.reveal() }),
  };
}
