import { appendFileSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { mint } from "../../src/cli/mint.js";
import { connect } from "../../src/client/index.js";
import { loadConfig } from "../../src/config/load.js";
import { FileWatch } from "../../src/server/file-watch.js";
import { type Only, type Running, serve } from "../../src/server/serve.js";
import { emptyFolder, end, folderOf, MASTER_KEY, serving } from "../cli/harness.js";
import { healthClient } from "../grpc/health-client.js";
import { keyOf } from "../support/keys.js";
import { createMemoryLog } from "../support/log.js";

// A configuration that a running service reads again.

const SECRET = "a-secret-that-is-used-in-this-test-only";
const HEAD = `grpc: 127.0.0.1:0
http: 127.0.0.1:0
metrics: 127.0.0.1:0
drain: { delay: 0s, timeout: 1s }
realms:
`;
const INTEGURU = `  integuru: { preset: integuru, keys: [{ secretFile: ./integuru.key }] }\n`;
const partner = (name: string, more = ""): string =>
  `  ${name}: { algorithms: [ES256], issuer: https://issuer.example, audience: null, keys: [{ pemFile: ./partner.pem }]${more} }\n`;

/** A service with its files and its log. */
class Service {
  readonly folder = emptyFolder();
  readonly file = join(this.folder, "verifier.yaml");
  readonly #log = createMemoryLog();
  #look = (): void => {};
  watched = false;
  running!: Running;

  static async start(realms = INTEGURU + partner("partner"), only?: Only, head = HEAD): Promise<Service> {
    const service = new Service();
    service.write("integuru.key", SECRET);
    service.write("partner.pem", keyOf("p256").publicPem ?? "");
    service.write("partner.private.pem", keyOf("p256").signer.export({ type: "pkcs8", format: "pem" }).toString());
    service.write("verifier.yaml", head + realms);
    service.running = await serve(service.file, only, {
      env: {},
      clock: Date.now,
      log: service.#log.log,
      watch: (look) => {
        service.#look = look;
        service.watched = true;
        return () => {
          service.watched = false;
        };
      },
    });
    started.push(service);
    return service;
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  /** Writes the configuration and reloads it. */
  reload(realms: string, head = HEAD): void {
    this.write("verifier.yaml", head + realms);
    this.running.reload();
  }

  /** Looks at the files twice, which is enough for a change to count. */
  look(): void {
    this.#look();
    this.#look();
  }

  /** One look at the files. */
  glance(): void {
    this.#look();
  }

  log(): string {
    return this.#log.text();
  }

  /** The log lines about reloads, in order. */
  said(): Record<string, unknown>[] {
    return this.log()
      .split("\n")
      .filter((line) => /"msg":"(configuration|restart)/.test(line))
      .map((line) => {
        const { file, time: _time, ...said } = JSON.parse(line) as Record<string, unknown>;
        expect(file).to.equal(this.file);
        return said;
      });
  }

  /** Verifies a token and returns `verified`, or the reason of the rejection or error. */
  async verify(realm: string, token: string): Promise<string> {
    // The long deadline keeps the test independent of a machine that pauses.
    const client = connect(this.running.addresses["grpc"] ?? "", { deadlineMs: 600_000 });
    try {
      const verdict = await client.verify({ realm, token });
      return verdict.kind === "rejected" ? String(verdict.reason) : verdict.kind;
    } catch (error) {
      return String((error as { reason?: unknown }).reason);
    } finally {
      client.close();
    }
  }

  mint(realm: string): Promise<string> {
    return mint(loadConfig(this.file, { env: {} }), { realm, claim: [], expires: "1h" }, Date.now());
  }

  async get(path: string): Promise<string> {
    return (await fetch(`http://${this.running.addresses["metrics"]}${path}`)).text();
  }

  /** Calls VerifyToken over HTTP from a page; returns the status, the answer's first member and the allowed origin. */
  async rpc(realm: string, token: string): Promise<unknown[]> {
    const url = `http://${this.running.addresses["http"]}/tokenverifier.v1.TokenVerifier/VerifyToken`;
    const answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Origin: "https://app.example" },
      body: JSON.stringify({ realm, token }),
    });
    const [first] = Object.keys((await answer.json()) as object).filter((name) => name !== "error");
    return [answer.status, first, answer.headers.get("access-control-allow-origin")];
  }

  async face(path: string): Promise<number> {
    return (await fetch(`http://${this.running.addresses["http"]}${path}`, { method: "POST" })).status;
  }
}

