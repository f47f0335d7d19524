// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a configuration names its variables
import { writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { keyOf } from "../support/keys.js";
import { configuration, folderOf, MASTER_KEY, run, seeded } from "./harness.js";

// Common mistakes in a configuration: each message names the place, the mistake and its fix.

const SECRET = "S3CRETmarkerS3CRET";

interface Mistake {
  /** Turns the good configuration into the broken one. */
  readonly broken: (good: string) => string;
  readonly files?: Readonly<Record<string, string>>;
  readonly place: string;
  /** Matches the mistake in the message. */
  readonly wrong: RegExp;
  /** Matches the fix in the message. */
  readonly fix: RegExp;
  /** True if the mistake causes further issues, which are reported after it. */
  readonly hasMore?: true;
}

const put = (from: string | RegExp, to: string) => (good: string) => {
  const text = good.replace(from, to);
  expect(text, "the mistake is made").not.to.equal(good);
  return text;
};
const same = (good: string): string => good;

const MISTAKES: Readonly<Record<string, Mistake>> = {
  "a misspelled key": {
    broken: put("grpc:", "grcp:"),
    place: "grcp",
    wrong: /is not a key that exists here/,
    fix: /did you mean grpc\?/,
  },
  "a misspelled key of a realm": {
    broken: put("issuer:", "isuer:"),
    place: "realms.partner.isuer",
    wrong: /is not a key that exists here/,
    fix: /did you mean issuer\?/,
    hasMore: true,
  },
  "a key at the wrong depth": {
    broken: (good) => `${good}audience: elsewhere\n`,
    place: "audience",
    wrong: /is not a key that exists here/,
    fix: /there are grpc, http/,
  },
  "wrong indentation": {
    broken: put("    issuer:", "   issuer:"),
    place: "line \\d+, column \\d+",
    wrong: /indentation does not fit/,
    fix: /must start at the same column/,
    hasMore: true,
  },
  "a tab": {
    hasMore: true,
    broken: put("    issuer:", "\tissuer:"),
    place: "line \\d+, column \\d+",
    wrong: /tab/,
    fix: /use spaces/,
  },
  "a duplicate key": {
    broken: (good) => `${good}grpc: 127.0.0.1:0\n`,
    place: "line \\d+, column \\d+",
    wrong: /this key already/,
    fix: /keep one/,
  },
  "a variable that is not set": {
    broken: put("masterKeyFile: ./master.key", "masterKey: ${NO_SUCH_VARIABLE}"),
    place: "masterKey",
    wrong: /NO_SUCH_VARIABLE is not set/,
    fix: /set it/,
  },
  "a secret that is too short": {
    broken: put("secretFile: ./integuru.key", `secret: ${SECRET}`),
    place: "realms.integuru.keys[0].secret",
    wrong: /has 18 bytes, HS256 needs at least 32/,
    fix: /openssl rand -base64 32/,
  },
  "a private key in place of a public key": {
    broken: put("pemFile: ./partner.pem", "pemFile: ./partner.private.pem"),
    place: "realms.partner.keys[0].pemFile",
    wrong: /a private key/,
    fix: /openssl pkey -in KEY -pubout/,
  },
  "a certificate that cannot be read": {
    broken: same,
    files: { "partner.pem": `-----BEGIN CERTIFICATE-----\n${SECRET}\n-----END CERTIFICATE-----\n` },
    place: "realms.partner.keys[0].pemFile",
    wrong: /cannot be read as a public key/,
    fix: /export it again/,
  },
  "a file that does not exist": {
    broken: put("./partner.pem", "./parnter.pem"),
    place: "realms.partner.keys[0].pemFile",
    wrong: /\.\/parnter\.pem cannot be read/,
    fix: /there is no such file/,
  },
  "a folder in place of a file": {
    broken: put("./partner.pem", "."),
    place: "realms.partner.keys[0].pemFile",
    wrong: /cannot be read/,
    fix: /a folder, not a file/,
  },
  "a number in place of an address": {
    broken: put("grpc: 127.0.0.1:0", "grpc: 50051"),
    place: "grpc",
    wrong: /must be an address/,
    fix: /such as 127\.0\.0\.1:50051/,
  },
  "a port out of range": {
    broken: put("http: 127.0.0.1:0", "http: 127.0.0.1:80800"),
    place: "http",
    wrong: /has a port out of range/,
    fix: /give 1 to 65535, or 0 for any free port/,
  },
  "a port out of range in the long form": {
    broken: put("grpc: 127.0.0.1:0", "grpc: { address: 127.0.0.1:99999 }"),
    place: "grpc.address",
    wrong: /has a port out of range/,
    fix: /give 1 to 65535/,
  },
  "a misspelled key in the long form of a port": {
    broken: put(
      "grpc: 127.0.0.1:0",
      "grpc: { address: 127.0.0.1:0, tls: { certfile: ./partner.pem, keyFile: ./partner.pem } }",
    ),
    place: "grpc.tls.certfile",
    wrong: /is not a key that exists here/,
    fix: /did you mean certFile\?/,
    hasMore: true,
  },
  "a long form without its address": {
    broken: put("grpc: 127.0.0.1:0", "grpc: {}"),
    place: "grpc.address",
    wrong: /must be an address/,
    fix: /such as 127\.0\.0\.1:50051/,
  },
  "a misspelled key in the long form of the store": {
    broken: put("store: sqlite:./verifier.db", "store: { uri: sqlite:./verifier.db }"),
    place: "store.uri",
    wrong: /is not a key that exists here/,
    fix: /there are url, user, password/,
    hasMore: true,
  },
  "a wrong value in the long form of the store": {
    broken: put("store: sqlite:./verifier.db", "store: { url: sqlite:./verifier.db, staleFor: tens }"),
    place: "store.staleFor",
    wrong: /must be a duration/,
    fix: /such as 30s/,
  },
  "a misspelled value of callers": {
    broken: put("explain: anyone\n    keys", "callers: { sans: [web.example] }\n    keys"),
    place: "realms.partner.callers.sans",
    wrong: /is not a key that exists here/,
    fix: /there are san/,
    hasMore: true,
  },
  "an invalid name under explain": {
    broken: put("explain: anyone\n    keys", 'explain: { san: ["web example"] }\n    keys'),
    place: "realms.partner.explain.san[0]",
    wrong: /must be a name/,
    fix: /such as URI:spiffe/,
  },
  "a misspelled claim rule": {
    broken: put("{ includes: read }", "{ inclues: read }"),
    place: "realms.partner.claims.scope.inclues",
    wrong: /is not a key that exists here/,
    fix: /did you mean includes\?/,
    hasMore: true,
  },
  "a text in place of a list": {
    broken: put("[ES256]", "ES256"),
    place: "realms.partner.algorithms",
    wrong: /must be/,
    fix: /a list/,
  },
  "an unknown algorithm": {
    broken: put("[ES256]", "[ES265]"),
    place: "realms.partner.algorithms[0]",
    wrong: /must be one of/,
    fix: /HS256, .*ES256.* did you mean ES256\?/,
  },
  "an algorithm that does not fit the key": {
    broken: put("[ES256]", "[RS256]"),
    place: "realms.partner.keys[0].pemFile",
    wrong: /type ec on the curve prime256v1/,
    fix: /fits none of the realm's algorithms: RS256/,
  },
  "a key set with no usable key": {
    broken: put("{ pemFile: ./partner.pem, kid: p1 }", "{ jwks: { keys: [] } }"),
    place: "realms.partner.keys[0].jwks",
    wrong: /the set has no usable key for ES256/,
    fix: /it is empty: give one with a public key/,
  },
  "a missing audience": {
    broken: put(/ {4}audience: .*\n/, ""),
    place: "realms.partner.audience",
    wrong: /is missing/,
    fix: /or null to turn the check off/,
  },
  "an unknown preset": {
    broken: put("preset: integuru", "preset: integru"),
    place: "realms.integuru.preset",
    wrong: /must be one of integuru, clowk, fiserv/,
    fix: /leave it out for a realm of any other issuer - did you mean integuru\?/,
  },
  "a preset that resembles none": {
    broken: put("preset: integuru", "preset: somebody"),
    place: "realms.integuru.preset",
    wrong: /must be one of integuru, clowk, fiserv/,
    fix: /leave it out for a realm of any other issuer$/,
  },
  "a face bound to a realm that has none": {
    broken: put("http: 127.0.0.1:0", "http: { address: 127.0.0.1:0, faces: { clowk: partner } }"),
    place: "http.faces.clowk",
    wrong: /must name a realm/,
    fix: /with the preset clowk/,
  },
  "a face given twice": {
    broken: put("http: 127.0.0.1:0", "http: { address: 127.0.0.1:0, faces: { clowk: clowk, clowk: other } }"),
    place: "line \\d+, column \\d+",
    wrong: /this key already/,
    fix: /keep one/,
  },
  "a duration without its unit": {
    broken: (good) => good.replace("delay: 0s", "delay: 5"),
    place: "drain.delay",
    wrong: /must be a duration/,
    fix: /such as 500ms, 30s/,
  },
  "a missing master key": {
    broken: put(/masterKeyFile.*\n/, ""),
    place: "masterKey",
    wrong: /is missing/,
    fix: /openssl rand -base64 32/,
  },
  "a master key that is too short": {
    broken: put("masterKeyFile: ./master.key", `masterKey: ${SECRET}`),
    place: "masterKey",
    wrong: /must be 32 bytes in base64/,
    fix: /openssl rand -base64 32/,
  },
  "a store of another kind": {
    broken: put("sqlite:./verifier.db", "mysql://root@localhost/db"),
    place: "store",
    wrong: /must be/,
    fix: /sqlite:\.\/data\/verifier\.db/,
  },
  "two listeners on one port": {
    broken: put("grpc: 127.0.0.1:0", "grpc: 127.0.0.1:50051\nmetrics: 127.0.0.1:50051"),
    place: "metrics",
    wrong: /uses the address of grpc/,
    fix: /Give each listener its own port/,
  },
  "a seed that does not exist": {
    broken: put("./directory.yaml", "./directroy.yaml"),
    place: "the file",
    wrong: /cannot be read/,
    fix: /there is no such file/,
  },
  "a misspelled key in the seed": {
    broken: same,
    files: { "directory.yaml": `clients: [{ clientId: a, clientSecrt: ${SECRET} }]\n` },
    place: "clients[0].clientSecrt",
    wrong: /is not a key that exists here/,
    fix: /did you mean clientSecret\?/,
    hasMore: true,
  },
  "a short secret in the seed": {
    broken: same,
    files: { "directory.yaml": "clients: [{ clientId: a, clientSecret: S3CRETmarker }]\n" },
    place: "clients[0].clientSecret",
    wrong: /fewer than 16 characters/,
    fix: /openssl rand/,
  },
};

const CONFIG = ["--config", "verifier.yaml"];

describe("a configuration with a mistake in it", () => {
  for (const [what, { broken, files = {}, place, wrong, fix, hasMore }] of Object.entries(MISTAKES)) {
    it(`check exits with 2 for ${what}, and reports its place and fix without a secret`, async () => {
      const folder = folderOf(broken(configuration()), files);
      const { code, stdout, stderr } = await run(["check", ...CONFIG], folder);
      expect({ code, stdout }, stderr).to.deep.equal({ code: 2, stdout: "" });
      const [head, ...issues] = stderr.trimEnd().split("\n");
      expect(head).to.match(/(verifier|directory|directroy)\.yaml cannot be used:$/);
      if (hasMore !== true) expect(issues, "one mistake, one message").to.have.length(1);
      const start = place.startsWith("line") ? place : place.replace(/[[\].]/g, "\\$&");
      const [issue] = issues.filter((one) => new RegExp(`^ {2}${start}:? `).test(one));
      expect(issue, stderr).to.match(wrong).and.match(fix);
      for (const secret of [SECRET, "S3CRET", MASTER_KEY, keyOf("p256").publicPem ?? ""])
        expect(stderr).not.to.include(secret);
      const asJson = await run(["check", ...CONFIG, "--json"], folder);
      expect(asJson).to.include({ code: 2, stdout: "" });
      const { error } = JSON.parse(asJson.stderr);
      expect(error).to.include({ code: "CONFIGURATION", message: stderr.trimEnd() });
      expect(error.issues).to.have.length(issues.length);
    });
  }

  it("a mistyped preset does not hide other mistakes in its realm", async () => {
    const text = configuration().replace("preset: integuru", "preset: integru").replace("integuru.key", "integru.key");
    const { stderr } = await run(["check", ...CONFIG], folderOf(text.replace("explain: anyone", "explain: anybody")));
    const issues = stderr.trimEnd().split("\n").slice(1);
    expect(issues.map((issue) => issue.trim().split(": ", 1)[0])).to.have.members([
      "realms.integuru.preset",
      "realms.integuru.explain",
      "realms.integuru.keys[0].secretFile",
    ]);
  });

  it("check with a configuration as an argument suggests --config", async () => {
    const folder = folderOf();
    const { code, stderr } = await run(["check", "verifier.yaml"], folder);
    expect(code).to.equal(2);
    expect(stderr).to.equal(
      "error: too many arguments for 'check'. Expected 0 arguments but got 1.\n(Did you mean --config verifier.yaml?)\n",
    );
    const json = await run(["check", "verifier.yaml", "--json"], folder);
    expect(JSON.parse(json.stderr).error.message).to.match(/\n\(Did you mean --config verifier\.yaml\?\)$/);
    const other = await run(["check", "everything"], folder);
    expect(other.stderr).to.equal("error: too many arguments for 'check'. Expected 0 arguments but got 1.\n");
  });

  it("verify with too many arguments does not repeat them, since one is a token", async () => {
    const folder = folderOf();
    for (const json of [[], ["--json"]]) {
      const { code, stderr } = await run(["verify", "--realm", "partner", "eyJ.token.x", "surplus", ...json], folder);
      expect(code).to.equal(2);
      expect(stderr).to.include("Expected 1 argument but got 2.").and.not.include("eyJ").and.not.include("surplus");
    }
  });

  it("check, export and verify with a wrong master key say which one is needed and where it belongs", async () => {
    const folder = folderOf();
    await seeded(folder);
    writeFileSync(join(folder, "master.key"), Buffer.alloc(32, "another").toString("base64"));
    for (const command of [["check"], ["export"], ["verify", "--realm", "clowk", "x"]]) {
      const { code, stdout, stderr } = await run([...command, ...CONFIG], folder);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
      expect(stderr).to.match(
        /^The store opens under the master key .*which is not configured.*Add that key to masterKeys/,
      );
    }
  });

  it("import exits with 3 if the store cannot be made, and says which file and what to look at", async () => {
    const folder = folderOf(configuration().replace("sqlite:./verifier.db", "sqlite:./partner.pem/verifier.db"));
    const { code, stderr } = await run(["import", "-", ...CONFIG, "--json"], folder);
    expect(code).to.equal(3);
    const { error } = JSON.parse(stderr);
    expect(error.code).to.equal("DIRECTORY_UNAVAILABLE");
    expect(error.message).to.match(
      /^The store \S+\/partner\.pem\/verifier\.db cannot be made .*See that its folder may be written\.$/,
    );
  });

  it("serve --json exits with 3 if a port is in use, and says which one and what to do", async () => {
    const taken = net.createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = taken.address() as net.AddressInfo;
      const folder = folderOf(
        configuration("log: { level: silent }").replace("grpc: 127.0.0.1:0", `grpc: 127.0.0.1:${port}`),
      );
      const { code, stderr } = await run(["serve", ...CONFIG, "--json"], folder);
      expect(code).to.equal(3);
      expect(JSON.parse(stderr).error).to.deep.equal({
        code: "LISTEN",
        message: `Cannot listen at 127.0.0.1:${port}: another process listens there. Stop it, or give another address in the configuration.`,
      });
    } finally {
      await new Promise((resolve) => taken.close(resolve));
    }
  });
});
