/** Shortest modulus taken, in bits (RFC 7518 section 3.3). */
const MIN_BITS = 2048;

/** Longest modulus taken, in bits: OpenSSL verifies by no longer one, and time grows with it. */
const MAX_BITS = 16_384;

/** Longest exponent taken, in bits: what OpenSSL admits for long moduli; a long one makes every check slow. */
const MAX_EXPONENT_BITS = 64;

/**
 * What is wrong with an RSA public key, and what would be right; undefined where nothing is.
 *
 * @param n the modulus @param e the public exponent
 */
export function rsaFault(n: bigint, e: bigint): string | undefined {
  const bits = bitLength(n);
  if (bits < MIN_BITS) return `the RSA key has ${bits} bits: make one of at least ${MIN_BITS}`;
  if (bits > MAX_BITS) return `the RSA key has ${bits} bits: make one of at most ${MAX_BITS}`;
  if (n % 2n === 0n) return "the RSA key's modulus is even, so it is none: export the key anew";
  if (e < 3n || e % 2n === 0n) return "the RSA key's exponent is even or less than 3: make a key with 65537";
  if (bitLength(e) > MAX_EXPONENT_BITS) {
    return `the RSA key's exponent has ${bitLength(e)} bits, more than ${MAX_EXPONENT_BITS}: make a key with 65537`;
  }
  if (isRoca(n)) return "the RSA key can be factored (ROCA, CVE-2017-15361): make a new one by other means";
  return undefined;
}

function bitLength(number: bigint): number {
  return number === 0n ? 0 : number.toString(2).length;
}

/** Small primes modulo which 65537 generates few of the residues. */
const ROCA_PRIMES = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/**
 * Whether a modulus bears the mark of the keys that Infineon's library made: modulo each of these primes it is a power
 * of 65537. One in some hundred million other keys would bear it by chance.
 */
function isRoca(n: bigint): boolean {
  return ROCA_PRIMES.every((prime) => {
    const rest = Number(n % BigInt(prime));
    let power = 1;
    do {
      if (power === rest) return true;
      power = (power * 65537) % prime;
    } while (power !== 1);
    return false;
  });
}
