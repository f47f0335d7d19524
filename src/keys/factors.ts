// Ways in which factors of a modulus are found where a key was made badly. Sound keys pass them all, in well under a millisecond.

/** How many bits a number has. */
export function bitLength(number: bigint): number {
  if (number === 0n) return 0;
  const hex = number.toString(16);
  return 4 * hex.length - (Math.clz32(Number.parseInt(hex.charAt(0), 16)) - 28);
}

/** The odd primes under 752: those that no modulus may have for a factor (NIST SP 800-89 section 5.3.3). */
const SMALL_PRIMES: readonly number[] = Array.from({ length: 375 }, (_, index) => 2 * index + 3).filter(isSmallPrime);
const SMALL_PRODUCT = SMALL_PRIMES.reduce((product, prime) => product * BigInt(prime), 1n);

/** @param n odd */
function isSmallPrime(n: number): boolean {
  for (let divisor = 3; divisor * divisor <= n; divisor += 2) if (n % divisor === 0) return false;
  return true;
}

/** What is left of a number modulo each of some small primes. */
function rests(n: bigint, primes: readonly number[]): readonly number[] {
  // What is left of it modulo all small primes says as much about each of them, and is shorter.
  const rest = n % SMALL_PRODUCT;
  return primes.map((prime) => Number(rest % BigInt(prime)));
}

/** The smallest of the small primes that divide it; undefined where none does. */
export function smallFactor(n: bigint): number | undefined {
  const index = rests(n, SMALL_PRIMES).indexOf(0);
  return SMALL_PRIMES[index];
}

/** Steps of Fermat's method: what finds the factors of keys that were made badly (CVE-2022-26320). */
const FERMAT_STEPS = 100;

/** Whether Fermat's method soon finds two factors, the same one twice among them: n = a² - b² = (a + b)(a - b). */
export function hasCloseFactors(n: bigint): boolean {
  let first = nthRoot(n, 2n);
  if (first * first < n) first++;
  // Of a and of a² - n only what is left modulo a small number is carried on: that tells nearly all that are no squares.
  let a = Number(first % SQUARES_MODULUS);
  let difference = Number((first * first - n) % SQUARES_MODULUS);
  for (let step = 0; step < FERMAT_STEPS; step++) {
    if (mayBeSquare(difference) && isSquare((first + BigInt(step)) ** 2n - n)) return true;
    // (a + 1)² = a² + 2a + 1
    difference = (difference + 2 * a + 1) % SMALL_MODULUS;
    a = (a + 1) % SMALL_MODULUS;
  }
  return false;
}

/** What squares are modulo these numbers, which share no factor. */
const SQUARES = [64, 63, 65, 11].map((modulus) => ({
  modulus,
  rests: new Set(Array.from({ length: modulus }, (_, n) => (n * n) % modulus)),
}));
const SMALL_MODULUS = SQUARES.reduce((product, { modulus }) => product * modulus, 1);
const SQUARES_MODULUS = BigInt(SMALL_MODULUS);

/** False for 99 of 100 numbers that are no squares: of them no root need be drawn. @param rest the number modulo {@link SMALL_MODULUS} */
function mayBeSquare(rest: number): boolean {
  return SQUARES.every(({ modulus, rests }) => rests.has(rest % modulus));
}

function isSquare(number: bigint): boolean {
  return nthRoot(number, 2n) ** 2n === number;
}

/** Primes, all of them among the small ones, modulo which 65537 generates few of the residues. */
const ROCA_PRIMES = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/**
 * Whether a modulus bears the mark of the keys that Infineon's library made: modulo each of these primes it is a power
 * of 65537. One in some hundred million other keys would bear it by chance.
 */
export function isRoca(n: bigint): boolean {
  const left = rests(n, ROCA_PRIMES);
  return ROCA_PRIMES.every((prime, index) => {
    const rest = left[index];
    let power = 1;
    do {
      if (power === rest) return true;
      power = (power * 65537) % prime;
    } while (power !== 1);
    return false;
  });
}

/** Bits that the root of a power has at least: shorter primes, and longer powers, nobody takes for a key. */
const ROOT_BITS = 64;

/** Primes modulo which a number has to look like a power before its root is drawn: one in a thousand does by chance. */
const WITNESSES = 3;

/** Odd exponents, of which others are made, each with primes modulo which few numbers are such powers. */
const EXPONENTS = SMALL_PRIMES.filter((exponent) => exponent < 128).map((exponent) => {
  const witnesses: number[] = [];
  for (let n = 2 * exponent + 1; witnesses.length < WITNESSES; n += 2 * exponent)
    if (isSmallPrime(n)) witnesses.push(n);
  return { exponent, witnesses };
});

/** Whether it is a third, fifth … power. (Of a square Fermat's method finds the factors.) */
export function isPower(n: bigint): boolean {
  return EXPONENTS.some(({ exponent, witnesses }) => {
    if (exponent * ROOT_BITS > bitLength(n)) return false;
    // A power to this exponent leaves 1, to the power of what is left of the group's order, or nothing.
    const mayBe = (prime: number): boolean => power(Number(n % BigInt(prime)), (prime - 1) / exponent, prime) < 2;
    return witnesses.every(mayBe) && nthRoot(n, BigInt(exponent)) ** BigInt(exponent) === n;
  });
}

function power(base: number, exponent: number, modulus: number): number {
  let result = 1;
  for (let step = 0; step < exponent; step++) result = (result * base) % modulus;
  return result;
}

/** The root, rounded down, by Newton's method from above. */
function nthRoot(number: bigint, exponent: bigint): bigint {
  if (number === 0n) return 0n;
  let guess = aboveRoot(number, Number(exponent));
  for (;;) {
    const next = ((exponent - 1n) * guess + number / guess ** (exponent - 1n)) / exponent;
    if (next >= guess) return guess;
    guess = next;
  }
}

/** A number a little above the root: from afar Newton's method takes as many steps as the exponent is large. */
function aboveRoot(number: bigint, exponent: number): bigint {
  const shift = Math.max(0, bitLength(number) - 53);
  const logarithm = (shift + Math.log2(Number(number >> BigInt(shift)))) / exponent;
  const whole = Math.floor(logarithm);
  // Forty of its bits are right, whatever the logarithms lost.
  const bits = BigInt(Math.ceil(2 ** (logarithm - whole + 40) * (1 + 2 ** -30)));
  return (whole > 40 ? bits << BigInt(whole - 40) : bits >> BigInt(40 - whole)) + 1n;
}