const started: Service[] = [];
afterEach(async () => {
  for (const service of started.splice(0)) await service.running.stop();
});

const reloaded = (changes: object): object => ({
  level: 30,
  added: [],
  removed: [],
  changed: [],
  ...changes,
  msg: "configuration reloaded",
});

describe("reload", () => {
  it("a reload adds and removes realms, and the log names both", async () => {
    const service = await Service.start();
    const token = await service.mint("partner");
    expect(await service.verify("partner", token)).to.equal("verified");
    service.reload(INTEGURU + partner("corp"));
    expect(await service.verify("corp", token)).to.equal("verified");
    expect(await service.verify("partner", token)).to.equal("REALM_UNKNOWN");
    expect(service.said()).to.deep.equal([reloaded({ added: ["corp"], removed: ["partner"] })]);
  });

  it("a reload forgets verdicts under a replaced key, and keeps those of unchanged realms", async () => {
    const service = await Service.start();
    const [kept, lost] = [await service.mint("integuru"), await service.mint("partner")];
    const bytes = async (): Promise<number> =>
      Number(/^tokenverifier_fact_cache_bytes (\d+)$/m.exec(await service.get("/metrics"))?.[1]);
    expect(await service.verify("integuru", kept)).to.equal("verified");
    const ofOne = await bytes();
    expect(await service.verify("partner", lost)).to.equal("verified");
    expect(await bytes()).to.be.above(ofOne);
    service.write("partner.pem", keyOf("p256-other").publicPem ?? "");
    service.running.reload();
    expect(await bytes()).to.equal(ofOne);
    expect(await service.verify("partner", lost)).to.equal("SIGNATURE_INVALID");
    expect(await service.verify("integuru", kept)).to.equal("verified");
    expect(await bytes()).to.equal(ofOne);
    expect(service.said()).to.deep.equal([reloaded({ changed: ["partner"] })]);
  });

  it("a reload of a bad file changes nothing, and logs every problem without a secret", async () => {
    const service = await Service.start();
    const token = await service.mint("partner");
    service.write("integuru.key", "short-secret");
    service.reload(`${INTEGURU}  broken: { algorithms: [ES256], issuer: null, audience: null, keys: [{ pem: x }] }\n`);
    expect(await service.verify("partner", token)).to.equal("verified");
    expect(await service.verify("broken", token)).to.equal("REALM_UNKNOWN");
    const [said = {}] = service.said();
    expect(service.said()).to.have.length(1);
    expect(said).to.include({ level: 50, msg: "configuration not reloaded" });
    expect((said["issues"] as { place: string }[]).map(({ place }) => place)).to.deep.equal([
      "realms.integuru.keys[0].secretFile",
      "realms.broken.keys[0].pem",
    ]);
    expect(service.log()).not.to.include("short-secret").and.not.to.include(SECRET);
    service.write("integuru.key", SECRET);
    service.reload(INTEGURU + partner("partner"));
    expect(service.said().at(-1)).to.deep.equal(reloaded({}));
  });

  it("each reload logs the changed keys that need a restart, and does not apply them", async () => {
    const service = await Service.start();
    const head = HEAD.replace("grpc: 127.0.0.1:0", "grpc: 127.0.0.1:1").replace(
      "drain",
      "cache: { facts: 1MiB }\ndrain",
    );
    const more = `masterKey: ${MASTER_KEY}\nlimits: { batch: 1 }\n`;
    for (let time = 0; time < 2; time++) {
      service.reload(INTEGURU + partner("partner"), more + head);
      const [last, keys] = [service.said().at(-1), ["grpc", "limits", "cache", "masterKey"]];
      expect(last).to.include({ level: 40, msg: "restart needed" });
      expect(last?.["keys"]).to.have.members(keys);
    }
    expect(service.log()).not.to.include(MASTER_KEY);
    expect(await service.verify("partner", await service.mint("partner"))).to.equal("verified");
    service.reload(INTEGURU + partner("partner"));
    expect(service.said().at(-1)).to.deep.equal(reloaded({}));
  });

  it("a reload refuses a realm with callers if the service was started without a store", async () => {
    const service = await Service.start();
    service.reload(`  clowk: { preset: clowk }\n${partner("corp")}`, `masterKey: ${MASTER_KEY}\n${HEAD}`);
    const [said = {}] = service.said();
    expect(said).to.include({ msg: "configuration not reloaded" });
    expect((said["issues"] as object[])[0]).to.deep.equal({
      place: "masterKey",
      message: "the callers of the realm clowk need it, and it takes effect at a start only: restart",
    });
    expect(await service.verify("corp", "x")).to.equal("REALM_UNKNOWN");
    expect(await service.verify("partner", "x")).to.equal("TOKEN_MALFORMED");
  });

  it("a reload updates faces, probes, metric labels and health", async () => {
    const service = await Service.start();
    expect(await service.face("/api/verify-token")).to.equal(401);
    const client = healthClient(service.running.addresses["grpc"] ?? "");
    const check = (name: string): Promise<string> =>
      new Promise((resolve) =>
        client["check"]({ service: name }, (error: any, answer: any) => resolve(error?.code ?? answer.status)),
      );
    expect(await check("realm/integuru")).to.equal("SERVING");
    service.reload(partner("partner") + partner("corp"));
    expect(await service.face("/api/verify-token")).to.equal(404);
    expect(JSON.parse(await service.get("/readyz"))).to.deep.equal({
      ready: true,
      realms: { partner: "fresh", corp: "fresh" },
    });
    for (const realm of ["corp", "integuru"]) await service.verify(realm, "x");
    const metrics = await service.get("/metrics");
    expect(metrics).to.match(/verifications_total\{realm="corp",.*reason="TOKEN_MALFORMED",signed="false"\} 1$/m);
    expect(metrics).to.match(/verifications_total\{realm="unknown",.*reason="REALM_UNKNOWN"\} 1$/m);
    expect(await check("realm/corp")).to.equal("SERVING");
    expect(await check("realm/integuru")).to.equal("NOT_SERVING");
    service.reload(INTEGURU);
    expect(await service.face("/api/verify-token")).to.equal(401);
    expect(await check("realm/integuru")).to.equal("SERVING");
    client.close();
  });

  it("a reload updates the realms under http.rpc and the origins under http.cors", async () => {
    const withHttp = (more: string): string => HEAD.replace(/^http: .*$/m, `http: { address: 127.0.0.1:0${more} }`);
    const service = await Service.start();
    const token = await service.mint("partner");
    const realms = INTEGURU + partner("partner");
    expect(await service.rpc("partner", token)).to.deep.equal([404, undefined, null]);
    service.reload(realms, withHttp(", rpc: [partner], cors: { origins: [https://app.example] }"));
    expect(await service.rpc("partner", token)).to.deep.equal([200, "verified", "https://app.example"]);
    expect(await service.rpc("integuru", token)).to.deep.equal([404, "code", "https://app.example"]);
    service.reload(realms, withHttp(", rpc: [integuru]"));
    expect(await service.rpc("partner", token)).to.deep.equal([404, "code", null]);
    service.reload(realms, withHttp(", rpc: [nowhere]"));
    expect(await service.rpc("integuru", token), "as before").to.deep.equal([200, "rejected", null]);
    expect(service.said().map(({ msg }) => msg)).to.deep.equal([
      "configuration reloaded",
      "configuration reloaded",
      "configuration not reloaded",
    ]);
  });

  it("a reload updates the faces of a standalone gateway", async () => {
    const head = "http: 127.0.0.1:0\nupstream: 127.0.0.1:1\nmetrics: 127.0.0.1:0\ndrain: { delay: 0s }\nrealms:\n";
    const service = await Service.start("  integuru: { preset: integuru }\n", "http", head);
    expect(await service.face("/api/verify-token")).to.equal(401);
    service.reload("  fiserv: { preset: fiserv }\n", head.replace(":1\n", ":2\n"));
    expect(await service.face("/api/verify-token")).to.equal(404);
    expect(JSON.parse(await service.get("/readyz"))).to.deep.include({ realms: { fiserv: "failing" } });
    expect(service.said()).to.deep.equal([
      { level: 30, faces: ["fiserv"], msg: "configuration reloaded" },
      { level: 40, keys: ["upstream"], msg: "restart needed" },
    ]);
  });

  it("a reload updates the realms that a standalone gateway serves over RPC", async () => {
    const withRpc = (more: string): string =>
      `http: { address: 127.0.0.1:0${more} }\nupstream: 127.0.0.1:1\nmetrics: 127.0.0.1:0\ndrain: { delay: 0s }\nrealms:\n`;
    const service = await Service.start("  fiserv: { preset: fiserv }\n", "http", withRpc(", rpc: [partner]"));
    // The upstream is absent, and a realm that is not listed is answered without it.
    expect(await service.rpc("partner", "t")).to.deep.equal([503, "code", null]);
    expect(await service.rpc("corp", "t")).to.deep.equal([404, "code", null]);
    service.reload("  fiserv: { preset: fiserv }\n", withRpc(', rpc: [corp], cors: { origins: ["*"] }'));
    expect(await service.rpc("partner", "t")).to.deep.equal([404, "code", "*"]);
    expect(await service.rpc("corp", "t")).to.deep.equal([503, "code", "*"]);
    expect(JSON.parse(await service.get("/readyz"))).to.deep.equal({
      ready: false,
      notReady: "no upstream is serving",
      realms: { fiserv: "failing", corp: "failing" },
      upstreams: [{ address: "127.0.0.1:1", state: "unreachable", why: "nothing listens there" }],
    });
    expect(await service.get("/metrics")).to.match(
      /realm="partner",via="http\/VerifyToken",.*reason="VERIFIER_UNAVAILABLE"\} 1$/m,
    );
  });

  it("the service reloads by itself once the configuration, or a file that it names, has changed and settled", async () => {
    const service = await Service.start();
    service.look();
    expect(service.said()).to.deep.equal([]);
    service.write("partner.pem", `${keyOf("p256-other").publicPem}\n`);
    service.glance();
    expect(service.said(), "not before it rests").to.deep.equal([]);
    service.glance();
    expect(service.said()).to.deep.equal([reloaded({ changed: ["partner"] })]);
    service.look();
    expect(service.said(), "once").to.have.length(1);
    service.write("integuru.key", `${SECRET}, longer`);
    service.look();
    expect(service.said().at(-1)).to.deep.equal(reloaded({ changed: ["integuru"] }));
    appendFileSync(service.file, partner("corp"));
    service.look();
    expect(service.said().at(-1)).to.deep.equal(reloaded({ added: ["corp"] }));
  });

  it("the service reloads once a file that a bad configuration lacked appears, and logs the problem once", async () => {
    const service = await Service.start();
    service.write("verifier.yaml", HEAD + INTEGURU.replace("integuru.key", "later.key"));
    service.look();
    service.look();
    expect(service.said().map(({ msg }) => msg)).to.deep.equal(["configuration not reloaded"]);
    service.write("later.key", SECRET);
    service.look();
    expect(service.said().at(-1)).to.deep.equal(reloaded({ removed: ["partner"] }));
  });

  it("a draining service neither watches nor reloads its files", async () => {
    const service = await Service.start();
    expect(service.watched).to.equal(true);
    const stopping = service.running.stop();
    expect(service.watched).to.equal(false);
    service.running.reload();
    await stopping;
    expect(service.said()).to.deep.equal([]);
  });
});

