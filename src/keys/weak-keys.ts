import { KeyError } from "./key.js";

// Finds public keys that anyone can sign with: RSA moduli that are easily factored, Ed25519 points of small order.

/** Shortest modulus accepted, in bits (RFC 7518, section 3.3). */
const MIN_BITS = 2048;

/** Longest modulus accepted, in bits: twice the longest in use. Doubling the length quadruples the cost of a signature check. */
const MAX_BITS = 8192;

/**
 * Longest exponent accepted, in bits. Many libraries hold it in a 32-bit word, keys in use have 65537, and each further bit
 * makes every signature check slower.
 */
const MAX_EXPONENT_BITS = 32;

/**
 * Says what is wrong with an RSA public key and how to put it right; undefined for a sound key. Checks sizes and parity,
 * then looks for factors as certificate authorities do: ROCA, small factors, close factors. Takes under a millisecond.
 *
 * @param n the modulus
 * @param e the public exponent
 */
export function rsaFault(n: bigint, e: bigint): KeyError | undefined {
  const bits = bitLength(n);
  if (bits < MIN_BITS) return new KeyError(`the RSA key has ${bits} bits: make one of at least ${MIN_BITS}`, "weak");
  if (bits > MAX_BITS)
    return new KeyError(`the RSA key has ${bits} bits: make one of at most ${MAX_BITS}`, "unsupported");
  if (n % 2n === 0n)
    return new KeyError("the RSA key's modulus is even, which no valid key has: export the key again", "weak");
  if (e < 3n || e % 2n === 0n)
    return new KeyError("the RSA key's exponent is even or less than 3: make a key with 65537", "weak");
  if (bitLength(e) > MAX_EXPONENT_BITS) {
    return new KeyError(
      `the RSA key's exponent has ${bitLength(e)} bits, more than ${MAX_EXPONENT_BITS}: make a key with 65537`,
      "unsupported",
    );
  }
  if (isRoca(n))
    return new KeyError(
      "the RSA key can be factored (ROCA, CVE-2017-15361): make a new one with other software",
      "weak",
    );
  const factor = smallFactor(n);
  if (factor !== undefined) {
    return new KeyError(
      `the RSA key's modulus is divisible by ${factor}, so it can be factored: make a new key`,
      "weak",
    );
  }
  if (hasCloseFactors(n))
    return new KeyError("the RSA key's factors are close together and can be found: make a new key", "weak");
  return undefined;
}

function bitLength(number: bigint): number {
  if (number === 0n) return 0;
  const hex = number.toString(16);
  return 4 * hex.length - (Math.clz32(Number.parseInt(hex.charAt(0), 16)) - 28);
}

/** The odd primes below 752, none of which may divide a modulus (NIST SP 800-89, section 5.3.3). */
const SMALL_PRIMES: readonly number[] = Array.from({ length: 375 }, (_, index) => 2 * index + 3).filter(isPrime);
const SMALL_PRODUCT = SMALL_PRIMES.reduce((product, prime) => product * BigInt(prime), 1n);

/** @param n odd */
function isPrime(n: number): boolean {
  for (let divisor = 3; divisor * divisor <= n; divisor += 2) if (n % divisor === 0) return false;
  return true;
}

/** The remainders of a number by some of the small primes. */
function remainders(n: bigint, primes: readonly number[]): readonly number[] {
  // One long division by the product of all small primes, then short divisions of what remains.
  const rest = n % SMALL_PRODUCT;
  return primes.map((prime) => Number(rest % BigInt(prime)));
}

/** The smallest of the small primes that divides a number; undefined if none does. */
function smallFactor(n: bigint): number | undefined {
  return SMALL_PRIMES[remainders(n, SMALL_PRIMES).indexOf(0)];
}

/** Primes modulo which 65537 generates only a few of the remainders. */
const ROCA_PRIMES = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/**
 * Whether a modulus has the fingerprint of keys made by Infineon's library (CVE-2017-15361): modulo each of these primes
 * it is a power of 65537. About one in a hundred million other moduli has it by chance.
 */
function isRoca(n: bigint): boolean {
  const rests = remainders(n, ROCA_PRIMES);
  return ROCA_PRIMES.every((prime, index) => {
    let power = 1;
    do {
      if (power === rests[index]) return true;
      power = (power * 65537) % prime;
    } while (power !== 1);
    return false;
  });
}

