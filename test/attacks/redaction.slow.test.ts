import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { createLogger } from "../../src/observability/logger.js";
import { type Running, serve } from "../../src/server/serve.js";
import { CLIENT_SECRET, configuration, end, folderOf, MASTER_KEY, ROOT, run, serving, start } from "../cli/harness.js";
import { readCases } from "../support/cases.js";
import { certify } from "../support/certificates.js";
import { NOW } from "../support/clock.js";
import { configurationWith, type Folder, makeFolder, testEnvironment } from "../support/deployment.js";
import { createClient } from "../support/grpc.js";
import { exchange, type HttpRequest } from "../support/http.js";
import { KEYS, keyOf, secretOf } from "../support/keys.js";

// Log lines, metrics, answers and messages contain no token, secret or key, whatever the request or mistake.

/** The shortest secret to search for; a shorter text may occur by chance. */
const SHORTEST = 16;

/** Fails if one of the secrets occurs in the output, without showing it whole. */
function expectNone(said: string, secrets: Iterable<string>): void {
  const found = [...new Set(secrets)].filter((secret) => secret.length >= SHORTEST && said.includes(secret));
  expect(found.map((secret) => `${secret.slice(0, 60)} (${secret.length})`)).to.deep.equal([]);
}

/** A token, and its parts that only its holder may have. */
function* partsOf(token: string): Generator<string> {
  yield token;
  const [, payload = "", signature = ""] = token.split(".");
  yield payload;
  yield signature;
}

/** Everything secret about the test keys: the texts of the secrets, and the private halves. */
function* keyTexts(): Generator<string> {
  for (const { secret, signer } of KEYS.values()) {
    if (secret !== undefined) {
      yield secret;
      yield Buffer.from(secret).toString("base64url");
      continue;
    }
    const { d = "" } = signer.export({ format: "jwk" });
    yield d;
    yield signer.export({ format: "pem", type: "pkcs8" }).toString().split("\n")[1] ?? "";
  }
}

/** The DPoP proof of a request; empty if it has none. */
function proofIn({ proof }: Readonly<Record<string, unknown>>): string {
  const { dpop } = (proof ?? {}) as { readonly dpop?: { readonly proof: string } };
  return dpop?.proof ?? "";
}

const CASES = readCases();

