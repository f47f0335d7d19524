import { inspect } from "node:util";
import { expect } from "chai";
import { entryCommand } from "../../src/directory/commands.js";
import type { Directory } from "../../src/directory/directory.js";
import { countMissing, loadSeed, readSeed, SeedError } from "../../src/directory/transfer/seed.js";
import { Secret } from "../../src/util/secret.js";
import { BENCHES, type EngineBench, type StoreBench } from "./benches.js";
import { putClient, putInstance, refusal } from "./support.js";

/** The documentation's example, character by character. */
const EXAMPLE = `
instances:
  - id: inst_abc123
    appId: app_xyz789
    secretKeys: [sk_live_0123456789abcdef]
    users:
      - { id: a1b2c3d4-e5f6-7890-abcd-ef1234567890, email: jane@example.com, name: Jane Doe, avatarUrl: "https://...", provider: google }
clients:
  - { clientId: vision-api-user, clientSecret: abcdefghizklmnopponommnshfghzxxs }
`;

/** Returns the place and message of each problem in a text. */
function problems(text: string): string[] {
  try {
    readSeed(text);
  } catch (error) {
    expect(error).to.be.instanceOf(SeedError);
    return (error as SeedError).issues.map(({ place, message }) => `${place}: ${message}`);
  }
  return [];
}

