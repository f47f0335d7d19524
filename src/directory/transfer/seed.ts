import { z } from "zod";
import { redactName } from "../../util/printable.js";
import { Secret } from "../../util/secret.js";
import { checkCommand, type DirectoryEntry } from "../commands.js";
import type { Directory } from "../directory.js";
import { DirectoryError } from "../errors.js";
import { clientMembers, instanceMembers, MIN_SECRET_LENGTH, userMembers } from "../transfer/entry-forms.js";
import { type Problem, readYaml } from "../yaml-text.js";
import { duplicates } from "./seed-duplicates.js";

/** The longest seed, in bytes of UTF-8: 1 MiB. Larger ones are imported. */
const MAX_BYTES = 1_048_576;

/** A seed that is not taken: all that is wrong with it, each with its place. */
export class SeedError extends DirectoryError {
  override readonly name = "SeedError";

  constructor(readonly problems: readonly Problem[]) {
    super("invalid", problems.map(({ place, message }) => `${place || "the seed"} ${message}`).join("\n"));
  }
}

const instanceSchema = z.strictObject({
  ...instanceMembers,
  users: z.array(z.strictObject(userMembers)).optional().describe("The instance's users."),
});

/** What a seed is. Ids, secrets and texts are looked at more closely when they are taken in. */
export const seedSchema = z.strictObject({
  instances: z.array(instanceSchema).optional().describe("Instances, with their secret keys and users."),
  clients: z.array(z.strictObject(clientMembers)).optional().describe("Clients, with their secrets."),
});
type Seed = z.infer<typeof seedSchema>;

/**
 * Reads a directory seed.
 *
 * @param text YAML of at most 1 MiB
 * @returns its entries, in an order in which they can be applied
 * @throws SeedError with everything that is wrong
 */
export function readSeed(text: string): readonly DirectoryEntry[] {
  if (Buffer.byteLength(text) > MAX_BYTES) {
    throw new SeedError([
      { place: "", message: "is larger than 1 MiB. Import it as JSON Lines with `token-verifier import`." },
    ]);
  }
  const { value, problems } = readYaml(text);
  if (problems.length > 0) throw new SeedError(problems);
  const parsed = seedSchema.safeParse(value ?? {}); // all of it may be commented out
  const wrong = parsed.success ? [] : parsed.error.issues.flatMap(problemsOf);
  wrong.push(...duplicates(value));
  if (!parsed.success || wrong.length > 0) throw new SeedError(wrong);
  return entriesOf(parsed.data);
}

/**
 * Loads a seed, all of it or nothing, if nothing was ever written to the store.
 *
 * @param actor who is responsible, for the audit
 * @returns false where the store was written to before and the seed was left aside
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
    // Another process that started at the same time may have been faster.
    if (error instanceof DirectoryError && error.code === "conflict" && !(await directory.isEmpty())) return false;
    throw error;
  }
}

function problemsOf(issue: z.core.$ZodIssue): Problem[] {
  const place = placeOf(issue.path);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      place: placeOf([...issue.path, redactName(key)]),
      message: "is no member that a seed has. Take it out, or look at its spelling.",
    }));
  }
  if (issue.code === "invalid_type") {
    const cure = issue.expected === "string" ? " Numbers, dates and the like need quotes around them." : "";
    return [
      {
        place,
        message: `is missing or of the wrong type: it must be ${TYPES[issue.expected] ?? issue.expected}.${cure}`,
      },
    ];
  }
  return [{ place, message: "is not what a seed has there. See docs/configuration.md, The directory seed." }];
}

const TYPES: Readonly<Record<string, string>> = {
  string: "a text",
  array: "a list",
  object: "a mapping",
  boolean: "true or false",
};

function placeOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((place, step) => {
    if (typeof step === "number") return `${place}[${step}]`;
    return place === "" ? String(step) : `${place}.${String(step)}`;
  }, "");
}

function entriesOf({ instances = [], clients = [] }: Seed): readonly DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  const problems: Problem[] = [];
  const add = (place: string, entry: DirectoryEntry): void => {
    try {
      checkCommand(entry);
      entries.push(entry);
    } catch (error) {
      if (!(error instanceof DirectoryError)) throw error;
      problems.push({ place, message: `is refused: ${error.message}` });
    }
  };
  const checkLength = (place: string, secret: string, isWeak = false): void => {
    if (isWeak || secret.length >= MIN_SECRET_LENGTH) return;
    const message = `has fewer than ${MIN_SECRET_LENGTH} characters. Draw a longer one (\`openssl rand -base64 24\`), or set \`weak: true\` beside it.`;
    problems.push({ place, message });
  };
  for (const [index, { id, appId, secretKeys, users = [], weak: isWeak }] of instances.entries()) {
    const place = `instances[${index}]`;
    for (const [at, secretKey] of secretKeys.entries()) checkLength(`${place}.secretKeys[${at}]`, secretKey, isWeak);
    add(place, { kind: "putInstance", id, appId, secretKeys: secretKeys.map((text) => new Secret(text)) });
    for (const [at, { id: userId, email = null, name = null, avatarUrl = null, provider = null }] of users.entries()) {
      add(`${place}.users[${at}]`, { kind: "putUser", instanceId: id, id: userId, email, name, avatarUrl, provider });
    }
  }
  for (const [index, { clientId, clientSecret, weak: isWeak }] of clients.entries()) {
    const place = `clients[${index}]`;
    checkLength(`${place}.clientSecret`, clientSecret, isWeak);
    add(place, { kind: "putClient", clientId, clientSecret: new Secret(clientSecret) });
  }
  if (problems.length > 0) throw new SeedError(problems);
  return entries;
}
