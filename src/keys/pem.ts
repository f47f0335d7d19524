import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { bindPublicKey, chooseKid, type LoadOptions, type PublicKey, requiredAlgorithm } from "./binding.js";
import { KeyError, type VerificationKey } from "./key.js";
import { decodeBase64 } from "./spelling.js";

/**
 * Loads a public key: from one PEM block (RFC 7468) that holds a public key (SPKI or PKCS#1) or a certificate, or from the
 * bare base64 of one. Of a certificate only the key counts: neither dates nor names nor who signed it. Of a chain the
 * first certificate counts. Text around blocks is ignored, and `\n` written out is a line end, as in files of environment
 * variables.
 *
 * @returns one key for each algorithm that it verifies
 * @throws KeyError for anything else, with what puts it right; for a weak key; for one that fits no algorithm
 */
export function loadPem(text: string, options: LoadOptions): readonly VerificationKey[] {
  const kid = chooseKid(options.kid);
  const required = requiredAlgorithm(options, undefined);
  return bindPublicKey(readPem(text), kid, required, options);
}

const PRIVATE_KEY = "this is a private key: give the public key: openssl pkey -in KEY -pubout";

/** Reads what {@link loadPem} takes, without judging the key. @throws KeyError */
export function readPem(text: string): PublicKey {
  const lines = text.replace(/\\+r/g, "").replace(/\\+n/g, "\n");
  const blocks = lines.split("-----BEGIN ").slice(1).map(blockOf);
  const [first] = blocks;
  if (first === undefined) return readBare(lines);
  if (blocks.some(({ label }) => label.endsWith("PRIVATE KEY"))) {
    throw new KeyError(PRIVATE_KEY, "weak");
  }
  const read = READERS.get(first.label);
  if (read === undefined) {
    throw new KeyError("the PEM text holds no public key: give a block PUBLIC KEY or CERTIFICATE");
  }
  const others = blocks.slice(1);
  if (others.length > 0 && (blocks.length > MAX_CHAIN || !isChain(blocks))) {
    throw new KeyError(`the PEM text holds ${blocks.length} blocks: give one public key for each entry`);
  }
  return known(first.der && read(first.der), "PEM text");
}

/** Most certificates of a chain: far more than any has. To read one takes a tenth of a millisecond. */
const MAX_CHAIN = 16;

interface Block {
  readonly label: string;
  /** Undefined if the block is not whole, or its text is not base64. */
  readonly der: Buffer | undefined;
}

/** @param text what follows `-----BEGIN ` */
function blockOf(text: string): Block {
  // The label and the base64 have no "-----" in them, so this takes time in proportion to the text.
  const [label = "", body = "", end = ""] = text.split("-----", 3);
  return { label, der: end === `END ${label}` ? decodeBase64(body.replace(/\s+/g, "")) : undefined };
}

/** Reads a public key in either form: their labels are easily confused, and no DER can be read as both. */
const readPublic = (der: Buffer): PublicKey | undefined => readKey(der, "pkcs1") ?? readSpki(der);

/** Readers of DER by the label of the PEM block. */
const READERS: ReadonlyMap<string, (der: Buffer) => PublicKey | undefined> = new Map([
  ["PUBLIC KEY", readPublic],
  ["RSA PUBLIC KEY", readPublic],
  ["CERTIFICATE", readCertificate],
  ["X509 CERTIFICATE", readCertificate],
]);

