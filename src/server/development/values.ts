import { existsSync } from "node:fs";
import type { Config } from "../../config/load.js";
import type { PutInstance } from "../../directory/commands.js";
import type { Clock } from "../../util/clock.js";
import type { Secret } from "../../util/secret.js";
import type { ExampleValues } from "../../vendors/vendor.js";
import { readSeedFile } from "../seed.js";
import { readDirectory } from "../store.js";

/** Ids and secrets that a development token speaks of. */
export type TokenValues = Omit<ExampleValues, "now">;

/** Values if neither the seed nor the store has any. */
export const PLACEHOLDERS: TokenValues = {
  instanceId: "inst_example",
  appId: "app_example",
  userId: "00000000-0000-4000-8000-000000000000",
  secretKey: "",
  clientId: "client-example",
  clientSecret: "",
};

/**
 * Ids and secrets of a seed's first instance, its first user and the first client; placeholders for what it lacks.
 *
 * @param secretKey picks the instance that has this key instead of the first
 * @returns undefined if there is no seed, or no instance has the key
 * @throws {ConfigError} if the seed cannot be used
 */
export function seedValues(file: string | undefined, secretKey?: Secret): TokenValues | undefined {
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

/**
 * The same for one instance, from the seed or else from the store, which is only read; placeholders if no instance
 * has the key.
 *
 * @param secretKey undefined for the seed's first instance
 */
export async function directoryValues(
  config: Config,
  secretKey: Secret | undefined,
  clock: Clock,
): Promise<TokenValues> {
  const seeded = seedValues(config.directory, secretKey);
  if (seeded !== undefined || secretKey === undefined) return seeded ?? PLACEHOLDERS;
  return { ...PLACEHOLDERS, ...(await storedValues(config, secretKey, clock)), secretKey: secretKey.reveal() };
}

async function storedValues(config: Config, secretKey: Secret, clock: Clock): Promise<Partial<TokenValues>> {
  const open = config.masterKeys.length === 0 ? undefined : await readDirectory(config, clock);
  if (open === undefined) return {};
  const { directory } = open;
  try {
    const { value: instance } = await directory.instance(secretKey);
    if (instance === null) return {};
    const { id: instanceId, appId } = instance;
    for await (const entry of directory.export()) {
      if (entry.kind === "putUser" && entry.instanceId === instanceId) return { instanceId, appId, userId: entry.id };
    }
    return { instanceId, appId };
  } finally {
    await directory.close();
  }
}
