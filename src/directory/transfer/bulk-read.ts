import { z } from "zod";
import { readObject } from "../../jws/json.js";
import { redactName } from "../../util/printable.js";
import { Secret } from "../../util/secret.js";
import { checkCommand } from "../commands.js";
import { DirectoryError } from "../errors.js";
import type { MasterKeys } from "../master-keys.js";
import { clientMembers, instanceMembers, MIN_SECRET_LENGTH, userMembers } from "../transfer/entry-forms.js";
import { isSealed, openClientDigest, openSecretKey } from "./bulk-secrets.js";
import type { ImportEntry, ImportLine } from "./import.js";

const instanceLine = z.strictObject({ instance: z.strictObject(instanceMembers) });
const userLine = z.strictObject({ user: z.strictObject({ instance: z.string(), ...userMembers }) });
const clientLine = z.strictObject({ client: z.strictObject(clientMembers) });

/** Reads one line of an import. */
export function readBulkEntry(line: number, content: Buffer, keys: MasterKeys): ImportLine {
  const value = readObject(content)?.value;
  if (value === undefined) {
    return { line, problem: "is not a well-formed JSON object that has each member once. Look at its syntax." };
  }
  try {
    const entry = entryOf(value, keys);
    if (typeof entry === "string") return { line, problem: entry };
    if (entry.kind !== "putClientDigest") checkCommand(entry);
    return { line, entry };
  } catch (error) {
    if (error instanceof DirectoryError) return { line, problem: `is refused: ${error.message}` };
    throw error;
  }
}

/** The entry of a line, or what is wrong with it. */
function entryOf(value: object, keys: MasterKeys): ImportEntry | string {
  if ("user" in value) {
    const { success, data, error } = userLine.safeParse(value);
    if (!success) return wrong(error);
    const { instance: instanceId, id, email = null, name = null, avatarUrl = null, provider = null } = data.user;
    return { kind: "putUser", instanceId, id, email, name, avatarUrl, provider };
  }
  if ("instance" in value) {
    const { success, data, error } = instanceLine.safeParse(value);
    return success ? instanceOf(data.instance, keys) : wrong(error);
  }
  if ("client" in value) {
    const { success, data, error } = clientLine.safeParse(value);
    return success ? clientOf(data.client, keys) : wrong(error);
  }
  return "has neither `instance` nor `user` nor `client`. See docs/configuration.md, Changing the directory.";
}

function instanceOf(given: z.infer<typeof instanceLine>["instance"], keys: MasterKeys): ImportEntry | string {
  const { id, appId, secretKeys, weak = false } = given;
  const short = secretKeys.findIndex((text) => isShort(text, weak));
  if (short !== -1) return tooShort(`instance.secretKeys[${short}]`);
  const secrets = secretKeys.map((text) => (isSealed(text) ? openSecretKey(keys, id, text) : new Secret(text)));
  return { kind: "putInstance", id, appId, secretKeys: secrets };
}

function clientOf(given: z.infer<typeof clientLine>["client"], keys: MasterKeys): ImportEntry | string {
  const { clientId, clientSecret, weak = false } = given;
  if (isShort(clientSecret, weak)) return tooShort("client.clientSecret");
  const secret = new Secret(clientSecret);
  // The id is checked by the very command, also where the secret is but a digest.
  checkCommand({ kind: "putClient", clientId, clientSecret: secret });
  if (isSealed(clientSecret)) return openClientDigest(keys, clientId, clientSecret);
  return { kind: "putClient", clientId, clientSecret: secret };
}

function isShort(text: string, weak: boolean): boolean {
  return !weak && !isSealed(text) && text.length < MIN_SECRET_LENGTH;
}

function tooShort(place: string): string {
  return `has a ${place} of fewer than ${MIN_SECRET_LENGTH} characters. Draw a longer one (\`openssl rand -base64 24\`), or set \`weak: true\` beside it.`;
}

const TYPES: Readonly<Record<string, string>> = { string: "a text", array: "a list", boolean: "true or false" };

/** What is wrong with the form of a line; nothing of its values, they may be secrets. */
function wrong({ issues }: z.ZodError): string {
  return issues
    .map((issue) => {
      const place = issue.path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
      const named = place.slice(1) || "the line";
      if (issue.code === "unrecognized_keys") {
        return `has in ${named} what does not belong there: ${issue.keys.map(redactName).join(", ")}. Take it out, or look at its spelling.`;
      }
      const type = issue.code === "invalid_type" ? (TYPES[issue.expected] ?? "an object") : "what belongs there";
      return `lacks ${named}, or it is of the wrong type: it must be ${type}.`;
    })
    .join(" It ");
}
