// Mocha's workers load a module once, for the first of their files that needs it: an `after` of its own would run behind that
// file alone, and whatever the next ones open would stay open.

const endings: (() => unknown)[] = [];

/** Has something done behind the tests of each file: in support code, where `after` would be heard once in each worker. */
export function afterEachFile(end: () => unknown): void {
  endings.push(end);
}

/** Of mocha (.mocharc.cjs): behind each file in a worker, behind all of them where they run one after the other. */
export const mochaHooks = {
  async afterAll() {
    for (const end of endings) await end();
  },
};
