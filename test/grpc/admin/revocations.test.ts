import { expect } from "chai";
import { SelectorKind } from "../../../gen/tokenverifier/admin/v1/types.js";
import { verifyAudit } from "../../../src/directory/audit.js";
import type { AuditRow } from "../../../src/directory/operator-store.js";
import { SELECTOR_KINDS } from "../../../src/directory/revocation.js";
import type { Operations, RequestOf } from "../../../src/grpc/admin/methods.js";
import { auditRowOf } from "../../../src/grpc/admin/status.js";
import { NOW } from "../../support/clock.js";
import { draw, type RunningAdmin, refused, startAdmin } from "./harness.js";

type Revocation = RequestOf<"revoke">["revocations"][number];
type Selector = NonNullable<Revocation["selector"]>;

const selector = (by: Selector["by"], more: Partial<Selector> = {}): Selector => ({
  realm: "web",
  by,
  withinInstance: undefined,
  issuer: undefined,
  ...more,
});
const revocation = (one: Selector | undefined, more: Partial<Revocation> = {}): Revocation => ({
  selector: one,
  reach: undefined,
  expiresAt: undefined,
  ...more,
});
const jti = (value: string): Selector => selector({ $case: "jti", value });
const at = (seconds: number) => ({ seconds: BigInt(seconds), nanos: 0 });
const ALL = {
  realm: "",
  kind: SelectorKind.SELECTOR_KIND_UNSPECIFIED,
  value: "",
  withinInstance: "",
  pageSize: 0,
  pageToken: "",
};

describe("RevocationService", () => {
  let running: RunningAdmin;
  let on: Operations;
  beforeEach(async () => {
    running = await startAdmin();
    on = running.as("admin");
  });
  const revoke = (revocations: Revocation[], comment = "") => on.revoke({ requestId: draw(), revocations, comment });
  const unrevoke = (selectors: Selector[], comment = "a mistake") =>
    on.unrevoke({ requestId: draw(), selectors, comment });

  it("a revocation is listed as it was made, with its comment and time", async () => {
    const made = revocation(jti("t1"), { expiresAt: at(1_900_000_000) });
    const { revocations, change } = await revoke([made], "leaked");
    expect(revocations).to.deep.equal([made]);
    expect((await on.listRevocations(ALL)).revocations).to.deep.equal([
      { revocation: made, madeAt: change?.madeAt, comment: "leaked" },
    ]);
  });

  it("a revocation without a time tells until when tokens must have been issued to be refused", async () => {
    const subject = selector({ $case: "subject", value: "jane" });
    const request = { requestId: draw(), revocations: [revocation(subject)], comment: "" };
    const { revocations } = await on.revoke(request);
    expect(revocations[0]?.reach).to.deep.equal({ $case: "issuedBefore", value: at(NOW / 1000) });
    running.clock.set(NOW + 90_000);
    expect((await on.revoke(request)).revocations).to.deep.equal(revocations);
  });

  it("a ban has no time", async () => {
    const ban = { $case: "ban" as const, value: true };
    const { revocations } = await revoke([revocation(selector({ $case: "client", value: "api" }), { reach: ban })]);
    expect(revocations[0]?.reach).to.deep.equal(ban);
  });

  it("each kind of selector is revoked, found by its filter, and unrevoked", async () => {
    for (const kind of SELECTOR_KINDS) {
      const one = selector(kind === "all" ? { $case: "all", value: true } : { $case: kind, value: `of ${kind}` });
      await revoke([revocation(one)]);
      const number = SelectorKind[`SELECTOR_KIND_${kind.toUpperCase() as Uppercase<typeof kind>}`];
      const { revocations } = await on.listRevocations({ ...ALL, kind: number });
      expect(revocations.map((entry) => entry.revocation?.selector)).to.deep.equal([one]);
      await unrevoke([one]);
      expect((await on.listRevocations({ ...ALL, kind: number })).revocations).to.deep.equal([]);
    }
  });

  it("revocations are filtered by realm, value and instance, and paged", async () => {
    const within = { ...jti("t0"), withinInstance: "inst" };
    await revoke([...Array.from({ length: 25 }, (_, index) => revocation(jti(`t${index}`))), revocation(within)]);
    const found = async (filter: object) => (await on.listRevocations({ ...ALL, ...filter })).revocations.length;
    expect(await found({ realm: "web" })).to.equal(26);
    expect(await found({ realm: "other" })).to.equal(0);
    expect(await found({ value: "t0" })).to.equal(2);
    expect(await found({ value: "t0", withinInstance: "inst" })).to.equal(1);
    const values: string[] = [];
    for (let pageToken = ""; ; ) {
      const page = await on.listRevocations({ ...ALL, pageSize: 7, pageToken });
      values.push(...page.revocations.map((entry) => JSON.stringify(entry.revocation?.selector)));
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
    }
    expect(new Set(values).size).to.equal(26);
  });

  it("a thousand are revoked at once, and none if one is wrong", async () => {
    const thousand = Array.from({ length: 1000 }, (_, index) => revocation(jti(`token-${index}`)));
    const bad = revocation({ ...jti("x"), realm: "nowhere" });
    await refused(revoke([...thousand.slice(1), bad]), "REQUEST_INVALID");
    expect((await on.listRevocations(ALL)).revocations).to.deep.equal([]);
    const { revocations } = await revoke(thousand);
    expect(revocations).to.have.length(1000);
    await refused(unrevoke([jti("token-1"), jti("unknown")]), "NOT_FOUND");
    expect((await on.listRevocations({ ...ALL, value: "token-1" })).revocations).to.have.length(1);
  });

  const WRONG: Readonly<Record<string, readonly [() => Promise<unknown>, RegExp]>> = {
    "no revocation": [() => revoke([]), /^`revocations` has 0 elements/],
    "1001 revocations": [() => revoke(Array(1001).fill(revocation(jti("t")))), /has 1001 elements\. Send 1 to 1000/],
    "no selector": [() => revoke([revocation(undefined)]), /^`revocations\[0\]\.selector` does not say/],
    "all: false": [
      () => revoke([revocation(jti("t")), revocation(selector({ $case: "all", value: false }))]),
      /^`revocations\[1\]\.selector`/,
    ],
    "a time of the year 10000": [
      () =>
        revoke([
          revocation(selector({ $case: "all", value: true }), {
            reach: { $case: "issuedBefore", value: at(253_402_300_800) },
          }),
        ]),
      /^`revocations\[0\]\.issued_before` is not a time/,
    ],
    "a comment of 1025 characters": [() => revoke([revocation(jti("t"))], "x".repeat(1025)), /^`comment` is not/],
    "no comment to unrevoke": [() => unrevoke([jti("t")], ""), /^`comment` is missing/],
    "a kind of a later version": [
      () => on.listRevocations({ ...ALL, kind: 99 as SelectorKind }),
      /^`kind` is not known/,
    ],
  };
  for (const [what, [call, message]] of Object.entries(WRONG)) {
    it(`a request with ${what} is INVALID_ARGUMENT and says what is right`, async () => {
      expect(await refused(call(), "REQUEST_INVALID")).to.match(message);
    });
  }
});

