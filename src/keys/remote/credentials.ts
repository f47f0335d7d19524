import { constants, open } from "node:fs/promises";
import type { Secret } from "../../util/secret.js";
import { FetchError } from "./answer.js";

/** What an issuer asks of those who fetch its keys. */
export interface FetchCredentials {
  /** The origin that the configuration names. No other gets the credentials. */
  readonly origin: string;
  /** A file with a bearer token (RFC 6750), which is read for each fetch. */
  readonly bearerTokenFile?: { readonly file: string /** The name for messages. */; readonly name: string };
  /** Header fields, by name. */
  readonly headers?: Readonly<Record<string, Secret>>;
}

/** Longest token in a file, in bytes. */
const MAX_TOKEN = 16 * 1024;

/** The credentials of one fetch: of metadata, keys and redirects together. */
export class CredentialsOfFetch {
  readonly #credentials: FetchCredentials | undefined;
  /** The first other origin that the fetch led to. From there on, nothing gets the credentials. */
  #elsewhere: string | undefined;
  #token: Promise<string> | undefined;

  /** @param credentials undefined if the issuer asks for none */
  constructor(credentials: FetchCredentials | undefined) {
    this.#credentials = credentials;
  }

  /**
   * The header fields for the next request: none once the fetch has led to another origin.
   *
   * @throws {FetchError} if the token's file cannot be used
   */
  async fieldsFor({ origin }: URL): Promise<Readonly<Record<string, string>>> {
    if (this.#credentials === undefined) return {};
    const { headers = {}, bearerTokenFile } = this.#credentials;
    if (origin !== this.#credentials.origin) this.#elsewhere ??= origin;
    if (this.#elsewhere !== undefined) return {};
    this.#token ??= bearerTokenFile && readToken(bearerTokenFile);
    const token = await this.#token;
    return {
      ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.reveal()])),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    };
  }

  /** What a failure has to do with credentials, to follow its message; empty if nothing. @param status as answered, if any */
  explain(status: number | undefined): string {
    if (this.#elsewhere !== undefined) {
      return `; the credentials of ${this.#credentials?.origin} are not sent to ${this.#elsewhere}: if the keys there need them, write jwksUri with the keys' own URL`;
    }
    if (status !== 401 && status !== 403) return "";
    const { headers = {}, bearerTokenFile } = this.#credentials ?? {};
    const sent = [bearerTokenFile && `the token in ${bearerTokenFile.name}`, ...Object.keys(headers)].filter(Boolean);
    if (sent.length > 0) return `: it does not accept ${sent.join(" and ")}`;
    return status === 401 ? ": it asks for credentials, which bearerTokenFile or headers can give" : "";
  }
}

/** @throws {FetchError} if the file cannot be read, or does not hold one token */
async function readToken({ file, name }: NonNullable<FetchCredentials["bearerTokenFile"]>): Promise<string> {
  const text = await readStart(file).catch((error: unknown) => {
    const { code = "error" } = error as NodeJS.ErrnoException;
    throw new FetchError(`the token file ${name} cannot be read (${code})`);
  });
  if (/^(?:\xff\xfe|\xfe\xff|[!-~]\0|\0[!-~])/.test(text))
    throw new FetchError(`the token file ${name} is in UTF-16: save it in UTF-8`);
  // A byte order mark, as read in Latin-1.
  const token = text.replace(/^\xef\xbb\xbf/, "").trim();
  if (token === "") throw new FetchError(`the token file ${name} is empty`);
  if (/^[!-~]+$/.test(token) && text.length <= MAX_TOKEN) return token;
  const more = /^bearer\s/i.test(token) ? ": leave out Bearer, which is sent before it" : "";
  throw new FetchError(
    `the token file ${name} must hold one token, in one line of at most ${MAX_TOKEN} characters${more}`,
  );
}

/** The beginning of a file, one byte longer than a token may be. */
async function readStart(file: string): Promise<string> {
  // A pipe without a writer would keep the fetch, and one of the few threads for files and names, for ever.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(MAX_TOKEN + 1) });
    return buffer.toString("latin1", 0, bytesRead);
  } finally {
    await handle.close();
  }
}
