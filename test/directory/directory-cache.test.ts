import { createHmac } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import * as fc from "fast-check";
import type { Directory, DirectoryLack, DirectoryReads } from "../../src/directory/directory.js";
import { DirectoryCache, type DirectoryCacheOptions } from "../../src/directory/directory-cache.js";
import { DirectoryError } from "../../src/directory/errors.js";
import { FeedFollower } from "../../src/directory/feed-follower.js";
import { RecentRevocations } from "../../src/directory/recent-revocations.js";
import { revocationWords } from "../../src/directory/revocation.js";
import { EVERY_REALM } from "../../src/directory/revocation-set.js";
import { Secret } from "../../src/util/secret.js";
import { revocationOf } from "../support/revoke.js";
import {
  applyTo,
  Bench,
  masterKeys,
  NOW,
  putClient,
  putInstance,
  putUser,
  refusal,
  revoke,
  revokeDigest,
  type TestCommand,
} from "./support.js";

const secret = (text: string): Secret => new Secret(text);
const ofInstance = (text: string): DirectoryLack => ({ kind: "instance", secretKey: secret(text) });
const ofClient = (clientId: string, text = "the secret"): DirectoryLack => ({
  kind: "client",
  clientId,
  clientSecret: secret(text),
});
const ofUser = (instanceId: string, userId: string): DirectoryLack => ({ kind: "user", instanceId, userId });
/** Commands that revoke the jtis `j1`, `j2`... in the realm `r`. */
const revokeMany = (count: number): readonly TestCommand[] =>
  Array.from({ length: Math.ceil(count / 1_000) }, (_, page) => ({
    kind: "revoke",
    revocations: Array.from({ length: Math.min(1_000, count - page * 1_000) }, (_, index) =>
      revocationOf({ realm: "r", kind: "jti", value: `j${page * 1_000 + index + 1}` }),
    ),
  }));

/** Makes the store's history another one, as a restored backup does. */
function anotherHistory(bench: Bench): void {
  bench.sql("UPDATE feed_head SET mark = 'another'");
  bench.sql("UPDATE feed SET mark = 'another'");
}

/** A directory that counts its calls, and can make them fail or hold back the answer they have already read. */
class Stage implements DirectoryReads {
  readonly calls: string[] = [];
  fails: DirectoryError | undefined;
  /** Runs after a look-up has read the store and before it returns its answer. */
  meanwhile: (() => Promise<void>) | undefined;

  constructor(readonly under: Directory) {}

  async #run<Value>(name: string, read: () => Promise<Value>, mayWait = false): Promise<Value> {
    this.calls.push(name);
    if (this.fails !== undefined) throw this.fails;
    const value = await read();
    const { meanwhile } = this;
    if (mayWait && meanwhile !== undefined) {
      this.meanwhile = undefined;
      await meanwhile();
    }
    return value;
  }

  instance: Directory["instance"] = (key) => this.#run("instance", () => this.under.instance(key), true);
  client: Directory["client"] = (id) => this.#run("client", () => this.under.client(id), true);
  user: Directory["user"] = (instance, id) => this.#run("user", () => this.under.user(instance, id), true);
  poll: Directory["poll"] = (after, limit) => this.#run("poll", () => this.under.poll(after, limit));
  countRevocations: Directory["countRevocations"] = () => this.#run("revocations", () => this.under.countRevocations());
  revocationPages: Directory["revocationPages"] = () => this.under.revocationPages();
  clockOffset = 0;
  get lookupKeys(): Directory["lookupKeys"] {
    return this.keys ?? this.under.lookupKeys;
  }
  keys: Directory["lookupKeys"] | undefined;
}

