import { hash, type JsonWebKey, type KeyObject } from "node:crypto";
import type { Algorithm } from "../jws/algorithms.js";
import { decodeBase64url } from "../jws/compact.js";
import { chooseAlgorithm, type LoadOptions } from "./choose-algorithm.js";
import { costOf } from "./cost.js";
import { ed25519Fault } from "./ed25519.js";
import type { VerificationKey } from "./key.js";
import { KeyError } from "./key-error.js";
import { rsaFault } from "./rsa.js";
import { Uses } from "./uses.js";

/** What is wrong with a key as such, by its type; undefined where nothing is. EC points were checked on reading. */
const FAULTS: Readonly<Record<string, (jwk: JsonWebKey) => string | undefined>> = {
  rsa: ({ n, e }) => rsaFault(integer(n), integer(e)),
  ed25519: ({ x }) => ed25519Fault(decodeBase64url(x ?? "") ?? Buffer.alloc(0)),
};

/**
 * Binds a public key to its algorithm once all is well with it.
 *
 * @throws KeyError where it is weak, malformed or fits no algorithm
 */
export function publicVerificationKey(
  key: KeyObject,
  kid: string | undefined,
  asked: Algorithm | undefined,
  options: LoadOptions,
): VerificationKey {
  const type = key.asymmetricKeyType ?? "";
  if (type === "rsa-pss") {
    throw new KeyError('the key is typed RSA-PSS (id-RSASSA-PSS): give it as a plain RSA key, and set "alg" to PS256');
  }
  const algorithm = chooseAlgorithm(key, asked, options, describe(key));
  const jwk = key.export({ format: "jwk" });
  const fault = FAULTS[type]?.(jwk);
  if (fault !== undefined) throw new KeyError(fault);
  return { algorithm, kid, key, label: thumbprint(jwk), cost: costOf(algorithm, key), uses: new Uses() };
}

function describe(key: KeyObject): string {
  const { namedCurve } = key.asymmetricKeyDetails ?? {};
  return `a key of type ${key.asymmetricKeyType}${namedCurve === undefined ? "" : ` on the curve ${namedCurve}`}`;
}

function integer(base64url: string | undefined): bigint {
  return BigInt(`0x0${Buffer.from(base64url ?? "", "base64url").toString("hex")}`);
}

/** RFC 7638 section 3: SHA-256 over the required members in the order of their names. */
function thumbprint({ crv, e, kty, n, x, y }: JsonWebKey): string {
  // JSON.stringify leaves out what is undefined, which is what a kind of key does not have.
  return hash("sha256", JSON.stringify({ crv, e, kty, n, x, y }), "base64url");
}
