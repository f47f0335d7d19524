import { expect } from "chai";
import * as fc from "fast-check";
import type { KeyWords } from "../../src/directory/revocation.js";
import { LAST_GROUP, NO_TIME, RevocationTable, SEGMENTS } from "../../src/directory/revocation-table.js";

// The table against a Map, with keys that share segments and homes, and wrap around the end of a segment.

interface Entry {
  readonly group: number;
  readonly time: number;
}

type Key = readonly [number, number, number];

const word = (...values: readonly number[]): fc.Arbitrary<number> => fc.constantFrom(...values);
const key: fc.Arbitrary<Key> = fc.tuple(
  word(0, 1, 2, 0x0010_0000, 0x0010_0001, 0xffff_ffff, 0xfff0_0000),
  fc.oneof(word(0, 1, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff), fc.integer({ min: 0xf000_0000, max: 0xffff_ffff })),
  word(0, 1, 0x8000_0000, 0xffff_ffff),
);
const time = fc.oneof(fc.integer({ min: 0, max: 20 }), word(0xffff_fffe, NO_TIME));

type Step = ["put", Key, number] | ["remove", Key] | ["sweep", number];
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("put" as const), key, time) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("remove" as const), key) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("sweep" as const), fc.integer({ min: 0, max: 20 })) },
);

const words = ([first, second, third]: Key): KeyWords => ({ first: first | 0, second: second | 0, third: third | 0 });
/** A key's group: the same each time, as in use. */
const groupOf = ([first, , third]: Key): number => (first === 0 ? LAST_GROUP : 1 + (third % 3));

describe("a table of revocations", () => {
  it("a table answers as a Map does, whatever is put, removed and swept", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 300 }),
        fc.array(key, { maxLength: 30 }),
        fc.nat(20_000),
        (steps, others, expected) => {
          const table = new RevocationTable(expected);
          const model = new Map<string, Entry>();
          const asked = new Map(others.map((one) => [String(one), one]));
          for (const one of steps) {
            if (one[0] === "sweep") {
              const [, now] = one;
              const gone: number[] = [];
              for (let index = 0; index < SEGMENTS; index++) {
                if (index > 1 && index < SEGMENTS - 1) continue;
                table.sweep(
                  index,
                  (_group, end) => end <= now,
                  (group) => gone.push(group),
                );
              }
              const ended = [...model].filter(([, entry]) => entry.time <= now);
              for (const [name] of ended) model.delete(name);
              expect(gone).to.have.members(ended.map(([, entry]) => entry.group));
              continue;
            }
            const name = String(one[1]);
            asked.set(name, one[1]);
            const before = model.get(name);
            if (one[0] === "remove") {
              expect(table.remove(words(one[1]))).to.equal(before?.group ?? 0);
              model.delete(name);
            } else {
              const group = groupOf(one[1]);
              expect(table.put(words(one[1]), group, one[2])).to.equal(before === undefined);
              model.set(name, { group, time: Math.max(before?.time ?? 0, one[2]) });
            }
          }
          expect(table.size).to.equal(model.size);
          for (const [name, one] of asked) expect(table.find(words(one)), name).to.equal(model.get(name)?.time ?? -1);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("a table made for its entries holds them in 20 to 24 bytes each without growing, and gives them back when they end", () => {
    const COUNT = 200_000;
    const table = new RevocationTable(COUNT);
    const fresh = new RevocationTable();
    let seed = 1;
    const random = (): number => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0);
    const all = Array.from({ length: COUNT }, () => [random(), random() ^ (random() >>> 16), random()] as const);
    for (const [index, values] of all.entries()) {
      for (const each of [table, fresh]) each.put(words(values), 1, index);
    }
    for (const each of [table, fresh]) {
      expect(each.size).to.equal(COUNT);
      expect(each.bytes / COUNT).to.be.within(20, 32);
    }
    for (let index = 0; index < SEGMENTS; index++) {
      table.sweep(
        index,
        (_group, end) => end < COUNT - 10,
        () => {},
      );
    }
    expect(table.size).to.equal(10);
    expect(table.bytes).to.be.below(10 * 100);
    for (const [index, values] of all.entries()) {
      expect(table.find(words(values))).to.equal(index < COUNT - 10 ? -1 : index);
    }
  });
});
