import { readFileSync } from "node:fs";
import Database from "better-sqlite3";
import { expect } from "chai";
import { verifyAudit } from "../../src/directory/audit.js";
import type { Directory } from "../../src/directory/directory.js";
import { DirectoryCache } from "../../src/directory/directory-cache.js";
import type { AuditRow, OperatorStore } from "../../src/directory/operator-store.js";
import { revocationWords, SELECTOR_KINDS, type Selector } from "../../src/directory/revocation.js";
import { dropMasterKey } from "../../src/directory/sql/rekey.js";
import { rekeyData } from "../../src/directory/sql/reseal.js";
import { Secret } from "../../src/util/secret.js";
import { type StoreBench, sqliteBench } from "./benches.js";
import { applyTo, masterKeys, NOW, putInstance, refusal, revocationsOf } from "./support.js";

const OLD_FILE = readFileSync(new URL("schema-2.sql", import.meta.url), "utf8");

/** What the old file revokes, as selectors: who signed a token, an issuer or an instance, was not written down. */
const REVOKED: readonly (readonly [what: string, selectors: readonly Selector[], exp: number | null])[] = [
  ["a jti", [{ realm: "plain", kind: "jti", value: "a" }], 1_900_000_000],
  ["a jti for good", [{ realm: "plain", kind: "jti", value: "for good" }], null],
  [
    "a jti of one instance",
    [
      { realm: "clowk", kind: "jti", value: "b", instance: "i" },
      { realm: "clowk", kind: "jti", value: "b", issuer: "i" },
    ],
    1_900_000_000,
  ],
  [
    "a jti of one issuer, whose name has slashes",
    [
      { realm: "tenants", kind: "jti", value: "c", issuer: "https://issuer.example/a" },
      { realm: "tenants", kind: "jti", value: "c", instance: "https://issuer.example/a" },
    ],
    null,
  ],
  ["a jti of tokens without an issuer", [{ realm: "tenants", kind: "jti", value: "no issuer", issuer: "" }], null],
  [
    "a digest in every realm",
    [{ realm: "", kind: "digest", value: "0F6Qi1dYgDcLSZtIhvYAxTeQSTmCY3KIpFfyFnY7rVQ" }],
    1_900_000_000,
  ],
  ["a digest for good", [{ realm: "", kind: "digest", value: "digest for good" }], null],
];

describe("a SQLite file of the earlier schema", () => {
  let bench: StoreBench;
  /** Opens the store under these master keys, the current one first. */
  const open = (...bytes: readonly number[]): Promise<Directory> => bench.open({ masterKeys: masterKeys(...bytes) });

  beforeEach(() => {
    bench = sqliteBench();
    const { address } = bench;
    const db = new Database(address.engine === "sqlite" ? address.file : "");
    db.exec(OLD_FILE);
    db.close();
  });
  afterEach(() => bench.release());

  for (const [order, bytes] of [
    ["its own order", [2, 1]],
    ["another order", [1, 2]],
    ["a new key first", [3, 1, 2]],
  ] as const) {
    it(`is found complete under its master keys in ${order}`, async () => {
      const directory = await open(...bytes);
      const owners = ["first key of i", "second key of i", "key of j", "key of gone"].map(
        async (text) => (await directory.instance(new Secret(text))).value?.id,
      );
      expect(await Promise.all(owners)).to.deep.equal(["i", "i", "j", undefined]);
      const { value } = await directory.instance(new Secret("first key of i"));
      expect(value?.appId).to.equal("app of i");
      expect(value?.secretKeys.map(({ secret }) => secret.reveal())).to.deep.equal([
        "first key of i",
        "second key of i",
      ]);
      expect((await directory.user("i", "ü")).value).to.deep.include({
        email: "jane@example.com",
        name: "Jane",
        avatarUrl: null,
        provider: "google",
      });
      const known = new DirectoryCache({ directory, clock: () => NOW });
      await known.follow();
      for (const id of ["c", "d"]) {
        for (const [text, expected] of [
          [`secret of ${id}`, id],
          ["another", undefined],
        ] as const) {
          const clientSecret = new Secret(text);
          await known.load({ kind: "client", clientId: id, clientSecret }, Number.POSITIVE_INFINITY);
          expect(known.client(id, clientSecret)?.clientId).to.equal(expected);
        }
      }
      const { sets, sealed } = (({ sets, ...rest }) => ({ sets, sealed: rest }))(await directory.keySets());
      expect(sets.map(({ location }) => location).sort()).to.deep.equal([
        "https://issuer.example/keys",
        "https://issuer.example/more",
      ]);
      expect(Object.values(sealed).flat()).to.deep.equal([]);
    });
  }

  it("opens under all master keys that it was written under, and not without one of them", async () => {
    await refusal(open(2), "unusable", /master key/);
    expect(await bench.sql("PRAGMA user_version")).to.deep.equal([{ user_version: 2 }]);
    await open(1, 2);
  });

  it("has every revocation that it had", async () => {
    const directory = await open(2, 1);
    const known = new DirectoryCache({ directory, clock: () => NOW });
    await known.follow();
    for (const [what, selectors] of REVOKED) {
      for (const selector of selectors) {
        const until = known.revocations.revokedUntil(SELECTOR_KINDS.indexOf(selector.kind), revocationWords(selector));
        expect(until, what).to.equal(Number.POSITIVE_INFINITY);
      }
    }
    const expected = REVOKED.flatMap(([, selectors, exp]) =>
      selectors.map((selector) => ({ selector, issuedBefore: null, exp })),
    );
    expect(await revocationsOf(bench)).to.have.deep.members(expected);
    expect(await bench.sql("SELECT revocations FROM feed_head")).to.deep.equal([{ revocations: expected.length }]);
  });

  it("keeps its audit, which verifies, and goes on where it ended", async () => {
    const { operators, apply, poll } = await open(2, 1);
    const { head } = await poll(undefined, 1);
    expect(head.number).to.equal(14);
    expect(await poll(head, 10)).to.deep.equal({ head, changes: [] });
    await applyTo({ apply }, putInstance("k", "key of k"));
    const rows = await operators.audit({}, undefined, 100);
    expect(rows.map(({ number, change }) => [number, change])).to.deep.equal(
      Array.from({ length: 15 }, (_, index) => [15 - index, 15 - index]),
    );
    expect(rows.at(-1)).to.include({ actor: "first", command: "putInstance", at: 1_700_000_000_000 });
    expect(await verifyAudit(latestFirst(operators))).to.include({ rows: 15, broken: undefined });
  });

  it("gets keys of its own by rekey, and then needs none of the earlier master keys", async () => {
    const store = await bench.store({ masterKeys: masterKeys(3, 2, 1) });
    const { left } = await rekeyData(store, "op");
    expect(left).to.deep.equal({ secretKeys: 0, clientSecrets: 1, keySets: 0 });
    for (const byte of [1, 2]) await dropMasterKey(store, masterKeys(byte).current.id, "op");
    const directory = await open(3);
    expect((await directory.instance(new Secret("key of j"))).value?.id).to.equal("j");
  });
});

async function* latestFirst({ audit }: OperatorStore): AsyncGenerator<AuditRow> {
  yield* await audit({}, undefined, 100);
}