for (const file of new Set(CASES.map((one) => one.configuration))) {
  describe(`every case against ${file}, in every way`, () => {
    const cases = CASES.filter((one) => one.configuration === file);
    let folder: Folder;
    let running: Running;
    const said: string[] = [];
    /** The credentials and tokens that callers sent. */
    const given: string[] = [];
    const written: string[] = [];
    const outputs = (["stdout", "stderr"] as const).map((name) => ({
      stream: process[name],
      write: process[name].write,
    }));

    before(async function () {
      this.timeout(120_000);
      // The program does not have the vendor that the tests define.
      const text = configurationWith(file, "metrics: 127.0.0.1:0\ndrain: { delay: 0s, timeout: 1s }").replace(
        /^ {2}acme:\n(?: {4}.*\n)+/m,
        "",
      );
      const realms = [...text.matchAll(/^ {2}([\w-]+):/gm)].map(([, name]) => name);
      const http = text.replace(/^http: (?:\{ (.*) \}|(.*))$/m, (_, long?: string, address?: string) => {
        const own = long ?? `address: ${address}`;
        return `http: { ${own}, rpc: [${realms.join(", ")}] }`;
      });
      folder = makeFolder(http);
      // The clock advances at each look, so that no second exceeds the limit of log lines.
      let time = NOW;
      const clock = (): number => (time += 5);
      const log = createLogger(
        { level: "trace", format: "json", calls: "all" },
        { write: (line) => written.push(line) },
      );
      for (const { stream } of outputs) {
        stream.write = (text: string | Uint8Array) => written.push(String(text)) > 0;
      }
      try {
        running = await serve(join(folder.path, "verifier.yaml"), undefined, { env: testEnvironment(), clock, log });
        await askAll();
        said.push(await (await fetch(`http://${running.addresses["metrics"]}/metrics`)).text());
        said.push(await (await fetch(`http://${running.addresses["metrics"]}/readyz`)).text());
        await running.stop();
      } finally {
        for (const { stream, write } of outputs) stream.write = write;
        folder.remove();
      }
    });

    async function askAll(): Promise<void> {
      const client = createClient(running.addresses["grpc"] ?? "");
      const port = Number(running.addresses["http"]?.split(":").at(-1));
      const ask = async (request: HttpRequest): Promise<void> => {
        const { status, headers, body } = await exchange(port, request);
        said.push(JSON.stringify({ status, headers }), body);
      };
      for (const { rest, grpc, token } of cases) {
        if (rest !== undefined) await ask(rest.request);
        const header = /^[\x21-\x7e]{1,8000}$/.test(token) ? token : "eyJhbGciOiJub25lIn0.bm90aGluZy1hdC1hbGw.";
        const basic = Buffer.from(`caller:${header.slice(0, 2000)}`).toString("base64");
        given.push(...partsOf(header), basic);
        for (const authorization of [`Bearer ${header}`, `Basic ${basic}`]) {
          const headers = [["Authorization", authorization]] as const;
          await ask({ method: "POST", target: "/api/verify-token", headers });
          await ask({ method: "GET", target: `/nowhere?token=${header.slice(0, 2000)}`, headers });
        }
        if (grpc === undefined) continue;
        // A copy, since a case's proof is another at each reading.
        const request = structuredClone(grpc.request);
        given.push(...partsOf(proofIn(request)));
        said.push(JSON.stringify(await client.verify(request)));
        said.push(JSON.stringify(await client.verify({ ...request, explain: true })));
        said.push(JSON.stringify(await client.batch([request, { ...request, realm: "nowhere" }])));
        said.push(JSON.stringify(await client.stream([{ id: "one", requests: [request] }])));
        for (const one of [request, { ...request, explain: true }, { ...request, unknown: token }]) {
          await ask({
            method: "POST",
            target: "/tokenverifier.v1.TokenVerifier/VerifyToken",
            headers: [["Content-Type", "application/json"]],
            body: Buffer.from(JSON.stringify(one)),
          });
        }
      }
      client.close();
    }

    /** The credentials of the cases, good and bad. */
    function* credentials(): Generator<string> {
      for (const { grpc } of cases) {
        const { instance_secret_key: key, client_credentials: client } = grpc?.request ?? {};
        if (typeof key === "string") yield key;
        const { client_secret: secret } = (client ?? {}) as { client_secret?: string };
        if (secret !== undefined) yield secret;
      }
      yield* Object.values(testEnvironment());
    }

    it(`the service of ${file} answered and logged every kind of case`, () => {
      const log = written.join("");
      expect(written.length).to.be.above(cases.length * 2);
      for (const outcome of ["verified", "rejected", "failed", "refused"])
        expect(log).to.include(`"outcome":"${outcome}"`);
      expect(log).not.to.include("calls not logged");
      expect(said.length).to.be.above(cases.length * 4);
      expect(said.at(-2)).to.include("tokenverifier_verifications_total");
    });

    it(`the output of the service of ${file} contains no token, secret or key`, () => {
      const everything = [...written, ...said].join("\n");
      expectNone(
        everything,
        cases.flatMap(({ token }) => [...partsOf(token)]),
      );
      expectNone(everything, given);
      expectNone(everything, credentials());
      expectNone(everything, keyTexts());
    });
  });
}

const SECRET = "S3cretS3cretS3cretS3cretS3cretS3cret";
const HS256 = "algorithms: [HS256], issuer: null, audience: null";
const REALM = `  r: { ${HS256}, keys: [{ secret: ${SECRET} }] }\n`;
const STORE = `store: sqlite:./store.db\nmasterKey: ${MASTER_KEY}\n`;
const web = certify("web");

