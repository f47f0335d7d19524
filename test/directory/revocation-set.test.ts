import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import * as fc from "fast-check";
import {
  endOfRevocation,
  type Revocation,
  revocationKey,
  revocationWords,
  SELECTOR_KINDS,
  type Selector,
  scopeOf,
} from "../../src/directory/revocation.js";
import { RevocationMemory } from "../../src/directory/revocation-memory.js";
import { packRevocations, ROW_BYTES } from "../../src/directory/revocation-page.js";
import { EVERY_REALM, type LifetimesByRealm, RevocationSet, selectorBit } from "../../src/directory/revocation-set.js";
import { refusal } from "./support.js";

const REALMS = ["a", "b", "c"];
const NUMBERS = new Map([...REALMS, ""].map((name, index) => [name, index * 257]));
const NAMES = new Map([...NUMBERS].map(([name, number]) => [number, name]));

const isToken = ({ kind }: Selector): boolean => kind === "jti" || kind === "digest";

const selector: fc.Arbitrary<Selector> = fc
  .record({
    realm: fc.constantFrom(...REALMS),
    kind: fc.constantFrom(...SELECTOR_KINDS),
    value: fc.constantFrom("x", "y", "é"),
    signer: fc.constantFrom({}, { instance: "i" }, { issuer: "i" }, { issuer: "" }),
  })
  .chain(({ realm, kind, value, signer }) =>
    fc.constantFrom(
      { realm, kind, value, ...signer },
      ...(kind === "digest" ? [{ realm: "", kind, value } as const] : []),
    ),
  );
const seconds = fc.oneof(fc.integer({ min: 0, max: 2_000 }), fc.constant(null), fc.constant(5_000_000_000));
const revocation: fc.Arbitrary<Revocation> = fc.tuple(selector, seconds).map(([one, time]) => ({
  selector: one,
  issuedBefore: isToken(one) ? null : time,
  exp: isToken(one) ? time : null,
}));
const lifetimes: fc.Arbitrary<LifetimesByRealm> = fc
  .array(
    fc.tuple(
      fc.constantFrom(...REALMS),
      fc.record({
        clockTolerance: fc.constantFrom(0, 500),
        maxLifetime: fc.constantFrom(undefined, 0, 1_000),
      }),
    ),
  )
  .map((list) => new Map(list));

/** What a set should hold: revocations by their selectors. */
class Model {
  readonly held = new Map<string, Revocation>();
  policies: LifetimesByRealm = new Map();

  add(one: Revocation): void {
    const name = JSON.stringify(one.selector);
    const before = this.held.get(name);
    const later = (a: number | null, b: number | null): number | null =>
      a === null || b === null ? null : Math.max(a, b);
    this.held.set(
      name,
      before === undefined
        ? one
        : {
            selector: one.selector,
            issuedBefore: later(before.issuedBefore, one.issuedBefore),
            exp: later(before.exp, one.exp),
          },
    );
  }

  /** Forgets what has ended; times beyond 32 bits never end. */
  sweep(now: number): void {
    const of = ({ selector: one, exp, issuedBefore }: Revocation): number => {
      if ((exp ?? issuedBefore ?? 0) > 0xffff_fffe) return Number.POSITIVE_INFINITY;
      const policies = one.realm === "" ? [...this.policies.values()] : [this.policies.get(one.realm)];
      const ends = policies.map((policy) =>
        policy === undefined ? Number.POSITIVE_INFINITY : endOfRevocation({ selector: one, exp, issuedBefore }, policy),
      );
      return policies.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...ends);
    };
    for (const [name, one] of this.held) if (of(one) <= now) this.held.delete(name);
  }

  selectorsOf(realm: string): number {
    let bits = 0;
    for (const { selector: one } of this.held.values()) {
      if (one.realm === realm) bits |= selectorBit(one.kind, scopeOf(one));
      if (one.realm === "") bits |= EVERY_REALM;
    }
    return bits;
  }

  revokes(one: Selector, iat: number | undefined): boolean {
    const found = this.held.get(JSON.stringify(one));
    if (found === undefined) return false;
    const { issuedBefore } = found;
    if (isToken(one) || issuedBefore === null || issuedBefore > 0xffff_fffe || iat === undefined) return true;
    return Math.floor(iat) <= issuedBefore;
  }
}

type Lookup = Pick<RevocationSet, "selectorsOf" | "revokedUntil" | "size">;

/** Whether a token that was issued then is revoked by a selector. */
function revokes(set: Pick<RevocationSet, "revokedUntil">, one: Selector, iat?: number): boolean {
  const until = set.revokedUntil(SELECTOR_KINDS.indexOf(one.kind), revocationWords(one));
  return until !== -1 && (iat === undefined || Math.floor(iat) <= until);
}

