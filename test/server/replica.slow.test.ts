import { join } from "node:path";
import { expect } from "chai";
import type { Outcome } from "../../src/contract/verifier.js";
import type { Revocation } from "../../src/directory/revocation.js";
import { type Core, openCore } from "../../src/server/core.js";
import { serve } from "../../src/server/serve.js";
import { StartEnded } from "../../src/server/start.js";
import { openDirectory } from "../../src/server/store.js";
import type { Clock } from "../../src/util/clock.js";
import { Secret } from "../../src/util/secret.js";
import { type Folder, makeFolder, testEnvironment } from "../support/deployment.js";
import { createMemoryLog, type MemoryLog } from "../support/log.js";
import { type PostgresServer, query, startPostgres, whyNoPostgres } from "../support/postgres.js";
import { eventually } from "../support/replicas.js";
import { revokeBy } from "../support/revoke.js";
import { makeToken } from "../support/token.js";

describe("replicas on PostgreSQL", function () {
  this.timeout(60_000);
  let postgres: PostgresServer;
  let database: string;
  let folder: Folder;
  const running = new Set<Core>();

  const configured = (settings: string, more = ""): string => {
    const url = new URL(database);
    return `
grpc: 127.0.0.1:0
metrics: 127.0.0.1:0
store: { url: "postgres://127.0.0.1:${url.port}${url.pathname}", user: ${url.username}, password: "${url.password}", ${settings} }
masterKey: \${MASTER_KEY}
realms:
  open: { algorithms: [HS256], issuer: null, audience: null, requiredClaims: [], keys: [{ secret: "\${hs256}" }] }
  strict: { algorithms: [HS256], issuer: null, audience: null, requiredClaims: [], staleFor: 1s, keys: [{ secret: "\${hs256}" }] }
  members: { algorithms: [HS256], issuer: null, audience: null, requiredClaims: [], callers: instances, keys: [{ secret: "\${hs256}" }] }
${more}`;
  };

  /** A running replica, its log, and how often it looked an instance up. */
  interface Started extends MemoryLog {
    readonly core: Core;
    readonly lookUps: () => number;
  }

  async function start(clock: Clock = Date.now): Promise<Started> {
    const memory = createMemoryLog();
    let lookUps = 0;
    const onRead = (read: string): void => {
      if (read === "instance") lookUps += 1;
    };
    const core = await openCore(folder.config, { clock, log: memory.log, onRead });
    running.add(core);
    return { ...memory, core, lookUps: () => lookUps };
  }

  const tokenOf = (jti: string): Secret =>
    new Secret(makeToken({ key: "hs256", header: { alg: "HS256" }, claims: { jti, sub: "u" } }));
  const ask = async ({ core }: Pick<Started, "core">, jti: string, realm = "open", key?: string): Promise<Outcome> =>
    core.verifier.verify(
      {
        realm,
        token: tokenOf(jti),
        credential: key === undefined ? undefined : { kind: "instance", secretKey: new Secret(key) },
        explain: false,
      },
      { requestId: "r", address: "", deadline: Number.POSITIVE_INFINITY },
    );
  const said = async (...asked: Parameters<typeof ask>): Promise<string> => {
    const outcome = await ask(...asked);
    return "reason" in outcome ? String(outcome.reason) : outcome.kind;
  };
  const revocationOf = (jti: string): Revocation =>
    revokeBy({ realm: "open", kind: "jti", value: jti }).revocations[0]!;
  const revoke = async (jti: string): Promise<void> => {
    const { directory } = await openDirectory(folder.config, Date.now);
    try {
      await directory.apply([{ kind: "revoke", revocations: [revocationOf(jti)], comment: "" }], "tester");
    } finally {
      await directory.close();
    }
  };

  before(async function () {
    if (whyNoPostgres() !== undefined) this.skip();
    postgres = await startPostgres();
  });
  after(() => postgres?.close());
  beforeEach(async () => {
    database = await postgres.freshDatabase();
    folder = makeFolder(configured("staleFor: 60s"));
  });
  afterEach(async () => {
    for (const core of running) await core.close();
    running.clear();
    folder.remove();
  });

  it("a revocation on one replica holds on the other, and operators see both until they end", async () => {
    const [first, second] = [await start(), await start()];
    expect(await said(second, "t")).to.equal("verified");
    const { operators } = first.core;
    const by = { actor: "tester", requestId: "11111111-1111-4111-8111-111111111111" };
    const change = { kind: "revoke" as const, revocations: [revocationOf("t")], comment: "" };
    const { position } = await operators!.change(change, "content", by);
    await eventually(async () => (await said(second, "t")) === "TOKEN_REVOKED");
    // A report follows a revocation, so `revoke --wait` need not wait for the next regular one.
    await eventually(async () =>
      (await operators!.status()).replicas.every((replica) => replica.position >= position.number),
    );
    expect((await operators!.status()).replicas).to.have.length(2);
    running.delete(second.core);
    await second.core.close();
    expect((await operators!.status()).replicas).to.have.length(1);
  });

  it("a commit whose process died before it notified anyone is found by the next poll", async () => {
    const replica = await start();
    const touched = JSON.stringify({ revocations: [revocationOf("t")] });
    await query(
      database,
      `WITH head AS (
        UPDATE token_verifier.feed_head SET number = number + 1, mark = 'AAAAAAAAAAAAAAAAAAAAAA' RETURNING number, mark
      ) INSERT INTO token_verifier.feed (number, mark, at, kind, touched)
        SELECT number, mark, ${Date.now()}, 'revoked', '${touched}' FROM head`,
    );
    await eventually(async () => (await said(replica, "t")) === "TOKEN_REVOKED");
  });

  it("while the database is down, memory answers; once it is back, the replica follows it by itself", async () => {
    const replica = await start();
    await postgres.kill("SIGKILL");
    expect(await said(replica, "t")).to.equal("verified");
    await eventually(async () => (await said(replica, "u", "strict")) === "DIRECTORY_UNAVAILABLE");
    expect(await said(replica, "u"), "a realm with a longer staleFor").to.equal("verified");
    expect([...replica.core.unserved()]).to.deep.equal(["strict"]);
    await postgres.restart();
    await revoke("t");
    await eventually(async () => (await said(replica, "t")) === "TOKEN_REVOKED");
    await eventually(async () => (await said(replica, "u", "strict")) === "verified");
  });

  it("a frozen database ends verdicts after staleFor, and look-ups at once: nothing piles up", async () => {
    folder.remove();
    folder = makeFolder(configured("staleFor: 3s"));
    const replica = await start();
    expect(await said(replica, "t", "members", "unknown")).to.equal("CALLER_UNKNOWN");
    await postgres.kill("SIGSTOP");
    try {
      const seen = new Set<string>();
      let turns = 0;
      await eventually(async () => {
        turns += 1;
        const now = await said(replica, "t");
        seen.add(now);
        return now === "DIRECTORY_UNAVAILABLE";
      });
      expect([...seen]).to.deep.equal(["verified", "DIRECTORY_UNAVAILABLE"]);
      expect(turns, "turns of the event loop in three seconds").to.be.greaterThan(50);
      expect(replica.core.serviceState().directory?.state).to.equal("failing");
    } finally {
      await postgres.kill("SIGCONT");
    }
    await eventually(async () => (await said(replica, "t")) === "verified");
  });

  it("while the database is frozen, look-ups fail at once instead of each at its deadline", async () => {
    const replica = await start();
    await postgres.kill("SIGSTOP");
    try {
      await eventually(async () => {
        await ask(replica, "t", "members", "probe");
        return replica.text().includes("directory look-ups fail at once");
      });
      const before = replica.lookUps();
      const asked = Array.from({ length: 1_000 }, (_, index) => said(replica, "t", "members", `key ${index}`));
      expect(new Set(await Promise.all(asked))).to.deep.equal(new Set(["DIRECTORY_UNAVAILABLE"]));
      expect(replica.lookUps() - before, "look-ups of the thousand that were tried").to.be.lessThan(10);
      expect(await said(replica, "t"), "what needs no look-up").to.equal("verified");
    } finally {
      await postgres.kill("SIGCONT");
    }
    await eventually(async () => (await said(replica, "t", "members", "another")) === "CALLER_UNKNOWN");
    expect(replica.text()).to.include("directory look-ups are tried again");
  });

  it("a restored copy of the disk gets back the revocations that a replica remembers", async () => {
    const replica = await start();
    await revoke("before");
    const copy = postgres.copyFolder();
    try {
      await revoke("after");
      await eventually(async () => (await said(replica, "after")) === "TOKEN_REVOKED");
      await postgres.restart(copy);
    } finally {
      copy.remove();
    }
    const wrong: string[] = [];
    await eventually(async () => {
      const now = await said(replica, "after");
      if (now !== "TOKEN_REVOKED" && now !== "DIRECTORY_UNAVAILABLE") wrong.push(now);
      return replica.core.stats().store?.revocationsRestored === 1;
    });
    expect(wrong).to.deep.equal([]);
    const later = await start();
    for (const jti of ["before", "after"]) expect(await said(later, jti), jti).to.equal("TOKEN_REVOKED");
    const [row] = await later.core.operators!.audit({}, undefined, 1);
    expect(row?.actor).to.equal("recovery");
    expect(replica.text()).to.include("store went back in time");
  });

  it("a replica whose clock is wrong gives no verdicts and takes no changes, and says both times", async () => {
    let ahead = 40_000;
    const replica = await start(() => Date.now() + ahead);
    expect(await said(replica, "t")).to.equal("DIRECTORY_UNAVAILABLE");
    expect(replica.core.serviceState().directory?.why).to.match(/clock \(20.*Z\) and the store's \(20.*Z\) differ/);
    const by = { actor: "tester", requestId: "11111111-1111-4111-8111-111111111111" };
    const change = { kind: "revoke" as const, revocations: [revocationOf("t")], comment: "" };
    const error = await replica.core.operators!.change(change, "content", by).catch((thrown: unknown) => thrown);
    expect(error).to.have.property("code", "unavailable");
    ahead = 0;
    await eventually(async () => (await said(replica, "t")) === "verified");
    await eventually(() => replica.text().includes("clock agrees with the store's again"));
    expect(replica.text()).to.include("clock differs from the store's: no verdicts are given");
  });

  it("a service that starts before its database waits for it, and says so on /readyz", async () => {
    await postgres.stop();
    const { log, text } = createMemoryLog();
    const file = join(folder.path, "verifier.yaml");
    const ending = new AbortController();
    const context = { env: testEnvironment(), clock: Date.now, log };
    const given = serve(file, undefined, { ...context, signal: ending.signal });
    await eventually(() => text().includes("waiting for the store"));
    ending.abort();
    expect(await given.catch((error: unknown) => error)).to.be.instanceOf(StartEnded);
    const starting = serve(file, undefined, context);
    await postgres.restart();
    const service = await starting;
    const ready = await fetch(`http://${service.addresses["metrics"]}/readyz`);
    expect(ready.status).to.equal(200);
    await service.stop();
  });
});