/** Configurations with a secret in a wrong place or beside a mistake. */
const BROKEN: Readonly<Record<string, string>> = {
  "no blank behind the colon": `realms:\n  r: { ${HS256}, keys: [{ secret:${SECRET} }] }`,
  "no blank behind the colon of another key": `realms:\n  r: { ${HS256}, keys: [{ pem: a, kid:${SECRET} }] }`,
  "no blank, at the top": `masterKey:${SECRET}\nrealms: {}`,
  "no blank, at the top, in braces": `{ masterKey:${SECRET}, realms: {} }`,
  "a secret as the name of a key": `realms:\n  r: { ${HS256}, keys: [{ ${SECRET}: secret }] }`,
  "a quote that is not closed": `masterKey: "${SECRET}\nrealms: {}`,
  "an alias": `masterKey: *${SECRET}\nrealms: {}`,
  "a tag": `masterKey: !${SECRET}\nrealms: {}`,
  "an escape": `masterKey: "\\x${SECRET}"\nrealms: {}`,
  "a duplicate key": `${SECRET}: 1\n${SECRET}: 1\nrealms: {}`,
  "a brace that is not closed": `masterKey: "\${${SECRET}"\nrealms: {}`,
  "a master key of the wrong length": `masterKey: ${SECRET}\nrealms: {}`,
  "an algorithm": `realms:\n  r: { ${HS256}, keys: [{ secret: a, alg: ${SECRET} }] }`,
  "the secret in place of its file": `realms:\n  r: { ${HS256}, keys: [{ secretFile: ${SECRET} }] }`,
  "the master key in place of its file": `masterKeyFile: ${SECRET}\nrealms: {}`,
  "the secret in place of base64": `realms:\n  r: { ${HS256}, keys: [{ secretBase64: "${SECRET}!" }] }`,
  "a secret that is too short for its algorithm": `realms:\n  r: { algorithms: [HS512], issuer: null, audience: null, keys: [{ secret: ${SECRET} }] }`,
  "a private key for a public one": `realms:\n  r: { algorithms: [ES256], issuer: null, audience: null, keys: [{ jwk: { kty: EC, crv: P-256, x: ${SECRET}, y: a, d: ${SECRET} } }] }`,
  "a type of key": `realms:\n  r: { ${HS256}, keys: [{ jwk: { kty: ${SECRET}, k: ${SECRET} } }] }`,
  "a secret for a PEM": `realms:\n  r: { algorithms: [ES256], issuer: null, audience: null, keys: [{ pem: ${SECRET} }] }`,
  "a store with a password": `store: postgres://user:${SECRET}@host/db\nrealms: {}`,
  "a URL with credentials": `realms:\n  r: { algorithms: [ES256], issuer: null, audience: null, keys: [{ jwksUri: "https://u:${SECRET}@issuer.example/" }] }`,
  "no blank behind a header's colon": `realms:\n  r: { algorithms: [ES256], issuer: null, audience: null, keys: [{ jwksUri: "https://issuer.example/", headers: { X-Api-Key:${SECRET} } }] }`,
  "a header of two lines": `realms:\n  r: { algorithms: [ES256], issuer: null, audience: null, keys: [{ jwksUri: "https://issuer.example/", headers: { X-Api-Key: "${SECRET}\\n" } }] }`,
  "credentials over plain http": `realms:\n  r: { algorithms: [ES256], issuer: null, audience: null, keys: [{ jwksUri: "http://issuer.example/", insecure: true, headers: { X-Api-Key: ${SECRET} } }] }`,
  "a token in place of its file": `realms:\n  r: { algorithms: [ES256], issuer: null, audience: null, keys: [{ jwksUri: "https://127.0.0.1:1/", private: true, bearerTokenFile: ${SECRET} }] }`,
  "a malformed URL": `realms:\n  r: { algorithms: [ES256], issuer: null, audience: null, keys: [{ jwksUri: "//${SECRET}" }] }`,
  "a URL with a query": `realms:\n  r: { algorithms: [ES256], issuer: null, audience: null, keys: [{ jwksUri: "http://127.0.0.1:1/?k=${SECRET}", insecure: true }] }`,
  "a metadata URL with a query": `realms:\n  r: { algorithms: [ES256], issuer: null, audience: null, keys: [{ discovery: "http://127.0.0.1:1/?k=${SECRET}", insecure: true }] }`,
  "a malformed TLS key": `admin: { address: "127.0.0.1:0", tls: { certFile: ./web.crt, keyFile: ./bad.key } }\nrealms: {}`,
  "another certificate's TLS key": `admin: { address: "127.0.0.1:0", tls: { certFile: ./web.crt, keyFile: ./other.key } }\nrealms: {}`,
  "the secret in place of a TLS key's file": `admin: { address: "127.0.0.1:0", tls: { certFile: ./web.crt, keyFile: ${SECRET} } }\nrealms: {}`,
};