describe("the directory cache", () => {
  let bench: Bench;
  let stage: Stage;
  let now: number;
  let known: DirectoryCache;
  const apply = (...commands: readonly TestCommand[]) => applyTo(stage.under, ...commands);
  const isRevoked = (realm: string, jti: string): boolean =>
    known.revocations.revokedUntil(0, revocationWords({ realm, kind: "jti", value: jti })) !== -1;
  const isRevokedDigest = (digest: string): boolean =>
    known.revocations.revokedUntil(1, revocationWords({ realm: "", kind: "digest", value: digest })) !== -1;
  const learn = (lack: DirectoryLack) => known.load(lack, Number.POSITIVE_INFINITY);
  const remember = (options: Partial<DirectoryCacheOptions> = {}) =>
    new DirectoryCache({ directory: stage, clock: () => now, random: () => 0, ...options });

  beforeEach(async () => {
    bench = new Bench();
    stage = new Stage(await bench.open());
    now = NOW;
    known = remember();
    await known.follow();
  });
  afterEach(() => bench.release());

  describe("look-ups", () => {
    beforeEach(async () => {
      await apply(
        putInstance("i", "key one", "key two"),
        putUser("i", "u", { name: "Jane" }),
        putClient("c", "the secret"),
      );
      await known.follow();
    });

    it("a look-up of an entry that was not loaded returns undefined", () => {
      expect(known.instance(secret("key one"))).to.equal(undefined);
      expect(known.client("c", secret("the secret"))).to.equal(undefined);
      expect(known.user("i", "u")).to.equal(undefined);
    });

    it("a look-up of a loaded entry returns the entry", async () => {
      for (const lack of [ofInstance("key one"), ofClient("c"), ofUser("i", "u")]) await learn(lack);
      expect(known.instance(secret("key one"))).to.deep.include({ id: "i", appId: "app of i" });
      expect(known.client("c", secret("the secret"))?.clientId).to.equal("c");
      expect(known.user("i", "u")).to.deep.include({ id: "u", name: "Jane" });
    });

    it("a look-up of an entry known not to exist returns null", async () => {
      for (const lack of [ofInstance("x"), ofClient("x"), ofUser("i", "x"), ofUser("x", "u")]) await learn(lack);
      expect(known.instance(secret("x"))).to.equal(null);
      expect(known.client("x", secret("the secret"))).to.equal(null);
      expect(known.user("i", "x")).to.equal(null);
      expect(known.user("x", "u")).to.equal(null);
    });

    it("one load finds an instance by each of its secret keys", async () => {
      await learn(ofInstance("key one"));
      expect(known.instance(secret("key two"))).to.equal(known.instance(secret("key one")));
    });

    it("an instance's secret keys are HS256 keys in their configured order", async () => {
      await learn(ofInstance("key one"));
      const keys = known.instance(secret("key one"))?.keys ?? [];
      const mac = (key: Parameters<typeof createHmac>[1]) => createHmac("sha256", key).update("x").digest("hex");
      expect(keys.map(({ algorithm, kid }) => [algorithm, kid])).to.deep.equal([
        ["HS256", undefined],
        ["HS256", undefined],
      ]);
      expect(keys.map(({ key }) => mac(key))).to.deep.equal([mac("key one"), mac("key two")]);
    });

    it("a look-up returns the same user object each time", async () => {
      await learn(ofUser("i", "u"));
      expect(known.user("i", "u")).to.equal(known.user("i", "u"));
    });

    it("a look-up of an id or secret that no store can hold returns null without a load", () => {
      for (const text of ["", "\ud800", "a\0", "x".repeat(2_000_000)]) {
        expect(known.instance(secret(text))).to.equal(null);
        expect(known.user("i", text)).to.equal(null);
        expect(known.user(text, "u")).to.equal(null);
        expect(known.client(text, secret("s"))).to.equal(null);
      }
    });
  });

  describe("clients", () => {
    beforeEach(async () => {
      await apply(putClient("c", "the secret"), putClient("d", "the secret of d"));
      await known.follow();
      for (const id of ["c", "d", "nobody"]) await learn(ofClient(id));
    });

    it("a client is refused with a wrong secret and with another client's secret", async () => {
      for (const wrong of ["The secret", "the secret ", "", "the secret of d", "x".repeat(5_000)]) {
        await learn(ofClient("c", wrong));
        expect(known.client("c", secret(wrong)), wrong).to.equal(null);
      }
      expect(known.client("d", secret("the secret of d"))?.clientId).to.equal("d");
    });

    it("each new guess at a client's secret is loaded once, whether the client is cached, exists or does not", async () => {
      await learn(ofClient("c"));
      for (const id of ["c", "d", "nobody"]) {
        const before = stage.calls.length;
        for (const guess of ["guess one", "guess two"]) {
          expect(known.client(id, secret(guess)), `${id}, ${guess}`).to.equal(undefined);
          await learn(ofClient(id, guess));
          expect(known.client(id, secret(guess)), `${id}, ${guess}`).to.equal(null);
        }
        expect(known.client(id, secret("guess one")), id).to.equal(null);
        expect(stage.calls.length - before, id).to.equal(2);
      }
      expect(known.client("c", secret("the secret"))?.clientId).to.equal("c");
    });

    it("a secret that was refused is accepted once it becomes the client's", async () => {
      for (const id of ["c", "later"]) {
        await learn(ofClient(id, "to come"));
        expect(known.client(id, secret("to come"))).to.equal(null);
      }
      await apply(putClient("c", "to come"), putClient("later", "to come"));
      await known.follow();
      for (const id of ["c", "later"]) {
        expect(known.client(id, secret("to come"))).to.equal(undefined);
        await learn(ofClient(id, "to come"));
        expect(known.client(id, secret("to come"))?.clientId).to.equal(id);
      }
      await learn(ofClient("c", "the secret"));
      expect(known.client("c", secret("the secret"))).to.equal(null);
    });

    it("a flood of guesses does not evict cached clients", async () => {
      known = remember({ bounds: { clients: { known: 2, unknown: 3 } } });
      await learn(ofClient("c"));
      for (let n = 0; n < 20; n++) await learn(ofClient("c", `guess ${n}`));
      for (let n = 0; n < 20; n++) await learn(ofClient(`nobody ${n}`));
      expect(known.client("c", secret("the secret"))?.clientId).to.equal("c");
      expect(known.stats().entries.client).to.equal(1);
    });

    it("a client check costs one HMAC over a text of the same length, whether the secret is wrong or the client unknown, and none if the secret was right before", async () => {
      let used = 0;
      const { current } = stage.under.lookupKeys;
      const counted = {
        ...current,
        get key() {
          used += 1;
          return current.key;
        },
      };
      stage.keys = { current: counted, all: [counted], byId: new Map([[counted.id, counted]]) };
      await known.follow();
      for (const id of ["c", "nobody"]) await learn(ofClient(id));
      const cost = (id: string, text: string): number => {
        used = 0;
        known.client(id, secret(text));
        return used;
      };
      expect([
        cost("c", "the secret"),
        cost("c", "wrong"),
        cost("nobody", "the secret"),
        cost("\ud800", "x"),
      ]).to.deep.equal([0, 1, 1, 1]);
      await apply(putClient("c", "another"));
      await known.follow();
      await learn(ofClient("c", "wrong"));
      expect([cost("c", "another"), cost("c", "another"), cost("c", "the secret")]).to.deep.equal([1, 0, 1]);
    });
  });

  describe("master keys in rotation", () => {
    it("entries written under the previous and the current master key are both found and checked", async () => {
      await apply(putInstance("old", "key of old"), putClient("old", "the secret"));
      const directory = await bench.open({ masterKeys: masterKeys(2, 1) });
      await applyTo(directory, putInstance("new", "key of new"), putClient("new", "the secret"));
      known = remember({ directory });
      await known.follow();
      for (const id of ["old", "new"]) {
        await learn(ofInstance(`key of ${id}`));
        await learn(ofClient(id));
        expect(known.instance(secret(`key of ${id}`))?.id).to.equal(id);
        expect(known.client(id, secret("the secret"))?.clientId).to.equal(id);
        await learn(ofClient(id, "wrong"));
        expect(known.client(id, secret("wrong"))).to.equal(null);
      }
    });
  });

  describe("after a change", () => {
    const everything = [
      ofInstance("key of i"),
      ofInstance("key of j"),
      ofInstance("nobody's"),
      ofClient("c"),
      ofClient("d"),
      ofClient("nobody"),
      ofUser("i", "u"),
      ofUser("j", "u"),
      ofUser("i", "nobody"),
    ];
    const state = () => ({
      i: known.instance(secret("key of i"))?.id,
      j: known.instance(secret("key of j"))?.id,
      nobodys: known.instance(secret("nobody's")),
      c: known.client("c", secret("the secret"))?.clientId,
      d: known.client("d", secret("the secret"))?.clientId,
      nobody: known.client("nobody", secret("the secret")),
      iu: known.user("i", "u")?.id,
      ju: known.user("j", "u")?.id,
      iNobody: known.user("i", "nobody"),
    });
    const all = { i: "i", j: "j", nobodys: null, c: "c", d: "d", nobody: null, iu: "u", ju: "u", iNobody: null };
    const dropped = undefined;

    beforeEach(async () => {
      await apply(
        putInstance("i", "key of i"),
        putInstance("j", "key of j"),
        putUser("i", "u"),
        putUser("j", "u"),
        putClient("c", "the secret"),
        putClient("d", "the secret"),
      );
      await known.follow();
      for (const lack of everything) await learn(lack);
      expect(state()).to.deep.equal(all);
    });

    it("entries stay and the position stays until the feed is followed", async () => {
      const before = known.position;
      await apply({ kind: "deleteClient", clientId: "c", expect: "any" });
      expect(state()).to.deep.equal(all);
      expect(known.position).to.equal(before);
      await known.follow();
      expect(known.position).not.to.equal(before);
    });

    for (const [command, gone] of [
      [putInstance("i", "key of i"), { i: dropped, nobodys: dropped, iu: dropped, iNobody: dropped }],
      [
        { kind: "deleteInstance", id: "i", expect: "any" },
        { i: dropped, nobodys: dropped, iu: dropped, iNobody: dropped },
      ],
      [putUser("i", "u", { name: "new" }), { iu: dropped }],
      [putUser("i", "nobody"), { iNobody: dropped }],
      [{ kind: "deleteUser", instanceId: "i", id: "u", expect: "any" }, { iu: dropped }],
      [putClient("c", "a new secret"), { c: dropped }],
      [putClient("nobody", "the secret"), { nobody: dropped }],
      [{ kind: "deleteClient", clientId: "c", expect: "any" }, { c: dropped }],
      [revoke("r", "j"), {}],
      [revokeDigest("d"), {}],
    ] as const satisfies readonly (readonly [TestCommand, object])[]) {
      it(`${command.kind} drops only the entries it touches: ${Object.keys(gone).join(", ") || "nothing"}`, async () => {
        await apply(command);
        await known.follow();
        expect(state()).to.deep.equal({ ...all, ...gone });
      });
    }

    it("a reset drops every entry", async () => {
      await apply(putClient("another", "s"));
      bench.sql("UPDATE feed SET kind = 'reset'");
      await known.follow();
      expect(Object.values(state()).every((value) => value === undefined)).to.equal(true);
    });

    it("another history drops every entry, and loads the revocations again", async () => {
      await apply(revoke("r", "j"));
      await known.follow();
      bench.sql("DELETE FROM revocations");
      anotherHistory(bench);
      await known.follow();
      expect(Object.values(state()).every((value) => value === undefined)).to.equal(true);
      expect(isRevoked("r", "j"), "until they are loaded, the old ones hold").to.equal(true);
      while (known.revocations.size > 0) await nextTurn();
      expect(isRevoked("r", "j")).to.equal(false);
      expect(known.position?.mark).to.equal("another");
    });

    it("revocations that a store lost hold until it has them again, and those of the store hold beside them", async () => {
      const recent = new RecentRevocations(() => now);
      known = remember({ recent });
      await known.follow();
      await apply(revoke("r", "held"), revoke("r", "lost"));
      await known.follow();
      bench.sql("DELETE FROM revocations WHERE value = 'lost'");
      anotherHistory(bench);
      const loads = () => stage.calls.filter((call) => call === "revocations").length;
      const before = loads();
      await known.follow();
      while (loads() === before) await nextTurn();
      for (let turns = 0; turns < 50; turns++) await nextTurn();
      expect([isRevoked("r", "held"), isRevoked("r", "lost")], "while it lacks one").to.deep.equal([true, true]);
      known.endRecovery();
      // A position that is no longer retained is of the same history, which has what it has.
      bench.sql("DELETE FROM feed");
      await known.follow();
      while (isRevoked("r", "lost")) await nextTurn();
      expect(isRevoked("r", "held")).to.equal(true);
    });

    it("falling behind the feed's retention drops every entry", async () => {
      bench.sql("DELETE FROM feed");
      await apply(putClient("e", "s"), putClient("f", "s"));
      bench.sql("DELETE FROM feed WHERE number = 7");
      await known.follow();
      expect(Object.values(state()).every((value) => value === undefined)).to.equal(true);
      await learn(ofClient("e"));
      expect(known.client("e", secret("s"))?.clientId).to.equal("e");
    });

    it("a secret key that moved to another instance finds that instance", async () => {
      const before = known.instance(secret("key of i"));
      await apply(putInstance("i", "another key"), putInstance("j", "key of j", "key of i"));
      await known.follow();
      await learn(ofInstance("key of i"));
      const after = known.instance(secret("key of i"));
      expect(after?.id).to.equal("j");
      expect(after?.keys).not.to.include(before?.keys[0]);
    });

    it("a formerly unknown secret key is found once an instance has it", async () => {
      await apply(putInstance("j", "key of j", "nobody's"));
      await known.follow();
      await learn(ofInstance("nobody's"));
      expect(known.instance(secret("nobody's"))?.id).to.equal("j");
    });

    it("a retired secret key finds no instance, even if its instance was cached by it", async () => {
      await apply(putInstance("i", "the new key of i"));
      await known.follow();
      await learn(ofInstance("the new key of i"));
      expect(known.instance(secret("key of i"))).to.equal(undefined);
      await learn(ofInstance("key of i"));
      expect(known.instance(secret("key of i"))).to.equal(null);
    });

    it("one follow step reads many pages of changes", async () => {
      await apply(...Array.from({ length: 2_500 }, (_, n) => putClient(`many ${n}`, "s")), {
        kind: "deleteClient",
        clientId: "c",
        expect: "any",
      });
      await known.follow();
      expect(state()).to.deep.equal({ ...all, c: dropped });
      expect(known.position?.number).to.equal(2_507);
    });
  });

  describe("an entry read before a change that is followed in the meantime", () => {
    beforeEach(async () => {
      await apply(putInstance("i", "key of i"), putUser("i", "u"), putClient("c", "the secret"));
      await known.follow();
    });

    it("a user who changes during a read is read again", async () => {
      stage.meanwhile = async () => {
        await apply({ kind: "deleteUser", instanceId: "i", id: "u", expect: "any" });
        await known.follow();
      };
      await learn(ofUser("i", "u"));
      expect(known.user("i", "u")).to.equal(null);
      expect(stage.calls.filter((call) => call === "user")).to.have.length(2);
    });

    it("a client who is added during a read is read again", async () => {
      stage.meanwhile = async () => {
        await apply(putClient("new", "the secret"));
        await known.follow();
      };
      await learn(ofClient("new"));
      expect(known.client("new", secret("the secret"))?.clientId).to.equal("new");
    });

    it("an instance whose key is retired during a read is read again", async () => {
      stage.meanwhile = async () => {
        await apply(putInstance("i", "a new key"));
        await known.follow();
      };
      await learn(ofInstance("key of i"));
      expect(known.instance(secret("key of i"))).to.equal(null);
    });

    it("a client is read again if the store is replaced during the read", async () => {
      stage.meanwhile = async () => {
        anotherHistory(bench);
        bench.sql("DELETE FROM clients");
        await known.follow();
      };
      await learn(ofClient("c"));
      expect(known.client("c", secret("the secret"))).to.equal(null);
    });

    it("an entry read before a change is kept until the change is followed, and then dropped", async () => {
      stage.meanwhile = async () => {
        await apply({ kind: "deleteUser", instanceId: "i", id: "u", expect: "any" });
      };
      await learn(ofUser("i", "u"));
      expect(known.user("i", "u")?.id).to.equal("u");
      await known.follow();
      expect(known.user("i", "u")).to.equal(undefined);
    });

    it("an entry read from a new epoch is kept only after that epoch is followed", async () => {
      anotherHistory(bench);
      await learn(ofClient("c"));
      expect(known.client("c", secret("the secret"))?.clientId).to.equal("c");
      expect(known.position?.mark).to.equal("another");
    });

    it("a load fails as unavailable if a change overtakes every read", async () => {
      const overtake = async (): Promise<void> => {
        stage.meanwhile = overtake;
        await apply(putUser("i", "u"));
        await known.follow();
      };
      stage.meanwhile = overtake;
      await refusal(learn(ofUser("i", "u")), "unavailable", /changed each time/);
      expect(known.user("i", "u")).to.equal(undefined);
    });

    it("entries that were read ahead of the feed are dropped if it turns out to be of another history", async () => {
      for (const reached of ["the same number with another mark", "no such number"]) {
        const { head } = await stage.under.poll(undefined, 1);
        const { under } = stage;
        const elsewhere = { number: head.number + 1, mark: "lost" };
        stage.client = async (id) => ({ ...(await under.client(id)), position: elsewhere });
        await learn(ofClient("c"));
        stage.client = (id) => under.client(id);
        expect(known.client("c", secret("the secret"))?.clientId, reached).to.equal("c");
        if (reached !== "no such number") await apply(putUser("i", "u"));
        await known.follow();
        expect(known.client("c", secret("the secret")), reached).to.equal(undefined);
      }
    });

    it("entries that were read ahead of the feed stay once the feed has got there", async () => {
      await apply(putUser("i", "u"));
      await learn(ofClient("c"));
      await known.follow();
      await known.follow();
      expect(known.client("c", secret("the secret"))?.clientId).to.equal("c");
    });

    it("an outdated entry never stays cached, in any order of reads, changes and steps", async function () {
      this.timeout(60_000);
      const step = fc.constantFrom("put", "remove", "follow", "learn", "learn while put", "learn while remove");
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          const put = () => apply(putUser("i", "u"));
          const remove = () =>
            apply(putUser("i", "u"), { kind: "deleteUser", instanceId: "i", id: "u", expect: "any" });
          const followed = (work: () => Promise<unknown>) => async () => {
            await work();
            await known.follow();
          };
          for (const one of steps) {
            if (one === "put") await put();
            if (one === "remove") await remove();
            if (one === "follow") await known.follow();
            if (one === "learn while put") stage.meanwhile = followed(put);
            if (one === "learn while remove") stage.meanwhile = followed(remove);
            if (one.startsWith("learn")) await learn(ofUser("i", "u"));
          }
          await known.follow();
          const remembered = known.user("i", "u");
          if (remembered === undefined) return;
          expect(remembered?.id).to.equal((await stage.under.user("i", "u")).value?.id);
        }),
        { numRuns: 150 },
      );
    });
  });

  describe("key objects", () => {
    const keysOf = async (text: string) => {
      await known.follow();
      await learn(ofInstance(text));
      return known.instance(secret(text))?.keys ?? [];
    };

    it("unchanged secret keys keep their key objects across a reload", async () => {
      await apply(putInstance("i", "one", "two"));
      const [one, two] = await keysOf("one");
      await apply(putInstance("i", "two", "three"));
      const [again, three, ...more] = await keysOf("two");
      expect(again).to.equal(two);
      expect(three).not.to.equal(one);
      expect(more).to.deep.equal([]);
    });

    it("key objects survive a restart of the feed", async () => {
      await apply(putInstance("i", "one"));
      const [one] = await keysOf("one");
      anotherHistory(bench);
      expect((await keysOf("one"))[0]).to.equal(one);
    });

    it("a secret key keeps its key object when it is stored under another master key", async () => {
      await apply(putInstance("i", "one"));
      const rotated = await bench.open({ masterKeys: masterKeys(2, 1) });
      known = remember({ directory: rotated });
      const [one] = await keysOf("one");
      await applyTo(rotated, putInstance("i", "one"));
      expect((await keysOf("one"))[0]).to.equal(one);
    });

    it("the same secret in another instance is another key object", async () => {
      await apply(putInstance("i", "one"));
      const [one] = await keysOf("one");
      await apply({ kind: "deleteInstance", id: "i", expect: "any" }, putInstance("j", "one"));
      expect((await keysOf("one"))[0]).not.to.equal(one);
    });

    it("instances whose ids and digests concatenate to the same text do not share key objects", async () => {
      await apply(putInstance("1", "one"));
      const [one] = await keysOf("one");
      await apply({ kind: "deleteInstance", id: "1", expect: "any" }, putInstance("11", "one"));
      expect((await keysOf("one"))[0]).not.to.equal(one);
    });
  });

  describe("revocations", () => {
    it("a revocation by jti holds in its realm as soon as it is followed", async () => {
      await apply(revoke("r", "j"));
      expect(isRevoked("r", "j")).to.equal(false);
      await known.follow();
      expect(isRevoked("r", "j")).to.equal(true);
      for (const [realm, jti] of [
        ["s", "j"],
        ["r", "k"],
        ["rj", ""],
        ["", "rj"],
      ] as const) {
        expect(isRevoked(realm, jti)).to.equal(false);
      }
    });

    it("a revocation by digest may hold in every realm", async () => {
      expect(isRevokedDigest("d")).to.equal(false);
      await apply(revokeDigest("d"));
      await known.follow();
      for (const realm of ["r", "s"]) expect(known.revocations.selectorsOf(realm)).to.equal(EVERY_REALM);
      expect([isRevokedDigest("d"), isRevokedDigest("e")]).to.deep.equal([true, false]);
    });

    it("a revocation that is taken back holds no longer, and one that is not there cannot be taken back", async () => {
      const selector = { realm: "r", kind: "jti", value: "j" } as const;
      await apply(revoke("r", "j"), revoke("r", "k"));
      await known.follow();
      await apply({ kind: "unrevoke", selectors: [selector], comment: "by mistake" });
      await known.follow();
      expect([isRevoked("r", "j"), isRevoked("r", "k")]).to.deep.equal([false, true]);
      await refusal(apply({ kind: "unrevoke", selectors: [selector] }), "not-found", /no revocation by jti "j"/);
      known = remember();
      await known.follow();
      expect([isRevoked("r", "j"), isRevoked("r", "k")]).to.deep.equal([false, true]);
    });

    it("all revocations are loaded at start", async () => {
      await apply(revoke("r", "j"), revokeDigest("d"));
      known = remember();
      await known.follow();
      expect(isRevoked("r", "j")).to.equal(true);
      expect(isRevokedDigest("d")).to.equal(true);
    });

    it("a long list of revocations is read in many turns, so that other work goes on, and none is lost", async () => {
      const many = 12_345;
      await apply(...revokeMany(many));
      known = remember();
      let turns = 0;
      const others = (): void => {
        turns += 1;
        if (turns === 5) void apply(revoke("r", "meanwhile"));
        waiting = setImmediate(others);
      };
      let waiting = setImmediate(others);
      await known.follow();
      clearImmediate(waiting);
      expect(turns).to.be.greaterThan(20);
      for (const jti of ["j1", "j500", "j501", "j5000", "j5001", `j${many}`]) {
        expect(isRevoked("r", jti), jti).to.equal(true);
      }
      await known.follow();
      expect(isRevoked("r", "meanwhile")).to.equal(true);
    });

    it("revocations are read again if the store's history is replaced while they are read", async () => {
      await apply(...revokeMany(1_000));
      known = remember();
      setImmediate(() => {
        bench.sql("DELETE FROM revocations");
        anotherHistory(bench);
      });
      await known.follow();
      await known.follow();
      expect(known.position?.mark).to.equal("another");
      while (known.revocations.size > 0) await nextTurn();
    });

    it("the memory of a revocation is freed once its token has expired by the policy of its realm", async () => {
      const exp = NOW / 1000 + 60;
      await apply(revoke("r", "j", exp), revokeDigest("d", exp), revoke("r", "for good"));
      known.revocations.setLifetimes(new Map([["r", { clockTolerance: 100 }]]));
      const sizeAt = async (seconds: number): Promise<number> => {
        now = seconds * 1000;
        for (let poll = 0; poll < 20; poll++) await known.follow();
        return known.stats().entries.revocation;
      };
      expect(await sizeAt(exp + 159)).to.equal(3);
      expect(await sizeAt(exp + 230)).to.equal(1);
      expect(isRevoked("r", "for good")).to.equal(true);
    });
  });

  describe("freshness", () => {
    it("the directory is fresh from the first follow step", async () => {
      known = remember();
      expect(known.isFresh(now)).to.equal(false);
      expect(known.position).to.equal(undefined);
      await known.follow();
      expect(known.isFresh(now)).to.equal(true);
    });

    it("freshness ends staleFor after the last successful step", async () => {
      known = remember({ staleFor: 5_000 });
      await known.follow();
      stage.fails = new DirectoryError("unavailable", "The store is away.");
      now += 5_000;
      await refusal(known.follow(), "unavailable", /away/);
      expect(known.isFresh(now)).to.equal(true);
      expect(known.isFresh(now + 1)).to.equal(false);
    });

    it("a realm's own staleFor ends freshness sooner, and never later", () => {
      const at = (age: number, staleFor: number) => known.isFresh(NOW + age, staleFor);
      expect([at(1_000, 1_000), at(1_001, 1_000), at(60_001, 90_000)]).to.deep.equal([true, false, false]);
    });

    it("freshness ends staleFor after a write that the store left unanswered, although it answers reads", async () => {
      let steady = 0;
      let since = Number.POSITIVE_INFINITY;
      const follower = new FeedFollower({
        directory: stage,
        clock: () => now,
        staleFor: 5_000,
        apply: () => {},
        steady: () => steady,
        unansweredSince: () => since,
      });
      since = 100;
      steady = 5_100;
      await follower.follow();
      expect(follower.isFresh(now)).to.equal(true);
      steady = 5_101;
      await follower.follow();
      expect(follower.isFresh(now)).to.equal(false);
      since = Number.POSITIVE_INFINITY;
      expect(follower.isFresh(now)).to.equal(true);
    });

    it("freshness lasts 60 seconds by default", () => {
      expect([known.isFresh(NOW + 60_000), known.isFresh(NOW + 60_001)]).to.deep.equal([true, false]);
    });

    it("freshness ends if the clock is set back further than staleFor", () => {
      expect([known.isFresh(NOW - 60_000), known.isFresh(NOW - 60_001)]).to.deep.equal([true, false]);
    });

    it("freshness returns with the store, and cached entries are up to date again", async () => {
      await apply(putClient("c", "the secret"));
      await known.follow();
      await learn(ofClient("c"));
      stage.fails = new DirectoryError("unavailable", "The store is away.");
      now += 100_000;
      await refusal(known.follow(), "unavailable", /away/);
      await apply({ kind: "deleteClient", clientId: "c", expect: "any" });
      stage.fails = undefined;
      await known.follow();
      expect(known.isFresh(now)).to.equal(true);
      expect(known.client("c", secret("the secret"))).to.equal(undefined);
    });

    it("freshness counts from the start of a step, since the step may miss changes made while it runs", async () => {
      known = remember({ staleFor: 1_000, clock: () => now++ });
      now = NOW;
      await known.follow();
      expect(known.isFresh(NOW + 1_000)).to.equal(true);
      expect(known.isFresh(NOW + 1_001)).to.equal(false);
    });
  });

  describe("loads", () => {
    it("callers waiting for the same entry share one load, and no others do", async () => {
      await Promise.all(
        [
          ofUser("i", "u"),
          ofUser("i", "u"),
          ofUser("iu", ""),
          ofUser("i", "v"),
          ofClient("c"),
          ofClient("c"),
          ofInstance("k"),
          ofInstance("k"),
        ].map(learn),
      );
      expect(stage.calls.filter((call) => call === "user")).to.have.length(3);
      expect(stage.calls.filter((call) => call === "client")).to.have.length(1);
      expect(stage.calls.filter((call) => call === "instance")).to.have.length(1);
    });

    it("a failed load fails for every waiting caller, and the next caller tries again", async () => {
      stage.fails = new DirectoryError("unavailable", "The store is away.");
      const waiting = [learn(ofClient("c")), learn(ofClient("c"))];
      for (const one of waiting) await refusal(one, "unavailable", /away/);
      stage.fails = undefined;
      await learn(ofClient("c", "s"));
      expect(known.client("c", secret("s"))).to.equal(null);
    });

    it("a load follows the feed first if it was never followed", async () => {
      known = remember();
      await learn(ofClient("c", "s"));
      expect(known.client("c", secret("s"))).to.equal(null);
      expect(known.isFresh(now)).to.equal(true);
    });
  });

  describe("bounds", () => {
    const bounds = { known: 3, unknown: 2 };
    beforeEach(async () => {
      known = remember({ bounds: { instances: bounds, clients: bounds, users: bounds } });
      await apply(
        ...[1, 2, 3, 4].flatMap((n) => [
          putInstance(`i${n}`, `key ${n}`, `other key ${n}`),
          putUser(`i${n}`, "u"),
          putClient(`c${n}`, "s"),
        ]),
      );
      await known.follow();
    });

    it("a full cache evicts the least recently used entry", async () => {
      for (const n of [1, 2, 3])
        for (const lack of [ofInstance(`key ${n}`), ofUser(`i${n}`, "u"), ofClient(`c${n}`, "s")]) await learn(lack);
      known.instance(secret("other key 1"));
      known.user("i1", "u");
      known.client("c1", secret("s"));
      for (const lack of [ofInstance("key 4"), ofUser("i4", "u"), ofClient("c4", "s")]) await learn(lack);
      const found = [1, 2, 3, 4].map((n) => [
        known.instance(secret(`key ${n}`))?.id,
        known.instance(secret(`other key ${n}`))?.id,
        known.user(`i${n}`, "u")?.id,
        known.client(`c${n}`, secret("s"))?.clientId,
      ]);
      const gone = [undefined, undefined, undefined, undefined];
      expect(found).to.deep.equal([["i1", "i1", "u", "c1"], gone, ["i3", "i3", "u", "c3"], ["i4", "i4", "u", "c4"]]);
    });

    it("a flood of nonexistent entries does not evict existing ones", async () => {
      for (const n of [1, 2, 3])
        for (const lack of [ofInstance(`key ${n}`), ofUser(`i${n}`, "u"), ofClient(`c${n}`, "s")]) await learn(lack);
      for (let n = 0; n < 50; n++)
        for (const lack of [ofInstance(`x${n}`), ofUser("i1", `x${n}`), ofClient(`x${n}`)]) await learn(lack);
      for (const n of [1, 2, 3]) expect(known.instance(secret(`key ${n}`))?.id).to.equal(`i${n}`);
      expect([known.instance(secret("x47")), known.instance(secret("x48"))]).to.deep.equal([undefined, null]);
    });
  });
});
