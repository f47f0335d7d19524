import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A new P-256 key of an issuer, with its published form and a method that signs tokens with it. */
export class IssuerKey {
  readonly kid: string;
  readonly #pair = generateKeyPairSync("ec", { namedCurve: "P-256" });

  constructor(kid: string) {
    this.kid = kid;
  }

  /** The public JWK, as in a key set. */
  get jwk(): Readonly<Record<string, unknown>> {
    return { ...this.#pair.publicKey.export({ format: "jwk" }), kid: this.kid, alg: "ES256", use: "sig" };
  }

  /** The private JWK, which an issuer should never publish. */
  get privateJwk(): Readonly<Record<string, unknown>> {
    return { ...this.#pair.privateKey.export({ format: "jwk" }), kid: this.kid };
  }

  /** The private key, for a certificate of it. */
  get privateKey(): KeyObject {
    return this.#pair.privateKey;
  }

  /** Signs claims. @param header more members of the header, undefined to remove one */
  token(claims: object, header: object = {}): string {
    const input = `${encode({ alg: "ES256", kid: this.kid, ...header })}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(input), {
      key: this.#pair.privateKey,
      dsaEncoding: "ieee-p1363",
    });
    return `${input}.${signature.toString("base64url")}`;
  }
}
