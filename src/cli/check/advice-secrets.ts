import type { Entry } from "../../directory/commands.js";
import type { Advice, Subject } from "./findings.js";

/** Fewer characters than a seed or an import takes without `weak: true`. */
const SHORT = 16;

/** Characters that differ; a random secret of 16 characters has more. */
const FEWEST_DIFFERENT = 6;

/** What stands in examples for all to read: in ours, in the vendors' and in jwt.io's. */
const PUBLISHED: readonly string[] = [
  "abcdefghizklmnopponommnshfghzxxs",
  "your-256-bit-secret",
  "your-384-bit-secret",
  "your-512-bit-secret",
  "a-string-secret-at-least-256-bits-long",
  "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
];

const PLACEHOLDER = /change.?me|replace.?(me|this)|your.?secret|example.?secret|password/i;

/** Mistakes about secrets: who can guess or read them, and a seed that is not heeded. */
export const SECRET_ADVICE: readonly Advice<Subject>[] = [
  {
    name: "secret-published",
    level: "warning",
    find: (subject) =>
      secretsOf(subject)
        .filter(({ texts }) => texts.some(isPublished))
        .map(({ place }) => ({ place, message: "the secret is an example's, or can be guessed: anybody can use it" })),
    cure: "Draw a new one: openssl rand -base64 32.",
  },
  {
    name: "secret-weak",
    level: "warning",
    find: ({ seed }) =>
      seedSecrets(seed)
        .filter(({ texts }) => texts.some((text) => text.length < SHORT))
        .map(({ place }) => ({ place, message: `the secret has fewer than ${SHORT} characters` })),
    cure: "Draw a longer one (openssl rand -base64 24) and take weak: true away.",
  },
  {
    name: "secret-readable",
    level: "warning",
    find: (subject) => {
      const secrets = secretsOf(subject).flatMap(({ texts }) => texts);
      return subject.filesRead
        .filter(({ mode, text }) => mode !== undefined && (mode & 0o004) !== 0 && holdsSecret(text, secrets))
        .map(({ file }) => ({ place: file, message: "holds secrets, and every user of this machine may read it" }));
    },
    cure: "Take the right away (chmod 600 FILE) and give the file to the service's user.",
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
              message: `${seedIgnored} of the entries in ${directory} are not in the store so: it was filled before`,
            },
          ],
    cure: "Change the directory with token-verifier import: a seed is loaded into an empty store only.",
  },
];

interface KnownSecret {
  readonly place: string;
  /** Each way of writing it. */
  readonly texts: readonly string[];
}

function secretsOf({ realms, masterKeys, seed }: Subject): KnownSecret[] {
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

function seedSecrets(seed: readonly Entry[]): KnownSecret[] {
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
  return PUBLISHED.includes(text) || PLACEHOLDER.test(text) || new Set(text).size < FEWEST_DIFFERENT;
}

function holdsSecret(text: string, secrets: readonly string[]): boolean {
  return /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text) || secrets.some((secret) => text.includes(secret));
}
