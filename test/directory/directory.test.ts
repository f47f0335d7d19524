import { expect } from "chai";
import type { Command } from "../../src/directory/commands.js";
import type { Directory } from "../../src/directory/directory.js";
import type { ClientRecord } from "../../src/directory/model.js";
import type { Position } from "../../src/directory/position.js";
import type { Revocation } from "../../src/directory/revocation.js";
import { Secret } from "../../src/util/secret.js";
import { revocationOf } from "../support/revoke.js";
import { BENCHES, type StoreBench } from "./benches.js";
import {
  applyTo,
  commandOf,
  headOf,
  NOW,
  putClient,
  putInstance,
  putUser,
  refusal,
  revocationsOf,
  revoke,
  revokeDigest,
  type TestCommand,
} from "./support.js";

const ONE_JTI = revocationOf({ realm: "r", kind: "jti", value: "j" }, 1_900_000_000);
const ONE_DIGEST = revocationOf({ realm: "", kind: "digest", value: "d" });
const OF_MANY = [
  revocationOf({ realm: "r", kind: "subject", value: "s" }, 1_800_000_000),
  revocationOf({ realm: "r", kind: "subject", value: "s", instance: "i" }),
  revocationOf({ realm: "r", kind: "subject", value: "s", issuer: "" }),
  revocationOf({ realm: "r", kind: "all", value: "" }, 1),
];

const flat = ({ selector, ...rest }: Revocation) => ({ ...selector, ...rest });

