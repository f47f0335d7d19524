import { join } from "node:path";
import { expect } from "chai";
import { mint } from "../../src/cli/mint.js";
import type { UnreachableFailure } from "../../src/client/channel.js";
import { loadConfig } from "../../src/config/load.js";
import type { Call, CallOutcome, FinishedCall } from "../../src/contract/call.js";
import { knownCaller } from "../../src/contract/call.js";
import { FAILURE_REASONS } from "../../src/contract/failures.js";
import { failure, type Outcome } from "../../src/contract/verifier.js";
import { callerFields, callLogger } from "../../src/observability/call-log.js";
import { createLogger, refusalLogger } from "../../src/observability/logger.js";
import { type Running, serve } from "../../src/server/serve.js";
import { Secret } from "../../src/util/secret.js";
import { CLIENT_SECRET, configuration, folderOf, MASTER_KEY } from "../cli/harness.js";
import { CLOWK, FISERV, INTEGURU, Wire } from "../http/harness.js";
import { createClock, NOW } from "../support/clock.js";
import { createClient, type GrpcClient, isCallError } from "../support/grpc.js";
import { type HttpAnswer, requestBytes, valuesOf } from "../support/http.js";
import { secretOf } from "../support/keys.js";
import { holdToTables } from "../support/log.js";

// The log lines about calls, and the secrets that they never contain.

const VERIFIED: Outcome = {
  kind: "verified",
  token: { keyId: "k" },
  principal: undefined,
  evidence: {},
  checks: [],
} as unknown as Outcome;
const REJECTED: Outcome = {
  kind: "rejected",
  reason: "TOKEN_EXPIRED",
  claim: "exp",
  signatureVerified: false,
  checks: [],
};
/** Failures that only callers with a good credential get. */
const AFTER_THE_CALLER: ReadonlySet<string> = new Set([
  "TOKEN_EMPTY",
  "EXPLAIN_DENIED",
  "KEYS_UNAVAILABLE",
  "TOO_MANY_KEYS",
  "KEY_REFUSED",
  "TOO_MANY_PROOFS",
  "WATCH_DENIED",
]);
const FAULT = failure("DIRECTORY_UNAVAILABLE");
const REFUSED = failure("CALLER_UNKNOWN");

type Line = Readonly<Record<string, unknown>>;

function capture(level: "trace" | "info" = "trace") {
  const text: string[] = [];
  const write = (line: string): void => {
    text.push(line);
    holdToTables(line);
  };
  const log = createLogger({ level, format: "json", calls: "all" }, { write });
  return { log, text: () => text.join(""), lines: () => text.map((line) => JSON.parse(line) as Line) };
}

describe("the lines about connections", () => {
  const ROWS = [
    ["connections", "too many connections", { reason: "connections" }],
    ["address", "too many connections", { reason: "address" }],
    ["handshake", "handshake failed", { code: "EPROTO" }],
    ["refusals", "connection cut", { reason: "refusals" }],
    ["resets", "connection cut", { reason: "resets" }],
    ["unread", "connection cut", { reason: "unread" }],
  ] as const;
  for (const [reason, msg, more] of ROWS) {
    it(`a connection closed for "${reason}" is logged as "${msg}", with its port and address`, () => {
      const { log, lines } = capture();
      refusalLogger(log, () => NOW)("grpc", {
        reason,
        address: "192.0.2.1",
        code: reason === "handshake" ? "EPROTO" : "",
      });
      const line = { msg, level: "warn", port: "grpc", address: "192.0.2.1", ...more };
      expect(lines()).to.have.length(1);
      expect(lines()[0]).to.deep.include(line);
    });
  }
});

