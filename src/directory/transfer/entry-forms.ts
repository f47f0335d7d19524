import { z } from "zod";
import type { Issue } from "../../util/issues.js";
import { Secret } from "../../util/secret.js";
import {
  checkCommand,
  type DirectoryEntry,
  entryCommand,
  type PutClient,
  type PutInstance,
  type PutUser,
} from "../commands.js";
import { DirectoryError } from "../errors.js";

// Entries as people write them, in a seed and in an import.

/** The shortest secret, in UTF-16 code units, that is accepted without `weak: true`. */
const MIN_SECRET_LENGTH = 16;

const description = (what: string) => z.string().nullable().optional().describe(what);
const weak = z.boolean().optional().describe(`\`true\` admits secrets of fewer than ${MIN_SECRET_LENGTH} characters.`);

/** A user. */
export const userForm = z.strictObject({
  id: z.string().describe("The user's id, unique within the instance: the `sub` of its tokens."),
  email: description("The email address."),
  name: description("The display name."),
  avatarUrl: description("The address of a picture."),
  provider: description("The identity provider with which the user signed in, such as `google`."),
});

/** An instance without its users. */
export const instanceForm = z.strictObject({
  id: z.string().describe("The instance's id."),
  appId: z.string().describe("The id of the application whose instance it is."),
  secretKeys: z
    .array(z.string())
    .describe("Any of them authenticates the instance, and verifies the tokens that it signed."),
  weak,
});

/** A client. */
export const clientForm = z.strictObject({
  clientId: z.string().describe("The client's id."),
  clientSecret: z.string().describe("What authenticates the client."),
  weak,
});

/** Where a form is, and where issues with it are collected. */
export interface FormContext {
  /** The place of the form, such as `instances[0]`. */
  readonly place: string;
  readonly issues: Issue[];
}

/**
 * The entry of an instance's form; undefined, with issues, if it cannot be stored.
 *
 * @param readSecret makes a secret of a written one; default as it is
 */
export function instanceOf(
  { id, appId, secretKeys, weak }: z.infer<typeof instanceForm>,
  context: FormContext,
  readSecret = (text: string) => new Secret(text),
): PutInstance | undefined {
  const { place } = context;
  for (const [index, secretKey] of secretKeys.entries()) {
    checkLength(secretKey, weak, { ...context, place: `${place}.secretKeys[${index}]` });
  }
  return checked(() => ({ kind: "putInstance", id, appId, secretKeys: secretKeys.map(readSecret) }), context);
}

/** The entry of a user's form; undefined, with issues, if it cannot be stored. Descriptions left out are null. */
export function userOf(
  instanceId: string,
  { id, email = null, name = null, avatarUrl = null, provider = null }: z.infer<typeof userForm>,
  context: FormContext,
): PutUser | undefined {
  return checked(() => ({ kind: "putUser", instanceId, id, email, name, avatarUrl, provider }), context);
}

/** The entry of a client's form; undefined, with issues, if it cannot be stored. */
export function clientOf(
  { clientId, clientSecret, weak }: z.infer<typeof clientForm>,
  context: FormContext,
): PutClient | undefined {
  checkLength(clientSecret, weak, { ...context, place: `${context.place}.clientSecret` });
  return checked(() => ({ kind: "putClient", clientId, clientSecret: new Secret(clientSecret) }), context);
}

function checked<E extends DirectoryEntry>(make: () => E, context: FormContext): E | undefined {
  return attempt(() => {
    const entry = make();
    checkCommand(entryCommand(entry));
    return entry;
  }, context);
}

/** Makes an entry; undefined, with the refusal as an issue, if that throws a DirectoryError. */
export function attempt<T>(make: () => T, { place, issues }: FormContext): T | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    issues.push({ place, message: `is refused: ${error.message}` });
    return undefined;
  }
}

function checkLength(secret: string, isWeak = false, { place, issues }: FormContext): void {
  if (isWeak || secret.length >= MIN_SECRET_LENGTH) return;
  const fix = "make a longer one (`openssl rand -base64 24`), or set `weak: true` beside it";
  issues.push({ place, message: `has fewer than ${MIN_SECRET_LENGTH} characters: ${fix}` });
}