describe("a service that gets SIGHUP", () => {
  it("SIGHUP reloads the configuration", async () => {
    const folder = folderOf();
    const { service } = await serving(folder);
    const file = join(folder, "verifier.yaml");
    writeFileSync(file, readFileSync(file, "utf8").replace("  partner:", "  corp:"));
    service.kill("SIGHUP");
    await service.until('"msg":"configuration reloaded"');
    expect(service.lines().find(({ msg }) => msg === "configuration reloaded")).to.deep.include({
      added: ["corp"],
      removed: ["partner"],
      changed: [],
    });
    expect((await end(service)).code).to.equal(0);
  });
});

describe("FileWatch", () => {
  it("FileWatch notices a file that disappears, comes back, or is replaced by one with the same text", () => {
    const file = join(emptyFolder(), "a");
    const watch = new FileWatch();
    const changed = (): boolean => [watch.isChanged(), watch.isChanged()].some(Boolean);
    expect(() => watch.readFile(file)).to.throw("ENOENT");
    expect(changed()).to.equal(false);
    writeFileSync(file, "text");
    expect(changed()).to.equal(true);
    watch.begin();
    expect(watch.readFile(file)).to.equal("text");
    expect(changed()).to.equal(false);
    writeFileSync(`${file}.new`, "text");
    renameSync(`${file}.new`, file);
    expect(changed()).to.equal(true);
    rmSync(file);
    expect(changed()).to.equal(true);
  });

  it("FileWatch waits while a file keeps changing", () => {
    const file = join(emptyFolder(), "a");
    writeFileSync(file, "");
    const watch = new FileWatch();
    watch.readFile(file);
    for (let time = 0; time < 5; time++) {
      appendFileSync(file, "more");
      expect(watch.isChanged()).to.equal(false);
    }
    expect(watch.isChanged()).to.equal(true);
  });
});