/** Rounds of Fermat's method; a hundred find the keys of known faulty generators (CVE-2022-26320). */
const FERMAT_ROUNDS = 100;

/** Whether Fermat's method finds two factors within {@link FERMAT_ROUNDS}, equal ones included: n = a² - b² = (a + b)(a - b). */
function hasCloseFactors(n: bigint): boolean {
  let a = squareRoot(n);
  if (a * a < n) a++;
  let difference = a * a - n;
  for (let round = 0; round < FERMAT_ROUNDS; round++) {
    if (isSquare(difference)) return true;
    // (a + 1)² - n = (a² - n) + 2a + 1
    difference += 2n * a + 1n;
    a++;
  }
  return false;
}

/** The remainders that squares leave by these coprime numbers. */
const SQUARES = [64, 63, 65, 11].map((modulus) => ({
  modulus,
  rests: new Set(Array.from({ length: modulus }, (_, n) => (n * n) % modulus)),
}));
const SQUARES_MODULUS = BigInt(SQUARES.reduce((product, { modulus }) => product * modulus, 1));

function isSquare(number: bigint): boolean {
  // The remainders rule out 99 of 100 other numbers without computing a root.
  const rest = Number(number % SQUARES_MODULUS);
  return SQUARES.every(({ modulus, rests }) => rests.has(rest % modulus)) && squareRoot(number) ** 2n === number;
}

/** The square root, rounded down, by Newton's method from above. */
function squareRoot(number: bigint): bigint {
  if (number === 0n) return 0n;
  let guess = 1n << BigInt(Math.ceil(bitLength(number) / 2));
  for (;;) {
    const next = (guess + number / guess) / 2n;
    if (next >= guess) return guess;
    guess = next;
  }
}

/** The prime of Ed25519's field (RFC 8032, section 5.1). */
const P = 2n ** 255n - 19n;

/**
 * Says what is wrong with an Ed25519 public key and how to put it right; undefined for a sound key. Node accepts keys
 * that are points of small order (22 verifies forged signatures under them), that are not points, or are second spellings.
 *
 * @param bytes the key as RFC 8032, section 5.1.2 encodes it: y in little endian, the sign of x in the highest bit
 */
export function ed25519Fault(bytes: Buffer): KeyError | undefined {
  if (bytes.length !== 32) return new KeyError(`the Ed25519 key has ${bytes.length} bytes: it must have 32`);
  const y = heightOf(bytes);
  if (hasSmallOrder(y % P))
    return new KeyError("the Ed25519 key is a point of small order, by which anyone can sign: make a new key", "weak");
  if (y >= P) return new KeyError("the Ed25519 key is not in its canonical form: export the key again");
  if (!isOnCurve(y)) return new KeyError("the Ed25519 key is not a point of the curve: export the key again");
  return undefined;
}

/** Whether an Ed25519 public key of 32 bytes is a point of small order, by which anyone can sign. Takes a few microseconds. */
export function isOfSmallOrder(bytes: Buffer): boolean {
  return hasSmallOrder(heightOf(bytes) % P);
}

/** The y of an encoded point. */
function heightOf(bytes: Buffer): bigint {
  return BigInt.asUintN(255, BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`));
}

/**
 * Whether the points with this y are among the eight whose order divides 8. With -x² + y² = 1 + dx²y² and
 * d = -121665/121666: y = ±1 for the orders 1 and 2; a point doubles to one of these if y = 0 (order 4); and it
 * doubles to y = 0 if y² = -x², which is dy⁴ + 2y² = 1 (order 8). The sign of x makes no difference.
 */
function hasSmallOrder(y: bigint): boolean {
  const square = y * y;
  const ofOrderEight = -121665n * square * square + 121666n * (2n * square - 1n);
  return (y * (square - 1n) * ofOrderEight) % P === 0n;
}

/** Whether this y has an x: x² = (y² - 1) / (dy² + 1), so numerator times denominator must be a square (Euler's criterion). */
function isOnCurve(y: bigint): boolean {
  const square = y * y;
  const numerator = (square - 1n) * 121666n;
  const denominator = 121666n - 121665n * square;
  return power((((numerator * denominator) % P) + P) % P, (P - 1n) / 2n) === 1n;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}
