/** Shortest modulus taken, in bits (RFC 7518 section 3.3). */
const MIN_BITS = 2048;

/**
 * Longest modulus taken, in bits: twice what anybody issues tokens with. A check takes four times as long where it is
 * twice as long, and whoever sends garbage has it made for several keys.
 */
const MAX_BITS = 8_192;

/**
 * Longest exponent taken, in bits: what a word of 32 bits holds, which is all that many libraries have room for. NIST's
 * 256 bits are more than anybody uses (65537 is what keys have), and each bit makes every check longer.
 */
const MAX_EXPONENT_BITS = 32;

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
  // What is left of it modulo all small primes says as much about each of them, and is shorter.
  const rest = n % SMALL_PRODUCT;
  if (isRoca(rest)) return "the RSA key can be factored (ROCA, CVE-2017-15361): make a new one by other means";
  const factor = SMALL_PRIMES.find((prime) => rest % prime === 0n);
  if (factor !== undefined) {
    return `the RSA key's modulus is divisible by ${factor}, so it can be factored: make a new key`;
  }
  if (hasCloseFactors(n)) {
    return "the RSA key's factors lie so close together that they can be found: make a new key";
  }
  return undefined;
}

function bitLength(number: bigint): number {
  if (number === 0n) return 0;
  const hex = number.toString(16);
  return 4 * hex.length - (Math.clz32(Number.parseInt(hex.charAt(0), 16)) - 28);
}

/** The odd primes that no modulus may have for a factor: those under 752 (NIST SP 800-89 section 5.3.3). */
const SMALL_PRIMES: readonly bigint[] = Array.from({ length: 375 }, (_, index) => 2 * index + 3)
  .filter((n) => {
    for (let divisor = 3; divisor * divisor <= n; divisor += 2) if (n % divisor === 0) return false;
    return true;
  })
  .map(BigInt);

const SMALL_PRODUCT = SMALL_PRIMES.reduce((product, prime) => product * prime, 1n);

/** Steps of Fermat's method: what finds the factors of keys that were made badly (CVE-2022-26320). */
const FERMAT_STEPS = 100;

/** Whether Fermat's method soon finds two factors, the same one twice among them: n = a² - b² = (a + b)(a - b). */
function hasCloseFactors(n: bigint): boolean {
  let a = root(n);
  if (a * a < n) a++;
  let difference = a * a - n;
  for (let step = 0; step < FERMAT_STEPS; step++) {
    if (mayBeSquare(difference) && root(difference) ** 2n === difference) return true;
    // (a + 1)² = a² + 2a + 1
    difference += 2n * a + 1n;
    a++;
  }
  return false;
}

/** What squares are modulo these numbers, which share no factor. */
const SQUARES = [64, 63, 65, 11].map((modulus) => ({
  modulus,
  rests: new Set(Array.from({ length: modulus }, (_, n) => (n * n) % modulus)),
}));
const SQUARES_MODULUS = BigInt(SQUARES.reduce((product, { modulus }) => product * modulus, 1));

/** False for 99 of 100 numbers that are no squares: of them no root need be drawn. */
function mayBeSquare(number: bigint): boolean {
  const rest = Number(number % SQUARES_MODULUS);
  return SQUARES.every(({ modulus, rests }) => rests.has(rest % modulus));
}

/** The square root, rounded down, by Newton's method. */
function root(number: bigint): bigint {
  if (number === 0n) return 0n;
  let guess = 1n << BigInt((bitLength(number) + 1) >> 1);
  for (;;) {
    const next = (guess + number / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

/** Primes, all of them among the small ones, modulo which 65537 generates few of the residues. */
const ROCA_PRIMES = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/**
 * Whether a modulus bears the mark of the keys that Infineon's library made: modulo each of these primes it is a power
 * of 65537. One in some hundred million other keys would bear it by chance.
 *
 * @param n the modulus, or what is left of it modulo a multiple of these primes
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
