import type { DirectoryEntry } from "../../directory/commands.js";
import { ALGORITHMS, type AlgorithmRow } from "../../jws/algorithms.js";
import type { CheckRule } from "./findings.js";
import type { CheckSubject } from "./subject.js";

/** The fewest characters of a secret that a seed or an import accepts without `weak: true`. */
const MIN_LENGTH = 16;

/** The fewest different characters of a secret; a random one of 16 characters has more. */
const MIN_DIFFERENT = 6;

/** Secrets that are published in examples: ours, the vendors' and jwt.io's. */
const PUBLISHED: readonly string[] = [
  "abcdefghizklmnopponommnshfghzxxs",
  "your-256-bit-secret",
  "your-384-bit-secret",
  "your-512-bit-secret",
  "a-string-secret-at-least-256-bits-long",
  "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
];

const PLACEHOLDER = /change.?me|replace.?(me|this)|your.?secret|example.?secret|password/i;

/** Likely mistakes about secrets and the store that holds them. */
export const SECRET_RULES: readonly CheckRule<CheckSubject>[] = [
  {
    name: "secret-published",
    level: "warning",
    find: (subject) =>
      secretsOf(subject)
        .filter(({ texts }) => texts.some(isPublished))
        .map(({ place }) => ({ place, message: "the secret comes from an example or is easy to guess" })),
    fix: "Generate a new one: openssl rand -base64 32.",
  },
  {
    name: "secret-weak",
    level: "warning",
    find: ({ realms, seed }) => [
      ...realms.flatMap(({ name, keys }) =>
        keys.flatMap(({ algorithm, key }) => {
          const { minSecretBytes: least = 0 }: AlgorithmRow = ALGORITHMS[algorithm];
          const { symmetricKeySize: size = least } = key;
          const message = `the secret has ${size} bytes, ${algorithm} needs ${least}: anyone can guess it from one token`;
          return size < least ? [{ place: `realms.${name}.keys`, message }] : [];
        }),
      ),
      ...seedSecrets(seed)
        .filter(({ texts }) => texts.some((text) => text.length < MIN_LENGTH))
        .map(({ place }) => ({ place, message: `the secret has fewer than ${MIN_LENGTH} characters` })),
    ],
    fix: "Generate a longer one (openssl rand -base64 32), or ask the party that chose it to, and remove weak: true.",
  },
  {
    name: "secret-readable",
    level: "warning",
    find: (subject) => {
      const secrets = [...secretsOf(subject).flatMap(({ texts }) => texts), ...headerValues(subject)];
      return subject.filesRead
        .filter(({ mode, text }) => mode !== undefined && (mode & 0o004) !== 0 && holdsSecret(text, secrets))
        .map(({ file }) => ({ place: file, message: "contains secrets, and every user of this machine can read it" }));
    },
    fix: "Restrict the file (chmod 600 FILE) and make the service's user its owner.",
  },
  {
    name: "seed-ignored",
    level: "warning",
    find: ({ directory = "", seedIgnored }) =>
      seedIgnored === 0
        ? []
        : [
            {
              place: "directory",
              message: `the store lacks ${seedIgnored} entries of ${directory}, or holds them differently: it was filled earlier`,
            },
          ],
    fix: "Change the directory with token-verifier import: a seed is loaded into an empty store only.",
  },
  {
    name: "store-absent",
    level: "warning",
    find: ({ storeAbsent }) =>
      storeAbsent === undefined
        ? []
        : [
            {
              place: "store",
              message: `there is no store at ${storeAbsent}: a start makes one from the seed, without any revocations`,
            },
          ],
    fix: "Before the first start, do nothing. If there was a store, restore its backup before you start the service: without it, removed callers are accepted again and revoked tokens verify.",
  },
];

interface KnownSecret {
  readonly place: string;
  /** Each way of writing it. */
  readonly texts: readonly string[];
}

function secretsOf({ realms, masterKeys, seed }: CheckSubject): KnownSecret[] {
  const ofRealms = realms.flatMap(({ name, keys }) =>
    keys
      .filter(({ key }) => key.type === "secret")
      .map(({ key }) => ({ place: `realms.${name}.keys`, texts: spellings(key.export()) })),
  );
  const ofStore = masterKeys.map((key, at) => ({
    place: at === 0 ? "masterKey" : `masterKeys[${at}]`,
    texts: [key.reveal(), ...spellings(Buffer.from(key.reveal(), "base64"))],
  }));
  return [...ofRealms, ...ofStore, ...seedSecrets(seed)];
}

/** Values of the headers of fetches that may be secrets; shorter ones, such as a tenant's name, are not. */
const headerValues = ({ realms }: CheckSubject): readonly string[] =>
  realms
    .flatMap(({ remotes }) => remotes.flatMap(({ credentials }) => Object.values(credentials?.headers ?? {})))
    .map((value) => value.reveal())
    .filter(({ length }) => length >= MIN_LENGTH);

function seedSecrets(seed: readonly DirectoryEntry[]): KnownSecret[] {
  return seed.flatMap((entry): KnownSecret[] => {
    if (entry.kind === "putInstance") {
      const place = `the seed's instance ${entry.id}`;
      return entry.secretKeys.map((secretKey) => ({ place, texts: [secretKey.reveal()] }));
    }
    if (entry.kind === "putUser") return [];
    return [{ place: `the seed's client ${entry.clientId}`, texts: [entry.clientSecret.reveal()] }];
  });
}

function spellings(bytes: Buffer): string[] {
  return [bytes.toString("utf8"), bytes.toString("base64"), bytes.toString("base64url")];
}

function isPublished(text: string): boolean {
  return PUBLISHED.includes(text) || PLACEHOLDER.test(text) || new Set(text).size < MIN_DIFFERENT;
}

function holdsSecret(text: string, secrets: readonly string[]): boolean {
  return /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text) || secrets.some((secret) => text.includes(secret));
}
