import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { keyOf } from "../support/keys.js";
import {
  COMMAND,
  configuration,
  type Ended,
  emptyFolder,
  end,
  folderOf,
  type Process,
  run,
  SEED,
  serving,
  shell,
} from "./harness.js";

// verify, mint and check as a user runs them.

const CONFIG = ["--config", "verifier.yaml"];
const CALLERS: Readonly<Record<string, readonly string[]>> = {
  integuru: [],
  clowk: ["--secret-key-file", "instance.key"],
  fiserv: ["--client-id", "vision-api-user", "--client-secret-file", "client.secret"],
  partner: [],
};

const json = ({ stdout }: Ended): any => JSON.parse(stdout);

describe("the command line", () => {
  let folder: string;
  before(() => {
    folder = folderOf();
  });
  const mint = async (realm: string, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(["mint", "--realm", realm, ...CONFIG, ...args], folder);
    expect(code, stderr).to.equal(0);
    return stdout.trim();
  };
  const verify = (realm: string, token: string, ...args: string[]): Promise<Ended> =>
    run(["verify", "--realm", realm, ...CONFIG, ...(CALLERS[realm] ?? []), ...args, "-"], folder, token);

  describe("mint | verify -", () => {
    let service: Process;
    let address: string;
    before(async () => {
      ({ service, grpc: address } = await serving(folder));
    });
    after(() => end(service));

    for (const [realm, caller] of Object.entries(CALLERS)) {
      it(`a token minted for ${realm} is verified offline and by the running service`, async () => {
        for (const where of ["--config verifier.yaml", `--address ${address}`]) {
          const line = `${COMMAND} mint --realm ${realm} --config verifier.yaml | ${COMMAND} verify --realm ${realm} ${where} ${caller.join(" ")} -`;
          const { code, stdout, stderr } = await shell(line, folder);
          expect({ code, stderr }, stdout).to.deep.equal({ code: 0, stderr: "" });
          expect(stdout).to.match(/^verified\nalgorithm {2}[A-Z0-9]+\n/);
        }
      });
    }

    it("verify --explain --json gives the same result from the service and offline", async () => {
      const token = await mint("partner");
      const [offline, online] = await Promise.all([
        verify("partner", token, "--explain", "--json"),
        run(["verify", "--realm", "partner", "--address", address, "--explain", "--json", token], folder),
      ]);
      expect([offline.code, online.code]).to.deep.equal([0, 0]);
      // The two are not asked within the same second, and an hour less a second is written in minutes.
      const [a, b] = [offline, online].map(({ stdout }) => JSON.parse(stdout.replace(/\d+ \w+ (from now|ago)/g, "$1")));
      for (const one of [a, b]) delete one.verified.evidence;
      expect(a).to.deep.equal(b);
      expect(a.verified.token).to.include({ issuer: "https://issuer.example", algorithm: "ES256", keyId: "p1" });
      expect(a.checks.map(({ result }: { result: string }) => result)).to.satisfy((results: string[]) =>
        results.every((one) => /PASSED|SKIPPED/.test(one)),
      );
    });

    it("verify without a caller for a realm that needs one exits with 2 and says CALLER_MISSING", async () => {
      const { code, stderr } = await run(["verify", "--realm", "clowk", "--address", address, "x.y.z"], folder);
      expect(code).to.equal(2);
      expect(stderr).to.match(/^no verdict: CALLER_MISSING\n/);
    });
  });

  describe("verify", () => {
    it("verify without a store says so, uses the seed, and makes no store", async () => {
      const own = folderOf();
      const token = (await run(["mint", "--realm", "clowk", ...CONFIG], own)).stdout;
      const asked = ["verify", "--realm", "clowk", ...CONFIG, ...(CALLERS["clowk"] ?? []), "-"];
      const { code, stderr } = await run(asked, own, token);
      expect(code, stderr).to.equal(0);
      expect(stderr).to.equal(
        `There is no store at ${join(own, "verifier.db")} yet: only the seed's callers and users are known, and no token is revoked.\n`,
      );
      expect(await run([...asked, "--json"], own, token)).to.include({ code: 0, stderr: "" });
      expect(readdirSync(own).filter((name) => name.startsWith("verifier.db"))).to.deep.equal([]);
    });

    it("verify exits with 1 for a rejected token, and prints the reason and the claim", async () => {
      const token = await mint("partner", "--claim", "iss=https://elsewhere.example");
      const { code, stdout, stderr } = await verify("partner", token);
      expect({ code, stderr }).to.deep.equal({ code: 1, stderr: "" });
      expect(stdout).to.match(/^rejected: ISSUER_MISMATCH \(iss\)\n\S.+\n$/);
      expect(json(await verify("partner", token, "--json"))).to.deep.include({
        rejected: {
          reason: "ISSUER_MISMATCH",
          claim: "iss",
          message: json(await verify("partner", token, "--json")).rejected.message,
          signatureVerified: true,
        },
      });
    });

    it("--explain prints a line for each check with what it found", async () => {
      const token = await mint("partner", "--claim", "token_use=refresh");
      const { code, stdout } = await verify("partner", token, "--explain");
      expect(code).to.equal(1);
      expect(stdout).to.match(/^rejected: CLAIM_MISMATCH \(token_use\)\n/);
      const [head = "", ...checks] = stdout.split("\n\n")[1]?.trimEnd().split("\n") ?? [];
      expect(checks.length).to.be.above(5);
      const [claim, found] = [head.indexOf("claim"), head.indexOf("what it found")];
      expect(head.slice(0, claim).trim()).to.equal("check");
      for (const line of checks) {
        expect(line).to.match(/^(pass|FAIL|skip) {2}\S+/);
        // Each column begins below its heading.
        for (const at of [claim, found]) expect(line.slice(at - 2, at).trim(), line).to.equal("");
        expect(line[claim], line).to.match(/\S/);
      }
      expect(checks.find((line) => line.startsWith("FAIL"))?.slice(claim)).to.match(
        /^token_use +The claim .* "refresh"/,
      );
      expect(checks.filter((line) => line.startsWith("FAIL"))).to.have.length(1);
    });

    it("--explain shows no claims of a token whose signature is invalid", async () => {
      const token = (await mint("partner", "--claim", "token_use=refresh")).replace(/\.[^.]+$/, ".".padEnd(87, "A"));
      const { code, stdout } = await verify("partner", token, "--explain");
      expect(code).to.equal(1);
      expect(stdout).to.match(/^rejected: SIGNATURE_INVALID\n/);
      expect(stdout).not.to.include("refresh");
      expect(stdout).to.match(/^skip {2}/m);
    });

    it("--at judges the token at any time, given in ISO 8601 or as seconds", async () => {
      const token = await mint("partner", "--claim", "exp=1700000000", "--claim", "iat=1699990000");
      for (const [at, code] of [
        ["2023-11-14T22:13:19Z", 0],
        ["1699999999.9", 0],
        ["2023-11-14T22:13:20Z", 1],
        ["1700000000", 1],
      ] as const) {
        expect((await verify("partner", token, "--at", at)).code, at).to.equal(code);
      }
      expect((await verify("partner", token)).stdout).to.match(/^rejected: TOKEN_EXPIRED \(exp\)\n/);
    });

    it("verify takes a token as an argument, or from standard input with white space around it", async () => {
      const token = await mint("integuru");
      expect((await run(["verify", "--realm", "integuru", ...CONFIG, token], folder)).code).to.equal(0);
      expect((await verify("integuru", `\n  ${token}\r\n`)).code).to.equal(0);
    });

    for (const [what, args, stdin, code, said] of [
      [
        "an unknown realm",
        ["--realm", "nowhere", ...CONFIG, "x.y.z"],
        "",
        2,
        /^no verdict: REALM_UNKNOWN\nThere is no realm .* verifier\.yaml has: integuru, clowk, fiserv, partner\.$/m,
      ],
      ["an empty token", ["--realm", "integuru", ...CONFIG, "-"], "", 2, /^no verdict: TOKEN_EMPTY\n/],
      [
        "an unknown instance",
        ["--realm", "clowk", ...CONFIG, "--secret-key-file", "client.secret", "x"],
        "",
        2,
        /^no verdict: CALLER_UNKNOWN\n/,
      ],
      [
        "--explain without a caller",
        ["--realm", "clowk", ...CONFIG, "--explain", "x"],
        "",
        2,
        /^no verdict: CALLER_MISSING\n/,
      ],
      [
        "an address where no process listens",
        ["--realm", "integuru", "--address", "127.0.0.1:1", "x"],
        "",
        3,
        /^no verdict: VERIFIER_UNAVAILABLE\n/,
      ],
    ] as const) {
      it(`verify exits with ${code} for ${what}`, async () => {
        const ended = await run(["verify", ...args], folder, stdin);
        expect(ended).to.include({ code, stdout: "" });
        expect(ended.stderr).to.match(said);
        const asJson = await run(["verify", ...args, "--json"], folder, stdin);
        expect(asJson).to.include({ code, stdout: "" });
        const { error } = JSON.parse(asJson.stderr);
        const unreached = error.code === "VERIFIER_UNAVAILABLE" ? ["cause"] : [];
        expect(error).to.have.keys("code", "message", "status", ...unreached);
        expect(`no verdict: ${error.code}\n${error.message}\n`).to.equal(ended.stderr);
      });
    }
  });

  describe("mint", () => {
    it("mint adds and replaces claims, and reads a value that is JSON as JSON", async () => {
      const token = await mint(
        "partner",
        "--claim",
        "sub=jane",
        "--claim",
        "list=[1,2]",
        "--claim",
        "flag=true",
        "--claim",
        "text=a=b",
        "--claim",
        'quoted="5"',
        "--expires",
        "5m",
      );
      const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
      expect(claims).to.deep.include({
        sub: "jane",
        list: [1, 2],
        flag: true,
        text: "a=b",
        quoted: "5",
        token_use: "access",
        scope: "read",
      });
      expect(claims.exp - claims.iat).to.equal(300);
    });

    it("mint --json prints the token as the only member", async () =>
      expect(json(await run(["mint", "--realm", "integuru", ...CONFIG, "--json"], folder))).to.have.keys("token"));

    it("mint signs with a given key only if it belongs to the realm", async () => {
      writeFileSync(join(folder, "mine.pem"), keyOf("p256").signer.export({ type: "pkcs8", format: "pem" }));
      writeFileSync(join(folder, "other.pem"), keyOf("p256-other").signer.export({ type: "pkcs8", format: "pem" }));
      expect((await verify("partner", await mint("partner", "--key-file", "mine.pem"))).code).to.equal(0);
      const { code, stderr } = await run(["mint", "--realm", "partner", ...CONFIG, "--key-file", "other.pem"], folder);
      expect(code).to.equal(2);
      expect(stderr).to.equal(
        "The key in other.pem belongs to no key of the realm partner. Give the private key of one of them.\n",
      );
    });

    it("mint signs with a given key of an instance", async () => {
      expect((await verify("clowk", await mint("clowk", "--secret-key-file", "instance.key"))).code).to.equal(0);
    });

    const NEW_KEY = "sk_live_0123456789abcdef0123456789abcdef";
    const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    const NEW_INSTANCE = ["--secret-key-file", "new.key"];

    it("mint puts the instance of the given key, and its user, into the token as the seed has them", async () => {
      const second = `  - id: inst_second
    appId: app_second
    secretKeys: [${NEW_KEY}]
    users: [{ id: u2 }]
clients:`;
      const own = folderOf(configuration(), { "directory.yaml": SEED.replace("clients:", second), "new.key": NEW_KEY });
      const token = (await run(["mint", "--realm", "clowk", ...CONFIG, ...NEW_INSTANCE], own)).stdout.trim();
      expect(claimsOf(token)).to.include({ instance_id: "inst_second", app_id: "app_second", sub: "u2" });
      const asked = ["verify", "--realm", "clowk", ...CONFIG, ...NEW_INSTANCE, token];
      expect((await run(asked, own)).code).to.equal(0);
    });

    it("mint puts the imported instance of the given key into the token", async () => {
      const lines = [
        { instance: { id: "inst_new", appId: "app_new", secretKeys: [NEW_KEY] } },
        { user: { instance: "inst_new", id: "u9" } },
      ];
      const own = folderOf(configuration(), { "new.key": NEW_KEY });
      const jsonl = lines.map((line) => JSON.stringify(line)).join("\n");
      expect((await run(["import", "-", ...CONFIG], own, jsonl)).code).to.equal(0);
      const token = (await run(["mint", "--realm", "clowk", ...CONFIG, ...NEW_INSTANCE], own)).stdout.trim();
      expect(claimsOf(token)).to.include({ instance_id: "inst_new", app_id: "app_new", sub: "u9" });
      expect((await run(["verify", "--realm", "clowk", ...CONFIG, ...NEW_INSTANCE, token], own)).code).to.equal(0);
    });

    it("mint asks for the instance of an unknown key, and takes it from --claim", async () => {
      const own = folderOf(configuration(), { "new.key": NEW_KEY });
      const args = ["mint", "--realm", "clowk", ...CONFIG, ...NEW_INSTANCE];
      expect(await run(args, own)).to.include({
        code: 2,
        stderr: "No instance in the directory has the key in new.key. Name its instance with --claim instance_id=ID.\n",
      });
      const { stdout } = await run([...args, "--claim", "instance_id=inst_far"], own);
      expect(claimsOf(stdout)).to.include({ instance_id: "inst_far" });
    });

    for (const [what, args, said] of [
      [
        "an unknown realm",
        ["--realm", "nowhere"],
        "There is no realm nowhere. verifier.yaml has: integuru, clowk, fiserv, partner.\n",
      ],
      ["a claim without a value", ["--realm", "partner", "--claim", "x"], "--claim x: write name=value.\n"],
      [
        "a lifetime that is not a duration",
        ["--realm", "partner", "--expires", "tomorrow"],
        "--expires must be a duration such as 10m or 1h.\n",
      ],
      [
        "a key file that does not exist",
        ["--realm", "partner", "--key-file", "none.pem"],
        "none.pem cannot be read (ENOENT: there is no such file).\n",
      ],
      [
        "a key file without a private key",
        ["--realm", "partner", "--key-file", "client.secret"],
        "client.secret holds no private key in PEM. Give a file with one (PKCS #8).\n",
      ],
      [
        "a secret key file that does not exist",
        ["--realm", "clowk", "--secret-key-file", "none.key"],
        "none.key cannot be read (ENOENT: there is no such file).\n",
      ],
    ] as const) {
      it(`mint exits with 2 for ${what}, and says what is wrong`, async () => {
        const { code, stdout, stderr } = await run(["mint", ...args, ...CONFIG], folder);
        expect({ code, stdout, stderr }).to.deep.equal({ code: 2, stdout: "", stderr: said });
      });
    }

    it("mint says what is wrong with a broken seed without showing its secrets", async () => {
      const broken = folderOf(configuration(), { "directory.yaml": "instances:\n  - secretKeys: [S3CRETmarker\n" });
      const { code, stderr } = await run(["mint", "--realm", "clowk", ...CONFIG], broken);
      expect(code, stderr).to.equal(2);
      expect(stderr).to.match(/directory\.yaml cannot be used:\n {2}line \d/);
      expect(stderr).not.to.include("S3CRET");
    });

    it("mint asks for --key-file if the realm has no private key beside it", async () => {
      const other = folderOf(configuration().replace("./partner.pem", "./partner-public.pem"), {
        "partner-public.pem": keyOf("p256").publicPem ?? "",
      });
      const { code, stderr } = await run(["mint", "--realm", "partner", ...CONFIG], other);
      expect({ code, stderr }).to.deep.equal({
        code: 2,
        stderr: "There is no private key for the realm partner. Give one with --key-file FILE.\n",
      });
    });
  });

  describe("check", () => {
    it("check lists the contents of a good configuration", async () => {
      const { code, stdout, stderr } = await run(["check", ...CONFIG], folder);
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
      for (const line of [
        "verifier.yaml is valid.",
        "grpc   127.0.0.1:0",
        "realm integuru: integuru, HS256, callers: anyone",
        "realm clowk: clowk, HS256, callers: instances",
        "  keys: each instance's own",
        "realm partner: no preset, ES256, callers: anyone",
        "face /api/verify-token: realm integuru",
      ]) {
        expect(stdout.split("\n")).to.include(line);
      }
      expect(stdout).to.match(/^ {2}key ES256 kid p1, /m);
      expect(stdout).not.to.include("warning");
    });

    it("check --json lists the contents of a good configuration too", async () => {
      const report = json(await run(["check", ...CONFIG, "--json"], folder));
      expect(report.listeners).to.deep.equal({ grpc: "127.0.0.1:0", http: "127.0.0.1:0" });
      expect(report.realms.map(({ name }: { name: string }) => name)).to.deep.equal([
        "integuru",
        "clowk",
        "fiserv",
        "partner",
      ]);
      expect(report.faces).to.have.length(3);
      expect(report.warnings).to.deep.equal([]);
    });

    it("check shows no secret", async () => {
      for (const args of [[], ["--json"]]) {
        const { stdout } = await run(["check", ...CONFIG, ...args], folder);
        for (const file of ["master.key", "integuru.key", "instance.key"]) {
          expect(stdout).not.to.include((await shell(`cat ${file}`, folder)).stdout.trim());
        }
      }
    });

    it("check warns about likely mistakes", async () => {
      const other = folderOf(
        "http: { address: 127.0.0.1:0 }\nrealms:\n  mine: { preset: integuru, keys: [{ secretFile: ./integuru.key }] }\n",
      );
      const { code, stdout } = await run(["check", ...CONFIG], other);
      expect(code).to.equal(0);
      expect(stdout).to.match(/^ {2}warning {2}http +serves no face and no RPC: .* \(no-face\)\n +Fix: \S/m);
      expect(stdout).to.match(/^ {2}warning {2}realms\.mine +no path serves the face of its preset integuru /m);
    });

    it("check exits with 2 for a bad configuration or seed, and prints every problem to standard error", async () => {
      const other = folderOf(configuration("limits: { body: 5 }\nprot: 1\n"));
      const bad = await run(["check", ...CONFIG], other);
      expect({ code: bad.code, stdout: bad.stdout }).to.deep.equal({ code: 2, stdout: "" });
      expect(bad.stderr).to.match(
        /^verifier\.yaml cannot be used:\n {2}limits\.body: must be a size such as .*\n {2}prot: is not a key/,
      );
      const seed = await run(
        ["check", ...CONFIG],
        folderOf(configuration(), { "directory.yaml": "instances: [{ id: a, appId: b, secretKeys: [short] }]\n" }),
      );
      expect({ code: seed.code, stdout: seed.stdout }).to.deep.equal({ code: 2, stdout: "" });
      expect(seed.stderr).to.match(
        /directory\.yaml cannot be used:\n {2}instances\[0\]\.secretKeys\[0\]:? has fewer than 16 characters/,
      );
    });
  });

  describe("usage", () => {
    const USAGE: Record<string, readonly [args: readonly string[], said: RegExp]> = {
      "an unknown command": [["verfy"], /unknown command 'verfy'\n\(Did you mean verify\?\)/],
      "an unknown option": [["check", "--confg", "x"], /unknown option '--confg'\n\(Did you mean --config\?\)/],
      "verify without a realm": [["verify", "x"], /required option '-r, --realm <name>' not specified/],
      "verify without a token": [["verify", "--realm", "x"], /missing required argument 'token'/],
      "an option without its value": [["check", "--config"], /argument missing/],
      "an unknown part to serve": [["serve", "--only", "udp"], /Allowed choices are grpc, http/],
      "--only without a configuration": [
        ["serve", "--only", "grpc"],
        /^--only needs a configuration\. Give --config FILE\.\n$/,
      ],
      "a missing configuration": [["check"], /^Give a configuration with --config FILE\./],
      "a configuration file that does not exist": [
        ["check", "--config", "none.yaml"],
        /^none\.yaml cannot be used:\n {2}the file cannot be read \(ENOENT: there is no such file\)\n$/,
      ],
      "both an address and a configuration": [
        ["verify", "--realm", "x", "--address", "a:1", "--config", "y", "t"],
        /^Give either --address \(a running service\) or --config \(offline\), not both\.\n$/,
      ],
      "--at without a configuration": [
        ["verify", "--realm", "x", "--at", "5", "t"],
        /^--at works offline only\. Give --config FILE with it\.\n$/,
      ],
      "an invalid time": [
        ["verify", "--realm", "x", "--config", "verifier.yaml", "--at", "noon", "t"],
        /^--at must be a time such as/,
      ],
      "two callers": [
        ["verify", "--realm", "x", "--secret-key-file", "a", "--client-id", "b", "t"],
        /^Give one caller:/,
      ],
      "a client id without its secret": [
        ["verify", "--realm", "x", "--client-id", "b", "t"],
        /^Give --client-id and --client-secret-file together\.\n$/,
      ],
      "a caller's file that does not exist": [
        ["verify", "--realm", "x", "--secret-key-file", "none.key", "t"],
        /^none\.key cannot be read \(ENOENT: there is no such file\)\.\n$/,
      ],
      "an empty address": [["verify", "--realm", "x", "--address", "", "t"], /address/],
    };
    for (const [what, [args, said]] of Object.entries(USAGE)) {
      it(`the command exits with 2 for ${what}, and says why on standard error`, async () => {
        const { code, stdout, stderr } = await run(args, emptyFolder());
        expect({ code, stdout }, stderr).to.deep.equal({ code: 2, stdout: "" });
        expect(stderr).to.match(said);
        expect(stderr).not.to.match(/\n {4}at /);
      });
    }

    it("the program without a command prints its help to standard error and exits with 2", async () => {
      const { code, stdout, stderr } = await run([], emptyFolder());
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
      expect(stderr).to.match(/^Usage: token-verifier /);
    });

    it("--help and --version print to standard output and exit with 0", async () => {
      for (const args of [
        ["--help"],
        ["serve", "--help"],
        ["verify", "--help"],
        ["mint", "--help"],
        ["check", "--help"],
      ]) {
        const { code, stdout, stderr } = await run(args, emptyFolder());
        expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
        expect(stdout).to.match(/^Usage: token-verifier /);
        for (const line of stdout.split("\n")) expect(line.length, line).to.be.below(121);
      }
      expect((await run(["--version"], emptyFolder())).stdout).to.match(/^\d+\.\d+\.\d+\n$/);
    });
  });

  it("serve in a read-only folder exits with 3 and prints no stack trace", async function () {
    if (process.getuid?.() === 0) this.skip();
    const closed = emptyFolder();
    chmodSync(closed, 0o500);
    const { code, stderr } = await run(["serve"], closed);
    expect(code).to.equal(3);
    expect(stderr).not.to.match(/\n {4}at /);
  });
});
