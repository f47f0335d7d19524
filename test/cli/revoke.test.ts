import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect } from "chai";
import { tokenContentDigest } from "../../src/verifier/revocation.js";
import { makeToken } from "../support/token.js";
import { configuration, folderOf, run, seeded } from "./harness.js";

// `revoke` and `unrevoke` as a user runs them; what they accept is specified in test/verifier/revocation-request.test.ts.

const TEXT =
  configuration() +
  "  several: { algorithms: [ES256], issuer: [https://a.example, https://b.example], audience: null, keys: [{ pemFile: ./partner.pem }] }\n";
const CONFIG = ["--config", "verifier.yaml"];
const TIME = "2027-01-15T08:00:00Z";

describe("revoke and unrevoke", () => {
  let folder: string;
  let token: string;
  before(async () => {
    folder = folderOf(TEXT);
    await seeded(folder);
    token = makeToken({
      key: "p256",
      header: { alg: "ES256" },
      claims: { iss: "https://issuer.example", exp: 4_102_444_800 },
    });
    writeFileSync(join(folder, "token.txt"), `${token}\n`);
  });
  const revoke = (realm: string, ...args: readonly string[]) =>
    run(["revoke", ...CONFIG, "-r", realm, ...args], folder);

  /** What the audit says last. */
  const audited = (): { command: string; subject: Record<string, unknown> } => {
    const db = new Database(join(folder, "verifier.db"), { readonly: true });
    try {
      const { command, subject } = db
        .prepare<[], { command: string; subject: string }>("SELECT command, subject FROM audit ORDER BY position DESC")
        .get()!;
      return { command, subject: JSON.parse(subject) };
    } finally {
      db.close();
    }
  };

  const PAST = ["--issued-before", "2020-01-31T12:00:00Z"];
  for (const [realm, args, object, text] of [
    [
      "partner",
      ["--jti", "j", "--exp", "2100-01-01T00:00:00Z"],
      { kind: "jti", value: "j", exp: "2100-01-01T00:00:00Z" },
      "revoked jti j in the realm partner, until it expires at 2100-01-01T00:00:00Z",
    ],
    [
      "partner",
      ["--jti", "j"],
      { kind: "jti", value: "j" },
      "revoked jti j in the realm partner, until it is taken back with unrevoke",
    ],
    [
      "partner",
      ["--subject", "jane", ...PAST],
      {
        kind: "subject",
        value: "jane",
        issuedBefore: "2020-01-31T12:00:00Z",
        acceptedFrom: "2020-01-31T12:00:01Z",
      },
      "revoked subject jane in the realm partner, issued until 2020-01-31T12:00:00Z; tokens issued from 2020-01-31T12:00:01Z on are accepted",
    ],
    [
      "partner",
      ["--session", "s", "--ban"],
      { kind: "session", value: "s" },
      "revoked session s in the realm partner, until it is taken back with unrevoke",
    ],
    [
      "several",
      ["--client", "c", "--issuer", "https://a.example", "--ban"],
      { kind: "client", value: "c", issuer: "https://a.example" },
      "revoked client c of the issuer https://a.example in the realm several, until it is taken back with unrevoke",
    ],
    [
      "partner",
      ["--key", "kid"],
      { kind: "key", value: "kid" },
      "revoked key kid in the realm partner, until it is taken back with unrevoke",
    ],
    [
      "partner",
      ["--all", "--issued-before", "1580472000"],
      {
        kind: "all",
        value: "",
        issuedBefore: "2020-01-31T12:00:00Z",
        acceptedFrom: "2020-01-31T12:00:01Z",
      },
      "revoked all tokens in the realm partner, issued until 2020-01-31T12:00:00Z; tokens issued from 2020-01-31T12:00:01Z on are accepted",
    ],
    [
      "clowk",
      ["--instance", "inst_abc123", "--ban"],
      { kind: "instance", value: "inst_abc123" },
      "revoked instance inst_abc123 in the realm clowk, until it is taken back with unrevoke",
    ],
    [
      "clowk",
      ["--jti", "j", "--instance", "inst_abc123"],
      { kind: "jti", value: "j", instance: "inst_abc123" },
      "revoked jti j of the instance inst_abc123 in the realm clowk, until it is taken back with unrevoke",
    ],
  ] as const) {
    it(`revoke ${args.join(" ")} in ${realm} prints what was revoked, as text and as JSON, and unrevoke takes it back`, async () => {
      const plain = await revoke(realm, ...args, "--comment", "why not");
      expect(plain).to.include({ code: 0, stdout: `${text}\n`, stderr: "" });
      const { command, subject } = audited();
      expect(command).to.equal("revoke");
      expect(subject).to.include({ comment: "why not" });
      const json = await revoke(realm, ...args, "--json");
      const full = { realm, issuedBefore: null, exp: null, acceptedFrom: null, ...object };
      expect(JSON.parse(json.stdout)).to.deep.equal(full);

      const selecting = args.filter(
        (arg, index) =>
          !/^--(exp|issued-before|ban)$/.test(arg) && !/^--(exp|issued-before)$/.test(args[index - 1] ?? ""),
      );
      const takeBack = (): ReturnType<typeof run> =>
        run(["unrevoke", ...CONFIG, "-r", realm, ...selecting, "--comment", "by mistake", "--json"], folder);
      const taken = await takeBack();
      expect(taken.code, taken.stderr).to.equal(0);
      const { issuedBefore: _issued, exp: _exp, acceptedFrom: _from, ...selector } = full;
      expect(JSON.parse(taken.stdout)).to.deep.equal(selector);
      expect(audited()).to.deep.equal({
        command: "unrevoke",
        subject: { selectors: [selector], comment: "by mistake" },
      });
      const again = await takeBack();
      expect(again.code).to.equal(2);
      expect(JSON.parse(again.stderr).error.code).to.equal("DIRECTORY_NOT_FOUND");
    });
  }

  it("revoke --token takes the expiry from the token, from a file and from standard input", async () => {
    const made = {
      realm: "partner",
      kind: "digest",
      value: tokenContentDigest(token),
      issuedBefore: null,
      exp: "2100-01-01T00:00:00Z",
      acceptedFrom: null,
    };
    const fromFile = await revoke("partner", "--token", "token.txt", "--json");
    expect(JSON.parse(fromFile.stdout)).to.deep.equal(made);
    const args = ["revoke", ...CONFIG, "-r", "partner", "--token", "-", "--json"];
    const fromInput = await run(args, folder, readFileSync(join(folder, "token.txt"), "utf8"));
    expect(JSON.parse(fromInput.stdout)).to.deep.equal(made);
  });

  for (const [what, command, args, words] of [
    [
      "no selector",
      "revoke",
      [],
      "Give one of --jti, --token, --subject, --session, --client, --key, --all, or --instance alone.",
    ],
    ["two selectors", "revoke", ["--jti", "j", "--subject", "s"], "Give one of --jti, --token"],
    [
      "a text that is no time",
      "revoke",
      ["--all", "--issued-before", "soon"],
      "--issued-before must be a time such as",
    ],
    ["a time ahead", "revoke", ["--all", "--issued-before", "2999-01-01"], "is more than a minute ahead of now"],
    [
      "a token that has expired",
      "revoke",
      ["--jti", "j", "--exp", TIME.replace("2027", "2020")],
      "it is refused without a revocation",
    ],
    ["an unknown realm", "revoke", ["-r", "nope", "--jti", "j"], 'There is no realm "nope". Give one of: '],
    ["a file without a token", "revoke", ["--token", "verifier.yaml"], "This is no token. Give three parts"],
    [
      "an unknown instance",
      "revoke",
      ["-r", "clowk", "--instance", "inst_nope"],
      "There is no instance inst_nope in the directory. Check the id.",
    ],
    ["the option that was until", "revoke", ["--jti", "j", "--until", TIME], "unknown option '--until'"],
    ["no comment", "unrevoke", ["--jti", "j"], "Say with --comment why"],
    [
      "what was not revoked",
      "unrevoke",
      ["--jti", "x", "--comment", "c"],
      'There is no revocation by jti "x" in the realm "partner"',
    ],
  ] as const) {
    it(`${command} refuses ${what}, and says what to give`, async () => {
      const realm = (args as readonly string[]).includes("-r") ? [] : ["-r", "partner"];
      const { code, stdout, stderr } = await run([command, ...CONFIG, ...realm, ...args], folder);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
      expect(stderr).to.include(words);
    });
  }
});
