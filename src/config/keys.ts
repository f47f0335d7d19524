import type { Algorithm } from "../jws/algorithms.js";
import { readJson } from "../jws/json.js";
import { type LoadOptions, requiredAlgorithm } from "../keys/binding.js";
import { loadJwk } from "../keys/jwk.js";
import { loadJwks, requireUsable } from "../keys/jwks.js";
import { KeyError, type VerificationKey } from "../keys/key.js";
import { forIssuers } from "../keys/key-issuers.js";
import { isFaulty, type LeftOut } from "../keys/left-out.js";
import { loadPem } from "../keys/pem.js";
import type { RemoteEntry } from "../keys/remote/keyring.js";
import { loadSecret, secretAlgorithm, WEAK_SECRET_BYTES } from "../keys/secret.js";
import { decodeBase64, withoutByteOrderMark } from "../keys/spelling.js";
import { formatPath, type Issue, type IssuePath, issuesOf, READABLE } from "../util/issues.js";
import { printableList } from "../util/printable.js";
import { type FetchContext, fetchedKeys } from "./fetched-keys.js";
import { keyForms } from "./key-forms.js";
import { readKeyFile } from "./read-file.js";

/** Keys of a realm, loaded and checked. */
export interface LoadedKeys {
  readonly keys: readonly VerificationKey[];
  /** Keys of sets that are set aside because they are for something else. No error. */
  readonly leftOut: readonly LeftOut[];
  /** The values of `use` that entries name for the keys they take. */
  readonly uses: readonly string[];
  /** Absolute names of the files of public keys; a development key has its private half beside it. */
  readonly files: readonly string[];
  /** Keys that issuers publish; the server fetches them. */
  readonly remotes: readonly RemoteEntry[];
}

/** What loading keys needs: the realm's settings, files, and where results and issues are collected. */
interface KeyContext extends FetchContext {
  readonly issues: Issue[];
  readonly leftOut: LeftOut[];
  readonly uses: string[];
  readonly files: string[];
  /** Number of the realm's entries of `keys`. */
  readonly entries: number;
}

type KeyForm = keyof typeof keyForms;
type KeyEntry<F extends KeyForm> = ReturnType<(typeof keyForms)[F]["parse"]>;
type Loaders = { readonly [F in KeyForm]: (entry: KeyEntry<F>, context: KeyContext) => readonly VerificationKey[] };

const options = (
  { alg, kid }: { alg?: Algorithm | undefined; kid?: string | undefined },
  { algorithms }: KeyContext,
): LoadOptions => ({ algorithms, alg, kid });

/** Loads each form of a key. @throws {KeyError} that names the fault and what is right */
const LOADERS: Loaders = {
  secret: (entry, context) => [secretKey(entry.secret, entry, context)],
  secretBase64: (entry, context) => [secretKey(base64(entry.secretBase64), entry, context)],
  secretFile: (entry, context) => [
    secretKey(readKeyFile(entry.secretFile, context).replace(/\r?\n$/, ""), entry, context),
  ],
  pem: (entry, context) => loadPem(entry.pem, options(entry, context)),
  pemFile: (entry, context) => loadPem(readPublic(entry.pemFile, context), options(entry, context)),
  jwk: (entry, context) => loadJwk(entry.jwk, options(entry, context)),
  jwkFile: (entry, context) => loadJwk(json(readPublic(entry.jwkFile, context)), options(entry, context)),
  jwks: (entry, context) => keySet(entry.jwks, entry, context),
  jwksFile: (entry, context) => keySet(json(readPublic(entry.jwksFile, context)), entry, context),
  jwksUri: (entry, context) => fetchedKeys({ jwksUri: entry.jwksUri }, entry, context),
  x509Uri: (entry, context) => fetchedKeys({ x509Uri: entry.x509Uri }, entry, context),
  discovery: (entry, context) => fetchedKeys({ discovery: entry.discovery }, entry, context),
};

/** Loads the keys of a realm, each on its own, so that all issues are reported at once. @param path of the list */
export function loadKeys(
  entries: readonly unknown[],
  path: IssuePath,
  context: Omit<KeyContext, "leftOut" | "uses" | "files" | "remotes" | "entries">,
): LoadedKeys {
  const leftOut: LeftOut[] = [];
  const uses: string[] = [];
  const files: string[] = [];
  const remotes: RemoteEntry[] = [];
  const found = { ...context, leftOut, uses, files, remotes, entries: entries.length };
  const keys = entries.flatMap((entry, index) => loadEntry(entry, [...path, index], found));
  return { keys, leftOut, uses, files, remotes };
}

