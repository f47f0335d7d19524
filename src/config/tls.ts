import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { clientContext, type TlsMaterial } from "../net/tls.js";
import { formatPath, type Issue, type IssuePath } from "../util/issues.js";
import { Secret } from "../util/secret.js";
import { type ReadFile, redactFileName } from "./read-file.js";
import type { ConfiguredRealm } from "./realms.js";
import type { CoreSettings, GatewaySettings } from "./schema.js";

/** Contents of the files of a `tls`. */
export interface ConfiguredTls extends TlsMaterial {
  /** Validity of the first certificate, in milliseconds since 1970; undefined without one. */
  readonly validity: { readonly from: number; readonly to: number } | undefined;
}

/** How files are found and read, and where issues are collected. */
export interface TlsContext {
  readonly resolve: (file: string) => string;
  readonly readFile: ReadFile;
  readonly issues: Issue[];
}

/** Reads the files of a port's `tls`; undefined if one has an issue. @param path of the `tls` */
function readServerTls(
  files: { readonly certFile: string; readonly keyFile: string; readonly clientCaFile?: string | undefined },
  path: IssuePath,
  context: TlsContext,
): ConfiguredTls | undefined {
  return read(new TlsFiles(files, path, context), "clientCaFile");
}

/** Reads a client's certificate and authorities; undefined if one has an issue. @param path of the `tls` */
export function readClientTls(
  files: {
    readonly caFile?: string | undefined;
    readonly certFile?: string | undefined;
    readonly keyFile?: string | undefined;
  },
  path: IssuePath,
  context: TlsContext,
): ConfiguredTls | undefined {
  const reading = new TlsFiles(files, path, context);
  if ((files.certFile === undefined) !== (files.keyFile === undefined)) {
    const [missing, given] = files.certFile === undefined ? ["certFile", "keyFile"] : ["keyFile", "certFile"];
    reading.complain(missing, `is missing: ${given} goes with it`);
  }
  return read(reading, "caFile");
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Reads the files of one `tls`, and reports issues by the keys that name them. */
class TlsFiles {
  /** Whether a file has an issue. */
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

  /** Text of a file; undefined if none is named, or it cannot be read. */
  text(key: string): string | undefined {
    const name = this.names[key];
    if (name === undefined) return undefined;
    try {
      return this.context.readFile(this.context.resolve(name));
    } catch (error) {
      const { code = "error" } = error as NodeJS.ErrnoException;
      return this.complain(
        key,
        `${redactFileName(name)} cannot be read (${code}): give a file that this user may read`,
      );
    }
  }

  /** Certificates in a file; undefined if no file is named, or one is damaged. */
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

  /** Private key in a file, with its text. */
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

function read(files: TlsFiles, caKey: string): ConfiguredTls | undefined {
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

/** A setting whose TLS files were read. */
export type Loaded<Setting> = Setting extends object
  ? Omit<Setting, "tls"> & { readonly tls: ConfiguredTls | undefined }
  : Setting;

type ServerFiles = NonNullable<NonNullable<CoreSettings["grpc"]>["tls"]>;
type ClientFiles = NonNullable<NonNullable<GatewaySettings["upstream"]>["tls"]>;

/** Reads the TLS files of a port. @param name of the setting */
export function withServerTls<S extends { readonly tls?: ServerFiles | undefined } | undefined>(
  setting: S,
  name: string,
  context: TlsContext,
): Loaded<S> {
  if (setting === undefined) return undefined as Loaded<S>;
  const tls = setting.tls && readServerTls(setting.tls, [name, "tls"], context);
  return { ...setting, tls } as unknown as Loaded<S>;
}

/** Reads the TLS files of `upstream`. @param name of the setting */
export function withClientTls<S extends { readonly tls?: ClientFiles | undefined }>(
  setting: S,
  name: string,
  context: TlsContext,
): Loaded<S> {
  const tls = setting.tls && readClientTls(setting.tls, [name, "tls"], context);
  return { ...setting, tls } as unknown as Loaded<S>;
}

/** Reports realms whose callers are known by their client certificates, if no port asks for one. */
export function checkWorkloads(
  { grpc, http }: CoreSettings,
  realms: readonly ConfiguredRealm[],
  issues: Issue[],
): void {
  if (grpc === undefined && http === undefined) return;
  if (grpc?.tls?.clientCaFile !== undefined || http?.tls?.clientCaFile !== undefined) return;
  for (const realm of realms) {
    if (realm.byIssuer !== undefined) continue;
    for (const key of ["callers", "explain"] as const) {
      if (typeof realm[key] !== "object") continue;
      const message = "no port asks its clients for certificates: give grpc a tls with a clientCaFile";
      issues.push({ place: formatPath(["realms", realm.name, key, "san"]), message });
    }
  }
}
