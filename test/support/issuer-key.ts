import { generateKeyPairSync, sign } from "node:crypto";

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A key of an issuer, on P-256, new each time: what it publishes, and what it signs with it. */
export class IssuerKey {
  readonly kid: string;
  readonly #pair = generateKeyPairSync("ec", { namedCurve: "P-256" });

  constructor(kid: string) {
    this.kid = kid;
  }

  /** As a key set has it. */
  get jwk(): Readonly<Record<string, unknown>> {
    return { ...this.#pair.publicKey.export({ format: "jwk" }), kid: this.kid, alg: "ES256", use: "sig" };
  }

  /** As nobody should publish it. */
  get privateJwk(): Readonly<Record<string, unknown>> {
    return { ...this.#pair.privateKey.export({ format: "jwk" }), kid: this.kid };
  }

  /** Signs claims. @param header more of the header, or a member to be left out as undefined */
  token(claims: object, header: object = {}): string {
    const input = `${encode({ alg: "ES256", kid: this.kid, ...header })}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(input), {
      key: this.#pair.privateKey,
      dsaEncoding: "ieee-p1363",
    });
    return `${input}.${signature.toString("base64url")}`;
  }
}
