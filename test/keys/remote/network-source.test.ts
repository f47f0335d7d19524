import { createPublicKey } from "node:crypto";
import { expect } from "chai";
import { KeyUses, type VerificationKey } from "../../../src/keys/key.js";
import type { LeftOut } from "../../../src/keys/left-out.js";
import { networkSource } from "../../../src/keys/remote/network-source.js";
import { keyOf } from "../../support/keys.js";
import { documentOf, HOUR, kidsOf, Rig, SECOND } from "./rig.js";
import { VirtualTime } from "./virtual-time.js";

const configured: VerificationKey = {
  algorithm: "ES256",
  kid: "fixed",
  key: createPublicKey(keyOf("p256").publicPem ?? ""),
  label: "p256",
  uses: new KeyUses(),
};

/** Returns a source with these configured keys and two issuers. */
function union(...fixed: readonly VerificationKey[]) {
  const time = new VirtualTime();
  const [one, two] = [new Rig({}, undefined, 0, time), new Rig({}, undefined, 0, time)] as const;
  return { time, one, two, source: networkSource(fixed, [one.keys, two.keys]) };
}

describe("networkSource", () => {
  it("a source with one issuer has that issuer's keys", async () => {
    const rig = new Rig();
    const source = networkSource([], [rig.keys]);
    expect(source.current(rig.now)).to.equal(undefined);
    expect(source.age(rig.now)).to.equal(undefined);
    await rig.last.give(documentOf("a"));
    await rig.time.pass(SECOND);
    expect(source.current(rig.now)).to.equal(rig.keys.current(rig.now));
    expect(source.age(rig.now)).to.equal(SECOND);
    expect(source.isStale()).to.equal(false);
  });

  it("a source past staleIfError has no keys, so that even a known kid is not answered", async () => {
    const rig = new Rig({ staleIfError: SECOND });
    const source = networkSource([], [rig.keys]);
    await rig.last.give(documentOf("a"));
    await rig.time.pass(300 * SECOND);
    await rig.last.fail();
    expect(source.answers("a", rig.now, rig.now)).to.equal(false);
    const asked = source.load("a", rig.now, rig.now + SECOND);
    await rig.last.fail();
    expect(await asked).to.be.above(0);
  });

  it("a source has the left-out keys of all issuers and of the configuration", async () => {
    const time = new VirtualTime();
    const [one, two] = [new Rig({}, undefined, 0, time), new Rig({}, undefined, 0, time)] as const;
    const fixed: LeftOut = { index: 0, kid: "x", why: "", kind: "set aside", cause: "set aside", algorithms: [] };
    const source = networkSource([], [one.keys, two.keys], [fixed]);
    await one.last.give({ keys: [...documentOf("a").keys, { kty: "EC", kid: "x" }] }, 3600);
    await two.last.give({ keys: [{ kty: "RSA", kid: "x" }, ...documentOf("b").keys] }, 3600);
    const found = source.current(time.clock())?.leftOutFor("x");
    expect(found?.map(({ index, kind }) => [index, kind])).to.deep.equal([
      [0, "set aside"],
      [1, "refused"],
      [0, "refused"],
    ]);
  });

  it("a source has all keys, in order, as one set that stays the same object", async () => {
    const { time, one, two, source } = union(configured);
    expect(kidsOf(source.current(time.clock()))).to.deep.equal(["fixed"]);
    await one.last.give(documentOf("a"), 3600);
    await two.last.give(documentOf("b"), 3600);
    const set = source.current(time.clock());
    expect(kidsOf(set)).to.deep.equal(["fixed", "a", "b"]);
    expect(source.current(time.clock())).to.equal(set);
    await time.pass(HOUR);
    await one.last.give(documentOf("c"), 3600);
    expect(kidsOf(source.current(time.clock()))).to.deep.equal(["fixed", "c", "b"]);
  });

  it("a source is as old as its oldest set, and stale if one set is", async () => {
    const { time, one, two, source } = union();
    await one.last.give(documentOf("a"), 3600);
    expect(source.age(time.clock())).to.equal(undefined);
    await two.last.give(documentOf("b"), 3600);
    await time.pass(HOUR);
    await one.last.give(documentOf("a"), 3600);
    expect([source.age(time.clock()), source.isStale()]).to.deep.equal([HOUR, false]);
    await two.last.fail();
    expect([source.age(time.clock()), source.isStale()]).to.deep.equal([HOUR, true]);
  });

  it("a source answers no kid while one issuer's keys are unavailable", async () => {
    const { time, one, two, source } = union(configured);
    const { now } = one;
    await one.last.give(documentOf("a"));
    await two.last.fail();
    // Two issuers may use the same kid, so that the missing issuer's key may verify what the known one does not.
    for (const kid of ["a", "fixed", "b", undefined]) expect(source.answers(kid, now, now), kid).to.equal(false);
    await time.pass(SECOND);
    await two.last.give(documentOf("b"));
    for (const kid of ["a", "fixed", "b"]) expect(source.answers(kid, one.now, one.now), kid).to.equal(true);
  });

  it("a load ends once one issuer has the key, without waiting for another", async () => {
    const { one, two, source } = union();
    let wait: unknown = "none yet";
    void source.load("a", one.now, one.now + HOUR).then((value) => {
      wait = value;
    });
    await one.last.give(documentOf("x", "a"));
    expect(wait).to.equal(undefined);
    expect(two.asked).to.have.length(1);
  });

  it("a load without a kid ends once there are more keys to try", async () => {
    const { one, source } = union(configured);
    const asked = source.load(undefined, one.now, one.now + HOUR);
    await one.last.give(documentOf("a"));
    expect(await asked).to.equal(undefined);
  });

  it("a load that no issuer can answer returns the longest wait", async () => {
    const { one, two, source } = union();
    await one.last.give(documentOf("a"));
    await two.last.fail();
    await one.time.pass(1);
    const first = source.load("b", one.now, one.now + HOUR);
    await one.last.give(documentOf("a"));
    await two.last.fail();
    await first;
    expect(await source.load("b", one.now + 1, one.now + HOUR)).to.be.within(1, 30 * SECOND);
  });
});
