import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { verifyAudit } from "../../src/directory/audit.js";
import type { Directory } from "../../src/directory/directory.js";
import { DirectoryError } from "../../src/directory/errors.js";
import type { NewSecret, OperatorCommand } from "../../src/directory/operator-commands.js";
import { type AuditRow, type OperatorStore, type Refusal, RefusedChange } from "../../src/directory/operator-store.js";
import { type Revocation, revocationKey, type Selector } from "../../src/directory/revocation.js";
import { sqlDirectory } from "../../src/directory/sql/directory.js";
import { operatorStore } from "../../src/directory/sql/operator-store.js";
import type { SqlStore } from "../../src/directory/sql/store.js";
import { Secret } from "../../src/util/secret.js";
import { BENCHES, type StoreBench } from "./benches.js";

const NOW = 1_800_000_000_000;

const secret = (id: string, text = `the secret ${id}, which is long enough`): NewSecret => ({
  id,
  secret: new Secret(text),
});
const putInstance = (id: string, expect: "absent" | "any" | number = "absent", ...secrets: NewSecret[]) =>
  ({
    kind: "putInstance",
    id,
    appId: `app of ${id}`,
    secrets: secrets.length > 0 ? secrets : [secret(`${id}-1`)],
    expect,
  }) as const;
const putUser = (instanceId: string, id: string, name = "Jane") =>
  ({
    kind: "putUser",
    user: { instanceId, id, email: null, name, avatarUrl: null, provider: null },
    expect: "absent",
  }) as const;
const putClient = (clientId: string) =>
  ({ kind: "putClient", clientId, secret: secret(`${clientId}-1`), expect: "absent" }) as const;
const jti = (value: string, more: Partial<Selector> = {}): Revocation => ({
  selector: { realm: "r", kind: "jti", value, ...more },
  issuedBefore: null,
  exp: null,
});
const revoke = (...revocations: readonly Revocation[]) => ({ kind: "revoke", revocations, comment: "why" }) as const;

/** Expects a refusal, and returns it. */
async function refused(work: Promise<unknown>, refusal: Refusal | "not-found", message: RegExp): Promise<void> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(DirectoryError);
  const { code } = error as DirectoryError;
  expect((error as Error).message).to.match(message);
  expect(error instanceof RefusedChange ? error.refusal : code).to.equal(refusal);
}

