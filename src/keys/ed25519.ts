/** The prime of the field (RFC 8032 section 5.1). */
const P = 2n ** 255n - 19n;

/**
 * What is wrong with an Ed25519 public key, and what would be right; undefined where nothing is.
 *
 * A point of small order verifies signatures that nobody made, whatever they sign, and OpenSSL takes such keys; it also
 * takes bytes that are no point, and second spellings of a point.
 *
 * @param bytes the key as RFC 8032 section 5.1.2 writes it: y in little endian, the sign of x in the highest bit
 */
export function ed25519Fault(bytes: Buffer): string | undefined {
  if (bytes.length !== 32) return `the Ed25519 key has ${bytes.length} bytes: it must have 32`;
  const y = BigInt.asUintN(255, BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`));
  if (hasSmallOrder(y % P))
    return "the Ed25519 key is a point of small order, by which anybody can sign: make a new key";
  if (y >= P) return "the Ed25519 key is not in its canonical form: export the key anew";
  if (!isOnCurve(y)) return "the Ed25519 key is not a point of the curve: export the key anew";
  return undefined;
}

/**
 * Whether the points with this y are among the eight whose order divides 8. With -x² + y² = 1 + dx²y² and
 * d = -121665/121666: y = ±1 for the orders 1 and 2; a point doubles to one of these where y = 0 (order 4); and it
 * doubles to y = 0 where y² = -x², which is dy⁴ + 2y² = 1 (order 8). The sign of x makes no difference.
 */
function hasSmallOrder(y: bigint): boolean {
  const square = y * y;
  const ofOrderEight = -121665n * square * square + 121666n * (2n * square - 1n);
  return (y * (square - 1n) * ofOrderEight) % P === 0n;
}

/** Whether there is an x to this y: x² = (y² - 1) / (dy² + 1), so that numerator times denominator must be a square. */
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
