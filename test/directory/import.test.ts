import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { type DirectoryEntry, entryCommand } from "../../src/directory/commands.js";
import type { Directory } from "../../src/directory/directory.js";
import type { MasterKeys } from "../../src/directory/master-keys.js";
import type { ExportOptions, ImportLine, ImportOptions } from "../../src/directory/transfer/import.js";
import { readJsonLines, writeJsonLine } from "../../src/directory/transfer/json-lines.js";
import { Secret } from "../../src/util/secret.js";
import { BENCHES, type EngineBench, type StoreBench } from "./benches.js";
import { masterKeys, NOW, putClient, putInstance, putUser, refusal, revoke } from "./support.js";

const instance = (id: string, ...secretKeys: string[]) => ({ instance: { id, appId: "app", secretKeys, weak: true } });
const user = (instanceId: string, id: string, more = {}) => ({ user: { instance: instanceId, id, ...more } });
const client = (clientId: string, clientSecret: string) => ({ client: { clientId, clientSecret, weak: true } });
const counts = (added: number, replaced = 0, unchanged = 0, removed = 0) => ({ added, replaced, unchanged, removed });

/** Encodes values as the lines of a file, cut into small chunks; texts are lines already. */
function lines(values: readonly unknown[], keys: MasterKeys = masterKeys(1)): AsyncIterable<ImportLine> {
  const bytes = Buffer.from(
    values.map((value) => `${typeof value === "string" ? value : JSON.stringify(value)}\n`).join(""),
  );
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
  }
  return readJsonLines(chunks(), keys);
}

const put = (...entries: readonly DirectoryEntry[]) => entries.map(entryCommand);
const headOf = async (directory: Directory) => (await directory.poll(undefined, 1)).head;
const changesAfter = async (directory: Directory, after: Awaited<ReturnType<typeof headOf>>) =>
  (await directory.poll(after, 100)).changes as readonly { kind: string }[];

for (const { engine, start } of BENCHES) describe(`an import on ${engine}`, () => specifyImport(start));

