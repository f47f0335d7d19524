import type { Config } from "../../config/load.js";
import { PLACEHOLDERS, seedValues } from "../../server/example-values.js";
import { readDirectory } from "../../server/store.js";
import type { Clock } from "../../util/clock.js";
import type { Secret } from "../../util/secret.js";
import type { ExampleValues } from "../../vendors/vendor.js";

/** Whom a token is made for. */
export type MintValues = Omit<ExampleValues, "now">;

/**
 * Ids for a token that an instance signs: its own, and its first user's, as the seed or else the store has them. Where
 * nobody has this key, placeholders.
 *
 * @param secretKey undefined: that of the seed's first instance
 */
export async function mintValues(config: Config, secretKey: Secret | undefined, clock: Clock): Promise<MintValues> {
  const seeded = seedValues(config.directory, secretKey);
  if (seeded !== undefined || secretKey === undefined) return seeded ?? PLACEHOLDERS;
  return { ...PLACEHOLDERS, ...(await storedValues(config, secretKey, clock)), secretKey: secretKey.reveal() };
}

/** An instance that came by `import`; a store is read where there is one, and left as it is. */
async function storedValues(config: Config, secretKey: Secret, clock: Clock): Promise<Partial<MintValues>> {
  const open = config.masterKeys.length === 0 ? undefined : readDirectory(config, clock);
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
