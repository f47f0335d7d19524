const works: (() => unknown)[] = [];

/**
 * Has something done after the tests of every file, in the order of the calls. For support that several files import: a
 * worker of mocha loads it once, and a hook of its own would run after the first of these files alone.
 */
export function afterEachFile(work: () => unknown): void {
  works.push(work);
}

/** Does it (scripts/mocha-setup.mjs). */
export async function endFile(): Promise<void> {
  for (const work of works) await work();
}
