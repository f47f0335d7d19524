import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

// Certificates for tests, written in DER (X.690) as RFC 5280 specifies; OpenSSL reads them.

const der = (tag: number, ...contents: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
};
const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, ...parts);
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, "hex"));
const utf8 = (text: string): Buffer => der(0x0c, Buffer.from(text));
const octets = (content: Buffer): Buffer => der(0x04, content);
const TRUE = der(0x01, Buffer.from([0xff]));
const ECDSA_SHA256 = sequence(oid("2a8648ce3d040302"));
const RSA_SHA256 = sequence(oid("2a864886f70d01010b"), der(0x05));

const time = (millis: number): Buffer =>
  der(0x18, Buffer.from(`${new Date(millis).toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`));
const name = (text: string): Buffer => sequence(der(0x31, sequence(oid("550403"), utf8(text))));
const extension = (id: string, value: Buffer, critical = false): Buffer =>
  sequence(oid(id), ...(critical ? [TRUE] : []), octets(value));

/** A name in a certificate: its kind and its value. `other` is an otherName of an unknown type. */
export type AltName = readonly [kind: "DNS" | "URI" | "IP" | "email" | "other", value: string];

const ALT_TAGS = { email: 0x81, DNS: 0x82, URI: 0x86, IP: 0x87 };

function altName([kind, value]: AltName): Buffer {
  if (kind === "other") return der(0xa0, oid("2a0304"), der(0xa0, utf8(value)));
  const bytes = kind === "IP" ? Buffer.from(value.split(".").map(Number)) : Buffer.from(value, "latin1");
  return der(ALT_TAGS[kind], bytes);
}

/** A certificate with its key, and the name and key that sign others with it. */
export interface Certified {
  readonly cert: string;
  readonly key: string;
  readonly name: string;
  readonly signer: KeyObject;
}

/** The contents of a certificate. */
export interface CertificateOptions {
  readonly names?: readonly AltName[];
  readonly issuer?: Certified;
  readonly isAuthority?: boolean;
  /** Milliseconds since 1970. */
  readonly from?: number;
  readonly to?: number;
  /** The private key of the certificate (default: a new one on P-256). */
  readonly keys?: KeyObject;
}

const HOUR = 3_600_000;
let serial = 1;

/** Makes a certificate, which is self-signed without an issuer. */
export function certify(subject: string, options: CertificateOptions = {}): Certified {
  const {
    names = [],
    issuer,
    isAuthority = false,
    from = Date.now() - HOUR,
    to = Date.now() + 30 * 24 * HOUR,
  } = options;
  const privateKey = options.keys ?? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const publicKey = createPublicKey(privateKey);
  const algorithm = (issuer?.signer ?? privateKey).asymmetricKeyType === "ec" ? ECDSA_SHA256 : RSA_SHA256;
  const extensions = [
    extension("551d13", sequence(...(isAuthority ? [TRUE] : [])), true),
    ...(names.length > 0 ? [extension("551d11", sequence(...names.map(altName)))] : []),
  ];
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([0x10, serial >> 8, serial++ & 255])),
    algorithm,
    name(issuer?.name ?? subject),
    sequence(time(from), time(to)),
    name(subject),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...extensions)),
  );
  const signature = sign("sha256", body, issuer?.signer ?? privateKey);
  const whole = sequence(body, algorithm, der(0x03, Buffer.from([0]), signature));
  const lines = whole.toString("base64").match(/.{1,64}/g) ?? [];
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    name: subject,
    signer: privateKey,
  };
}

/** An authority, and the certificates of a server on this machine and of a workload, both signed by it. */
export function pki() {
  const authority = certify("Test authority", { isAuthority: true });
  const stranger = certify("Another authority", { isAuthority: true });
  const server = certify("server", {
    issuer: authority,
    names: [
      ["DNS", "localhost"],
      ["IP", "127.0.0.1"],
    ],
  });
  const workload = certify("web", {
    issuer: authority,
    names: [
      ["URI", "spiffe://internal.example/web"],
      ["DNS", "Web.internal.example"],
    ],
  });
  return { authority, stranger, server, workload };
}
