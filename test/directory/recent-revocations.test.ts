import { expect } from "chai";
import { RecentRevocations } from "../../src/directory/recent-revocations.js";
import type { Revocation } from "../../src/directory/revocation.js";
import { revocationOf } from "../support/revoke.js";

const HOUR = 3_600_000;

describe("the recent revocations", () => {
  let now: number;
  let recent: RecentRevocations;
  const bySubject = (value: string, time: number | null = 5): Revocation =>
    revocationOf({ realm: "r", kind: "subject", value }, time);
  const revoke = (...revocations: readonly Revocation[]) => recent.note({ kind: "revoked", revocations });
  const values = () => recent.list().map(({ selector }) => selector.value);

  beforeEach(() => {
    now = 100 * HOUR;
    recent = new RecentRevocations(() => now, 3);
  });

  it("a revocation is remembered for 24 hours from when it was made or extended", () => {
    revoke(bySubject("a"), bySubject("b"));
    now += 12 * HOUR;
    revoke(bySubject("a", 6));
    now += 12 * HOUR + 1;
    expect(values()).to.deep.equal(["a"]);
    now += 12 * HOUR;
    expect(values()).to.deep.equal([]);
  });

  it("a revocation that was taken back is forgotten", () => {
    revoke(bySubject("a"), bySubject("b"));
    recent.note({ kind: "unrevoked", selectors: [bySubject("a").selector] });
    expect(values()).to.deep.equal(["b"]);
  });

  it("the widest form of a revocation is remembered", () => {
    revoke(bySubject("a", 7), bySubject("b", 7), bySubject("c", null));
    revoke(bySubject("a", 5), bySubject("b", 9), bySubject("c", 9));
    expect(recent.list().map(({ issuedBefore }) => issuedBefore)).to.deep.equal([7, 9, null]);
  });

  it("the earliest go when there are more than the most", () => {
    revoke(...["a", "b", "c", "d"].map((value) => bySubject(value)));
    expect(values()).to.deep.equal(["b", "c", "d"]);
  });

  it("what was made before the process started counts from when it was made", () => {
    recent.note({ kind: "revoked", revocations: [bySubject("a")] }, now - 25 * HOUR);
    recent.note({ kind: "revoked", revocations: [bySubject("b")] }, now - 23 * HOUR);
    expect(values()).to.deep.equal(["b"]);
  });
});
