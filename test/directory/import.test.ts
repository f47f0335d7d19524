import { once } from "node:events";
import { expect } from "chai";
import type { Directory } from "../../src/directory/directory.js";
import type { MasterKeys } from "../../src/directory/master-keys.js";
import type { ImportLine, ImportOptions } from "../../src/directory/transfer/import.js";
import { readJsonLines, writeJsonLine } from "../../src/directory/transfer/json-lines.js";
import { Secret } from "../../src/util/secret.js";
import { Bench, child, masterKeys, putClient, putInstance, putUser, refusal, revoke } from "./support.js";

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

describe("an import", () => {
  let bench: Bench;
  let directory: Directory;
  const bring = (values: readonly unknown[], options: ImportOptions = {}) =>
    directory.import(lines(values), options, "tester");
  const nothingHappened = async (work: () => Promise<unknown>) => {
    const before = await directory.position();
    await work();
    expect(await directory.position()).to.deep.equal(before);
  };

  beforeEach(async () => {
    bench = new Bench();
    directory = bench.open();
    await directory.apply(
      [putInstance("old", "key of old"), putUser("old", "u", { name: "Jane" }), putClient("c", "secret of c")],
      "tester",
    );
  });
  afterEach(() => bench.release());

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
    expect(value?.secretKeys.map((key) => key.reveal())).to.deep.equal(["key of new", "second"]);
    expect((await directory.user("old", "u")).value).to.include({ email: "jane@example.com", name: null });
    expect((await directory.instance(new Secret("key of old"))).value?.appId).to.equal("app");
  });

  it("an import writes one reset row to the feed and one audit row without secrets", async () => {
    const before = await directory.position();
    await bring([instance("new", "key of new"), user("new", "v")]);
    const [change, ...more] = (await directory.changes(before, 10)) as readonly { kind: string }[];
    expect(more).to.deep.equal([]);
    expect(change).to.include({ kind: "reset" });
    const [audit] = bench.sql<{ actor: string; command: string; subject: string }>(
      "SELECT * FROM audit ORDER BY position DESC LIMIT 1",
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
    expect((await directory.revocations()).value).to.have.length(1);
  });

  it("an import that names both instances moves a key from one to the other", async () => {
    await bring([instance("new", "key of old"), instance("old", "another key")]);
    expect((await directory.instance(new Secret("key of old"))).value?.id).to.equal("new");
    expect((await directory.user("old", "u")).value?.name).to.equal("Jane");
  });

  it("an import leaves no secret in the clear, in the store or beside it", async () => {
    await bring([instance("new", "in the clear, key"), client("d", "in the clear, secret")]);
    const all = ["instances", "secret_keys", "clients", "feed", "audit"].flatMap((t) =>
      bench.sql(`SELECT * FROM ${t}`),
    );
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
    { name: "no entry", values: [{ thing: {} }], code: "invalid", message: /line 1: has no `instance`, `user` or/ },
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

  it("an import finds a taken key that was stored under an older master key", async () => {
    const keys = masterKeys(2, 1);
    directory = bench.open({ masterKeys: keys });
    const work = directory.import(lines([instance("x", "key of old")], keys), {}, "tester");
    await refusal(work, "conflict", /belongs to the instance "old"/);
  });

  it("an import plans again if another writer changes the store before its merge", async () => {
    const other = bench.open();
    async function* slow() {
      yield* lines([instance("x", "key of x")]);
      await other.apply([putInstance("y", "key of x")], "other");
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
      const before = await directory.position();
      const { lines: said, stdout } = child(task, bench.path, "1500");
      await once(stdout, "end");
      expect(await said).to.deep.equal(["importing"]);
      expect(await directory.position()).to.deep.equal(before);
      expect(bench.sql("SELECT count(*) AS count FROM users")).to.deep.equal([{ count: 1 }]);
      expect((await bring([instance("new", "key of new")])).instances.added).to.equal(1);
    });
  }

  describe("an import of an export", () => {
    const exported = async (from: Directory, keys: MasterKeys = masterKeys(1)): Promise<string[]> => {
      const written: string[] = [];
      for await (const entry of from.export()) written.push(writeJsonLine(entry, keys));
      return written;
    };

    it("importing an export into its own store changes nothing", () =>
      nothingHappened(async () => {
        expect(await bring(await exported(directory))).to.deep.equal({
          instances: counts(0, 0, 1),
          users: counts(0, 0, 1),
          clients: counts(0, 0, 1),
        });
      }));

    it("importing an export makes another store equal under the same master key, with no secret in the clear", async () => {
      const text = await exported(directory);
      expect(text.join()).not.to.match(/key of old|secret of c/);
      const other = bench.open({ path: `${bench.path}.other` });
      await other.import(lines(text), {}, "tester");
      expect((await other.instance(new Secret("key of old"))).value?.appId).to.equal("app of old");
      expect((await other.user("old", "u")).value?.name).to.equal("Jane");
      expect((await other.client("c")).value).to.deep.equal((await directory.client("c")).value);
    });

    it("importing an export takes back a client's digest made under a previous master key", async () => {
      const keys = masterKeys(2, 1);
      const text = await exported(directory);
      const other = bench.open({ path: `${bench.path}.other`, masterKeys: keys });
      await other.import(lines(text, keys), {}, "tester");
      expect((await other.client("c")).value).to.deep.equal((await directory.client("c")).value);
    });

    it("importing an export is refused under another master key, and if a sealed value is moved to another id's line", async () => {
      const text = await exported(directory);
      const other = bench.open({ path: `${bench.path}.other`, masterKeys: masterKeys(3) });
      const work = other.import(lines(text, masterKeys(3)), {}, "tester");
      await refusal(
        work,
        "invalid",
        /line 1, instance: is refused: a value is sealed under the master key [0-9a-f]{16}/,
      );
      const moved = text.map((line) => line.replace('"clientId":"c"', '"clientId":"d"'));
      await refusal(bring(moved), "invalid", /line 3, client: is refused: a sealed value does not open/);
    });

    it("an export reads one snapshot, whatever is written during it", async () => {
      const kinds: string[] = [];
      for await (const { kind } of directory.export()) {
        if (kinds.length === 0) await directory.apply([putClient("late", "secret")], "tester");
        kinds.push(kind);
      }
      expect(kinds).to.deep.equal(["putInstance", "putUser", "putClientDigest"]);
    });
  });
});