/** Seeds and imports with a secret in a wrong place or beside a mistake. */
const SEEDS: Readonly<Record<string, string>> = {
  "no blank behind the colon": `clients:\n  - { clientId: a, clientSecret:${SECRET} }`,
  "a text for a list": `instances:\n  - { id: a, appId: b, secretKeys: ${SECRET} }`,
  "a quote that is not closed": `clients:\n  - clientId: a\n    clientSecret: "${SECRET}`,
  "one key of two instances": `instances:\n${["a", "b"].map((id) => `  - { id: ${id}, appId: b, secretKeys: [${SECRET}] }\n`).join("")}`,
};
const instance = (id: string, keys: unknown): string =>
  JSON.stringify({ instance: { id, appId: "b", secretKeys: keys } });
const IMPORTS: Readonly<Record<string, string>> = {
  "a line cut short": `{"client":{"clientId":"a","clientSecret":"${SECRET}"`,
  "a member twice": `{"client":{"clientId":"a","clientSecret":"${SECRET}","clientSecret":"${SECRET}"}}`,
  "a secret for a name": `{"client":{"clientId":"a","${SECRET}":1,"clientSecret":"${SECRET}"}}`,
  "a secret for the kind": `{"${SECRET}":{}}`,
  "a list for a text": `{"client":{"clientId":"a","clientSecret":["${SECRET}"]}}`,
  "a text for a list": instance("a", SECRET),
  "one key of two instances": `${instance("a", [SECRET])}\n${instance("b", [SECRET])}`,
  "a text that only looks sealed": `{"client":{"clientId":"a","clientSecret":"sealed:v1.${SECRET}"}}`,
};

const FILES = {
  "web.crt": web.cert,
  "other.key": certify("other").key,
  "bad.key": `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----\n`,
};

