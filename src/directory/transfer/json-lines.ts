import { z } from "zod";
import { readObject } from "../../jws/json.js";
import { type Issue, issuesOf, READABLE } from "../../util/issues.js";
import { Secret } from "../../util/secret.js";
import type { MasterKeys } from "../master-keys.js";
import type { StoredSecretKey } from "../model.js";
import type { NamedKey } from "../sealing.js";
import { attempt, clientForm, clientOf, instanceForm, instanceOf, userForm, userOf } from "./entry-forms.js";
import type { ExportHead, ImportEntry, ImportLine, PutStoredInstance, StoredEntry } from "./import.js";
import { formOfRevocation, revocationForm, revocationOf } from "./revocation-form.js";
import {
  isSealed,
  openClientDigests,
  openLookupKey,
  openSecretKey,
  sealClientDigests,
  sealLookupKey,
  sealSecretKey,
} from "./sealed-secrets.js";

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
  const lookupKeys = new Map<string, NamedKey>();
  for await (const content of splitLines(bytes)) {
    line += 1;
    if (content === undefined) yield { line, issues: [ofLine("is longer than 1 MiB: give one entry a line")] };
    else if (content.length > 8 || !BLANK.test(content.toString("latin1")))
      yield readLine(line, content, keys, lookupKeys);
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

/** What reading a line needs. */
interface LineContext {
  readonly keys: MasterKeys;
  /** The look-up keys of the heads so far, by id. */
  readonly lookupKeys: Map<string, NamedKey>;
  readonly issues: Issue[];
}

function readLine(line: number, content: Buffer, keys: MasterKeys, lookupKeys: Map<string, NamedKey>): ImportLine {
  const value = readObject(content)?.value;
  if (value === undefined) {
    return { line, issues: [ofLine("is not a well-formed JSON object that has each member once")] };
  }
  const issues: Issue[] = [];
  const entry = entryOf(value, { keys, lookupKeys, issues });
  return entry === undefined || issues.length > 0 ? { line, issues } : { line, entry };
}

const ofLine = (message: string): Issue => ({ place: "", message });

/** What a kind of line holds, by the name of its one member. */
const READERS = {
  user: reader(z.strictObject({ user: userForm.extend({ instance: z.string() }) }), ({ user: form }, { issues }) => {
    const { instance, ...user } = form;
    return userOf(instance, user, { place: "user", issues });
  }),
  instance: reader(z.strictObject({ instance: instanceForm }), ({ instance }, context) =>
    readInstance(instance, context),
  ),
  client: reader(z.strictObject({ client: clientForm }), ({ client }, context) => readClient(client, context)),
  revocation: reader(z.strictObject({ revocation: revocationForm }), ({ revocation }, { issues }) =>
    revocationOf(revocation, { place: "revocation", issues }),
  ),
  store: reader(
    z.strictObject({ store: z.strictObject({ id: z.string(), lookupKeys: z.record(z.string(), z.string()) }) }),
    ({ store }, context) => readHead(store, context),
  ),
};

function reader<S extends z.ZodType>(
  schema: S,
  read: (data: z.output<S>, context: LineContext) => ImportEntry | undefined,
): (value: object, context: LineContext) => ImportEntry | undefined {
  return (value, context) => {
    const { success, data, error } = schema.safeParse(value, READABLE);
    if (success) return read(data, context);
    context.issues.push(...issuesOf(error));
    return undefined;
  };
}

/** The entry of a line; undefined, with issues, if there is none. */
function entryOf(value: object, context: LineContext): ImportEntry | undefined {
  for (const [name, read] of Object.entries(READERS)) if (Object.hasOwn(value, name)) return read(value, context);
  context.issues.push(
    ofLine("has no `instance`, `user`, `client` or `revocation`: see docs/configuration.md, Changing the directory"),
  );
  return undefined;
}

function readInstance(
  form: z.infer<typeof instanceForm>,
  { keys, issues }: LineContext,
): PutStoredInstance | undefined {
  const secretKeys: StoredSecretKey[] = [];
  const entry = instanceOf(form, { place: "instance", issues }, (text) => {
    const read = isSealed(text) ? openSecretKey(keys, form.id, text) : { secret: new Secret(text), retiresAt: null };
    secretKeys.push(read);
    return read.secret;
  });
  return entry && { kind: "putStoredInstance", id: entry.id, appId: entry.appId, secretKeys };
}

function readClient(
  form: z.infer<typeof clientForm>,
  { keys, lookupKeys, issues }: LineContext,
): ImportEntry | undefined {
  const context = { place: "client", issues };
  const entry = clientOf(form, context);
  if (entry === undefined || !isSealed(form.clientSecret)) return entry;
  const { clientId } = entry;
  return attempt(() => {
    const secrets = openClientDigests(keys, lookupKeys, clientId, form.clientSecret);
    return { kind: "putClientDigest", clientId, secrets };
  }, context);
}

function readHead(
  { id, lookupKeys }: { readonly id: string; readonly lookupKeys: Readonly<Record<string, string>> },
  { keys, lookupKeys: known, issues }: LineContext,
): ExportHead | undefined {
  return attempt(
    () => {
      const opened = Object.entries(lookupKeys).map(([keyId, text]) => openLookupKey(keys, id, keyId, text));
      for (const key of opened) known.set(key.id, key);
      return { kind: "store", id, lookupKeys: opened };
    },
    { place: "store", issues },
  );
}

/** Writes an entry as a line of an export, without its end. An import under the same master keys reads it. */
export function writeJsonLine(entry: StoredEntry, keys: MasterKeys): string {
  return JSON.stringify(memberOf(entry, keys));
}

function memberOf(entry: StoredEntry, keys: MasterKeys): object {
  switch (entry.kind) {
    case "store": {
      const { id, lookupKeys } = entry;
      const sealed = lookupKeys.map((key) => [key.id, sealLookupKey(keys, id, key)] as const);
      return { store: { id, lookupKeys: Object.fromEntries(sealed) } };
    }
    case "putStoredInstance": {
      const { id, appId, secretKeys } = entry;
      return { instance: { id, appId, secretKeys: secretKeys.map((one) => sealSecretKey(keys, id, one)) } };
    }
    case "putUser": {
      const { instanceId, id, email, name, avatarUrl, provider } = entry;
      const texts = Object.entries({ email, name, avatarUrl, provider }).filter(([, text]) => text !== null);
      return { user: { instance: instanceId, id, ...Object.fromEntries(texts) } };
    }
    case "putClientDigest": {
      const { clientId, secrets } = entry;
      return { client: { clientId, clientSecret: sealClientDigests(keys, clientId, secrets) } };
    }
    case "putRevocation":
      return { revocation: formOfRevocation(entry) };
  }
}