/** What people give in place of a PEM text, the first that fits, and what to write. */
const INSTEAD: readonly (readonly [what: RegExp, message: string])[] = [
  [/^\{/, 'this is JSON, not a PEM text: give one key as "jwk", a set as "jwks"'],
  [/^https?:/i, "this is a URL, not a PEM text: save what it gives and write pemFile"],
  [/^(?:ssh-|ecdsa-)/, "this is an SSH key, not a PEM text: ssh-keygen -e -m PKCS8 -f FILE writes one"],
  [/^LS0tLS1CRUdJT/, "this is the base64 of a whole PEM text: decode it first (base64 -d)"],
  [/^[^\s]+\.(?:pem|crt|cer|pub|key|der)$/i, "this is a file name, not a PEM text: write pemFile"],
];

/** Reads the base64 of a key or a certificate without a frame. */
function readBare(text: string): PublicKey {
  const bare = text.replace(/\s+/g, "").replace(/^(["'])(.*)\1$/, "$2");
  const instead = INSTEAD.find(([what]) => what.test(bare))?.[1];
  if (instead !== undefined) throw new KeyError(instead);
  const der = decodeBase64(bare);
  // Every key is a SEQUENCE; a text that is not DER is more likely a mistake.
  if (der?.[0] !== 0x30) {
    throw new KeyError("this is not a PEM text: give the whole text, from -----BEGIN PUBLIC KEY----- on");
  }
  if (isPrivate(der)) throw new KeyError(PRIVATE_KEY, "weak");
  return known(readCertificate(der) ?? readPublic(der), "base64");
}

function isPrivate(der: Buffer): boolean {
  return (["pkcs8", "pkcs1", "sec1"] as const).some((type) => {
    try {
      return createPrivateKey({ key: der, format: "der", type }).type === "private";
    } catch {
      return false;
    }
  });
}

function known(key: PublicKey | undefined, what: string): PublicKey {
  if (key !== undefined) return key;
  throw new KeyError(
    `the ${what} cannot be read as a public key (cut short, changed, or a point not on its curve): export it again`,
  );
}

/** Whether each block is a certificate that the next one's subject issued, as servers send them. */
function isChain(blocks: readonly Block[]): boolean {
  const certificates = blocks.map(({ label, der }) => (label.endsWith("CERTIFICATE") ? certificateOf(der) : undefined));
  return certificates.every((one, index) => {
    const next = certificates[index + 1];
    return one !== undefined && (index === blocks.length - 1 || (next !== undefined && one.checkIssued(next)));
  });
}

function certificateOf(der: Buffer | undefined): X509Certificate | undefined {
  try {
    return der && new X509Certificate(der);
  } catch {
    return undefined;
  }
}

/** Reads the key of a certificate (RFC 5280, section 4.1). */
function readCertificate(der: Buffer): PublicKey | undefined {
  const certificate = certificateOf(der);
  if (certificate === undefined) return undefined;
  // Not from `publicKey`: Node 22 aborts there at a point at infinity.
  const fields = elementsOf(elementsOf(der)[0]);
  const hasVersion = fields[0]?.[0] === 0xa0;
  const spki = fields[hasVersion ? 6 : 5];
  const key = spki && readSpki(spki);
  const expires = Date.parse(certificate.validTo);
  return key && (Number.isNaN(expires) ? key : { ...key, expires });
}

/** The elements in a constructed DER value, each whole. Of a value that is not DER, any pieces. */
function elementsOf(der: Buffer | undefined): readonly Buffer[] {
  const elements: Buffer[] = [];
  for (let rest = splitElement(der).contents; rest.length > 1; ) {
    const { whole } = splitElement(rest);
    elements.push(whole);
    rest = rest.subarray(whole.length);
  }
  return elements;
}

/** The DER element at the start of some bytes (X.690, section 8.1). */
function splitElement(bytes: Buffer = Buffer.alloc(0)): { readonly whole: Buffer; readonly contents: Buffer } {
  const first = bytes[1] ?? 0;
  const start = first < 0x80 ? 2 : 2 + (first & 0x7f);
  const length = first < 0x80 ? first : Number.parseInt(bytes.toString("hex", 2, start), 16) || 0;
  const whole = bytes.subarray(0, start + length);
  return { whole, contents: whole.subarray(start) };
}

/** OBJECT IDENTIFIER id-ecPublicKey (RFC 5480, section 2.1.1). */
const EC_PUBLIC_KEY = Buffer.from("06072a8648ce3d0201", "hex");

/** In hex, a SubjectPublicKeyInfo that names P-256, P-384 or P-521 and holds a point other than the one at infinity. */
const EC_BY_NAME =
  /^30(81)?..30..06072a8648ce3d0201(06082a8648ce3d030107|06052b81040022|06052b81040023)03(81)?..000[234]/;

/**
 * Reads a SubjectPublicKeyInfo in DER (RFC 5280, section 4.1).
 *
 * @returns undefined if it cannot be read
 * @throws KeyError for an EC key on another curve, with explicit curve parameters, or at infinity
 */
function readSpki(der: Buffer): PublicKey | undefined {
  // Before Node reads it: Node accepts the point at infinity, and then aborts (22) or throws (24, 26) when it exports the key.
  if (der.includes(EC_PUBLIC_KEY) && !EC_BY_NAME.test(der.toString("hex"))) {
    throw new KeyError(
      "the EC key is not a point on P-256, P-384 or P-521, given by name: try openssl ecparam -name P-256 -genkey",
      "unsupported",
    );
  }
  return readKey(der, "spki");
}

function readKey(der: Buffer, type: "spki" | "pkcs1"): PublicKey | undefined {
  try {
    return { key: createPublicKey({ key: der, format: "der", type }) };
  } catch {
    return undefined;
  }
}