function loadEntry(entry: unknown, path: IssuePath, context: KeyContext): readonly VerificationKey[] {
  const members = typeof entry === "object" && entry !== null ? Object.keys(entry) : [];
  const forms = members.filter((name): name is KeyForm => Object.hasOwn(keyForms, name));
  const [form] = forms;
  if (form === undefined || forms.length > 1) {
    const message = `must have exactly one of ${Object.keys(keyForms).join(", ")}`;
    context.issues.push({ place: formatPath(path), message });
    return [];
  }
  const parsed = keyForms[form].safeParse(entry, READABLE);
  if (!parsed.success) {
    context.issues.push(...issuesOf(parsed.error, path));
    return [];
  }
  if ("use" in parsed.data) context.uses.push(...(parsed.data.use ?? []));
  const { issuer } = parsed.data;
  const issue = context.issuers === undefined ? undefined : issuerIssue(issuer, context.issuers, context.entries);
  if (issue !== undefined) context.issues.push({ place: formatPath([...path, "issuer"]), message: issue });
  try {
    const load = LOADERS[form] as (entry: unknown, context: KeyContext) => readonly VerificationKey[];
    const leftOut: LeftOut[] = [];
    const keys = load(parsed.data, { ...context, leftOut });
    context.leftOut.push(...forIssuers(leftOut, issuer));
    return forIssuers(keys, issuer);
  } catch (error) {
    if (!(error instanceof KeyError)) throw error;
    context.issues.push({ place: formatPath([...path, form]), message: error.message });
    return [];
  }
}

/** What is wrong with the `issuer` of an entry, and what would be right. @param entries number of the realm's */
function issuerIssue(
  own: readonly string[] | undefined,
  ofRealm: readonly string[] | null,
  entries: number,
): string | undefined {
  const listed = printableList(ofRealm ?? []);
  if (own === undefined) {
    const isNeeded = entries > 1 && new Set(ofRealm).size > 1;
    return isNeeded
      ? `is missing: the realm has several issuers and several entries of keys, so say whose tokens these keys verify: one or more of ${listed}`
      : undefined;
  }
  if (ofRealm === null) return "leave it out: the realm lists no issuers";
  return own.every((one) => ofRealm.includes(one)) ? undefined : `must be of the realm's issuers: ${listed}`;
}

type SetEntry = KeyEntry<"jwks"> | KeyEntry<"jwksFile">;
type SecretEntry = KeyEntry<"secret"> | KeyEntry<"secretBase64"> | KeyEntry<"secretFile">;

function secretKey(secret: string | Buffer, entry: SecretEntry, context: KeyContext): VerificationKey {
  const algorithm = secretAlgorithm(requiredAlgorithm(options(entry, context), undefined), context);
  const minBytes = entry.weak ? WEAK_SECRET_BYTES : undefined;
  return loadSecret(secret, { algorithm, kid: entry.kid, minBytes });
}

function keySet(document: unknown, { use }: SetEntry, { algorithms, leftOut }: KeyContext): readonly VerificationKey[] {
  const set = loadJwks(document, { algorithms, uses: use });
  const refused = set.leftOut.filter(isFaulty);
  if (refused.length > 0) throw new KeyError(refused.map(({ index, why }) => `keys[${index}]: ${why}`).join("; "));
  requireUsable(set, { algorithms, uses: use });
  leftOut.push(...set.leftOut);
  return set.keys;
}

/** Text of a file of public keys; adds its name to `files`. */
function readPublic(file: string, context: KeyContext): string {
  context.files.push(context.resolve(file));
  return readKeyFile(file, context);
}

function json(text: string): unknown {
  const value = readJson(withoutByteOrderMark(Buffer.from(text)));
  if (value === undefined) {
    const fix = text.includes("-----BEGIN ") ? ": PEM goes under pemFile" : "";
    throw new KeyError(`the file is not JSON${fix}`);
  }
  return value;
}

/** Decodes a secret. Line ends count for nothing: openssl breaks the base64 of a long one into lines. */
function base64(text: string): Buffer {
  const bytes = decodeBase64(text.replace(/\s+/g, ""));
  if (bytes !== undefined) return bytes;
  throw new KeyError(
    'is neither base64 nor base64url: openssl rand -base64 32 makes a good one; give a plain text as "secret"',
  );
}