describe("a directory seed", () => {
  it("a seed is read into entries that can be applied in order", () => {
    const entries = readSeed(EXAMPLE);
    expect(entries.map(({ kind }) => kind)).to.deep.equal(["putInstance", "putUser", "putClient"]);
    const [instance, user, client] = entries;
    expect(instance).to.deep.include({ id: "inst_abc123", appId: "app_xyz789" });
    expect(instance?.kind === "putInstance" && instance.secretKeys.map((key) => key.reveal())).to.deep.equal([
      "sk_live_0123456789abcdef",
    ]);
    expect(user).to.deep.equal({
      kind: "putUser",
      instanceId: "inst_abc123",
      id: "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
      email: "jane@example.com",
      name: "Jane Doe",
      avatarUrl: "https://...",
      provider: "google",
    });
    expect(client?.kind === "putClient" && [client.clientId, client.clientSecret.reveal()]).to.deep.equal([
      "vision-api-user",
      "abcdefghizklmnopponommnshfghzxxs",
    ]);
  });

  it("a printed seed shows no secrets", () => {
    expect(inspect(readSeed(EXAMPLE), { depth: 9 })).not.to.match(/0123456789abcdef|abcdefghizkl/);
  });

  it("a seed may be empty or commented out", () => {
    for (const text of ["", "# instances:\n", "{}", "instances: []", "clients: []\ninstances: []"])
      expect(readSeed(text), text).to.deep.equal([]);
  });

  it("a seed may leave out a user's descriptive members or set them to null", () => {
    const [, u, v] = readSeed(
      "instances: [{id: i, appId: a, secretKeys: [0123456789abcdefg], users: [{id: u}, {id: v, email: null, avatarUrl: ~}]}]",
    );
    const nothing = { kind: "putUser", instanceId: "i", email: null, name: null, avatarUrl: null, provider: null };
    expect(u).to.deep.equal({ ...nothing, id: "u" });
    expect(v).to.deep.equal({ ...nothing, id: "v" });
  });

  it("a seed may hold short secrets if they are marked as weak", () => {
    expect(readSeed("clients: [{clientId: c, clientSecret: short, weak: true}]")).to.have.length(1);
    expect(readSeed("instances: [{id: i, appId: a, secretKeys: [short, shorter], weak: true}]")).to.have.length(1);
    expect(problems("clients: [{clientId: c, clientSecret: short, weak: false}]")).to.have.length(1);
  });

  describe("a refused seed", () => {
    const instance = (more: string) => `instances: [{id: i, appId: a, secretKeys: [0123456789abcdefg]${more}}]`;
    const cases: readonly (readonly [what: string, text: string, expected: readonly RegExp[]])[] = [
      [
        "an unknown member",
        "instance: []",
        [/^instance: is not a key that exists here; there are instances, clients - did you mean instances\?$/],
      ],
      [
        "an unknown member of an instance",
        instance(", name: x"),
        [/^instances\[0\]\.name: is not a key .* there are id, appId, secretKeys, weak, users$/],
      ],
      [
        "an unknown member of a user",
        instance(", users: [{id: u, mail: x}]"),
        [/^instances\[0\]\.users\[0\]\.mail: is not a key .*did you mean email/],
      ],
      [
        "an unknown member of a client",
        "clients: [{clientId: c, clientSecret: 0123456789abcdefg, secret: x}]",
        [/^clients\[0\]\.secret: is not a key/],
      ],
      ["a prototype's name as member", "__proto__: {}", [/^__proto__: is not a key/]],
      [
        "a prototype's name as a user's member",
        instance(", users: [{id: u, __proto__: {email: x}}]"),
        [/^instances\[0\]\.users\[0\]\.__proto__: is not a key/],
      ],
      ["a missing member", "clients: [{clientId: c}]", [/^clients\[0\]\.clientSecret: is missing: it must be a text$/]],
      [
        "a number for a text",
        instance(", users: [{id: u}, {id: 12, email: 1}]"),
        [
          /^instances\[0\]\.users\[1\]\.id: must be a text: put it in quotes$/,
          /^instances\[0\]\.users\[1\]\.email: must be a text: put it in quotes$/,
        ],
      ],
      [
        "a boolean for a text",
        "clients: [{clientId: yes, clientSecret: true}]",
        [/^clients\[0\]\.clientSecret: must be a text: put it in quotes$/],
      ],
      [
        "a text for a list",
        "instances: [{id: i, appId: a, secretKeys: sk_live_0123456789abcdef}]",
        [/^instances\[0\]\.secretKeys: must be a list$/],
      ],
      ["a mapping for a list", "clients: {clientId: c}", [/^clients: must be a list$/]],
      ["a list for everything", "- id: i", [/^: the seed must be a mapping with instances and clients$/]],
      ["a text for everything", "instances", [/^: the seed must be a mapping with instances and clients$/]],
      ["null for an entry", "clients: [~]", [/^clients\[0\]: must be a mapping$/]],
      [
        "a text for weak",
        "clients: [{clientId: c, clientSecret: short, weak: 'true'}]",
        [/^clients\[0\]\.weak: must be true or false$/],
      ],
      [
        "binary",
        "clients: [{clientId: !!binary aGVsbG8=, clientSecret: 0123456789abcdefg}]",
        [/^clients\[0\]\.clientId: must be a text$/],
      ],
      [
        "a short secret key",
        "instances: [{id: i, appId: a, secretKeys: [0123456789abcdef, 0123456789abcde]}]",
        [/^instances\[0\]\.secretKeys\[1\]: has fewer than 16 characters.*weak: true/],
      ],
      [
        "a short client secret",
        "clients: [{clientId: c, clientSecret: 0123456789abcde}]",
        [/^clients\[0\]\.clientSecret: has fewer than 16/],
      ],
      [
        "no secret key",
        "instances: [{id: i, appId: a, secretKeys: []}]",
        [/^instances\[0\]: is refused: .*no secret key/],
      ],
      [
        "an id that no store can hold",
        'clients: [{clientId: "a\\0", clientSecret: 0123456789abcdefg}]',
        [/^clients\[0\]: is refused: .*control characters/],
      ],
      [
        "an instance twice",
        "instances: [{id: i, appId: a, secretKeys: [0123456789abcdefg]}, {id: i, appId: b, secretKeys: [0123456789abcdefh]}]",
        [/^instances\[1\]\.id: is the same id as instances\[0\]\.id: give each its own$/],
      ],
      [
        "a client twice",
        "clients: [{clientId: c, clientSecret: 0123456789abcdefg}, {clientId: c, clientSecret: 0123456789abcdefg}]",
        [/^clients\[1\]\.clientId: is the same id as clients\[0\]\.clientId/],
      ],
      [
        "a user twice",
        instance(", users: [{id: u}, {id: v}, {id: u}]"),
        [/^instances\[0\]\.users\[2\]\.id: is the same id as instances\[0\]\.users\[0\]\.id/],
      ],
      [
        "a secret key in two instances",
        "instances: [{id: i, appId: a, secretKeys: [0123456789abcdefg]}, {id: j, appId: b, secretKeys: [0123456789abcdefg]}]",
        [/^instances\[1\]\.secretKeys\[0\]: is the same secret key as instances\[0\]\.secretKeys\[0\]/],
      ],
      [
        "a key of a mapping twice",
        "clients: []\nclients: []",
        [/^line 2, column 1: the mapping has this key already: keep one$/],
      ],
      [
        "a key of a deeper mapping twice",
        "clients:\n  - clientId: c\n    clientId: d\n",
        [/^line 3, column 5: the mapping has this key already/],
      ],
      ["an alias", "clients: &a []\ninstances: *a", [/^line 2, column 12: this is an alias: write out its value/]],
      [
        "a bomb of aliases",
        `a0: &a0 [x]\n${Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`).join("\n")}`,
        [/this is an alias/],
      ],
      ["an unknown tag", "clients: !!js/function 'x'", [/^line 1, column 10: there is no such tag/]],
      ["two documents", "clients: []\n---\nclients: []", [/^line 2, column \d+: a second document begins here/]],
      ["a tab", "clients:\n\t- clientId: c", [/^line 2, column 1: this is indented with a tab/]],
      ["broken YAML", "clients: [", [/^line \d+, column \d+: .* not closed/]],
      ["depth, in flow", "[".repeat(500_000), [/^: the text is nested more than 32 levels deep/]],
      ["depth, in block", "- ".repeat(500_000), [/^: the text is nested more than 32 levels deep/]],
      ["depth, in keys", "? ".repeat(500_000), [/^: the text is nested more than 32 levels deep/]],
      ["more than 1 MiB", `# ${"é".repeat(524_288)}`, [/^: the seed is larger than 1 MiB.*import/]],
    ];
    for (const [what, text, expected] of cases) {
      it(`a seed with ${what} is refused, naming the place and the cure`, () => {
        const found = problems(text);
        for (const [index, pattern] of expected.entries()) expect(found[index]).to.match(pattern);
        if (!what.startsWith("a bomb")) expect(found, found.join("\n")).to.have.length(expected.length);
      });
    }
  });

  it("a seed may be exactly 1 MiB", () => {
    expect(readSeed(`# ${"é".repeat(524_287)}`)).to.deep.equal([]);
  });

  it("all errors of a seed are reported at once", () => {
    const text = `
instances:
  - { id: i, appId: 1, secretKeys: [short], nonsense: 1, users: [{ id: u }, { id: u, email: 3 }] }
  - { id: i, appId: a, secretKeys: [] }
clients: [{ clientId: c }]
other: 1
`;
    const found = problems(text);
    for (const place of [
      "instances[0].appId",
      "instances[0].nonsense",
      "instances[0].users[1].email",
      "instances[0].users[1].id",
      "instances[1].id",
      "clients[0].clientSecret",
      "other",
    ]) {
      expect(
        found.some((problem) => problem.startsWith(`${place}: `)),
        place,
      ).to.equal(true);
    }
    const lengths = problems(
      "clients: [{clientId: c, clientSecret: a}, {clientId: d, clientSecret: b}, {clientId: '', clientSecret: 0123456789abcdefg}]",
    );
    expect(lengths).to.have.length(3);
  });

  it("an error about a seed shows none of its values, secret or not", () => {
    for (const text of [
      "clients: [{clientId: c, clientSecret: hidden}]",
      'clients: [{clientId: c, "hidden" hidden}]',
      "a: b: hidden: c",
      "@hidden",
      "clients: [{clientId: c, clientSecret: [hidden]}]",
      "clients: *hidden",
      "clients: !hidden x",
      "instances: [{id: i, appId: a, secretKeys: ['-----BEGIN hidden-----']}]",
      "instances: [{id: i, appId: a, secretKeys: [hidden, hidden], weak: true}]",
    ]) {
      let thrown: unknown;
      try {
        readSeed(text);
      } catch (error) {
        thrown = error;
      }
      expect(thrown, text).to.be.instanceOf(SeedError);
      expect(inspect(thrown, { depth: 9 }), text).not.to.include("hidden");
    }
  });

  it("each unknown key of a seed's mapping is reported, however many there are", () => {
    const text = Array.from({ length: 5_000 }, (_, n) => `k${n}:`).join("\n");
    expect(problems(text)).to.have.length(5_000);
  });
});