describe("mistakes with a secret in them", () => {
  const secrets = [SECRET, MASTER_KEY, FILES["other.key"].split("\n")[1] ?? "", web.key.split("\n")[1] ?? ""];
  /** Runs a command, with and without --json: it must print something, and nothing of the secret. */
  async function expectQuiet(folder: string, ...args: readonly string[]): Promise<void> {
    for (const more of [[], ["--json"]]) {
      const { stdout, stderr } = await run([...args, ...more], folder);
      expect(stdout + stderr, "says something").to.have.length.above(20);
      expectNone(stdout + stderr, secrets);
    }
  }

  for (const [what, text] of Object.entries(BROKEN)) {
    it(`a configuration with ${what} is reported without showing the secret`, async () => {
      const whole = text.startsWith("{") ? text : `grpc: 127.0.0.1:0\n${text}\n`;
      await expectQuiet(folderOf(whole, FILES), "check", "--config", "verifier.yaml");
    });
  }

  for (const [what, seed] of Object.entries(SEEDS)) {
    it(`a seed with ${what} is reported without showing the secret`, async () => {
      const folder = folderOf(`grpc: 127.0.0.1:0\n${STORE}directory: ./directory.yaml\nrealms:\n${REALM}`, {
        "directory.yaml": seed,
      });
      await expectQuiet(folder, "check", "--config", "verifier.yaml");
      const { stdout, stderr } = await start(["serve", "--config", "verifier.yaml"], folder).ended;
      expectNone(stdout + stderr, secrets);
    });
  }

  for (const [what, lines] of Object.entries(IMPORTS)) {
    it(`an import with ${what} is reported without showing the secret`, async () => {
      const folder = folderOf(`grpc: 127.0.0.1:0\n${STORE}realms:\n${REALM}`, { "bulk.jsonl": lines });
      await expectQuiet(folder, "import", "bulk.jsonl", "--config", "verifier.yaml");
    });
  }

  it("commands about tokens and keys show no token, secret or key", async () => {
    const folder = folderOf();
    const { stdout } = await run(["mint", "--config", "verifier.yaml", "--realm", "integuru"], folder);
    const token = stdout.trim();
    expect(token.split(".")).to.have.length(3);
    const forged = `${token.slice(0, -8)}AAAAAAAA`;
    writeFileSync(join(folder, "candidate.json"), JSON.stringify({ keys: [{ kty: "oct", k: SECRET, kid: "a" }] }));
    const said: string[] = [];
    const diff = (candidate: string): string[] => [
      "keys",
      "diff",
      "--config",
      "verifier.yaml",
      "--realm",
      "partner",
      "--candidate",
      candidate,
    ];
    for (const command of [
      ["verify", "--config", "verifier.yaml", "--realm", "integuru", "--explain", token],
      ["verify", "--config", "verifier.yaml", "--realm", "integuru", "--explain", forged],
      ["verify", "--config", "verifier.yaml", "--realm", "nowhere", token],
      ["verify", "--address", "127.0.0.1:1", "--realm", "integuru", token],
      [
        "verify",
        "--config",
        "verifier.yaml",
        "--realm",
        "clowk",
        "--secret-key-file",
        "instance.key",
        "--explain",
        token,
      ],
      [
        "verify",
        "--config",
        "verifier.yaml",
        "--realm",
        "fiserv",
        "--client-id",
        "a",
        "--client-secret-file",
        "client.secret",
        token,
      ],
      diff("candidate.json"),
      diff(`http://127.0.0.1:1/?k=${SECRET}`),
      diff(`https://u:${SECRET}@127.0.0.1:1/`),
      ["revoke", "--config", "verifier.yaml", "--realm", "integuru", "--token", token],
      ["verify", "--config", "verifier.yaml", "--realm", "clowk", "--secret-key-file", SECRET, token],
    ]) {
      for (const more of [[], ["--json"]]) {
        const { stdout, stderr } = await run([...command, ...more], folder);
        said.push(
          `${command.join(" ")}\n`.replaceAll(token, "").replaceAll(forged, "").replaceAll(SECRET, ""),
          stdout,
          stderr,
        );
      }
    }
    const texts = [
      SECRET,
      ...partsOf(token),
      ...partsOf(forged),
      secretOf("integuru"),
      secretOf("clowk"),
      CLIENT_SECRET,
    ];
    expectNone(said.join("\n"), texts);
    expectNone(said.join("\n"), keyTexts());
  });

  it("a running service that is sent secrets, and whose issuer is unreachable, shows none of them", async () => {
    const fetched = `  remote: { algorithms: [ES256], issuer: null, audience: null, keys: [{ jwksUri: "http://127.0.0.1:1/?k=${SECRET}", insecure: true }] }\n`;
    const folder = folderOf(
      `${configuration("metrics: 127.0.0.1:0\nlog: { level: trace, calls: all }\ndrain: { delay: 0s }")}${fetched}`,
      FILES,
    );
    const { service } = await serving(folder);
    await service.until("keys cannot be fetched");
    let refused = 0;
    for (const text of Object.values(BROKEN).slice(0, 16)) {
      writeFileSync(join(folder, "verifier.yaml"), `grpc: 127.0.0.1:0\n${text}\n`);
      service.kill("SIGHUP");
      refused++;
      await service.until("configuration not reloaded", refused);
    }
    const { metrics = "" } = await service.ready();
    const said = await Promise.all(
      ["metrics", "readyz"].map(async (path) => (await fetch(`http://${metrics}/${path}`)).text()),
    );
    const { code, stdout, stderr } = await end(service);
    expect(code).to.equal(0);
    expectNone([stdout, stderr, ...said].join("\n"), [
      ...secrets,
      secretOf("integuru"),
      keyOf("fiserv").publicPem ?? "",
    ]);
  });

  it("a process that dies of an error with a request inside does not show its secrets", () => {
    const script = `import { Secret } from "./src/util/secret.ts";
      const request = { realm: "r", token: new Secret("${SECRET}"), credential: { kind: "client", clientSecret: new Secret("${SECRET}") } };
      Promise.reject(Object.assign(new Error("a fault of the test's own", { cause: request }), { request }));`;
    const file = join(folderOf(), "crash.mts");
    writeFileSync(file, script.replace("./src/", `${ROOT}/src/`).replaceAll(`"${SECRET}"`, "process.env.GIVEN"));
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", import.meta.resolve("tsx"), file], {
      encoding: "utf8",
      env: { ...process.env, GIVEN: SECRET },
    });
    expect(status).not.to.equal(0);
    expect(stderr).to.include("a fault of the test's own").and.to.include("request");
    expectNone(stdout + stderr, [SECRET]);
  });
});