describe("the log lines about calls", () => {
  const line = (
    outcome: CallOutcome,
    { requestId = "id", address = "192.0.2.1", ...others }: Partial<FinishedCall & Call> = {},
  ): FinishedCall => ({
    call: {
      via: "VerifyToken",
      requestId,
      address,
      workload: undefined,
      started: NOW,
      deadline: NOW + 10_000,
      cancelled: false,
    },
    realm: "r",
    caller: undefined,
    outcome,
    millis: 1.23456,
    items: 1,
    ...others,
  });
  /** Logs calls whose callers' instances are unknown. */
  const logging = (...settings: Parameters<typeof callLogger>): ((finished: FinishedCall) => void) => {
    const write = callLogger(...settings);
    return (finished) => write(finished, () => undefined);
  };

  for (const [what, kid, said] of [
    ["unchanged", "2027-01", "2027-01"],
    [
      "with terminal control characters escaped",
      "\u009b2J\u001b[\n\u202ek\ud800é",
      "\\u009b2J\\u001b[\\u000a\\u202ek\\ud800\\u00e9",
    ],
    ["cut", "k".repeat(5000), "k".repeat(128)],
    ["cut and escaped", "\0".repeat(5000), "\\u0000".repeat(128)],
    ["left out if it is absent", undefined, undefined],
  ] as const) {
    it(`the line of a token with an unknown key has its kid ${what}`, () => {
      const { log, lines } = capture();
      const outcome: Outcome = {
        kind: "rejected",
        reason: "KEY_UNKNOWN",
        claim: "kid",
        signatureVerified: false,
        checks: [],
        ...(kid && { kid }),
      };
      logging(log, "rejected", createClock().now)(line(outcome));
      expect(lines()).to.have.length(1);
      expect(lines()[0]?.["kid"]).to.equal(said);
    });
  }

  it("the line of a rejection says whether the signature had verified", () => {
    const { log, lines } = capture();
    const tell = logging(log, "rejected", createClock().now);
    for (const signatureVerified of [false, true]) tell(line({ ...REJECTED, signatureVerified }));
    expect(lines().map(({ signed }) => signed)).to.deep.equal([false, true]);
  });

  it("the line of a refused key has its cause and kid, and is no fault of the service", () => {
    const { log, lines } = capture();
    const tell = logging(log, "rejected", createClock().now);
    tell(line({ ...failure("KEY_REFUSED"), cause: "set aside", kid: "k" }));
    expect(lines()[0]).to.include({
      level: "info",
      outcome: "failed",
      reason: "KEY_REFUSED",
      cause: "set aside",
      kid: "k",
    });
  });

  describe("for missing keys", () => {
    const unfetched: Outcome = { ...failure("KEYS_UNAVAILABLE", 20_000), kid: "2027-\u009b2J" };
    const waiting: Outcome = { ...unfetched, cause: "cooldown" };
    const saidOf = (outcome: Outcome): Line => {
      const { log, lines } = capture();
      logging(log, "rejected", createClock().now)(line(outcome));
      expect(lines()).to.have.length(1);
      return lines()[0] ?? {};
    };

    it("the line of a call without keys has the kid, and says whether a cooldown or a failed fetch is the cause", () => {
      const told = { outcome: "failed", reason: "KEYS_UNAVAILABLE", kid: "2027-\\u009b2J" };
      expect(saidOf(waiting)).to.include({ ...told, level: "info" });
      expect(saidOf(waiting)["why"]).to.match(/keys are fresh.*cooldown/);
      expect(saidOf(unfetched)).to.include({ ...told, level: "warn", why: "keys cannot be fetched" });
      expect(saidOf(failure("KEYS_UNAVAILABLE"))).not.to.have.property("kid");
    });

    it("lines about unknown kids during the cooldown are limited, and left out with calls: none", () => {
      const { log, lines } = capture();
      const tell = logging(log, "rejected", createClock().now);
      for (let turn = 0; turn < 150; turn++) tell(line(waiting));
      expect(lines()).to.have.length(100);
      for (let turn = 0; turn < 50; turn++) tell(line(unfetched));
      expect(lines()).to.have.length(150);
      const none = logging(log, "none", createClock().now);
      none(line(waiting));
      none(line(unfetched));
      expect(lines()).to.have.length(151);
    });
  });

  it("the line of a routed call names the realm that judged the token", () => {
    for (const outcome of [VERIFIED, REJECTED, REFUSED, FAULT]) {
      const { log, lines } = capture();
      const tell = logging(log, "all", createClock().now);
      tell(line({ ...outcome, target: "first" }));
      tell(line(outcome));
      expect(lines().map(({ realm, target }) => [realm, target])).to.deep.equal([
        ["r", "first"],
        ["r", undefined],
      ]);
    }
  });

  for (const [calls, written] of [
    ["none", ["fault"]],
    ["rejected", ["rejected", "refused", "fault"]],
    ["all", ["verified", "rejected", "refused", "fault"]],
  ] as const) {
    it(`calls: ${calls} logs ${written.join(", ")}`, () => {
      const { log, lines } = capture();
      const tell = logging(log, calls, createClock().now);
      for (const outcome of [VERIFIED, REJECTED, REFUSED, FAULT]) tell(line(outcome));
      const names: Record<string, string> = {
        TOKEN_EXPIRED: "rejected",
        CALLER_UNKNOWN: "refused",
        DIRECTORY_UNAVAILABLE: "fault",
      };
      expect(lines().map(({ reason }) => names[String(reason)] ?? "verified")).to.deep.equal(written);
      expect(new Set(lines().map(({ msg }) => msg))).to.deep.equal(new Set(["call"]));
    });
  }

  it("a browser's preflight is logged only with calls: all", () => {
    const { log, lines } = capture();
    for (const calls of ["none", "rejected", "all"] as const) {
      logging(log, calls, createClock().now)(line("preflight", { realm: "", status: 204 }));
    }
    expect(lines()).to.have.length(1);
    expect(lines()[0])
      .to.include({ level: "info", outcome: "preflight", status: 204 })
      .and.not.to.have.property("reason");
  });

  it("lines about calls have a constant message, and their values as fields", () => {
    const { log, lines } = capture();
    const tell = logging(log, "all", createClock().now);
    tell(line(VERIFIED, { status: 200 }));
    tell(line(REJECTED, { items: 3, address: "" }));
    tell(line(REFUSED, { realm: "" }));
    tell(line(undefined, { status: 405 }));
    tell(line(FAULT));
    const said = lines().map(({ time, ...others }) => {
      expect(time).to.match(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      return others;
    });
    const same = { requestId: "id", via: "VerifyToken", msg: "call", millis: 1.235, level: "info" };
    expect(said).to.deep.equal([
      { ...same, realm: "r", address: "192.0.2.1", outcome: "verified", kid: "k", status: 200 },
      { ...same, realm: "r", outcome: "rejected", reason: "TOKEN_EXPIRED", signed: false, claim: "exp", items: 3 },
      { ...same, address: "192.0.2.1", outcome: "failed", reason: "CALLER_UNKNOWN" },
      { ...same, realm: "r", address: "192.0.2.1", outcome: "refused", status: 405 },
      { ...same, level: "warn", realm: "r", address: "192.0.2.1", outcome: "failed", reason: "DIRECTORY_UNAVAILABLE" },
    ]);
  });

  it("the line of a call says why a gateway got no connection to its upstream", () => {
    const { log, lines } = capture();
    const outcome: UnreachableFailure = {
      kind: "failure",
      reason: "VERIFIER_UNAVAILABLE",
      retryAfter: 1000,
      detail: "connect ECONNREFUSED 127.0.0.1:50051",
      problem: "refused",
    };
    logging(log, "none", createClock().now)(line(outcome));
    expect(lines()[0]).to.include({
      level: "warn",
      reason: "VERIFIER_UNAVAILABLE",
      why: "no connection to the upstream: nothing listens there",
    });
  });

  it("at most 100 rejected and refused calls are logged a second, and the next line counts the others", () => {
    const { log, lines } = capture();
    const clock = createClock();
    const tell = logging(log, "all", clock.now);
    for (let turn = 0; turn < 150; turn++) tell(line(turn % 2 === 0 ? REJECTED : REFUSED));
    expect(lines()).to.have.length(100);
    for (let turn = 0; turn < 50; turn++) tell(line(VERIFIED));
    for (let turn = 0; turn < 50; turn++) tell(line(FAULT));
    expect(lines(), "verified calls and faults are always written").to.have.length(200);
    clock.set(NOW + 999);
    tell(line(REJECTED));
    expect(lines()).to.have.length(200);
    clock.set(NOW + 1000);
    tell(line(REJECTED));
    expect(
      lines()
        .slice(200)
        .map(({ msg, omitted, level }) => ({ msg, omitted, level })),
    ).to.deep.equal([
      { msg: "calls not logged", omitted: 51, level: "warn" },
      { msg: "call", omitted: undefined, level: "info" },
    ]);
    clock.set(NOW + 2000);
    tell(line(REJECTED));
    expect(lines()).to.have.length(203);
  });

  it("a long realm from a caller does not make the line long", () => {
    const { log, text } = capture();
    logging(log, "all", createClock().now)(line(REJECTED, { realm: "r".repeat(1_000_000) }));
    expect(text().length).to.be.below(1000);
  });

  it("a token sent as a realm, kid or request id is shortened in the line", () => {
    const { log, lines } = capture();
    const token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJqYW5lIn0.c2ln";
    const outcome: Outcome = {
      kind: "rejected",
      reason: "KEY_UNKNOWN",
      claim: "kid",
      signatureVerified: false,
      kid: `k ${token}`,
      checks: [],
    };
    logging(log, "all", createClock().now)(line(outcome, { realm: token, requestId: `Bearer ${token}` }));
    expect(lines()[0]).to.include({ realm: "eyJ…", kid: "k eyJ…", requestId: "Bearer eyJ…" });
  });

  it("a token whose header has white space is shortened too, and ordinary names are not", () => {
    const { log, lines } = capture();
    const tell = logging(log, "all", createClock().now);
    for (const header of ['{ "alg":"none"}', '{\n"alg":"none"}', '{\t"alg":"none"}', '{\r\n"alg":"none"}']) {
      tell(line(REJECTED, { realm: `${Buffer.from(header).toString("base64url")}.e30.` }));
    }
    for (const { realm } of lines()) expect(realm).to.match(/^e\w\w…$/);
    for (const realm of ["keyJunctionInternal", "viewoffice-of-the-north", "eyJay", "ewok.internal"]) {
      tell(line(REJECTED, { realm }));
      expect(lines().at(-1)).to.include({ realm });
    }
  });

  it("the caller's instance is looked up only if a line is written", () => {
    const { log, lines } = capture();
    let lookups = 0;
    const write = callLogger(log, "rejected", createClock().now);
    const instanceOf = (): string => `inst_${lookups++}`;
    const credential = { kind: "instance" as const, secretKey: new Secret("sk_live") };
    const caller = { credential, workload: undefined };
    write(line(VERIFIED, { caller }), instanceOf);
    expect(lookups).to.equal(0);
    write(line(REJECTED, { caller }), instanceOf);
    expect(lookups).to.equal(1);
    expect(lines().at(-1)).to.include({ instance: "inst_0" });
  });
});

describe("the caller in a line", () => {
  const asked = (clientId: string, workload?: readonly string[]) => ({
    credential: { kind: "client" as const, clientId, clientSecret: new Secret("s") },
    workload,
  });
  const nobody = () => undefined;

  it("the caller is named if its credential was good", () => {
    const named = (outcome: Outcome) => callerFields(knownCaller(asked("c"), outcome), nobody);
    for (const good of [VERIFIED, REJECTED]) expect(named(good)).to.deep.equal({ client: "c" });
    for (const reason of FAILURE_REASONS) {
      const isGood = AFTER_THE_CALLER.has(reason);
      expect(named(failure(reason)), reason).to.deep.equal(isGood ? { client: "c" } : {});
    }
  });

  it("an instance is named by its id alone, if that is known", () => {
    const caller = { credential: { kind: "instance" as const, secretKey: new Secret("sk_live") }, workload: undefined };
    expect(callerFields(caller, () => "inst_1")).to.deep.equal({ instance: "inst_1" });
    expect(callerFields(caller, nobody)).to.deep.equal({});
  });

  it("a workload is named by at most four names in its certificate, whatever the outcome", () => {
    const names = ["URI:spiffe://a/b", "DNS:b", "DNS:c", "DNS:d", "DNS:e"];
    const { workload } = callerFields(knownCaller(asked("c", names), REFUSED), nobody);
    expect(workload).to.deep.equal(names.slice(0, 4));
  });

  it("the caller's name is cut to the longest valid id", () => {
    const { client } = callerFields(knownCaller(asked("x".repeat(100_000)), VERIFIED), nobody);
    expect(client).to.equal("x".repeat(255));
  });
});

describe("the log of a service", () => {
  const WRONG = "W0NGmarkerW0NGmarkerW0NGmarker";
  let running: Running;
  let client: GrpcClient;
  let lines: () => Line[];
  let text: () => string;
  const tokens: Record<string, string> = {};
  const answers: HttpAnswer[] = [];

  before(async () => {
    const extra =
      "log: { level: trace, calls: all }\ndrain: { delay: 0s }\nfailures: { perClient: 9999/1m, perAddress: 9999/1m }";
    const store = 'store: { url: "sqlite:./verifier.db", staleFor: 1d }';
    const folder = folderOf(configuration(extra).replace("store: sqlite:./verifier.db", store));
    const file = join(folder, "verifier.yaml");
    const captured = capture();
    ({ lines, text } = captured);
    const config = loadConfig(file, { env: {} });
    for (const realm of ["integuru", "clowk", "fiserv", "partner"])
      tokens[realm] = await mint(config, { realm, claim: [], expires: "1h" }, Date.now());
    tokens["expired"] = await mint(config, { realm: "integuru", claim: ["exp=1"], expires: "1h" }, Date.now());
    tokens["forged"] = `${tokens["integuru"]?.slice(0, -10)}AAAAAAAAAA`;
    // Time advances with each call, so that no second exceeds the limit on lines.
    let time = Date.now();
    const tick = (): number => {
      time += 25;
      return time;
    };
    running = await serve(file, undefined, { env: {}, clock: tick, log: captured.log });
    client = createClient(running.addresses["grpc"] ?? "");
    const port = Number(running.addresses["http"]?.split(":").at(-1));
    let count = 0;
    const post = async (
      target: string,
      headers: readonly (readonly [string, string])[],
      body?: object,
    ): Promise<void> => {
      const all = [["Content-Type", "application/json"], ["X-Request-Id", `rest-${count++}`], ...headers] as const;
      answers.push(
        await new Wire(port)
          .send(requestBytes({ method: "POST", target, headers: all, body: Buffer.from(JSON.stringify(body ?? {})) }))
          .answer(),
      );
    };
    const all = [...Object.values(tokens), WRONG, `${WRONG}.${WRONG}.${WRONG}`];
    for (const token of all) {
      await post(INTEGURU, [["Authorization", `Bearer ${token}`]]);
      await post(`${INTEGURU}?token=${token}`, [["Authorization", `Basic ${token}`]]);
      await post(CLOWK, [["X-Clowk-Secret-Key", secretOf("clowk")]], { token });
      await post(CLOWK, [["X-Clowk-Secret-Key", token]], { token });
      await post(CLOWK, [["Authorization", `Bearer ${WRONG}`]], { token });
      await post(FISERV, [], { token, client_id: "vision-api-user", client_secret: CLIENT_SECRET });
      await post(FISERV, [], { token, client_id: "vision-api-user", client_secret: WRONG });
      await post(FISERV, [], { token, client_id: WRONG, client_secret: token });
      await post(FISERV, [], { token, client_id: CLIENT_SECRET, client_secret: "vision-api-user" });
      await post(`/${token}`, []);
      for (const realm of ["integuru", "clowk", "fiserv", "partner"]) {
        await client.verify({ realm, token });
        await client.verify({ realm, token, explain: true, instance_secret_key: secretOf("clowk") });
        await client.verify({
          realm,
          token,
          client_credentials: { client_id: "vision-api-user", client_secret: WRONG },
        });
        await client.batch([
          { realm, token },
          { realm, token: WRONG, instance_secret_key: WRONG },
        ]);
        await client.stream([{ id: "s", requests: [{ realm, token }] }]);
      }
    }
    new Wire(port).send(`${WRONG}\r\n\r\n`);
    await client.verify({ realm: "nowhere", token: WRONG });
  });
  after(async () => {
    client.close();
    await running.stop();
  });

  it("the log contains no token and no secret at any level", () => {
    expect(lines().length).to.be.above(100);
    expect(text())
      .to.include('"outcome":"verified"')
      .and.include('"outcome":"rejected"')
      .and.include('"outcome":"failed"');
    const secrets = [
      WRONG,
      MASTER_KEY,
      CLIENT_SECRET,
      secretOf("clowk"),
      secretOf("integuru"),
      ...Object.values(tokens),
    ];
    for (const secret of secrets) expect(text(), secret).not.to.include(secret);
    for (const token of Object.values(tokens)) {
      for (const segment of token.split(".").slice(1)) expect(text()).not.to.include(segment);
    }
  });

  it("the log has the request id of each answer exactly once, even for a path without a face", () => {
    const logged = lines().map(({ requestId }) => requestId);
    for (const answer of answers) {
      const [id] = valuesOf(answer, "X-Request-Id");
      expect(id).to.match(/^rest-\d+$/);
      expect(
        logged.filter((one) => one === id),
        id,
      ).to.have.length(1);
    }
  });

  it("the log names callers with a good credential, and no others", () => {
    const calls = lines().filter(({ msg }) => msg === "call");
    const named = (key: string, value: string) =>
      calls.filter((line) => line[key] === value).map(({ outcome, reason }) => JSON.stringify([outcome, reason]));
    for (const [key, id] of [
      ["client", "vision-api-user"],
      ["instance", "inst_abc123"],
    ] as const) {
      const outcomes = named(key, id);
      expect(outcomes).to.include('["verified",null]').and.include('["rejected","TOKEN_MALFORMED"]');
      expect(outcomes, "of good callers alone").not.to.include('["failed","CALLER_UNKNOWN"]');
      expect(calls.filter((line) => line[key] !== undefined)).to.have.length(outcomes.length);
    }
  });

  it("log messages are constant", () => {
    const said = new Set(lines().map(({ msg }) => msg));
    expect([...said]).to.have.members(["call", "store made", "directory seed loaded", "ready"]);
  });

  it("no action of a caller is logged above info", () => {
    for (const line of lines()) expect(line["level"], JSON.stringify(line)).to.equal("info");
  });
});

describe("failed credentials, end to end", () => {
  let running: Running;
  let client: GrpcClient;
  let port: number;
  const clock = createClock();
  let fiserv = "";
  let clowk = "";

  before(async () => {
    const folder = folderOf(
      configuration(
        "failures: { perClient: 3/1m, perAddress: 8/1m }\ntrustedProxies: [127.0.0.1]\nlog: { level: silent }\ndrain: { delay: 0s }",
        // The clock jumps by minutes here, more than the default staleFor allows between two reads of the directory.
      ).replace("store: sqlite:./verifier.db", 'store: { url: "sqlite:./verifier.db", staleFor: 24h }'),
    );
    const file = join(folder, "verifier.yaml");
    const config = loadConfig(file, { env: {} });
    fiserv = await mint(config, { realm: "fiserv", claim: [], expires: "1h" }, NOW);
    clowk = await mint(config, { realm: "clowk", claim: [], expires: "1h" }, NOW);
    running = await serve(file, undefined, { env: {}, clock: clock.now });
    client = createClient(running.addresses["grpc"] ?? "");
    port = Number(running.addresses["http"]?.split(":").at(-1));
  });
  after(async () => {
    client.close();
    await running.stop();
  });

  const post = (
    target: string,
    from: string,
    headers: readonly (readonly [string, string])[],
    body: object,
  ): Promise<HttpAnswer> => {
    const all = [["Content-Type", "application/json"], ["X-Forwarded-For", from], ...headers] as const;
    return new Wire(port)
      .send(requestBytes({ method: "POST", target, headers: all, body: Buffer.from(JSON.stringify(body)) }))
      .answer();
  };
  const askFiserv = (from: string, secret: string, id = "vision-api-user"): Promise<HttpAnswer> =>
    post(FISERV, from, [], { token: fiserv, client_id: id, client_secret: secret });
  const askClowk = (from: string, key: string): Promise<HttpAnswer> =>
    post(CLOWK, from, [["X-Clowk-Secret-Key", key]], { token: clowk });

  it("too many wrong secrets at Fiserv's face give 429 with Retry-After for that address until the window ends", async () => {
    for (let turn = 0; turn < 3; turn++) expect((await askFiserv("192.0.2.1", "wrong")).status).to.equal(401);
    clock.set(NOW + 15_500);
    for (const secret of ["wrong", CLIENT_SECRET]) {
      const answer = await askFiserv("192.0.2.1", secret);
      expect(answer.status).to.equal(429);
      expect(answer.body).to.match(
        /^\[\{"detail":"Please refer to invalid-params for error details","errorCode":"242901",.*"title":"Too Many Requests"\}\]$/,
      );
      expect(valuesOf(answer, "Retry-After")).to.deep.equal(["45"]);
    }
    expect(await askFiserv("192.0.2.2", CLIENT_SECRET)).to.include({ status: 200, body: '{"valid":true}' });
    clock.set(NOW + 60_000);
    expect(await askFiserv("192.0.2.1", CLIENT_SECRET)).to.include({ status: 200, body: '{"valid":true}' });
  });

  it("too many wrong keys at Clowk's face give 429 with Retry-After for that address", async () => {
    const wrong = "sk_live_of_nobody_at_all";
    for (let turn = 0; turn < 8; turn++)
      expect(await askClowk("198.51.100.1", wrong)).to.include({ status: 401, body: '{"error":"Unauthorized"}' });
    for (const key of [wrong, secretOf("clowk")]) {
      const answer = await askClowk("198.51.100.1", key);
      expect(answer).to.include({ status: 429, body: '{"error":"Too many requests"}' });
      expect(valuesOf(answer, "Retry-After")).to.deep.equal(["60"]);
    }
    // A missing key still gets its own error, and a good key from another address is served.
    expect((await askClowk("198.51.100.1", "")).body).to.equal('{"error":"Missing secret key"}');
    expect((await askClowk("198.51.100.2", secretOf("clowk"))).status).to.equal(200);
  });

  it("failures count for the address that the proxy adds, not for one that the client claims", async () => {
    for (let turn = 0; turn < 3; turn++) await askFiserv(`203.0.113.${turn}, 203.0.113.99`, "wrong");
    expect((await askFiserv("203.0.113.200, 203.0.113.99", CLIENT_SECRET)).status).to.equal(429);
    expect((await askFiserv("203.0.113.99, 203.0.113.200", CLIENT_SECRET)).status).to.equal(200);
  });

  it("too many wrong credentials over gRPC give RATE_LIMITED with RetryInfo, also for single items of a batch", async () => {
    const request = (secret: string) => ({
      realm: "fiserv",
      token: fiserv,
      client_credentials: { client_id: "vision-api-user", client_secret: secret },
    });
    for (let turn = 0; turn < 3; turn++) {
      const answer = await client.verify(request(`wrong-${turn}`));
      expect(answer).to.have.nested.property("error.reason", "CALLER_UNKNOWN");
    }
    const limited = await client.verify(request(CLIENT_SECRET));
    expect(limited).to.deep.include({
      error: {
        code: 8,
        reason: "RATE_LIMITED",
        domain: "tokenverifier.v1",
        retryAfter: 60,
        message: "Too many wrong credentials. Wait before you retry.",
      },
    });
    const items = await client.batch([request(CLIENT_SECRET), { realm: "integuru", token: "x" }]);
    if (isCallError(items)) throw new Error(items.message);
    expect(items[0]).to.have.nested.property("error.reason", "RATE_LIMITED");
    expect(items[0]).to.have.nested.property("error.retryAfter", 60);
    expect(items[1]).to.have.nested.property("verdict.rejected");
    clock.set(clock.now() + 60_000);
    expect(await client.verify(request(CLIENT_SECRET))).to.have.nested.property("verdict.verified");
  });
});