for (const { engine, start } of BENCHES) describe(`loading a seed on ${engine}`, () => specifyLoading(start));

function specifyLoading(start: EngineBench["start"]): void {
  let bench: StoreBench;
  let directory: Directory;
  const head = async () => (await directory.poll(undefined, 1)).head;
  beforeEach(async function () {
    bench = await start(this);
    directory = await bench.open();
  });
  afterEach(() => bench.release());

  it("loading a seed fills an empty store in one change", async () => {
    expect(await loadSeed(directory, readSeed(EXAMPLE), "seed")).to.equal(true);
    expect((await head()).number).to.equal(1);
    expect((await directory.instance(new Secret("sk_live_0123456789abcdef"))).value?.id).to.equal("inst_abc123");
    expect((await directory.user("inst_abc123", "a1b2c3d4-e5f6-7890-abcd-ef1234567890")).value?.name).to.equal(
      "Jane Doe",
    );
    expect((await directory.client("vision-api-user")).value?.clientId).to.equal("vision-api-user");
  });

  it("loading a seed leaves a store alone that was written to before", async () => {
    const before = await directory.apply(
      [entryCommand(putClient("c", "s")), { kind: "deleteClient", clientId: "c", expect: "any" }],
      "tester",
    );
    expect(await loadSeed(directory, readSeed(EXAMPLE), "seed")).to.equal(false);
    expect(await head()).to.deep.equal(before);
  });

  it("loading an empty seed writes nothing, so that a later seed can fill the store", async () => {
    expect(await loadSeed(directory, readSeed(""), "seed")).to.equal(true);
    expect(await directory.isEmpty()).to.equal(true);
  });

  it("loading a seed gives way to another process that seeds first", async () => {
    const isEmpty = async () => {
      const answer = await directory.isEmpty();
      if (answer) await directory.apply([{ kind: "seed", entries: [putInstance("other", "k")] }], "other process");
      return answer;
    };
    const late: Directory = Object.create(directory, { isEmpty: { value: isEmpty } });
    expect(await loadSeed(late, readSeed(EXAMPLE), "seed")).to.equal(false);
    expect((await directory.client("vision-api-user")).value).to.equal(null);
  });

  it("a seed finds no entry missing in the store it filled, and counts entries that differ", async () => {
    const missing = (text: string) => countMissing(directory, readSeed(text));
    expect(await missing(EXAMPLE)).to.equal(3);
    await loadSeed(directory, readSeed(EXAMPLE), "seed");
    expect(await missing(EXAMPLE)).to.equal(0);
    for (const [from, to] of [
      ["app_xyz789", "app_other"],
      ["sk_live_0123456789abcdef", "sk_live_another_secret"],
      ["jane@example.com", "j@example.com"],
      ["abcdefghizklmnopponommnshfghzxxs", "another secret of the client"],
      ["vision-api-user", "unknown-client"],
    ] as const) {
      expect(await missing(EXAMPLE.replace(from, to)), from).to.equal(1);
    }
  });

  it("loading a seed passes on any other error and leaves the store empty", async () => {
    const entries = [putInstance("i", "k"), putInstance("j", "k")];
    await refusal(loadSeed(directory, entries, "seed"), "conflict", /belongs to the instance "i"/);
    expect(await directory.isEmpty()).to.equal(true);
  });
}
