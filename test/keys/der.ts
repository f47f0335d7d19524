import { generateKeyPairSync, type KeyObject } from "node:crypto";

// Certificates made byte by byte, so that tests can put any key and any dates into them. Their signatures are not valid,
// and nothing that reads keys looks at them.

/** Returns a DER value of a tag. */
function tlv(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const length = content.length.toString(16);
  const digits = Buffer.from(length.padStart(length.length + (length.length % 2), "0"), "hex");
  const head = content.length < 128 ? [content.length] : [0x80 | digits.length, ...digits];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

const hex = (text: string): Buffer => Buffer.from(text, "hex");
const ECDSA = tlv(0x30, hex("06082a8648ce3d040302"));
const name = (text: string): Buffer => tlv(0x30, tlv(0x31, tlv(0x30, hex("0603550403"), tlv(0x0c, Buffer.from(text)))));
/** A GeneralizedTime; of no date, a UTCTime that nothing can read. */
const time = (at: Date): Buffer =>
  Number.isNaN(at.getTime())
    ? tlv(0x17, Buffer.from("99991231235959Z"))
    : tlv(0x18, Buffer.from(at.toISOString().replace(/[-:T]|\.\d+/g, "")));

/** Returns an X.509 certificate in DER that holds an SPKI. @param version 2 for version 3, 0 for version 1, which is not written */
export function certificateOf(
  spki: Buffer,
  { subject = "a", issuer = "a", until = new Date("2100-01-01T00:00:00Z"), version = 2 } = {},
): Buffer {
  const body = tlv(
    0x30,
    ...(version === 0 ? [] : [tlv(0xa0, hex(`0201${version.toString(16).padStart(2, "0")}`))]),
    hex("020101"),
    ECDSA,
    name(issuer),
    tlv(0x30, time(new Date("2020-01-01T00:00:00Z")), time(until)),
    name(subject),
    spki,
  );
  return tlv(0x30, body, ECDSA, hex("03020000"));
}

/** Returns PEM. */
export const pemOf = (der: Buffer, label: string): string =>
  `-----BEGIN ${label}-----\n${der.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END ${label}-----\n`;

/** Returns a public key in DER. */
export const spkiOf = (key: KeyObject): Buffer => key.export({ type: "spki", format: "der" });

/** The SPKI of the point at infinity on P-256, at which Node 22 aborts when it is asked about the key. */
export const AT_INFINITY = tlv(0x30, hex("301306072a8648ce3d020106082a8648ce3d030107"), hex("03020000"));

/** Returns the SPKI of an RSA key with any modulus. */
export const rsaSpki = (modulus: Buffer): Buffer =>
  tlv(
    0x30,
    hex("300d06092a864886f70d0101010500"),
    tlv(0x03, hex("00"), tlv(0x30, tlv(0x02, hex("00"), modulus), hex("0203010001"))),
  );

/** Returns the SPKI of a key that is typed RSA-PSS. */
export const pssSpki = (): Buffer => spkiOf(generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).publicKey);