for (const { engine, start } of BENCHES) {
  describe(`the store for operators on ${engine}`, () => {
    let bench: StoreBench;
    let store: SqlStore;
    let operators: OperatorStore;
    let directory: Directory;
    let now = NOW;
    const apply = (command: OperatorCommand, requestId = randomUUID() as string) =>
      operators.change(command, JSON.stringify(command), { actor: "key:tester", requestId });

    beforeEach(async function () {
      now = NOW;
      bench = await start(this);
      store = await bench.store({ clock: () => now });
      operators = operatorStore(store);
      directory = sqlDirectory(store);
    });
    afterEach(() => bench.release());

    describe("entries", () => {
      it("an instance is shown with its secrets, the latest first, and those that have gone left out", async () => {
        const first = await apply(putInstance("i"));
        expect(await operators.instance("i")).to.deep.equal({
          id: "i",
          appId: "app of i",
          secrets: [{ id: "i-1", createdAt: NOW, retiresAt: null }],
          changed: first.position.number,
        });
        now += 1000;
        const rotated = await apply({ kind: "rotateInstanceSecret", id: "i", secret: secret("i-2"), grace: 5_000 });
        expect(await operators.instance("i")).to.deep.equal({
          id: "i",
          appId: "app of i",
          secrets: [
            { id: "i-2", createdAt: NOW + 1000, retiresAt: null },
            { id: "i-1", createdAt: NOW, retiresAt: NOW + 6000 },
          ],
          changed: rotated.position.number,
        });
        now += 5_000;
        expect((await operators.instance("i"))?.secrets.map(({ id }) => id)).to.deep.equal(["i-2"]);
        expect(await operators.instance("I")).to.equal(null);
      });

      it("a shorter grace of an earlier rotation stays as it was", async () => {
        await apply(putInstance("i"));
        await apply({ kind: "rotateInstanceSecret", id: "i", secret: secret("i-2"), grace: 1_000 });
        await apply({ kind: "rotateInstanceSecret", id: "i", secret: secret("i-3"), grace: 9_000 });
        expect((await operators.instance("i"))?.secrets.map(({ id, retiresAt }) => [id, retiresAt])).to.deep.equal([
          ["i-3", null],
          ["i-2", NOW + 9_000],
          ["i-1", NOW + 1_000],
        ]);
      });

      it("a secret is retired at once, unless no other stays", async () => {
        await apply(putInstance("i", "absent", secret("a"), secret("b")));
        await apply({ kind: "retireInstanceSecret", id: "i", secretId: "a" });
        expect((await operators.instance("i"))?.secrets.map(({ id }) => id)).to.deep.equal(["b"]);
        const last = apply({ kind: "retireInstanceSecret", id: "i", secretId: "b" });
        await refused(last, "last-secret", /"b" is the last one of the instance "i" that stays\. Rotate first/);
        const unknown = apply({ kind: "retireInstanceSecret", id: "i", secretId: "c" });
        await refused(unknown, "not-found", /no secret key "c" in the instance "i"/);
        expect((await operators.instance("i"))?.secrets.map(({ id }) => id)).to.deep.equal(["b"]);
      });

      it("a client has two secrets during a rotation's grace, and never three", async () => {
        await apply(putClient("c"));
        await apply({ kind: "rotateClientSecret", clientId: "c", secret: secret("c-2"), grace: 10_000 });
        await apply({ kind: "rotateClientSecret", clientId: "c", secret: secret("c-3"), grace: 20_000 });
        expect((await operators.client("c"))?.secrets).to.deep.equal([
          { id: "c-3", createdAt: NOW, retiresAt: null },
          { id: "c-2", createdAt: NOW, retiresAt: NOW + 20_000 },
        ]);
        expect(await operators.client("d")).to.equal(null);
        now += 20_000;
        expect((await operators.client("c"))?.secrets.map(({ id }) => id)).to.deep.equal(["c-3"]);
      });

      it("a put without secrets keeps those of an instance that exists, and needs one for a new one", async () => {
        await refused(
          apply({ kind: "putInstance", id: "i", appId: "a", secrets: undefined, expect: "any" }),
          "last-secret",
          /instance "i" does not exist yet\. Give it a secret/,
        );
        await apply(putInstance("i"));
        await apply({ kind: "putInstance", id: "i", appId: "other", secrets: undefined, expect: "any" });
        expect(await operators.instance("i")).to.deep.include({
          appId: "other",
          secrets: [{ id: "i-1", createdAt: NOW, retiresAt: null }],
        });
      });

      it("what a change expects of an entry is checked: absent, as it was read, or anything", async () => {
        const made = await apply(putInstance("i"));
        await refused(apply(putInstance("i")), "exists", /instance "i" exists/);
        const next = await apply(putInstance("i", made.position.number));
        await refused(apply(putInstance("i", made.position.number)), "changed", /was changed since it was read/);
        await refused(
          apply({ kind: "deleteInstance", id: "i", expect: made.position.number }),
          "changed",
          /instance "i" was changed/,
        );
        await apply({ kind: "deleteInstance", id: "i", expect: next.position.number });
        await refused(apply(putInstance("i", next.position.number)), "changed", /instance "i" is gone/);
        await refused(apply({ kind: "deleteInstance", id: "i", expect: "any" }), "not-found", /no instance "i"/);
      });

      it("an entry has the number of the change that wrote it, also one of many in a transaction", async () => {
        const { number } = await directory.apply(
          [putInstance("i"), putUser("i", "u"), putClient("c"), { ...putInstance("i", "any"), appId: "again" }],
          "tester",
        );
        expect(number).to.equal(4);
        expect((await operators.instance("i"))?.changed).to.equal(4);
        expect((await operators.user("i", "u"))?.changed).to.equal(2);
        expect((await operators.client("c"))?.changed).to.equal(3);
      });

      it("a secret key belongs to one instance", async () => {
        await apply(putInstance("i", "absent", secret("1", "the same secret key")));
        await refused(
          apply(putInstance("j", "absent", secret("2", "the same secret key"))),
          "secret-taken",
          /secretKeys\[0\] of the instance "j" already belongs to the instance "i"/,
        );
        expect(await operators.instance("j")).to.equal(null);
      });

      it("lists are in the order of the ids' bytes, begin after a place, and end at the limit", async () => {
        const ids = ["a", "B", "ä", "z", "😀", "\uE000", "_", "a b"];
        const sorted = ids.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        await apply(putInstance("owner"));
        await directory.apply(
          [...ids.map((id) => putInstance(id)), ...ids.map(putClient), ...ids.map((id) => putUser("owner", id))],
          "tester",
        );
        const page = async <Entry>(read: (after: Entry | undefined) => Promise<readonly Entry[]>): Promise<Entry[]> => {
          const all: Entry[] = [];
          for (;;) {
            const entries = await read(all.at(-1));
            all.push(...entries);
            if (entries.length < 3) return all;
          }
        };
        const instances = await page((last: { id: string } | undefined) => operators.instances(last?.id, 3));
        expect(instances.map(({ id }) => id).filter((id) => id !== "owner")).to.deep.equal(sorted);
        const clients = await page((last: { clientId: string } | undefined) => operators.clients(last?.clientId, 3));
        expect(clients.map(({ clientId }) => clientId)).to.deep.equal(sorted);
        for (const instanceId of ["owner", undefined]) {
          const users = await page((last: { instanceId: string; id: string } | undefined) =>
            operators.users(instanceId, last && [last.instanceId, last.id], 3),
          );
          expect(users.map(({ id }) => id)).to.deep.equal(sorted);
        }
        expect(await operators.users("a", undefined, 10)).to.deep.equal([]);
        expect(await operators.user("owner", "a")).to.deep.include({ name: "Jane", email: null, provider: null });
      });
    });

    describe("revocations", () => {
      const list = async (filter = {}): Promise<unknown[]> =>
        (await operators.revocations(filter, undefined, 1_001)).map(({ selector }) => selector);
      const sorted = (selectors: readonly Selector[]): Selector[] =>
        selectors.toSorted((a, b) => Buffer.compare(revocationKey(a), revocationKey(b)));

      it("a thousand are made at once, counted once, and listed in pages in the order of their keys", async () => {
        const all = Array.from({ length: 1_000 }, (_, index) => jti(`token ${index}`));
        const { position } = await apply(revoke(...all));
        await apply(revoke(...all.slice(990), jti("another"), jti("another")));
        expect((await operators.status()).revocations).to.equal(1_001);
        const pages: Selector[] = [];
        for (let after: string | undefined; ; ) {
          const page = await operators.revocations({}, after, 300);
          pages.push(...page.map(({ selector }) => selector));
          if (page.length < 300) break;
          after = revocationKey((page.at(-1) as (typeof page)[0]).selector).toString("base64url");
        }
        expect(pages).to.deep.equal(sorted([...all.map(({ selector }) => selector), jti("another").selector]));
        const [one] = await operators.revocations({ value: "token 5" }, undefined, 2);
        expect(one).to.deep.equal({ ...jti("token 5"), at: NOW, comment: "why", changed: position.number });
      });

      it("every member of a selector comes back, and filters a list", async () => {
        const selectors: readonly Selector[] = [
          { realm: "r", kind: "jti", value: "v" },
          { realm: "r", kind: "subject", value: "v", instance: "i" },
          { realm: "r", kind: "subject", value: "v", issuer: "https://issuer" },
          { realm: "r", kind: "subject", value: "v", issuer: "" },
          { realm: "other", kind: "all", value: "" },
        ];
        const made = selectors.map((selector) => ({
          selector,
          issuedBefore: selector.kind === "jti" ? null : 5,
          exp: null,
        }));
        await apply(revoke(...made));
        expect(await list()).to.deep.equal(sorted(selectors));
        const of = (...indexes: readonly number[]) => sorted(indexes.map((index) => selectors[index] as Selector));
        for (const [filter, expected] of [
          [{ realm: "other" }, of(4)],
          [{ realm: "none" }, []],
          [{ kind: "subject" }, of(1, 2, 3)],
          [{ kind: "subject", instance: "i" }, of(1)],
          [{ instance: "https://issuer" }, []],
          [{ value: "v", realm: "r", kind: "jti" }, of(0)],
        ] as const) {
          expect(await list(filter), JSON.stringify(filter)).to.deep.equal(expected);
        }
      });

      it("a revocation is extended and never made narrower, also within one command", async () => {
        const subject = { realm: "r", kind: "subject", value: "s" } as const;
        const of = (issuedBefore: number | null) => ({ selector: subject, issuedBefore, exp: null });
        const until = (exp: number | null) => ({ ...jti("j"), exp });
        const times = async (): Promise<unknown> => {
          const [found] = await operators.revocations({ kind: "subject" }, undefined, 2);
          const [token] = await operators.revocations({ kind: "jti" }, undefined, 2);
          return [found?.issuedBefore, token?.exp];
        };
        await apply(revoke(of(10), until(5)));
        await apply(revoke(of(8), until(7)));
        expect(await times()).to.deep.equal([10, 7]);
        await apply(revoke(of(20), of(15), until(6), until(null)));
        expect(await times()).to.deep.equal([20, null]);
        await apply(revoke(of(null), until(1)));
        await apply(revoke(of(30)));
        expect(await times()).to.deep.equal([null, null]);
        expect((await operators.status()).revocations).to.equal(2);
      });

      it("all of a list are removed, or none if one is not there", async () => {
        await apply(revoke(jti("a"), jti("b"), jti("c")));
        const unrevoke = (...values: readonly string[]) =>
          apply({ kind: "unrevoke", selectors: values.map((value) => jti(value).selector), comment: "sorry" });
        await refused(unrevoke("a", "x"), "not-found", /no revocation by jti "x" in the realm "r"/);
        expect(await list()).to.have.length(3);
        await unrevoke("a", "b", "a");
        expect(await list()).to.deep.equal([jti("c").selector]);
        expect((await operators.status()).revocations).to.equal(1);
      });

      it("the last hundredth is kept for subjects, keys and realms, and ended ones make room", async () => {
        const small = operatorStore(
          await bench.store({ clock: () => now, maxRevocations: 100, endOf: ({ exp }) => exp }),
        );
        const by = () => ({ actor: "tester", requestId: randomUUID() });
        const change = (command: OperatorCommand) => small.change(command, "", by());
        const at = Math.trunc(NOW / 1000);
        const tokens = Array.from({ length: 99 }, (_, index) => ({ ...jti(`${index}`), exp: at }));
        await change(revoke(...tokens));
        await refused(change(revoke(jti("one more"))), "revocations-full", /as many revocations as revocations.max/);
        await change(revoke({ selector: { realm: "r", kind: "all", value: "" }, issuedBefore: at, exp: null }));
        const subject = { selector: { realm: "r", kind: "subject", value: "s" }, issuedBefore: at, exp: null } as const;
        await refused(change(revoke(subject)), "revocations-full", /100/);
        expect((await small.status()).revocations).to.equal(100);
        now += 2 * 86_400_000;
        await change(revoke(jti("one more")));
        expect((await small.status()).revocations).to.equal(2);
      });
    });

    describe("the audit", () => {
      const walk = async function* (): AsyncGenerator<AuditRow> {
        for (let before: number | undefined; ; ) {
          const rows = await operators.audit({}, before, 2);
          yield* rows;
          if (rows.length < 2) return;
          before = rows.at(-1)?.number;
        }
      };

      it("each change and each refusal has a row, whose hashes are a chain", async () => {
        const made = await apply(putInstance("i"));
        now += 10;
        const requestId = randomUUID();
        await operators.refused({
          actor: "key:other",
          requestId,
          command: "deleteInstance",
          subject: { instanceId: "i" },
          outcome: "ROLE_TOO_LOW",
        });
        await directory.apply([putUser("i", "u"), putUser("i", "v")], "tester");
        const rows = await operators.audit({}, undefined, 10);
        expect(rows.map(({ number, change, outcome }) => [number, change, outcome])).to.deep.equal([
          [4, 3, "done"],
          [3, 2, "done"],
          [2, null, "ROLE_TOO_LOW"],
          [1, made.position.number, "done"],
        ]);
        const { hash, ...refusal } = rows[2] as AuditRow;
        expect(hash).to.have.length(32);
        expect(refusal).to.deep.equal({
          number: 2,
          change: null,
          at: NOW + 10,
          actor: "key:other",
          requestId,
          command: "deleteInstance",
          subject: '{"instanceId":"i"}',
          outcome: "ROLE_TOO_LOW",
        });
        expect(await verifyAudit(walk())).to.deep.equal({ rows: 4, oldest: 1, latest: 4, broken: undefined });
        await bench.sql("UPDATE audit SET actor = 'nobody' WHERE id = 2");
        expect((await verifyAudit(walk())).broken).to.equal(2);
      });

      it("a refusal changes neither the feed nor the entries, and its request id can be used again", async () => {
        const { head } = await operators.status();
        const by = { actor: "a", requestId: randomUUID() };
        await operators.refused({ ...by, command: "putInstance", subject: {}, outcome: "REQUEST_INVALID" });
        expect((await operators.status()).head).to.deep.equal(head);
        const applied = await operators.change(putInstance("i"), "content", by);
        expect(applied).to.deep.include({ replayed: false });
        expect(applied.position.number).to.equal(1);
      });

      it("rows are filtered by actor, command and time", async () => {
        await apply(putInstance("i"));
        now += 10;
        await apply(putClient("c"));
        await directory.apply([putUser("i", "u")], "someone");
        const numbers = async (filter: Parameters<OperatorStore["audit"]>[0], before?: number) =>
          (await operators.audit(filter, before, 10)).map(({ number }) => number);
        expect(await numbers({ actor: "someone" })).to.deep.equal([3]);
        expect(await numbers({ command: "putClient" })).to.deep.equal([2]);
        expect(await numbers({ since: NOW + 10 })).to.deep.equal([3, 2]);
        expect(await numbers({ before: NOW + 10 })).to.deep.equal([1]);
        expect(await numbers({ actor: "key:tester", since: NOW + 10 })).to.deep.equal([2]);
        expect(await numbers({}, 3)).to.deep.equal([2, 1]);
        expect(await numbers({}, 1)).to.deep.equal([]);
      });
    });

    describe("requests", () => {
      it("a request that is sent again gets the first answer, and is not carried out again", async () => {
        const command = putInstance("i");
        const requestId = randomUUID();
        const first = await apply(command, requestId);
        expect(first).to.deep.equal({
          position: (await operators.status()).head,
          at: NOW,
          replayed: false,
          subject: { instanceId: "i", appId: "app of i", secretIds: ["i-1"] },
        });
        now += 1_000;
        await apply({ kind: "rotateInstanceSecret", id: "i", secret: secret("i-2"), grace: 0 });
        const again = { ...command, secrets: [secret("made by the second attempt")] };
        const by = { actor: "key:tester", requestId };
        expect(await operators.change(again, JSON.stringify(command), by)).to.deep.equal({ ...first, replayed: true });
        expect((await operators.status()).head.number).to.equal(2);
        const other = operators.change(command, "another content", by);
        await refused(other, "request-reused", /request id was used for another change within 24 hours/);
      });

      it("a request id is free again after 24 hours", async () => {
        const requestId = randomUUID();
        await apply(putInstance("i"), requestId);
        now += 86_400_000 - 1;
        await refused(apply(putInstance("j"), requestId), "request-reused", /24 hours/);
        now += 1;
        expect(await apply(putInstance("j"), requestId)).to.deep.include({ replayed: false });
      });

      it("a request that two replicas carry out at once is carried out once, and the other gets the first answer", async () => {
        const other = operatorStore(await bench.store({ clock: () => now }));
        await apply(putInstance("i"));
        for (const [round, both] of (
          [
            (n: number) => ({ kind: "rotateInstanceSecret", id: "i", secret: secret(`r${n}`), grace: 9_000 }),
            (n: number) => ({ ...putClient("c"), secret: secret(`c${n}`) }),
            () => ({ kind: "deleteClient", clientId: "c", expect: "any" }),
            () => revoke(jti("a")),
          ] as readonly ((n: number) => OperatorCommand)[]
        ).entries()) {
          const by = { actor: "a", requestId: randomUUID() };
          const before = (await operators.status()).head.number;
          const answers = await Promise.all(
            [operators, other, operators, other].map((one, index) => one.change(both(index), `round ${round}`, by)),
          );
          expect(answers.filter(({ replayed }) => !replayed)).to.have.length(1);
          for (const { position, subject } of answers) {
            expect([position, subject]).to.deep.equal([answers[0]?.position, answers[0]?.subject]);
          }
          expect((await operators.status()).head.number).to.equal(before + 1);
        }
        expect((await operators.instance("i"))?.secrets).to.have.length(2);
      });
    });

    it("an export has the revocations where it is asked for them, also as a snapshot", async () => {
      await apply(putInstance("i"));
      await apply(revoke(jti("a")));
      for (const [options, kinds] of [
        [{}, ["store", "putStoredInstance"]],
        [{ revocations: true }, ["store", "putStoredInstance", "putRevocation"]],
        [{ revocations: true, snapshot: true }, ["store", "putStoredInstance", "putRevocation"]],
      ] as const) {
        const exported: string[] = [];
        for await (const { kind } of operators.export(options)) exported.push(kind);
        expect(exported).to.deep.equal(kinds);
      }
    });

    it("the status counts what the store holds, and says which master keys open it", async () => {
      await apply(putInstance("i"));
      await apply(putUser("i", "u"));
      const { position } = await apply(putClient("c"));
      const { masterKeys, place, ...status } = await operators.status();
      expect(status).to.deep.equal({
        head: position,
        time: NOW,
        instances: 1,
        users: 1,
        clients: 1,
        revocations: 0,
        replicas: [],
      });
      expect(masterKeys).to.deep.equal([store.settings.masterKeys.current.id]);
      expect(place).to.equal(store.engine.place);
    });
  });
}
