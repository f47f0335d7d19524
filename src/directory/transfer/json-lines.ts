import { z } from "zod";
import { readObject } from "../../jws/json.js";
import { type Issue, issuesOf, READABLE } from "../../util/issues.js";
import { Secret } from "../../util/secret.js";
import type { MasterKeys } from "../master-keys.js";
import { attempt, clientForm, clientOf, instanceForm, instanceOf, userForm, userOf } from "./entry-forms.js";
import type { ImportEntry, ImportLine, StoredEntry } from "./import.js";
import { isSealed, openClientDigest, openSecretKey, sealClientDigest, sealSecretKey } from "./sealed-secrets.js";

/** The longest line, in bytes. Longer ones are refused, so that memory is bounded. */
const MAX_LINE = 1_048_576;

const NEWLINE = 0x0a;
const BLANK = /^[ \t\r]*$/;

/**
 * Reads JSON Lines with one entry a line, and skips blank lines. Memory does not grow with the input.
 *
 * @param bytes chunks of any size
 * @param keys open the sealed values of an export
 */
export async function* readJsonLines(bytes: AsyncIterable<Uint8Array>, keys: MasterKeys): AsyncGenerator<ImportLine> {
  let line = 0;
  for await (const content of splitLines(bytes)) {
    line += 1;
    if (content === undefined) yield { line, issues: [ofLine("is longer than 1 MiB: give one entry a line")] };
    else if (content.length > 8 || !BLANK.test(content.toString("latin1"))) yield readLine(line, content, keys);
  }
}

/** The lines without their ends; undefined for a line that is too long. */
async function* splitLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer | undefined> {
  let parts: Buffer[] = [];
  let length = 0;
  const add = (part: Buffer): void => {
    length += part.length;
    if (length > MAX_LINE) parts = [];
    else parts.push(part);
  };
  const take = (): Buffer | undefined => {
    const line = length > MAX_LINE ? undefined : Buffer.concat(parts);
    parts = [];
    length = 0;
    return line;
  };
  for await (const some of bytes) {
    const chunk = Buffer.from(some.buffer, some.byteOffset, some.byteLength);
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      add(chunk.subarray(start, end));
      start = end + 1;
      yield take();
    }
    if (start < chunk.length) add(chunk.subarray(start));
  }
  if (length > 0) yield take();
}

function readLine(line: number, content: Buffer, keys: MasterKeys): ImportLine {
  const value = readObject(content)?.value;
  if (value === undefined) {
    return { line, issues: [ofLine("is not a well-formed JSON object that has each member once")] };
  }
  const issues: Issue[] = [];
  const entry = entryOf(value, keys, issues);
  return entry === undefined || issues.length > 0 ? { line, issues } : { line, entry };
}

const ofLine = (message: string): Issue => ({ place: "", message });

const LINES = {
  user: z.strictObject({ user: userForm.extend({ instance: z.string() }) }),
  instance: z.strictObject({ instance: instanceForm }),
  client: z.strictObject({ client: clientForm }),
};

/** The entry of a line; undefined, with issues, if there is none. */
function entryOf(value: object, keys: MasterKeys, issues: Issue[]): ImportEntry | undefined {
  const parse = <S extends z.ZodType>(schema: S): z.output<S> | undefined => {
    const { success, data, error } = schema.safeParse(value, READABLE);
    if (!success) issues.push(...issuesOf(error));
    return data;
  };
  if ("user" in value) {
    const data = parse(LINES.user);
    if (data === undefined) return undefined;
    const { instance, ...user } = data.user;
    return userOf(instance, user, { place: "user", issues });
  }
  if ("instance" in value) {
    const data = parse(LINES.instance);
    return data && readInstance(data.instance, keys, issues);
  }
  if ("client" in value) {
    const data = parse(LINES.client);
    return data && readClient(data.client, keys, issues);
  }
  issues.push(ofLine("has no `instance`, `user` or `client`: see docs/configuration.md, Changing the directory"));
  return undefined;
}

function readInstance(form: z.infer<typeof instanceForm>, keys: MasterKeys, issues: Issue[]): ImportEntry | undefined {
  return instanceOf(form, { place: "instance", issues }, (text) =>
    isSealed(text) ? openSecretKey(keys, form.id, text) : new Secret(text),
  );
}

function readClient(form: z.infer<typeof clientForm>, keys: MasterKeys, issues: Issue[]): ImportEntry | undefined {
  const context = { place: "client", issues };
  const entry = clientOf(form, context);
  if (entry === undefined || !isSealed(form.clientSecret)) return entry;
  return attempt(() => openClientDigest(keys, form.clientId, form.clientSecret), context);
}

/** Writes an entry as a line of an export, without its end. An import under the same master keys reads it. */
export function writeJsonLine(entry: StoredEntry, keys: MasterKeys): string {
  return JSON.stringify(memberOf(entry, keys));
}

function memberOf(entry: StoredEntry, keys: MasterKeys): object {
  switch (entry.kind) {
    case "putInstance": {
      const { id, appId, secretKeys } = entry;
      return { instance: { id, appId, secretKeys: secretKeys.map((one) => sealSecretKey(keys, id, one)) } };
    }
    case "putUser": {
      const { instanceId, id, email, name, avatarUrl, provider } = entry;
      const texts = Object.entries({ email, name, avatarUrl, provider }).filter(([, text]) => text !== null);
      return { user: { instance: instanceId, id, ...Object.fromEntries(texts) } };
    }
    case "putClientDigest":
      return { client: { clientId: entry.clientId, clientSecret: sealClientDigest(keys, entry) } };
  }
}
