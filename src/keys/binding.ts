import { hash, type JsonWebKey, type KeyObject } from "node:crypto";
import { type Algorithm, fitsAlgorithm, isAlgorithm } from "../jws/algorithms.js";
import { decodeBase64url } from "../jws/compact.js";
import { quote } from "../util/printable.js";
import { KeyError, KeyUses, type VerificationKey } from "./key.js";
import { ed25519Fault, rsaFault } from "./weak-keys.js";

// Binds a key to the one algorithm and the `kid` that it serves.

/** What the configuration says about a key. */
export interface LoadOptions {
  /** The realm's algorithms; at least one. */
  readonly algorithms: readonly Algorithm[];
  /** The algorithm configured for the key. Default: the key's own `alg`, or else the only one of the realm's that fits. */
  readonly alg?: Algorithm | undefined;
  /** The `kid` configured for the key. Default: the key's own `kid`, or else none. */
  readonly kid?: string | undefined;
  /**
   * What happens to a key without `alg` that fits several of the realm's algorithms: "error" (the default, for configured
   * keys) refuses it, "first" (for published keys) binds it to the first of them.
   */
  readonly several?: "error" | "first" | undefined;
}

/**
 * The algorithm that the configuration or the key's own `alg` requires; undefined if neither names one.
 *
 * @param stated the key's own `alg`
 * @throws KeyError if the two differ, or if the realm does not take the algorithm (cause `set aside`)
 */
export function requiredAlgorithm(options: LoadOptions, stated: string | undefined): Algorithm | undefined {
  const { alg, algorithms } = options;
  if (stated !== undefined && alg !== undefined && stated !== alg) {
    throw new KeyError(
      `the key's "alg" is ${quote(stated)}, but ${alg} is configured for it: make the two agree`,
      "contradictory",
    );
  }
  const required = alg ?? stated;
  if (required === undefined) return undefined;
  if (isAlgorithm(required) && algorithms.includes(required)) return required;
  throw new KeyError(
    `the key is for ${quote(required)}, which is not among the realm's algorithms: ${algorithms.join(", ")}`,
    "set aside",
  );
}

/**
 * Chooses the one algorithm that a key verifies.
 *
 * @param required the result of {@link requiredAlgorithm}
 * @param kind the kind of key as messages name it, such as "a secret"
 * @throws KeyError if the key does not fit the required algorithm, fits none of the realm's (cause `set aside`), or fits several
 */
export function chooseAlgorithm(
  key: KeyObject,
  required: Algorithm | undefined,
  { algorithms, several = "error" }: LoadOptions,
  kind: string,
): Algorithm {
  if (required !== undefined) {
    if (fitsAlgorithm(required, key)) return required;
    throw new KeyError(`${required} does not take ${kind}: correct "alg", or give a key of its kind`, "contradictory");
  }
  const fitting = algorithms.filter((algorithm) => fitsAlgorithm(algorithm, key));
  const [first, second] = fitting;
  if (first === undefined) {
    throw new KeyError(`${kind} fits none of the realm's algorithms: ${algorithms.join(", ")}`, "set aside");
  }
  if (second !== undefined && several === "error") {
    throw new KeyError(
      `${kind} fits several of the realm's algorithms: set "alg" to one of ${fitting.join(", ")}`,
      "contradictory",
    );
  }
  return first;
}

/**
 * Checks the `kid` of a key (RFC 7517, section 4.5).
 *
 * @throws KeyError if it is present and not a string, or empty
 */
export function checkKid(kid: unknown): asserts kid is string | undefined {
  if (kid === undefined) return;
  if (typeof kid !== "string") throw new KeyError('"kid" is not a string: give a text, or leave it out');
  if (kid === "") throw new KeyError('"kid" is empty: give the text that tokens carry, or leave it out');
}

/**
 * The `kid` of a key: the configured one, or else the key's own.
 *
 * @throws KeyError if either is malformed, or if the two differ
 */
export function chooseKid(configured: string | undefined, stated: unknown): string | undefined {
  checkKid(configured);
  checkKid(stated);
  if (configured !== undefined && stated !== undefined && configured !== stated) {
    throw new KeyError(
      `the key's "kid" is ${quote(stated)}, but ${quote(configured)} is configured: make them agree`,
      "contradictory",
    );
  }
  return configured ?? stated;
}

/** Finds what makes a key weak or invalid, by its type. EC points need no check here: Node checks them when it reads them. */
const FAULTS: Readonly<Record<string, (jwk: JsonWebKey) => KeyError | undefined>> = {
  rsa: ({ n, e }) => rsaFault(integer(n), integer(e)),
  ed25519: ({ x }) => ed25519Fault(decodeBase64url(x ?? "") ?? Buffer.alloc(0)),
};

/**
 * Checks a public key and binds it to its algorithm.
 *
 * @throws KeyError if it is weak or invalid, or as {@link chooseAlgorithm} throws
 */
export function bindPublicKey(
  key: KeyObject,
  kid: string | undefined,
  required: Algorithm | undefined,
  options: LoadOptions,
): VerificationKey {
  const type = key.asymmetricKeyType ?? "";
  if (type === "rsa-pss") {
    throw new KeyError(
      'the key is typed RSA-PSS (id-RSASSA-PSS): give it as a plain RSA key, and set "alg" to PS256',
      "unsupported",
    );
  }
  const { namedCurve } = key.asymmetricKeyDetails ?? {};
  const kind = `a key of type ${type}${namedCurve === undefined ? "" : ` on the curve ${namedCurve}`}`;
  const algorithm = chooseAlgorithm(key, required, options, kind);
  const jwk = key.export({ format: "jwk" });
  const fault = FAULTS[type]?.(jwk);
  if (fault !== undefined) throw fault;
  return { algorithm, kid, key, label: thumbprint(jwk), uses: new KeyUses() };
}

function integer(base64url: string | undefined): bigint {
  return BigInt(`0x0${Buffer.from(base64url ?? "", "base64url").toString("hex")}`);
}

/** RFC 7638, section 3: SHA-256 over the required members in alphabetical order. */
function thumbprint({ crv, e, kty, n, x, y }: JsonWebKey): string {
  // JSON.stringify omits undefined members, which are those that a kind of key does not have.
  return hash("sha256", JSON.stringify({ crv, e, kty, n, x, y }), "base64url");
}
