import { checkPrime, checkPrimeSync, hash } from "node:crypto";
import { promisify } from "node:util";
import { LRUCache } from "lru-cache";

// A prime modulus has no factors to keep secret: anybody finds the exponent that signs. To find that a number is none takes
// 4 ms for 2048 bits, 25 ms for 4096 and 200 ms for 8192, so that what was found once is remembered: it cannot change.

/** By the number's digest. */
const KNOWN = new LRUCache<string, boolean>({ max: 1000 });

/** A composite of a key's length is found out by the first round; OpenSSL makes some more for a prime. */
const ROUNDS = { checks: 1 };

const nameOf = (n: bigint): string => hash("sha256", n.toString(16), "binary");

/** Whether a number is a prime, surely enough. Takes its time where {@link examine} has not looked at it before. */
export function isPrime(n: bigint): boolean {
  const name = nameOf(n);
  const known = KNOWN.get(name);
  if (known !== undefined) return known;
  const found = checkPrimeSync(n, ROUNDS);
  KNOWN.set(name, found);
  return found;
}

const findOut = promisify<bigint, { checks: number }, boolean>(checkPrime);

/**
 * Finds out beside the event loop what {@link isPrime} will be asked about these numbers, one after the other; undefined where
 * that is known of all of them.
 */
export function examine(numbers: readonly bigint[]): Promise<void> | undefined {
  const unknown = numbers.map((n) => ({ n, name: nameOf(n) })).filter(({ name }) => !KNOWN.has(name));
  return unknown.length === 0 ? undefined : findOutAll(unknown);
}

async function findOutAll(numbers: readonly { readonly n: bigint; readonly name: string }[]): Promise<void> {
  for (const { n, name } of numbers) KNOWN.set(name, await findOut(n, ROUNDS));
}