function specifyImport(start: EngineBench["start"]): void {
  let bench: StoreBench;
  let directory: Directory;
  const others: StoreBench[] = [];
  /** Makes another store. */
  const another = async (context: Mocha.Context) => {
    const made = await start(context);
    others.push(made);
    return made;
  };
  const bring = (values: readonly unknown[], options: ImportOptions = {}) =>
    directory.import(lines(values), options, "tester");
  const nothingHappened = async (work: () => Promise<unknown>) => {
    const before = await headOf(directory);
    await work();
    expect(await headOf(directory)).to.deep.equal(before);
  };

  beforeEach(async function () {
    bench = await start(this);
    directory = await bench.open();
    await directory.apply(
      put(putInstance("old", "key of old"), putUser("old", "u", { name: "Jane" }), putClient("c", "secret of c")),
      "tester",
    );
  });
  afterEach(async () => {
    for (const one of [bench, ...others.splice(0)]) await one.release();
  });

  it("an import adds entries, replaces changed ones whole, leaves equal and unnamed ones alone, and counts each", async () => {
    const report = await bring([
      user("new", "v", { email: "v@example.com" }), // before its instance: the order is free
      "",
      instance("new", "key of new", "second"),
      user("old", "u", { email: "jane@example.com" }),
      instance("old", "key of old"),
      client("c", "secret of c"),
      client("d", "secret of d"),
    ]);
    expect(report).to.deep.equal({ instances: counts(1, 1), users: counts(1, 1), clients: counts(1, 0, 1) });
    const { value } = await directory.instance(new Secret("second"));
    expect(value?.secretKeys.map(({ secret }) => secret.reveal())).to.deep.equal(["key of new", "second"]);
    expect((await directory.user("old", "u")).value).to.include({ email: "jane@example.com", name: null });
    expect((await directory.instance(new Secret("key of old"))).value?.appId).to.equal("app");
  });

  it("an import writes one reset row to the feed and one audit row without secrets", async () => {
    const before = await headOf(directory);
    await bring([instance("new", "key of new"), user("new", "v")]);
    const [change, ...more] = await changesAfter(directory, before);
    expect(more).to.deep.equal([]);
    expect(change).to.include({ kind: "reset" });
    const [audit] = await bench.sql<{ actor: string; command: string; subject: string }>(
      "SELECT * FROM audit ORDER BY id DESC LIMIT 1",
    );
    expect(audit).to.include({ actor: "tester", command: "import" });
    expect(JSON.parse(audit!.subject)).to.deep.equal({
      instances: counts(1),
      users: counts(1),
      clients: counts(0),
      prune: false,
    });
  });

  it("an import that changes nothing leaves no trace", () =>
    nothingHappened(async () => {
      expect(await bring([client("c", "secret of c")])).to.deep.include({ clients: counts(0, 0, 1) });
    }));

  it("a dry run of an import reports the same counts and writes nothing", () =>
    nothingHappened(async () => {
      const report = await bring([instance("new", "key of new")], { dryRun: true, prune: true });
      expect(report).to.deep.equal({
        instances: counts(1, 0, 0, 1),
        users: counts(0, 0, 0, 1),
        clients: counts(0, 0, 0, 1),
      });
    }));

  it("an import with prune removes entries it does not name, but no revocation", async () => {
    await directory.apply([revoke("r", "j")], "tester");
    await bring([instance("new", "key of old")], { prune: true });
    expect((await directory.instance(new Secret("key of old"))).value?.id).to.equal("new");
    expect((await directory.user("old", "u")).value).to.equal(null);
    expect((await directory.client("c")).value).to.equal(null);
    expect(await directory.countRevocations()).to.deep.equal({ jti: 1 });
  });

  it("an import that names both instances moves a key from one to the other", async () => {
    await bring([instance("new", "key of old"), instance("old", "another key")]);
    expect((await directory.instance(new Secret("key of old"))).value?.id).to.equal("new");
    expect((await directory.user("old", "u")).value?.name).to.equal("Jane");
  });

  it("an import leaves no secret in the clear, in the store or beside it", async () => {
    await bring([instance("new", "in the clear, key"), client("d", "in the clear, secret")]);
    const all: unknown[] = [];
    for (const table of ["instances", "secret_keys", "clients", "client_secrets", "feed", "audit"]) {
      all.push(await bench.sql(`SELECT * FROM ${table}`));
    }
    expect(JSON.stringify(all)).not.to.include("in the clear");
  });

  const refusals: readonly {
    name: string;
    values: readonly unknown[];
    prune?: boolean;
    code: "invalid" | "conflict";
    message: RegExp;
  }[] = [
    { name: "no JSON", values: ["{"], code: "invalid", message: /line 1: is not a well-formed JSON object/ },
    {
      name: "a member twice",
      values: ['{"client":{"clientId":"a","clientId":"b"}}'],
      code: "invalid",
      message: /line 1/,
    },
    {
      name: "no entry",
      values: [{ thing: {} }],
      code: "invalid",
      message: /line 1: has no `instance`, `user`, `client` or/,
    },
    {
      name: "a stray member",
      values: [user("old", "x", { nmae: "J" })],
      code: "invalid",
      message: /line 1, user\.nmae: is not a key .*did you mean name/,
    },
    {
      name: "a missing member",
      values: ["", { client: { clientId: "x" } }],
      code: "invalid",
      message: /line 2, client\.clientSecret: is missing: it must be a text/,
    },
    {
      name: "a short secret",
      values: [{ client: { clientId: "x", clientSecret: "short" } }],
      code: "invalid",
      message: /line 1, client\.clientSecret: has fewer than 16 characters.*weak: true/,
    },
    {
      name: "an instance without keys",
      values: [instance("x")],
      code: "invalid",
      message: /line 1, instance: is refused: .*no secret key/,
    },
    {
      name: "an instance twice",
      values: [instance("x", "a"), instance("x", "b")],
      code: "invalid",
      message: /line 2: puts the instance "x" again, after line 1/,
    },
    {
      name: "a user twice",
      values: [user("old", "x"), user("old", "x")],
      code: "invalid",
      message: /line 2: puts the user "x" of the instance "old" again, after line 1/,
    },
    {
      name: "a client twice",
      values: [client("x", "a"), client("x", "b")],
      code: "invalid",
      message: /line 2: puts the client "x" again/,
    },
    {
      name: "a key twice",
      values: [instance("x", "a"), instance("y", "a")],
      code: "invalid",
      message: /line 2, instance\.secretKeys\[0\]: is a key of line 1/,
    },
    {
      name: "a long line",
      values: ["x".repeat(1_100_000), instance("x")],
      code: "invalid",
      message: /line 1: is longer than 1 MiB.*\nline 2/,
    },
    {
      name: "a taken key",
      values: ["", instance("x", "key of old")],
      code: "conflict",
      message: /line 2, instance\.secretKeys\[0\]: belongs to the instance "old"/,
    },
    {
      name: "a user without an instance",
      values: [client("x", "a"), user("x", "u")],
      code: "conflict",
      message: /line 2, user\.instance: is the unknown instance "x"/,
    },
    {
      name: "a user of a pruned instance",
      values: [user("old", "u")],
      prune: true,
      code: "conflict",
      message: /line 1, user\.instance: is the unknown instance "old"/,
    },
    {
      name: "a damaged sealed value",
      values: [client("x", "sealed:v1.a.b.c.d")],
      code: "invalid",
      message: /line 1, client: is refused: a sealed value does not open/,
    },
  ];
  for (const { name, values, prune = false, code, message } of refusals) {
    it(`an import refuses ${name}, names the line, and writes nothing`, () =>
      nothingHappened(async () => {
        const good = instance("good", "key of good");
        await refusal(bring([...values, good], { prune }), code, message);
        expect((await directory.instance(new Secret("key of good"))).value).to.equal(null);
      }));
  }

  it("an import reports 100 problems and counts the others", async () => {
    const { message } = await refusal(bring(Array.from({ length: 250 }, () => "{")), "invalid", /and 150 more$/);
    expect(message.split("\n")).to.have.length(102);
  });

  it("an import finds a taken key whatever master keys the store opens under", async () => {
    const keys = masterKeys(1, 2);
    directory = await bench.open({ masterKeys: keys });
    const work = directory.import(lines([instance("x", "key of old")], keys), {}, "tester");
    await refusal(work, "conflict", /belongs to the instance "old"/);
  });

  it("an import plans again if another writer changes the store before its merge", async () => {
    const other = await bench.open();
    async function* slow() {
      yield* lines([instance("x", "key of x")]);
      await other.apply(put(putInstance("y", "key of x")), "other");
    }
    await refusal(directory.import(slow(), {}, "tester"), "conflict", /belongs to the instance "y"/);
  });

  it("an import passes on an error from reading its lines, and writes nothing", () =>
    nothingHappened(async () => {
      async function* broken() {
        yield* lines([instance("x", "key of x")]);
        throw new RangeError("broken");
      }
      const error = await directory.import(broken(), {}, "tester").catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(RangeError);
    }));

  for (const task of ["dieInStaging", "dieInMerge"]) {
    it(`the old directory survives if the importing process dies (${task})`, async () => {
      const before = await headOf(directory);
      expect(await importInChild(task, bench.address)).to.deep.equal(["importing"]);
      expect(await headOf(directory)).to.deep.equal(before);
      expect(await bench.sql("SELECT count(*) AS count FROM users")).to.deep.equal([{ count: 1 }]);
      expect((await bring([instance("new", "key of new")])).instances.added).to.equal(1);
    });
  }

  describe("an import of an export", () => {
    const exported = async (from: Directory, options: ExportOptions = {}, keys: MasterKeys = masterKeys(1)) => {
      const written: string[] = [];
      for await (const entry of from.export(options)) written.push(writeJsonLine(entry, keys));
      return written;
    };
    const takeOver = (to: Directory, text: readonly string[], keys: MasterKeys = masterKeys(1)) =>
      to.import(lines(text, keys), { fromOtherStore: true }, "tester");

    it("importing an export into its own store changes nothing", () =>
      nothingHappened(async () => {
        expect(await bring(await exported(directory))).to.deep.equal({
          instances: counts(0, 0, 1),
          users: counts(0, 0, 1),
          clients: counts(0, 0, 1),
        });
      }));

    it("importing an export makes another store equal under the same master key, with no secret in the clear", async function () {
      const text = await exported(directory);
      expect(text.join()).not.to.match(/key of old|secret of c/);
      const other = await (await another(this)).open();
      await takeOver(other, text);
      expect((await other.instance(new Secret("key of old"))).value?.appId).to.equal("app of old");
      expect((await other.user("old", "u")).value?.name).to.equal("Jane");
      const client = (await other.client("c")).value;
      expect(client).to.deep.equal((await directory.client("c")).value);
      expect(other.lookupKeys.byId.has(client?.secrets[0]?.keyId ?? "")).to.equal(true);
    });

    it("a look-up key that comes with an export does not become the one for new digests", async function () {
      const other = await (await another(this)).open();
      const own = other.lookupKeys.current.id;
      await takeOver(other, await exported(directory));
      await other.apply(put(putClient("d", "secret of d")), "tester");
      expect((await other.client("d")).value?.secrets.map(({ keyId }) => keyId)).to.deep.equal([own]);
    });

    it("an export of another store is refused unless it is asked for", async function () {
      const other = await (await another(this)).open();
      const work = other.import(lines(await exported(directory)), {}, "tester");
      await refusal(work, "invalid", /line 1, store: is the head of another store's export.*--from-other-store/);
      expect(await other.isEmpty()).to.equal(true);
    });

    it("an export without its first line is refused, for its digests cannot be checked", async () => {
      const [, ...text] = await exported(directory);
      await refusal(bring(text), "invalid", /line 3, client: is refused: .*Keep the first line/);
    });

    it("importing an export takes back what was exported under a previous master key", async function () {
      const keys = masterKeys(2, 1);
      const text = await exported(directory);
      const other = await (await another(this)).open({ masterKeys: keys });
      await takeOver(other, text, keys);
      expect((await other.client("c")).value).to.deep.equal((await directory.client("c")).value);
    });

    it("importing an export is refused under another master key, and if a sealed value is moved to another id's line", async function () {
      const text = await exported(directory);
      const other = await (await another(this)).open({ masterKeys: masterKeys(3) });
      const work = takeOver(other, text, masterKeys(3));
      await refusal(
        work,
        "invalid",
        /line 2, instance: is refused: a value is sealed under the master key [0-9a-f]{16}/,
      );
      const moved = text.map((line) => line.replace('"clientId":"c"', '"clientId":"d"'));
      await refusal(bring(moved), "invalid", /line 4, client: is refused: a sealed value does not open/);
    });

    it("an export has secrets that retire with their time, and leaves out those that are gone", async function () {
      const secret = (id: string, text: string) => ({ id, secret: new Secret(text) });
      const rotate = (id: string, text: string) =>
        ({ kind: "rotateInstanceSecret", id: "old", secret: secret(id, text), grace: 1_000 }) as const;
      await directory.apply([rotate("second", "second key")], "tester");
      await directory.apply(
        [{ kind: "rotateClientSecret", clientId: "c", secret: secret("s", "second secret"), grace: 1_000 }],
        "tester",
      );
      const other = await (await another(this)).open();
      await takeOver(other, await exported(directory));
      const { value } = await other.instance(new Secret("key of old"));
      expect(value?.secretKeys.map(({ secret, retiresAt }) => [secret.reveal(), retiresAt])).to.deep.equal([
        ["second key", null],
        ["key of old", NOW + 1_000],
      ]);
      expect((await other.client("c")).value).to.deep.equal((await directory.client("c")).value);
      const later = await bench.open({ clock: () => NOW + 1_000 });
      const third = await (await another(this)).open();
      await takeOver(third, await exported(later));
      expect((await third.instance(new Secret("key of old"))).value).to.equal(null);
      expect((await third.client("c")).value?.secrets).to.have.length(1);
    });

    it("an export with snapshot reads one snapshot, whatever is written during it", async () => {
      const kinds: string[] = [];
      for await (const { kind } of directory.export({ snapshot: true })) {
        if (kinds.length === 0) await directory.apply(put(putClient("late", "secret")), "tester");
        kinds.push(kind);
      }
      expect(kinds).to.deep.equal(["store", "putStoredInstance", "putUser", "putClientDigest"]);
    });

    it("an export without snapshot has no user whose instance it lacks", async () => {
      const found: string[] = [];
      for await (const entry of directory.export()) {
        if (entry.kind === "putStoredInstance") {
          const late = [putInstance("b", "key of b"), putUser("b", "v"), putUser("old", "w")];
          await directory.apply(put(...late), "tester");
        }
        if (entry.kind === "putUser") found.push(`${entry.instanceId} ${entry.id}`);
      }
      expect(found).to.deep.equal(["old u", "old w"]);
    });

    it("an export that is not read to its end leaves the store free", async () => {
      for (const snapshot of [false, true]) {
        for await (const entry of directory.export({ snapshot })) if (entry.kind === "putUser") break;
      }
      await directory.apply(put(putClient("d", "secret")), "tester");
    });

    it("an export of many entries has every one once, in an order that an import accepts", async function () {
      const many = Array.from({ length: 2_500 }, (_, n) => instance(`i${n}`, `key ${n}`));
      const users = Array.from({ length: 2_500 }, (_, n) => user(`i${n % 7}`, `u${n}`));
      await bring([...many, ...users]);
      const text = await exported(directory);
      expect(text).to.have.length(1 + 2_501 + 2_501 + 1);
      const other = await (await another(this)).open();
      expect((await takeOver(other, text)).users).to.deep.equal(counts(2_501));
    });

    it("the ids of secrets are random for new ones, and stay with secrets that stay", async () => {
      const ids = async () =>
        (await bench.sql<{ id: string }>("SELECT id FROM secret_keys WHERE instance_id = 'old' ORDER BY ordinal")).map(
          ({ id }) => id,
        );
      const [first] = await ids();
      await bring([instance("old", "another key", "key of old")]);
      const [added, kept] = await ids();
      expect(kept).to.equal(first);
      expect(added)
        .to.match(/^[\w-]{12}$/)
        .and.not.to.equal(first);
    });
  });

  describe("revocations", () => {
    const revocation = (more: object) => ({ revocation: { realm: "r", ...more } });
    // The clock of a PostgreSQL store is the real one.
    const past = 1_700_000_000;
    const forms = [
      revocation({ jti: "j", exp: past + 100, comment: "lost phone" }),
      revocation({ jti: "j", instance: "i" }),
      revocation({ digest: "d", issuer: "https://issuer" }),
      revocation({ subject: "u", issuedBefore: past }),
      revocation({ session: "s", issuedBefore: null }),
      revocation({ client: "c", issuedBefore: past }),
      revocation({ instance: "i", issuedBefore: null }),
      revocation({ key: "k" }),
      revocation({ all: true, issuedBefore: past }),
    ];

    it("revocations are imported, and exported as they were given", async function () {
      const before = await headOf(directory);
      expect(await bring(forms)).to.deep.include({ revocations: counts(forms.length) });
      expect((await changesAfter(directory, before)).map(({ kind }) => kind)).to.deep.equal(["revoked"]);
      const text: string[] = [];
      for await (const entry of directory.export({ revocations: true })) text.push(writeJsonLine(entry, masterKeys(1)));
      const written = text.filter((line) => line.startsWith('{"revocation"')).map((line) => JSON.parse(line));
      expect(written).to.have.deep.members(forms);
      expect(await bench.sql("SELECT revocations FROM feed_head")).to.deep.equal([{ revocations: forms.length }]);
      const other = await (await another(this)).open();
      await other.import(lines(text), { fromOtherStore: true }, "tester");
      expect(await other.countRevocations()).to.deep.equal(await directory.countRevocations());
    });

    it("an export has revocations only if they are asked for", async () => {
      await bring(forms);
      for await (const { kind } of directory.export()) expect(kind).not.to.equal("putRevocation");
    });

    it("importing revocations that are there changes nothing, and one that reaches further extends its own", async () => {
      await bring(forms);
      await nothingHappened(async () => {
        expect(await bring(forms)).to.deep.include({ revocations: counts(0, 0, forms.length) });
      });
      const narrower = revocation({ subject: "u", issuedBefore: past - 1 });
      const further = revocation({ client: "c", issuedBefore: past + 1 });
      expect(await bring([narrower, further])).to.deep.include({ revocations: counts(0, 1, 1) });
      expect(await bench.sql("SELECT revocations FROM feed_head")).to.deep.equal([{ revocations: forms.length }]);
    });

    it("an import of more revocations than the feed has one by one makes every process read them again", async () => {
      const before = await headOf(directory);
      await bring(Array.from({ length: 10_001 }, (_, n) => revocation({ jti: `j${n}` })));
      expect((await changesAfter(directory, before)).map(({ kind }) => kind)).to.deep.equal(["reset-revocations"]);
      expect(await directory.countRevocations()).to.deep.equal({ jti: 10_001 });
    });

    it("an import of more than 1,000 revocations gives the feed rows of 1,000, and the audit one row", async () => {
      const before = await headOf(directory);
      await bring(Array.from({ length: 2_500 }, (_, n) => revocation({ jti: `j${n}` })));
      const changes = (await changesAfter(directory, before)) as unknown as { revocations: unknown[] }[];
      expect(changes.map(({ revocations }) => revocations.length)).to.deep.equal([1_000, 1_000, 500]);
      expect(await bench.sql("SELECT count(*) AS count FROM audit WHERE command = 'import'")).to.deep.equal([
        { count: 1 },
      ]);
    });

    it("an import of more revocations than the store may have is refused, and nothing of it is done", async () => {
      const small = await bench.open({ maxRevocations: 5 });
      const work = small.import(lines(forms), {}, "tester");
      await refusal(work, "conflict", /revocations\.max allows \(5\)/);
      expect(await directory.countRevocations()).to.deep.equal({ jti: 0 });
    });

    for (const [name, form, message] of [
      ["without a selector", {}, /line 1, revocation: must have one of jti/],
      ["with two selectors", { jti: "j", subject: "s" }, /must have one of/],
      ["by subject without a time", { subject: "s" }, /revocation\.issuedBefore: is missing: .*or null to refuse/],
      ["by token with a time", { jti: "j", issuedBefore: past }, /issuedBefore: is not for jti/],
      ["with a time ahead", { subject: "s", issuedBefore: 4_000_000_000 }, /issuedBefore: lies ahead/],
      ["with an empty value", { jti: "" }, /revocation: is refused/],
    ] as const) {
      it(`a revocation ${name} is refused`, () => refusal(bring([revocation(form)]), "invalid", message));
    }

    it("the same revocation twice is refused", () =>
      refusal(
        bring([revocation({ jti: "j" }), revocation({ jti: "j", exp: 1 })]),
        "invalid",
        /line 2: puts the same revocation by jti again, after line 1/,
      ));
  });
}

/** Runs import-child.ts, which kills itself. @returns the lines that it printed */
async function importInChild(task: string, address: StoreBench["address"]): Promise<readonly string[]> {
  const password = address.engine === "postgres" ? (await address.password())?.reveal() : undefined;
  const script = fileURLToPath(new URL("import-child.ts", import.meta.url));
  const text = JSON.stringify({ ...address, password });
  const started = spawn(process.execPath, ["--import", "tsx", script, task, text], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  let output = "";
  started.stdout.setEncoding("utf8").on("data", (part: string) => {
    output += part;
  });
  await once(started, "close");
  return output.split("\n").filter((line) => line !== "");
}
