import { expect } from "chai";
import type { Command } from "../../src/directory/commands.js";
import type { Directory } from "../../src/directory/directory.js";
import { Secret } from "../../src/util/secret.js";
import { NOW, putClient, putInstance, putUser, refusal, revoke, revokeDigest } from "./support.js";

/** A store of one engine, for one test. */
export interface EngineBench {
  /** Opens a new connection to the store, like one that another process has. */
  open(options?: { feedRetention?: number; clock?: () => number }): Directory;
  sql<Row = Record<string, unknown>>(text: string): Row[];
  release(): Promise<void>;
}

/** Specifies what every engine does. */
export function specifyDirectory(engine: string, start: () => EngineBench): void {
  describe(`a directory on ${engine}`, () => {
    let bench: EngineBench;
    let directory: Directory;
    const apply = (...commands: readonly Command[]) => directory.apply(commands, "tester");

    beforeEach(() => {
      bench = start();
      directory = bench.open();
    });
    afterEach(() => bench.release());

    describe("when nothing was written", () => {
      it("a new store is empty, at position 0 of its own epoch", async () => {
        expect(await directory.isEmpty()).to.equal(true);
        const { epoch, number } = await directory.position();
        expect(number).to.equal(0);
        expect(epoch).to.match(/^[0-9a-f]{16}$/);
      });

      it("look-ups in a new store find nothing and give the position they read at", async () => {
        const position = await directory.position();
        expect(await directory.instance(new Secret("a"))).to.deep.equal({ value: null, position });
        expect(await directory.client("a")).to.deep.equal({ value: null, position });
        expect(await directory.user("a", "b")).to.deep.equal({ value: null, position });
        expect(await directory.revocations()).to.deep.equal({ value: [], position });
        expect(await directory.changes(position, 10)).to.deep.equal([]);
      });

      it("each store has its own epoch", async () => {
        const other = start();
        expect((await other.open().position()).epoch).not.to.equal((await directory.position()).epoch);
        await other.release();
      });
    });

    describe("commands", () => {
      const instance = putInstance("i", "first secret key", "second secret key");
      const expectations: readonly {
        name: string;
        given: readonly Command[];
        command: Command;
        touched: object;
        audited: object;
      }[] = [
        {
          name: "putInstance",
          given: [],
          command: instance,
          touched: { kind: "instance", instanceId: "i" },
          audited: { instanceId: "i", appId: "app of i", secretKeys: 2 },
        },
        {
          name: "removeInstance",
          given: [instance],
          command: { kind: "removeInstance", id: "i" },
          touched: { kind: "instance", instanceId: "i" },
          audited: { instanceId: "i" },
        },
        {
          name: "putUser",
          given: [instance],
          command: putUser("i", "u", { email: "jane@example.com" }),
          touched: { kind: "user", instanceId: "i", userId: "u" },
          audited: { instanceId: "i", userId: "u" },
        },
        {
          name: "removeUser",
          given: [instance, putUser("i", "u")],
          command: { kind: "removeUser", instanceId: "i", id: "u" },
          touched: { kind: "user", instanceId: "i", userId: "u" },
          audited: { instanceId: "i", userId: "u" },
        },
        {
          name: "putClient",
          given: [],
          command: putClient("c", "the client's secret"),
          touched: { kind: "client", clientId: "c" },
          audited: { clientId: "c" },
        },
        {
          name: "removeClient",
          given: [putClient("c", "the client's secret")],
          command: { kind: "removeClient", clientId: "c" },
          touched: { kind: "client", clientId: "c" },
          audited: { clientId: "c" },
        },
        {
          name: "revoke by jti",
          given: [],
          command: revoke("r", "j", 1_900_000_000),
          touched: { kind: "revocation", revocation: { token: { realm: "r", jti: "j" }, until: 1_900_000_000 } },
          audited: { realm: "r", jti: "j", until: 1_900_000_000 },
        },
        {
          name: "revoke by digest",
          given: [],
          command: revokeDigest("d"),
          touched: { kind: "revocation", revocation: { token: { digest: "d" }, until: null } },
          audited: { digest: "d", until: null },
        },
        {
          name: "seed",
          given: [],
          command: { kind: "seed", entries: [instance, putUser("i", "u"), putClient("c", "the client's secret")] },
          touched: { kind: "reset" },
          audited: { entries: 3 },
        },
      ];

      for (const { name, given, command, touched, audited } of expectations) {
        it(`${name} writes one feed row and one audit row, without any secret or email address`, async () => {
          const before = await apply(...given);
          const after = await apply(command);
          expect(after).to.deep.equal({ epoch: before.epoch, number: before.number + 1 });
          expect(await directory.changes(before, 10)).to.deep.equal([{ ...touched, number: after.number }]);
          const audit = bench.sql<{ subject: string }>("SELECT * FROM audit ORDER BY position");
          expect(audit).to.have.length(after.number);
          const { subject, ...row } = audit.at(-1) ?? { subject: "" };
          expect(row).to.deep.equal({ position: after.number, at: NOW, actor: "tester", command: command.kind });
          expect(JSON.parse(subject)).to.deep.equal(audited);
          const written = JSON.stringify([bench.sql("SELECT * FROM feed"), audit]);
          expect(written).not.to.match(/secret key"|client's secret|jane/);
        });
      }

      it("commands run in order, each at its own position", async () => {
        const start = await directory.position();
        const end = await apply(instance, putUser("i", "u"), { kind: "removeInstance", id: "i" });
        expect(end.number).to.equal(3);
        const changes = await directory.changes(start, 10);
        expect(changes).to.have.length(3);
        expect((await directory.user("i", "u")).value).to.equal(null);
      });

      it("a list of commands runs as a whole or not at all", async () => {
        const start = await apply(instance);
        await refusal(apply(putUser("i", "u"), putUser("nobody", "u")), "not-found", /no instance "nobody"/);
        expect(await directory.position()).to.deep.equal(start);
        expect((await directory.user("i", "u")).value).to.equal(null);
        expect(bench.sql("SELECT * FROM audit")).to.have.length(1);
      });

      it("an empty list of commands changes nothing", async () => {
        expect((await apply()).number).to.equal(0);
        expect(await directory.isEmpty()).to.equal(true);
      });

      it("commands without an actor are refused", async () => {
        await refusal(directory.apply([instance], ""), "invalid", /actor/);
        expect(await directory.isEmpty()).to.equal(true);
      });
    });

    describe("instances", () => {
      it("an instance is found by each of its secret keys, and has all of them in order", async () => {
        const position = await apply(putInstance("i", "key b", "key a", "key c"));
        for (const key of ["key a", "key b", "key c"]) {
          const { value, position: at } = await directory.instance(new Secret(key));
          expect(value?.id).to.equal("i");
          expect(value?.appId).to.equal("app of i");
          expect(value?.secretKeys.map((secret) => secret.reveal())).to.deep.equal(["key b", "key a", "key c"]);
          expect(at).to.deep.equal(position);
        }
      });

      it("putInstance replaces the whole instance and keeps its users", async () => {
        await apply(putInstance("i", "old key", "kept key"), putUser("i", "u"));
        await apply({ ...putInstance("i", "kept key", "new key"), appId: "another app" });
        expect((await directory.instance(new Secret("old key"))).value).to.equal(null);
        const { value } = await directory.instance(new Secret("new key"));
        expect(value?.appId).to.equal("another app");
        expect(value?.secretKeys.map((secret) => secret.reveal())).to.deep.equal(["kept key", "new key"]);
        expect((await directory.user("i", "u")).value?.id).to.equal("u");
      });

      it("removing an instance removes its keys and users for good, even if the instance is put again", async () => {
        await apply(putInstance("i", "a key"), putUser("i", "u"), { kind: "removeInstance", id: "i" });
        expect((await directory.instance(new Secret("a key"))).value).to.equal(null);
        await apply(putInstance("i", "another key"));
        expect((await directory.user("i", "u")).value).to.equal(null);
        expect((await directory.instance(new Secret("a key"))).value).to.equal(null);
      });

      it("a secret key of another instance is refused", async () => {
        await apply(putInstance("i", "the key"));
        await refusal(
          apply(putInstance("j", "its own key", "the key")),
          "conflict",
          /^secretKeys\[1\] of the instance "j" already belongs to the instance "i"\. Give each/,
        );
        expect((await directory.instance(new Secret("its own key"))).value).to.equal(null);
      });

      it("an instance with the same secret key twice is refused", async () => {
        await refusal(apply(putInstance("i", "k", "l", "k")), "conflict", /^secretKeys\[2\] .* twice/);
      });

      it("a secret key that its instance has given up may go to another instance", async () => {
        await apply(putInstance("i", "the key"), putInstance("i", "another"), putInstance("j", "the key"));
        expect((await directory.instance(new Secret("the key"))).value?.id).to.equal("j");
      });

      it("instances whose keys differ only in case, white space or Unicode normal form, or contain SQL, stay distinct", async () => {
        await apply(putInstance("i", "Ab"), putInstance("I", "aB"), putInstance("%' OR 1=1 --", "é"));
        for (const other of ["ab", "Ab ", " Ab", "e\u0301", "%", "' OR 1=1 --"]) {
          expect((await directory.instance(new Secret(other))).value, other).to.equal(null);
        }
        expect((await directory.instance(new Secret("é"))).value?.id).to.equal("%' OR 1=1 --");
      });
    });

    describe("users", () => {
      const jane = { email: "jane@example.com", name: "Jane", avatarUrl: "https://a.example/j", provider: "google" };

      it("a user has the members that were put, and null for absent ones", async () => {
        await apply(
          putInstance("i", "k"),
          putUser("i", "jane", jane),
          putUser("i", "joe", { email: "", name: "a\nb" }),
        );
        expect((await directory.user("i", "jane")).value).to.deep.equal({ instanceId: "i", id: "jane", ...jane });
        expect((await directory.user("i", "joe")).value).to.deep.equal({
          instanceId: "i",
          id: "joe",
          email: "",
          name: "a\nb",
          avatarUrl: null,
          provider: null,
        });
      });

      it("putUser replaces the whole user", async () => {
        await apply(putInstance("i", "k"), putUser("i", "jane", jane), putUser("i", "jane", { name: "J" }));
        const { value } = await directory.user("i", "jane");
        expect(value).to.deep.include({ name: "J", email: null, provider: null });
      });

      it("a user belongs to one instance alone", async () => {
        await apply(putInstance("i", "k"), putInstance("j", "l"), putUser("i", "u"));
        expect((await directory.user("j", "u")).value).to.equal(null);
        await refusal(
          apply({ kind: "removeUser", instanceId: "j", id: "u" }),
          "not-found",
          /no user "u" in the instance "j"/,
        );
        expect((await directory.user("i", "u")).value?.id).to.equal("u");
      });
    });

    describe("clients", () => {
      it("a client has a digest of its secret and not the secret", async () => {
        await apply(putClient("c", "the client's secret"), putClient("d", "the client's secret"));
        const [c, d] = [(await directory.client("c")).value, (await directory.client("d")).value];
        expect(c?.clientId).to.equal("c");
        expect(c?.secretDigest).to.have.length(32);
        expect(Buffer.from(c?.secretDigest ?? [])).not.to.deep.equal(Buffer.from(d?.secretDigest ?? []));
      });

      it("a client is replaced and removed", async () => {
        await apply(putClient("c", "one secret of it"));
        const before = (await directory.client("c")).value?.secretDigest;
        await apply(putClient("c", "other secret of it"));
        expect((await directory.client("c")).value?.secretDigest).not.to.deep.equal(before);
        await apply({ kind: "removeClient", clientId: "c" });
        expect((await directory.client("c")).value).to.equal(null);
      });
    });

    describe("revocations", () => {
      it("revocations come back with all of their members", async () => {
        const position = await apply(
          revoke("r", "j", 1_900_000_000),
          revoke("s", "j"),
          revokeDigest("d", 1_900_000_001),
        );
        const { value, position: at } = await directory.revocations();
        expect(at).to.deep.equal(position);
        expect(value).to.have.deep.members([
          { token: { realm: "r", jti: "j" }, until: 1_900_000_000 },
          { token: { realm: "s", jti: "j" }, until: null },
          { token: { digest: "d" }, until: 1_900_000_001 },
        ]);
      });

      for (const [name, first, second, holds] of [
        ["a later end lengthens", 1_900_000_000, 1_900_000_500, 1_900_000_500],
        ["an earlier end does not shorten", 1_900_000_500, 1_900_000_000, 1_900_000_500],
        ["a revocation without an end lengthens", 1_900_000_000, undefined, null],
        ["an end does not shorten a revocation without one", undefined, 1_900_000_000, null],
      ] as const) {
        it(`a revocation given twice: ${name}`, async () => {
          await apply(
            revoke("r", "j", first),
            revoke("r", "j", second),
            revokeDigest("d", first),
            revokeDigest("d", second),
          );
          const { value } = await directory.revocations();
          expect(value.map(({ until }) => until)).to.deep.equal([holds, holds]);
        });
      }

      it("a write drops revocations that ended at least a day ago", async () => {
        const seconds = NOW / 1000;
        await apply(
          revoke("r", "long over", seconds - 86_400),
          revoke("r", "just over", seconds - 86_399),
          revoke("r", "new"),
        );
        const { value } = await directory.revocations();
        expect(value.map(({ token }) => token.jti)).to.have.members(["just over", "new"]);
      });
    });

    describe("a command about an entry that does not exist", () => {
      for (const [command, message] of [
        [{ kind: "removeInstance", id: "x" }, /no instance "x"/],
        [{ kind: "removeUser", instanceId: "i", id: "x" }, /no user "x" in the instance "i"/],
        [{ kind: "removeClient", clientId: "x" }, /no client "x"/],
        [putUser("x", "u"), /no instance "x"/],
      ] as const) {
        it(`${command.kind} is refused if the entry it names does not exist`, async () => {
          await refusal(apply(command), "not-found", message);
          expect(await directory.isEmpty()).to.equal(true);
        });
      }
    });

    describe("an entry that could not be found again", () => {
      const BAD_IDS = ["", "a\0b", "a\nb", "\u007f", "\ud800", "x".repeat(256)];
      const withId: readonly ((id: string) => Command)[] = [
        (id) => putInstance(id, "a key"),
        (id) => ({ ...putInstance("i", "a key"), appId: id }),
        (id) => putInstance("i", id.length > 255 ? id.repeat(5) : id),
        (id) => putUser(id, "u"),
        (id) => putUser("i", id),
        (id) => putClient(id, "a client's secret"),
        (id) => putClient("c", id.length > 255 ? id.repeat(5) : id),
        (id) => ({ kind: "removeInstance", id }),
        (id) => ({ kind: "removeUser", instanceId: id, id: "u" }),
        (id) => ({ kind: "removeClient", clientId: id }),
        (id) => revoke(id.length > 255 ? id.repeat(5) : id, "j"),
        (id) => revoke("r", id.length > 255 ? id.repeat(5) : id),
        (id) => revokeDigest(id),
        (id) => ({ kind: "seed", entries: [putInstance(id, "a key")] }),
      ];
      it("ids and secrets are refused if they are empty, too long, or have control characters or lone surrogates", async () => {
        for (const id of BAD_IDS) {
          for (const command of withId) await refusal(apply(command(id)), "invalid", /characters of valid Unicode/);
        }
        expect(await directory.isEmpty()).to.equal(true);
      });

      it("a user's descriptive members are refused if they are too long, or have NUL or lone surrogates", async () => {
        for (const text of ["\0", "\ud800", "x".repeat(2049)]) {
          for (const member of ["email", "name", "avatarUrl", "provider"] as const) {
            await refusal(
              apply(putUser("i", "u", { [member]: text })),
              "invalid",
              new RegExp(`The ${member} of the user "u"`),
            );
          }
        }
      });

      it("an instance without a secret key is refused", () =>
        refusal(apply(putInstance("i")), "invalid", /has no secret key/));

      it("a public key given as a secret key is refused, without its text in the error", async () => {
        const { message } = await refusal(
          apply(putInstance("i", '{"kty":"RSA","n":"abc"}')),
          "invalid",
          /"i" is refused/,
        );
        expect(message).not.to.include("abc");
      });

      it("a revocation whose end is not a whole number of seconds is refused", async () => {
        for (const until of [1.5, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
          await refusal(apply(revoke("r", "j", until)), "invalid", /whole number of seconds/);
        }
      });

      it("ids and secrets may have every other character", async () => {
        const odd = "ÿ\u{1F600}\u2028'\"\\%_$?:;--/*";
        await apply(putInstance(odd, odd), putUser(odd, odd), putClient(odd, odd), revoke(odd, odd));
        expect((await directory.instance(new Secret(odd))).value?.id).to.equal(odd);
        expect((await directory.user(odd, odd)).value?.id).to.equal(odd);
        expect((await directory.client(odd)).value?.clientId).to.equal(odd);
        expect((await directory.revocations()).value[0]?.token).to.deep.equal({ realm: odd, jti: odd });
      });
    });

    describe("a seed", () => {
      const seed: Command = { kind: "seed", entries: [putInstance("i", "k"), putClient("c", "s")] };

      it("a seed fills a store that was never written to", async () => {
        await apply(seed);
        expect((await directory.instance(new Secret("k"))).value?.id).to.equal("i");
        expect(await directory.isEmpty()).to.equal(false);
      });

      it("a seed is refused once anything was written, even if it was removed again", async () => {
        await apply(putClient("c", "s"), { kind: "removeClient", clientId: "c" });
        expect(await directory.isEmpty()).to.equal(false);
        await refusal(apply(seed), "conflict", /written to before/);
      });

      it("a seed is loaded as a whole or not at all", async () => {
        const entries = [putInstance("i", "k"), putUser("j", "u")];
        await refusal(apply({ kind: "seed", entries }), "not-found", /no instance "j"/);
        expect(await directory.isEmpty()).to.equal(true);
        expect((await directory.instance(new Secret("k"))).value).to.equal(null);
      });
    });

    describe("the feed", () => {
      it("the feed is read in pages, oldest change first, without gaps", async () => {
        const start = await directory.position();
        for (let n = 0; n < 25; n++) await apply(putClient(`c${n}`, "s"));
        let at = start;
        const seen: string[] = [];
        for (;;) {
          const page = await directory.changes(at, 10);
          if (page === "restart" || page.length === 0) break;
          expect(page[0]?.number).to.equal(at.number + 1);
          for (const change of page) if (change.kind === "client") seen.push(change.clientId);
          at = { epoch: start.epoch, number: page.at(-1)?.number ?? 0 };
        }
        expect(seen).to.deep.equal(Array.from({ length: 25 }, (_, n) => `c${n}`));
        expect(at).to.deep.equal(await directory.position());
      });

      it("the feed answers restart for another epoch, at any position", async () => {
        const { number } = await apply(putClient("c", "s"));
        for (const at of [0, number, number + 1]) {
          expect(await directory.changes({ epoch: "another", number: at }, 10)).to.equal("restart");
        }
      });

      it("the feed answers restart for a position ahead of its own, since the store is then an older copy", async () => {
        const { epoch, number } = await apply(putClient("c", "s"));
        expect(await directory.changes({ epoch, number: number + 1 }, 10)).to.equal("restart");
      });

      it("the feed keeps feedRetention rows, and answers restart to followers further behind", async () => {
        const keeping = bench.open({ feedRetention: 3 });
        const start = await keeping.position();
        for (let n = 0; n < 5; n++) await keeping.apply([putClient(`c${n}`, "s")], "tester");
        expect(await keeping.changes(start, 10)).to.equal("restart");
        expect(await keeping.changes({ ...start, number: 1 }, 10)).to.equal("restart");
        expect(await keeping.changes({ ...start, number: 2 }, 10)).to.have.length(3);
        expect(bench.sql("SELECT * FROM audit"), "the audit is kept whole").to.have.length(5);
      });

      it("a change of an unknown kind, written by a later version, reads as a reset", async () => {
        const start = await apply(putClient("c", "s"));
        bench.sql("INSERT INTO feed (position, kind, touched) VALUES (2, 'galaxy', '{\"id\":1}')");
        bench.sql("UPDATE feed_head SET position = 2");
        expect(await directory.changes(start, 10)).to.deep.equal([{ kind: "reset", number: 2 }]);
      });
    });

    describe("two connections", () => {
      it("two connections see each other's changes at once", async () => {
        const other = bench.open();
        const position = await apply(putInstance("i", "k"));
        expect(await other.instance(new Secret("k"))).to.deep.include({ position });
        expect(await other.position()).to.deep.equal(position);
      });

      it("two connections that take turns to write leave no gap in the positions", async () => {
        const other = bench.open();
        const numbers: number[] = [];
        for (let n = 0; n < 20; n++) {
          const writer = n % 2 === 0 ? directory : other;
          numbers.push((await writer.apply([putClient(`c${n}`, "s")], "tester")).number);
        }
        expect(numbers).to.deep.equal(Array.from({ length: 20 }, (_, n) => n + 1));
      });
    });

    it("a closed directory is unavailable, and may be closed again", async () => {
      await directory.close();
      await directory.close();
      await refusal(directory.position(), "unavailable", /closed/);
      await refusal(apply(putClient("c", "s")), "unavailable", /closed/);
    });
  });
}