for (const { engine, start } of BENCHES) {
  describe(`a directory on ${engine}`, () => {
    let bench: StoreBench;
    let directory: Directory;
    const apply = (...commands: readonly TestCommand[]) => applyTo(directory, ...commands);
    const head = () => headOf(directory);
    const changes = async (after: Position, limit: number) => (await directory.poll(after, limit)).changes;
    const revocations = () => revocationsOf(bench);

    beforeEach(async function () {
      bench = await start(this);
      directory = await bench.open();
    });
    afterEach(() => bench.release());

    describe("when nothing was written", () => {
      it("a new store is empty, at position 0 with a mark of its own", async () => {
        expect(await directory.isEmpty()).to.equal(true);
        const { number, mark } = await head();
        expect(number).to.equal(0);
        expect(mark).to.match(/^[\w-]{22}$/);
      });

      it("look-ups in a new store find nothing and give the position they read at", async () => {
        const position = await head();
        expect(await directory.instance(new Secret("a"))).to.deep.equal({ value: null, position });
        expect(await directory.client("a")).to.deep.equal({ value: null, position });
        expect(await directory.user("a", "b")).to.deep.equal({ value: null, position });
        expect(await revocations()).to.deep.equal([]);
        expect(await changes(position, 10)).to.deep.equal([]);
      });
    });

    describe("commands", () => {
      const instance = putInstance("i", "first secret key", "second secret key");
      const expectations: readonly {
        name: string;
        given: readonly TestCommand[];
        command: TestCommand;
        touched: object;
        audited: object;
      }[] = [
        {
          name: "putInstance",
          given: [],
          command: instance,
          touched: { kind: "instance", instanceId: "i" },
          audited: { instanceId: "i", appId: "app of i", secretIds: 2 },
        },
        {
          name: "deleteInstance",
          given: [instance],
          command: { kind: "deleteInstance", id: "i", expect: "any" },
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
          name: "deleteUser",
          given: [instance, putUser("i", "u")],
          command: { kind: "deleteUser", instanceId: "i", id: "u", expect: "any" },
          touched: { kind: "user", instanceId: "i", userId: "u" },
          audited: { instanceId: "i", userId: "u" },
        },
        {
          name: "putClient",
          given: [],
          command: putClient("c", "the client's secret"),
          touched: { kind: "client", clientId: "c" },
          audited: { clientId: "c", secretIds: 1 },
        },
        {
          name: "deleteClient",
          given: [putClient("c", "the client's secret")],
          command: { kind: "deleteClient", clientId: "c", expect: "any" },
          touched: { kind: "client", clientId: "c" },
          audited: { clientId: "c" },
        },
        {
          name: "revoke by jti",
          given: [],
          command: revoke("r", "j", 1_900_000_000),
          touched: { kind: "revoked", revocations: [ONE_JTI] },
          audited: { revocations: [flat(ONE_JTI)] },
        },
        {
          name: "revoke by digest",
          given: [],
          command: revokeDigest("d"),
          touched: { kind: "revoked", revocations: [ONE_DIGEST] },
          audited: { revocations: [flat(ONE_DIGEST)] },
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
          expect(after.number).to.equal(before.number + 1);
          const { number, mark } = after;
          expect(await changes(before, 10)).to.deep.equal([{ ...touched, number, mark }]);
          const audit = await bench.sql<{ subject: string }>("SELECT * FROM audit ORDER BY id");
          expect(audit).to.have.length(after.number);
          const { subject, ...row } = audit.at(-1) ?? { subject: "" };
          expect(row).to.deep.include({ id: number, position: number, actor: "tester", command: command.kind });
          const said = JSON.parse(subject) as Record<string, unknown>;
          if (Array.isArray(said["secretIds"])) said["secretIds"] = said["secretIds"].length;
          delete said["comment"];
          expect(said).to.deep.equal(audited);
          const written = JSON.stringify([await bench.sql("SELECT * FROM feed"), audit]);
          expect(written).not.to.match(/secret key"|client's secret|jane/);
        });
      }

      it("commands run in order, each at its own position", async () => {
        const start = await head();
        const end = await apply(instance, putUser("i", "u"), { kind: "deleteInstance", id: "i", expect: "any" });
        expect(end.number).to.equal(3);
        expect(await changes(start, 10)).to.have.length(3);
        expect((await directory.user("i", "u")).value).to.equal(null);
      });

      it("a list of commands runs as a whole or not at all", async () => {
        const start = await apply(instance);
        await refusal(apply(putUser("i", "u"), putUser("nobody", "u")), "not-found", /no instance "nobody"/);
        expect(await head()).to.deep.equal(start);
        expect((await directory.user("i", "u")).value).to.equal(null);
        expect(await bench.sql("SELECT * FROM audit")).to.have.length(1);
      });

      it("an empty list of commands changes nothing", async () => {
        expect((await apply()).number).to.equal(0);
        expect(await directory.isEmpty()).to.equal(true);
      });

      it("commands without an actor are refused", async () => {
        await refusal(directory.apply([commandOf(instance)], ""), "invalid", /actor/);
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
          expect(value?.secretKeys.map(({ secret }) => secret.reveal())).to.deep.equal(["key b", "key a", "key c"]);
          expect(at).to.deep.equal(position);
        }
      });

      it("putInstance replaces the whole instance and keeps its users", async () => {
        await apply(putInstance("i", "old key", "kept key"), putUser("i", "u"));
        await apply({ ...putInstance("i", "kept key", "new key"), appId: "another app" });
        expect((await directory.instance(new Secret("old key"))).value).to.equal(null);
        const { value } = await directory.instance(new Secret("new key"));
        expect(value?.appId).to.equal("another app");
        expect(value?.secretKeys.map(({ secret }) => secret.reveal())).to.deep.equal(["kept key", "new key"]);
        expect((await directory.user("i", "u")).value?.id).to.equal("u");
      });

      it("removing an instance removes its keys and users for good, even if the instance is put again", async () => {
        await apply(putInstance("i", "a key"), putUser("i", "u"), { kind: "deleteInstance", id: "i", expect: "any" });
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
          apply({ kind: "deleteUser", instanceId: "j", id: "u", expect: "any" }),
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
        const digest = ({ secrets: [secret] }: ClientRecord) => Buffer.from(secret?.digest ?? []);
        expect(c && digest(c)).to.have.length(32);
        expect(c && digest(c)).not.to.deep.equal(d && digest(d));
      });

      it("a client is replaced and removed", async () => {
        await apply(putClient("c", "one secret of it"));
        const before = (await directory.client("c")).value?.secrets[0]?.digest;
        await apply(putClient("c", "other secret of it"));
        expect((await directory.client("c")).value?.secrets[0]?.digest).not.to.deep.equal(before);
        await apply({ kind: "deleteClient", clientId: "c", expect: "any" });
        expect((await directory.client("c")).value).to.equal(null);
      });
    });

    describe("revocations", () => {
      it("revocations come back with all of their members", async () => {
        await apply(revoke("r", "j", 1_900_000_000), revoke("s", "j"), revokeDigest("d", 1_900_000_001), {
          kind: "revoke",
          revocations: OF_MANY,
        });
        const value = await revocations();
        expect(value).to.have.deep.members([
          ONE_JTI,
          { selector: { realm: "s", kind: "jti", value: "j" }, issuedBefore: null, exp: null },
          { ...ONE_DIGEST, exp: 1_900_000_001 },
          ...OF_MANY,
        ]);
      });

      for (const [name, first, second, holds] of [
        ["a later end lengthens", 1_900_000_000, 1_900_000_500, 1_900_000_500],
        ["an earlier end does not shorten", 1_900_000_500, 1_900_000_000, 1_900_000_500],
        ["a revocation without an end lengthens", 1_900_000_000, null, null],
        ["an end does not shorten a revocation without one", null, 1_900_000_000, null],
      ] as const) {
        it(`a revocation given twice: ${name}`, async () => {
          await apply(
            revoke("r", "j", first),
            revoke("r", "j", second),
            revokeDigest("d", first),
            revokeDigest("d", second),
          );
          const value = await revocations();
          expect(value.map(({ exp }) => exp)).to.deep.equal([holds, holds]);
        });
      }
    });

    describe("a command about an entry that does not exist", () => {
      for (const [command, message] of [
        [{ kind: "deleteInstance", id: "x", expect: "any" }, /no instance "x"/],
        [{ kind: "deleteUser", instanceId: "i", id: "x", expect: "any" }, /no user "x" in the instance "i"/],
        [{ kind: "deleteClient", clientId: "x", expect: "any" }, /no client "x"/],
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
      const withId: readonly ((id: string) => TestCommand)[] = [
        (id) => putInstance(id, "a key"),
        (id) => ({ ...putInstance("i", "a key"), appId: id }),
        (id) => putInstance("i", id.length > 255 ? id.repeat(5) : id),
        (id) => putUser(id, "u"),
        (id) => putUser("i", id),
        (id) => putClient(id, "a client's secret"),
        (id) => putClient("c", id.length > 255 ? id.repeat(5) : id),
        (id) => ({ kind: "deleteInstance", id, expect: "any" }),
        (id) => ({ kind: "deleteUser", instanceId: id, id: "u", expect: "any" }),
        (id) => ({ kind: "deleteClient", clientId: id, expect: "any" }),
        (id) => revoke(id.length > 255 ? id.repeat(5) : id, "j"),
        (id) => revoke("r", id.length > 255 ? id.repeat(5) : id),
        (id) => revokeDigest(id.length > 255 ? id.repeat(5) : id),
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

      it("a revocation whose time is not a whole number of seconds is refused", async () => {
        for (const time of [1.5, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
          await refusal(apply(revoke("r", "j", time)), "invalid", /whole number of seconds/);
        }
      });

      const subject = { realm: "r", kind: "subject", value: "s" } as const;
      for (const [what, revocation, message] of [
        ["by jti with a time of issue", { ...ONE_JTI, issuedBefore: 1 }, /Leave the time of issue out/],
        ["by subject with an expiry", { selector: subject, issuedBefore: 1, exp: 1 }, /Leave it out/],
        [
          "of all tokens without a time",
          { selector: { ...subject, kind: "all", value: "" }, issuedBefore: null, exp: null },
          /Give one/,
        ],
        [
          "of all tokens with a value",
          { selector: { ...subject, kind: "all" }, issuedBefore: 1, exp: null },
          /Leave it out/,
        ],
        [
          "by subject in every realm",
          { selector: { ...subject, realm: "" }, issuedBefore: 1, exp: null },
          /realm of a revocation/,
        ],
        [
          "of an instance and an issuer",
          { selector: { ...subject, instance: "i", issuer: "x" }, issuedBefore: 1, exp: null },
          /Give one/,
        ],
        [
          "of an instance of an instance",
          { selector: { ...subject, kind: "instance", instance: "i" }, issuedBefore: 1, exp: null },
          /Give one/,
        ],
      ] as const) {
        it(`a revocation ${what} is refused`, async () => {
          await refusal(apply({ kind: "revoke", revocations: [revocation] }), "invalid", message);
        });
      }

      it("a command revokes 1 to 1,000 selectors, and takes as many back, all or none", async () => {
        const many = Array.from({ length: 1_001 }, (_, index) => ({ ...subject, value: `s${index}` }));
        const of = (selectors: typeof many): TestCommand => ({
          kind: "revoke",
          revocations: selectors.map((selector) => ({ selector, issuedBefore: 1, exp: null })),
        });
        for (const length of [0, 1_001]) {
          const selectors = many.slice(0, length);
          await refusal(apply(of(selectors)), "invalid", /Give 1 to 1000/);
          await refusal(apply({ kind: "unrevoke", selectors }), "invalid", /Give 1 to 1000/);
        }
        const selectors = many.slice(0, 1_000);
        await apply(of(selectors));
        expect(await revocations()).to.have.length(1_000);
        await refusal(apply({ kind: "unrevoke", selectors: many.slice(1, 1_001) }), "not-found", /"s1000"/);
        expect(await revocations()).to.have.length(1_000);
        await apply({ kind: "unrevoke", selectors });
        expect(await revocations()).to.have.length(0);
      });

      it("ids and secrets may have every other character", async () => {
        const odd = "ÿ\u{1F600}\u2028'\"\\%_$?:;--/*";
        await apply(putInstance(odd, odd), putUser(odd, odd), putClient(odd, odd), revoke(odd, odd));
        expect((await directory.instance(new Secret(odd))).value?.id).to.equal(odd);
        expect((await directory.user(odd, odd)).value?.id).to.equal(odd);
        expect((await directory.client(odd)).value?.clientId).to.equal(odd);
        expect((await revocations())[0]?.selector).to.deep.equal({
          realm: odd,
          kind: "jti",
          value: odd,
        });
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
        await apply(putClient("c", "s"), { kind: "deleteClient", clientId: "c", expect: "any" });
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
      let start: Position;
      beforeEach(async () => {
        start = await head();
      });

      it("the feed is read in pages, oldest change first, without gaps", async () => {
        for (let n = 0; n < 25; n++) await apply(putClient(`c${n}`, "s"));
        let at = start;
        const seen: string[] = [];
        for (;;) {
          const page = await changes(at, 10);
          if (page === "restart" || page.length === 0) break;
          expect(page[0]?.number).to.equal(at.number + 1);
          for (const change of page) if (change.kind === "client") seen.push(change.clientId);
          const { number, mark } = page.at(-1) ?? at;
          at = { number, mark };
        }
        expect(seen).to.deep.equal(Array.from({ length: 25 }, (_, n) => `c${n}`));
        expect(at).to.deep.equal(await head());
      });

      it("each commit has a mark of its own, and its changes share it", async () => {
        await apply(putClient("c", "s"), putClient("d", "s"));
        await apply(putClient("e", "s"));
        const read = await changes(start, 10);
        const marks = read === "restart" ? [] : read.map(({ mark }) => mark);
        expect(marks[0]).to.equal(marks[1]);
        expect(new Set([start.mark, ...marks])).to.have.property("size", 3);
      });

      it("the feed answers restart for a position of another history, whatever its number", async () => {
        const { number } = await apply(putClient("c", "s"));
        for (const at of [0, number, number + 1]) {
          expect(await changes({ number: at, mark: "another" }, 10)).to.equal("restart");
        }
      });

      it("the feed answers restart for a position ahead of its own, since the store is then an older copy", async () => {
        const { number, mark } = await apply(putClient("c", "s"));
        expect(await changes({ number: number + 1, mark }, 10)).to.equal("restart");
      });

      it("maintenance keeps feedRetention rows and those of the last hour, and the whole audit", async () => {
        let now = NOW;
        const keeping = await bench.open({ feedRetention: 3, clock: () => now });
        const at: Position[] = [];
        for (let n = 0; n < 5; n++) at.push(await applyTo(keeping, putClient(`c${n}`, "s")));
        await keeping.maintain();
        expect(await changes(start, 10), "within the hour").to.have.length(5);
        now += 3 * 3_600_000;
        await keeping.maintain();
        const from = async (position: Position | undefined) => (await keeping.poll(position, 10)).changes;
        expect(await from(start)).to.equal("restart");
        expect(await from(at[1])).to.equal("restart");
        expect(await from(at[2])).to.have.length(2);
        expect(await bench.sql("SELECT * FROM audit")).to.have.length(5);
      });

      it("a change of an unknown kind, written by a later version, reads as a reset", async () => {
        await apply(putClient("c", "s"));
        await bench.sql("UPDATE feed SET kind = 'galaxy', touched = '{\"id\":1}' WHERE number = 1");
        const { number, mark } = await head();
        expect(await changes(start, 10)).to.deep.equal([{ kind: "reset", number, mark }]);
      });

      for (const [what, statement, code, message] of [
        [
          "that was moved",
          "UPDATE store SET moved_to = 'db.example:5432/v'",
          "unusable",
          /copied to db\.example:5432\/v/,
        ],
        [
          "that only later versions may read",
          "UPDATE feed_head SET min_reader = 99",
          "unusable",
          /Update this process/,
        ],
      ] as const) {
        it(`a store ${what} is not read`, async () => {
          await bench.sql(statement);
          await refusal(directory.poll(start, 10), code, message);
        });
      }

      it("a store that only later versions may write is read and not written", async () => {
        await bench.sql("UPDATE feed_head SET min_writer = 99");
        expect(await changes(start, 10)).to.deep.equal([]);
        await refusal(apply(putClient("c", "s")), "unusable", /only read the store/);
      });
    });

    describe("two connections", () => {
      it("two connections see each other's changes at once", async () => {
        const other = await bench.open();
        const position = await apply(putInstance("i", "k"));
        expect(await other.instance(new Secret("k"))).to.deep.include({ position });
        expect(await headOf(other)).to.deep.equal(position);
      });

      it("two connections that take turns to write leave no gap in the positions", async () => {
        const other = await bench.open();
        const numbers: number[] = [];
        for (let n = 0; n < 20; n++) {
          const writer = n % 2 === 0 ? directory : other;
          numbers.push((await applyTo(writer, putClient(`c${n}`, "s"))).number);
        }
        expect(numbers).to.deep.equal(Array.from({ length: 20 }, (_, n) => n + 1));
      });
    });

    it("a closed directory is unavailable, and may be closed again", async () => {
      await directory.close();
      await directory.close();
      await refusal(directory.poll(undefined, 1), "unavailable", /closed/);
      await refusal(apply(putClient("c", "s")), "unavailable", /closed/);
    });
  });
}