describe("StatusService", () => {
  let running: RunningAdmin;
  let on: Operations;
  beforeEach(async () => {
    running = await startAdmin();
    on = running.as("admin");
    for (const value of ["a", "b", "c", "d", "e"]) {
      running.clock.set(running.clock.now() + 1000);
      await running.as(value < "c" ? "revoke" : "admin").revoke({
        requestId: draw(),
        revocations: [revocation(jti(value))],
        comment: "",
      });
    }
  });
  const audit = { actor: "", command: "", since: undefined, before: undefined, pageSize: 0, pageToken: "" };
  const numbers = async (filter: object) =>
    (await on.listAudit({ ...audit, ...filter })).entries.map(({ number }) => Number(number));

  it("status has the store, the replicas and the realms, and says who asks", async () => {
    const status = await running.as("read").getStatus({});
    expect(status).to.deep.include({
      operator: "key:read",
      role: "read",
      realms: [{ name: "web", state: "fresh", why: "" }],
    });
    expect(status.store).to.deep.include({ place: "memory", revocations: 5n });
    expect(status.replicas.map(({ id, position }) => [id, position])).to.deep.equal([
      ["replica-1", status.store?.head],
    ]);
    expect(status.replicas[0]?.clockOffset).to.deep.equal({ seconds: 0n, nanos: -3_000_000 });
  });

  it("the audit has the latest row first, and is filtered by actor, command and time", async () => {
    expect(await numbers({})).to.deep.equal([5, 4, 3, 2, 1]);
    expect(await numbers({ actor: "key:revoke" })).to.deep.equal([2, 1]);
    expect(await numbers({ command: "unrevoke" })).to.deep.equal([]);
    expect(await numbers({ since: at(NOW / 1000 + 2), before: at(NOW / 1000 + 4) })).to.deep.equal([3, 2]);
  });

  it("pages of the audit have each row once, whatever is added in between", async () => {
    const found: number[] = [];
    for (let pageToken = ""; ; ) {
      const page = await on.listAudit({ ...audit, pageSize: 2, pageToken });
      found.push(...page.entries.map(({ number }) => Number(number)));
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
      await on.revoke({ requestId: draw(), revocations: [revocation(jti("z"))], comment: "" });
    }
    expect(found).to.deep.equal([5, 4, 3, 2, 1]);
  });

  describe("the chain of the audit", () => {
    const walk = async (rows: readonly AuditRow[]) =>
      verifyAudit(
        (async function* () {
          yield* rows;
        })(),
      );
    const served = async () => (await on.listAudit(audit)).entries.map(auditRowOf);

    it("the rows that the service sends follow from one another", async () => {
      expect(await walk(await served())).to.deep.equal({ rows: 5, oldest: 1, latest: 5, broken: undefined });
      expect(await walk([])).to.deep.equal({ rows: 0, oldest: 0, latest: 0, broken: undefined });
    });

    it("an audit whose oldest rows were cut is good from the first that is left", async () => {
      expect(await walk((await served()).slice(0, 3))).to.deep.equal({
        rows: 3,
        oldest: 3,
        latest: 5,
        broken: undefined,
      });
    });

    const CHANGES: Readonly<Record<string, readonly [(rows: AuditRow[]) => AuditRow[], number]>> = {
      "an altered actor": [(rows) => rows.map((row) => (row.number === 3 ? { ...row, actor: "key:other" } : row)), 3],
      "an altered subject": [(rows) => rows.map((row) => (row.number === 1 ? { ...row, subject: "{}" } : row)), 1],
      "an altered time": [(rows) => rows.map((row) => (row.number === 5 ? { ...row, at: row.at + 1 } : row)), 5],
      "a row that was removed": [(rows) => rows.filter(({ number }) => number !== 3), 4],
      "two rows that were exchanged": [([a, b, ...rest]) => [b, a, ...rest] as AuditRow[], 4],
      "an altered hash": [
        (rows) => rows.map((row) => (row.number === 2 ? { ...row, hash: Buffer.alloc(32) } : row)),
        3,
      ],
    };
    for (const [what, [change, broken]] of Object.entries(CHANGES)) {
      it(`${what} is found`, async () => {
        expect((await walk(change(await served()))).broken).to.equal(broken);
      });
    }
  });
});
