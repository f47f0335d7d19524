import type { JsonWebKey, KeyObject } from "node:crypto";
import { type Algorithm, algorithmOf, fitsAlgorithm, listAlgorithms } from "../jws/algorithms.js";
import { decodeBase64url } from "../jws/base64url.js";
import { quote } from "../util/printable.js";
import { KeyError, KeyUses, type VerificationKey } from "./key.js";
import { thumbprint } from "./public-jwk.js";
import { ed25519Fault, rsaFault } from "./weak-keys.js";

// Binds a key to its `kid` and to the algorithms that it verifies, by one key object each.

/** What the configuration says about a key. */
export interface LoadOptions {
  /** The realm's algorithms; at least one. */
  readonly algorithms: readonly Algorithm[];
  /** The algorithm configured for the key. Default: the key's own `alg`, or else each of the realm's that fits. */
  readonly alg?: Algorithm | undefined;
  /** The `kid` configured for the key. Default: the key's own `kid`, or else none. */
  readonly kid?: string | undefined;
  /** Accepted values of a JWK's `use` (default: `sig` and `none`); `none` means an absent `use`. */
  readonly uses?: readonly string[] | undefined;
}

/** A public key as read, not judged yet. */
export interface PublicKey {
  readonly key: KeyObject;
  /** When the certificate that it came in expires, in milliseconds since 1970. */
  readonly expires?: number;
}

/**
 * The algorithm that the configuration or the key's own `alg` requires; undefined if neither names one.
 *
 * @param stated the key's own `alg`
 * @throws KeyError if the two differ, or if the realm does not take the algorithm (cause `set aside`)
 */
export function requiredAlgorithm(options: LoadOptions, stated: string | undefined): Algorithm | undefined {
  const { alg, algorithms } = options;
  const own = algorithmOf(stated);
  if (stated !== undefined && alg !== undefined && own !== alg) {
    throw new KeyError(
      `the key's "alg" is ${quote(stated)}, but ${alg} is configured for it: make the two agree`,
      "contradictory",
    );
  }
  const required = alg ?? own;
  if (required !== undefined && algorithms.includes(required)) return required;
  const name = alg ?? stated;
  if (name === undefined) return undefined;
  throw new KeyError(
    `the key is for ${quote(name)}, which is not among the realm's algorithms: ${listAlgorithms(algorithms)}`,
    "set aside",
  );
}

/**
 * Chooses the algorithms that a public key verifies: the required one, or else each of the realm's that fits its type and
 * curve. RFC 8725, section 3.1, wants one algorithm for a key; issuers publish RSA keys without one, and no attack on RS256
 * beside PS256 under one key is known.
 *
 * @param required the result of {@link requiredAlgorithm}
 * @returns at least one
 * @throws KeyError if the key does not fit the required algorithm, or fits none of the realm's (cause `set aside`)
 */
function chooseAlgorithms(
  key: KeyObject,
  required: Algorithm | undefined,
  algorithms: readonly Algorithm[],
): readonly Algorithm[] {
  const { namedCurve } = key.asymmetricKeyDetails ?? {};
  const kind = `a key of type ${key.asymmetricKeyType}${namedCurve === undefined ? "" : ` on the curve ${namedCurve}`}`;
  if (required !== undefined) {
    if (fitsAlgorithm(required, key)) return [required];
    throw new KeyError(`${required} does not take ${kind}: correct "alg", or give a key of its kind`, "contradictory");
  }
  const fitting = algorithms.filter((algorithm) => fitsAlgorithm(algorithm, key));
  if (fitting.length > 0) return fitting;
  throw new KeyError(`${kind} fits none of the realm's algorithms: ${listAlgorithms(algorithms)}`, "set aside");
}

/** The `kid` (RFC 7517, section 4.5) that tokens name a key by. A number counts by its digits; other types name nothing. */
export function kidText(kid: unknown): string | undefined {
  if (typeof kid === "string") return kid;
  return Number.isSafeInteger(kid) ? String(kid) : undefined;
}

/**
 * The `kid` of a key: the configured one, or else the key's own.
 *
 * @param stated null counts as absent
 * @throws KeyError if either is malformed, or if the two differ
 */
export function chooseKid(configured: string | undefined, stated?: unknown): string | undefined {
  const own = kidText(stated);
  if (own === undefined && stated !== undefined && stated !== null) {
    throw new KeyError('"kid" is neither a string nor a whole number: give a text, or leave it out');
  }
  if (configured === "" || own === "") {
    throw new KeyError('"kid" is empty: give the text that tokens carry, or leave it out');
  }
  if (configured !== undefined && own !== undefined && configured !== own) {
    throw new KeyError(
      `the key's "kid" is ${quote(own)}, but ${quote(configured)} is configured: make them agree`,
      "contradictory",
    );
  }
  return configured ?? own;
}

/** Finds what makes a key weak or invalid, by its type. EC points need no check here: Node checks them when it reads them. */
const FAULTS: Readonly<Record<string, (jwk: JsonWebKey) => KeyError | undefined>> = {
  rsa: ({ n, e }) => rsaFault(integer(n), integer(e)),
  ed25519: ({ x }) => ed25519Fault(decodeBase64url(x ?? "") ?? Buffer.alloc(0)),
};

/**
 * Checks a public key and binds it to its algorithms.
 *
 * @param required the one algorithm that it may verify; undefined for each of the realm's that fits
 * @returns one object for each algorithm
 * @throws KeyError if it is weak or invalid, or as {@link chooseAlgorithms} throws
 */
export function bindPublicKey(
  { key, expires }: PublicKey,
  kid: string | undefined,
  required: Algorithm | undefined,
  { algorithms }: Pick<LoadOptions, "algorithms">,
): readonly VerificationKey[] {
  const type = key.asymmetricKeyType ?? "";
  if (type === "rsa-pss") {
    throw new KeyError(
      'the key is typed RSA-PSS (id-RSASSA-PSS): give it as a plain RSA key, and set "alg" to PS256',
      "unsupported",
    );
  }
  if (type === "rsa") refuseEndlessExponent(key);
  const chosen = chooseAlgorithms(key, required, algorithms);
  const jwk = key.export({ format: "jwk" });
  const fault = FAULTS[type]?.(jwk);
  if (fault !== undefined) throw fault;
  const label = thumbprint(jwk); // Node exports `alg` of AKP alone.
  return chosen.map((algorithm) => ({
    algorithm,
    kid,
    key,
    label,
    ...(expires !== undefined && { expires }),
    uses: new KeyUses(),
  }));
}

/** Longest exponent of an RSA key that is examined, in bytes; one of more than 32 bits is refused then. */
const MAX_EXPONENT = 256;

/**
 * Refuses an RSA key whose exponent Node would convert for tens of milliseconds, once it is asked for any detail of the key.
 *
 * @throws KeyError
 */
function refuseEndlessExponent(key: KeyObject): void {
  const { length } = Buffer.from(key.export({ format: "jwk" }).e ?? "", "base64url");
  if (length <= MAX_EXPONENT) return;
  throw new KeyError(
    `the RSA key's exponent has ${length} bytes, more than ${MAX_EXPONENT}: make a key with 65537`,
    "unsupported",
  );
}

function integer(base64url: string | undefined): bigint {
  return BigInt(`0x0${Buffer.from(base64url ?? "", "base64url").toString("hex")}`);
}