function compare(set: Lookup, model: Model, asked: readonly Selector[], iats: readonly (number | undefined)[]): void {
  expect(set.size).to.equal(model.held.size);
  for (const realm of [...REALMS, "d"]) expect(set.selectorsOf(realm), realm).to.equal(model.selectorsOf(realm));
  for (const one of asked) {
    for (const iat of iats) {
      expect(revokes(set, one, iat), JSON.stringify([one, iat])).to.equal(model.revokes(one, iat));
    }
  }
}

/** Sweeps a set completely. @param now seconds since 1970 */
function sweepAll(set: Pick<RevocationSet, "sweep">, now: number): void {
  for (let call = 0; call < 80; call++) set.sweep(now * 1000 + call / 1000);
}

const step = fc.oneof(
  { weight: 8, arbitrary: revocation.map((one) => ({ add: one })) },
  { weight: 3, arbitrary: selector.map((one) => ({ remove: one })) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 4_000 }).map((now) => ({ sweep: now })) },
  { weight: 1, arbitrary: lifetimes.map((one) => ({ policies: one })) },
);
const iats = fc.array(fc.oneof(fc.integer({ min: 0, max: 2_001 }), fc.double({ min: 0, max: 2_001, noNaN: true })), {
  maxLength: 3,
});

describe("revocations in memory", () => {
  it("a set answers as a list of revocations does, whatever was added, removed and swept, and whatever policies were set", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.array(selector), iats, (steps, others, times) => {
        const set = new RevocationSet();
        const model = new Model();
        const asked = [...others];
        let sweptAt = Number.NEGATIVE_INFINITY;
        for (const one of steps) {
          if ("add" in one) {
            set.add(one.add);
            model.add(one.add);
            asked.push(one.add.selector);
          } else if ("remove" in one) {
            set.remove(one.remove);
            model.held.delete(JSON.stringify(one.remove));
            asked.push(one.remove);
          } else if ("policies" in one) {
            set.setLifetimes(one.policies);
            model.policies = one.policies;
          } else {
            // A pass begins a minute after the last one at the earliest.
            if (Math.abs(one.sweep - sweptAt) < 60) continue;
            sweptAt = one.sweep;
            sweepAll(set, one.sweep);
            model.sweep(one.sweep);
            compare(set, model, asked, [undefined]);
          }
        }
        compare(set, model, asked, [undefined, ...times]);
      }),
      { numRuns: 200 },
    );
  });

  it("a set loaded from packed rows is the one made of the same revocations", () => {
    fc.assert(
      fc.property(
        fc.array(revocation, { maxLength: 40 }),
        lifetimes,
        fc.nat(4_000),
        iats,
        (all, policies, now, times) => {
          const rows = packRevocations(all, NUMBERS);
          expect(rows.byteLength).to.equal(all.length * ROW_BYTES);
          // Rows may lie anywhere in a larger buffer.
          const within = Buffer.concat([Buffer.from("x"), rows]).subarray(1);
          const set = new RevocationSet(policies, { jti: all.length, all: all.length });
          const cut = Math.floor(all.length / 2);
          const page = { rows: within, realms: NAMES };
          set.load(page, cut, all.length);
          set.load(page, 0, cut);
          const model = new Model();
          model.policies = policies;
          for (const one of all) model.add(one);
          const asked = all.map((one) => one.selector);
          compare(set, model, asked, [undefined, ...times]);
          sweepAll(set, now);
          model.sweep(now);
          compare(set, model, asked, [undefined, ...times]);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("a load beside the old set ends with what the store held and every change since it began, in any order of pages", async () => {
    const change = fc.oneof(
      fc.array(revocation, { maxLength: 3 }).map((revocations) => ({ kind: "revoked" as const, revocations })),
      fc.array(selector, { maxLength: 3 }).map((selectors) => ({ kind: "unrevoked" as const, selectors })),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(revocation, { maxLength: 20 }),
        fc.array(change, { maxLength: 6 }),
        fc.array(fc.nat(6), { minLength: 4, maxLength: 4 }),
        iats,
        async (stored, changes, readAt, times) => {
          const memory = new RevocationMemory();
          const old: Revocation = {
            selector: { realm: "a", kind: "jti", value: "old" },
            issuedBefore: null,
            exp: null,
          };
          memory.apply({ kind: "revoked", revocations: [old] });
          const store = new Model();
          for (const one of stored) store.add(one);
          const asked = stored.map((one) => one.selector);
          let next = 0;
          const commit = (): void => {
            const one = changes[next++];
            if (one === undefined) return;
            if (one.kind === "revoked") for (const each of one.revocations) store.add(each);
            else for (const each of one.selectors) store.held.delete(JSON.stringify(each));
            asked.push(...(one.kind === "revoked" ? one.revocations.map((each) => each.selector) : one.selectors));
            memory.apply(one);
            // The old set answers, and has the change at once.
            expect(revokes(memory, old.selector)).to.equal(true);
          };
          async function* pages() {
            // Each page is a later snapshot of a part of the keys.
            for (const [part, until] of readAt.entries()) {
              while (next < Math.min(until, changes.length)) commit();
              const rows = [...store.held.values()].filter(
                (one) => (revocationKey(one.selector)[0] as number) % readAt.length === part,
              );
              await nextTurn();
              yield { rows: packRevocations(rows, NUMBERS), realms: NAMES };
            }
          }
          const loading = memory.load({ expected: {}, pages: pages() });
          while (next < changes.length) {
            await nextTurn();
            commit();
          }
          await loading;
          compare(memory, store, asked, [undefined, ...times]);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("a load that fails leaves the old revocations, and says what to do about a row of a later version", async () => {
    const memory = new RevocationMemory();
    const one: Revocation = { selector: { realm: "a", kind: "jti", value: "j" }, issuedBefore: null, exp: null };
    memory.apply({ kind: "revoked", revocations: [one] });
    const good = packRevocations([one], NUMBERS);
    for (const [what, rows, realms] of [
      ["a kind", Buffer.from(good).fill(SELECTOR_KINDS.length, 14, 15), NAMES],
      ["a scope", Buffer.from(good).fill(3, 15, 16), NAMES],
      ["a realm", good, new Map<number, string>()],
      ["half a row", good.subarray(1), NAMES],
    ] as const) {
      const pages = (async function* () {
        yield { rows, realms };
      })();
      await refusal(
        memory.load({ expected: { jti: 1 }, pages }),
        "unusable",
        /does not know. Run the version that wrote them/,
      );
      expect(revokes(memory, one.selector), what).to.equal(true);
    }
  });

  it("a later load takes the place of one that is under way", async () => {
    const memory = new RevocationMemory();
    const page = (value: string) => ({
      rows: packRevocations([{ selector: { realm: "a", kind: "jti", value }, issuedBefore: null, exp: null }], NUMBERS),
      realms: NAMES,
    });
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const expected = { jti: 1 };
    const slow = memory.load({
      expected,
      pages: (async function* () {
        yield page("slow");
        await gate;
        yield page("never");
      })(),
    });
    await memory.load({
      expected,
      pages: (async function* () {
        yield page("quick");
      })(),
    });
    open();
    await slow;
    const holds = (value: string): boolean => revokes(memory, { realm: "a", kind: "jti", value });
    expect([holds("quick"), holds("slow"), holds("never"), memory.size]).to.deep.equal([true, false, false, 1]);
  });

  it("more realms than groups fit in a table cost time, and no revocation", () => {
    const set = new RevocationSet(new Map([["realm 1", { clockTolerance: 0, maxLifetime: 1 }]]));
    const of = (realm: string, kind: "jti" | "subject"): Revocation => ({
      selector: { realm, kind, value: "v" },
      issuedBefore: kind === "jti" ? null : 5,
      exp: kind === "jti" ? 5 : null,
    });
    const COUNT = 3_000;
    for (let index = 0; index < COUNT; index++) {
      for (const kind of ["jti", "subject"] as const) set.add(of(`realm ${index}`, kind));
    }
    for (let call = 0; call < 100; call++) set.sweep(1e9 + call);
    expect(set.size).to.equal(2 * COUNT - 2);
    for (const index of [0, 2_000, COUNT - 1]) {
      const realm = `realm ${index}`;
      const bits = selectorBit("jti") | selectorBit("subject");
      expect(set.selectorsOf(realm) & bits).to.equal(bits);
      expect(revokes(set, of(realm, "jti").selector), realm).to.equal(true);
      expect(revokes(set, of(realm, "subject").selector, 5), realm).to.equal(true);
      expect(revokes(set, of(realm, "subject").selector, 6), realm).to.equal(false);
      set.remove(of(realm, "jti").selector);
      expect(revokes(set, of(realm, "jti").selector), realm).to.equal(false);
    }
  });

  it("a pass over many revocations is made in small steps, once a minute", () => {
    const set = new RevocationSet(new Map([["a", { clockTolerance: 0 }]]));
    const COUNT = 40_000;
    const rows = packRevocations(
      Array.from({ length: COUNT }, (_, index) => ({
        selector: { realm: "a", kind: "jti" as const, value: String(index) },
        issuedBefore: null,
        exp: index % 2 === 0 ? 10 : null,
      })),
      NUMBERS,
    );
    set.load({ rows, realms: NAMES }, 0, COUNT);
    const sizes: number[] = [];
    for (let call = 0; call < 60; call++) {
      set.sweep(100_000 + call);
      sizes.push(set.size);
    }
    expect(sizes[0]).to.be.within(COUNT - 5_000, COUNT - 1);
    expect(sizes.at(-1)).to.equal(COUNT / 2);
    set.add({ selector: { realm: "a", kind: "jti", value: "late" }, issuedBefore: null, exp: 10 });
    set.sweep(159_999);
    expect(set.size).to.equal(COUNT / 2 + 1);
    for (let call = 0; call < 60; call++) set.sweep(160_000 + call);
    expect(set.size).to.equal(COUNT / 2);
  });
});
