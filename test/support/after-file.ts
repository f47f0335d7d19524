const works: (() => unknown)[] = [];

/**
 * Registers work to do after the tests of every file, in the order of the calls. Support that several files import needs it,
 * because a mocha worker loads it once and its own hook would run after the first of these files only.
 */
export function afterEachFile(work: () => unknown): void {
  works.push(work);
}

/** Does the registered work (called by scripts/mocha-setup.mjs). */
export async function endFile(): Promise<void> {
  for (const work of works) await work();
}
