import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { clientContext, type TlsMaterial } from "../net/tls.js";
import { formatPath, type Issue, type IssuePath } from "../util/issues.js";
import { Secret } from "../util/secret.js";
import { type ReadFile, toldFile } from "./read-file.js";

/** What the files of a `tls` hold, and when the certificate in them counts. */
export interface ConfiguredTls extends TlsMaterial {
  /** The first certificate's times, in milliseconds since 1970; undefined where there is none. */
  readonly validity: { readonly from: number; readonly to: number } | undefined;
}

/** Where what is wrong is collected, and how files are found. */
export interface TlsContext {
  readonly resolve: (file: string) => string;
  readonly readFile: ReadFile;
  readonly issues: Issue[];
}

/** Reads a port's files; undefined where something is wrong with them. @param path where the `tls` stands */
export function readServerTls(
  files: { readonly certFile: string; readonly keyFile: string; readonly clientCaFile?: string | undefined },
  path: IssuePath,
  context: TlsContext,
): ConfiguredTls | undefined {
  return read(new Files(files, path, context), "clientCaFile");
}

/** Reads what a client shows and trusts; undefined where something is wrong with it. @param path where the `tls` stands */
export function readClientTls(
  files: {
    readonly caFile?: string | undefined;
    readonly certFile?: string | undefined;
    readonly keyFile?: string | undefined;
  },
  path: IssuePath,
  context: TlsContext,
): ConfiguredTls | undefined {
  const reading = new Files(files, path, context);
  if ((files.certFile === undefined) !== (files.keyFile === undefined)) {
    const [missing, given] = files.certFile === undefined ? ["certFile", "keyFile"] : ["keyFile", "certFile"];
    reading.complain(missing, `is missing: ${given} goes with it`);
  }
  return read(reading, "caFile");
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** The files of one `tls`, by the keys that name them. */
class Files {
  /** Whether something is wrong. */
  failed = false;

  constructor(
    private readonly names: Readonly<Record<string, string | undefined>>,
    private readonly path: IssuePath,
    private readonly context: TlsContext,
  ) {}

  complain(key: string, message: string): undefined {
    this.failed = true;
    this.context.issues.push({ place: formatPath(key === "" ? this.path : [...this.path, key]), message });
    return undefined;
  }

  /** A file's text; undefined where it is not named, or cannot be read. */
  text(key: string): string | undefined {
    const name = this.names[key];
    if (name === undefined) return undefined;
    try {
      return this.context.readFile(this.context.resolve(name));
    } catch (error) {
      const { code = "error" } = error as NodeJS.ErrnoException;
      return this.complain(key, `${toldFile(name)} cannot be read (${code}): give a file that this user may read`);
    }
  }

  /** The certificates in a file; undefined where something is wrong with one, or it is not named. */
  certificates(key: string): readonly X509Certificate[] | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    const blocks = text.match(CERTIFICATE) ?? [];
    if (blocks.length === 0) {
      return this.complain(key, "holds no certificate in PEM: it must begin with -----BEGIN CERTIFICATE-----");
    }
    const read: X509Certificate[] = [];
    for (const [index, block] of blocks.entries()) {
      try {
        read.push(new X509Certificate(block));
      } catch {
        return this.complain(
          key,
          `certificate ${index + 1} of ${blocks.length} in it is damaged: write the file again`,
        );
      }
    }
    return read;
  }

  /** The private key in a file, and its text. */
  privateKey(key: string): { readonly key: KeyObject; readonly text: Secret } | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text)) {
      return this.complain(key, "is encrypted: decrypt it with openssl pkey -in FILE -out FILE, and protect the file");
    }
    if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
      return this.complain(key, "holds no private key in PEM: it must begin with -----BEGIN PRIVATE KEY-----");
    }
    try {
      return { key: createPrivateKey(text), text: new Secret(text) };
    } catch {
      return this.complain(key, "the private key in it is damaged: write the file again");
    }
  }
}

function read(files: Files, caKey: string): ConfiguredTls | undefined {
  const chain = files.certificates("certFile");
  const key = files.privateKey("keyFile");
  const authorities = files.certificates(caKey);
  const [own] = chain ?? [];
  if (own !== undefined && key !== undefined && !own.checkPrivateKey(key.key)) {
    const isLater = chain?.some((one) => one.checkPrivateKey(key.key)) === true;
    files.complain(
      "keyFile",
      isLater
        ? "is the key of a later certificate in certFile: put that certificate first there"
        : "is not the key of the first certificate in certFile: give the two that were made together",
    );
  }
  if (files.failed) return undefined;
  const material = { certificate: pem(chain), key: key?.text, ca: pem(authorities) };
  try {
    clientContext(material);
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    return files.complain("", `OpenSSL refuses these files (${code}): give keys of 2048 bits (RSA) or P-256 and above`);
  }
  return { ...material, validity: own && { from: Date.parse(own.validFrom), to: Date.parse(own.validTo) } };
}

const pem = (certificates: readonly X509Certificate[] | undefined): string | undefined =>
  certificates?.map((one) => one.toString()).join("");
