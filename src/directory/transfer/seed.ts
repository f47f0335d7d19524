import { z } from "zod";
import { formatIssue, type Issue, issuesOf, READABLE } from "../../util/issues.js";
import { readYaml } from "../../util/yaml.js";
import type { DirectoryEntry } from "../commands.js";
import type { Directory } from "../directory.js";
import { DirectoryError } from "../errors.js";
import { clientSecretDigest, sameDigest } from "../sealing.js";
import { clientForm, clientOf, instanceForm, instanceOf, userForm, userOf } from "./entry-forms.js";

/** The longest seed, in bytes of UTF-8: 1 MiB. */
const MAX_BYTES = 1_048_576;

/** A seed that cannot be used, with everything that is wrong with it. */
export class SeedError extends DirectoryError {
  override readonly name = "SeedError";

  constructor(readonly issues: readonly Issue[]) {
    super("invalid", issues.map(formatIssue).join("\n"));
  }
}

/** The form of a seed. {@link readSeed} checks ids, secrets and texts more closely. */
export const seedSchema = z.strictObject({
  instances: z
    .array(instanceForm.extend({ users: z.array(userForm).optional().describe("The instance's users.") }))
    .optional()
    .describe("Instances, with their secret keys and users."),
  clients: z.array(clientForm).optional().describe("Clients, with their secrets."),
});

/**
 * Reads a directory seed.
 *
 * @param text YAML of at most 1 MiB
 * @returns its entries, in an order in which they can be applied
 * @throws SeedError with everything that is wrong
 */
export function readSeed(text: string): readonly DirectoryEntry[] {
  if (Buffer.byteLength(text) > MAX_BYTES) {
    const message = "the seed is larger than 1 MiB: import it as JSON Lines with `token-verifier import`";
    throw new SeedError([{ place: "", message }]);
  }
  const { value, issues } = readYaml(text, { aliases: false });
  if (issues.length > 0) throw new SeedError(issues);
  const seed = value ?? {}; // all of the text may be commented out
  if (typeof seed !== "object" || Array.isArray(seed)) {
    throw new SeedError([{ place: "", message: "the seed must be a mapping with instances and clients" }]);
  }
  const parsed = seedSchema.safeParse(seed, READABLE);
  const found = [...(parsed.success ? [] : issuesOf(parsed.error)), ...duplicates(seed)];
  if (!parsed.success || found.length > 0) throw new SeedError(found);
  return entriesOf(parsed.data);
}

/**
 * Loads all of a seed or nothing into a store that was never written to.
 *
 * @param actor who is responsible, for the audit
 * @returns false if the store was written to before, and the seed was ignored
 * @throws DirectoryError
 */
export async function loadSeed(
  directory: Directory,
  entries: readonly DirectoryEntry[],
  actor: string,
): Promise<boolean> {
  if (!(await directory.isEmpty())) return false;
  if (entries.length === 0) return true;
  try {
    await directory.apply([{ kind: "seed", entries }], actor);
    return true;
  } catch (error) {
    // Another process that started at the same time may have loaded it first.
    if (error instanceof DirectoryError && error.code === "conflict" && !(await directory.isEmpty())) return false;
    throw error;
  }
}

/**
 * The number of entries that a store does not hold exactly as given.
 *
 * @throws DirectoryError
 */
export async function countMissing(directory: Directory, entries: readonly DirectoryEntry[]): Promise<number> {
  let missing = 0;
  for (const entry of entries) if (!(await isHeld(directory, entry))) missing += 1;
  return missing;
}

async function isHeld(directory: Directory, entry: DirectoryEntry): Promise<boolean> {
  if (entry.kind === "putInstance") {
    for (const secretKey of entry.secretKeys) {
      const { value } = await directory.instance(secretKey);
      if (value?.id !== entry.id || value.appId !== entry.appId) return false;
    }
    return true;
  }
  if (entry.kind === "putUser") {
    const { value } = await directory.user(entry.instanceId, entry.id);
    return value !== null && USER_TEXTS.every((name) => value[name] === entry[name]);
  }
  const { clientId, clientSecret } = entry;
  const { value } = await directory.client(clientId);
  return (value?.secrets ?? []).some(({ keyId, digest }) => {
    const key = directory.lookupKeys.byId.get(keyId);
    return key !== undefined && sameDigest(digest, clientSecretDigest(key, clientId, clientSecret));
  });
}

const USER_TEXTS = ["email", "name", "avatarUrl", "provider"] as const;

/**
 * Ids and secret keys that a seed has twice. Works on the raw value and skips what has another form, so that duplicates
 * are reported together with everything else that is wrong.
 */
function duplicates(seed: object): Issue[] {
  const issues: Issue[] = [];
  const note = (seen: Map<string, string>, value: unknown, place: string, what: string): void => {
    if (typeof value !== "string") return;
    const first = seen.get(value);
    if (first === undefined) seen.set(value, place);
    else issues.push({ place, message: `is the same ${what} as ${first}: give each its own` });
  };
  const instanceIds = new Map<string, string>();
  const secretKeys = new Map<string, string>();
  for (const [index, instance] of list(seed, "instances")) {
    const place = `instances[${index}]`;
    note(instanceIds, member(instance, "id"), `${place}.id`, "id");
    for (const [at, secretKey] of list(instance, "secretKeys")) {
      note(secretKeys, secretKey, `${place}.secretKeys[${at}]`, "secret key");
    }
    const userIds = new Map<string, string>();
    for (const [at, user] of list(instance, "users")) {
      note(userIds, member(user, "id"), `${place}.users[${at}].id`, "id");
    }
  }
  const clientIds = new Map<string, string>();
  for (const [index, client] of list(seed, "clients")) {
    note(clientIds, member(client, "clientId"), `clients[${index}].clientId`, "id");
  }
  return issues;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function list(value: unknown, name: string): Iterable<[number, unknown]> {
  const found = member(value, name);
  return Array.isArray(found) ? found.entries() : [];
}

function entriesOf({ instances = [], clients = [] }: z.infer<typeof seedSchema>): readonly DirectoryEntry[] {
  const issues: Issue[] = [];
  const entries = [
    ...instances.flatMap(({ users = [], ...instance }, index) => {
      const place = `instances[${index}]`;
      const put = instanceOf(instance, { place, issues });
      return [put, ...users.map((user, at) => userOf(instance.id, user, { place: `${place}.users[${at}]`, issues }))];
    }),
    ...clients.map((client, index) => clientOf(client, { place: `clients[${index}]`, issues })),
  ];
  if (issues.length > 0) throw new SeedError(issues);
  return entries.filter((entry) => entry !== undefined);
}
