import { expect } from "chai";
import { pino } from "pino";
import { connect } from "../../src/client/index.js";
import type { Outcome } from "../../src/contract/verifier.js";
import { openCore } from "../../src/server/core.js";
import { Secret } from "../../src/util/secret.js";
import { load } from "../config/harness.js";
import { createClock, NOW } from "../support/clock.js";
import { callVerifyToken, connectTransport } from "../support/connect.js";
import { configurationWith, type Deployment, deploy } from "../support/deployment.js";
import { type Answer, createClient, type GrpcClient, type Message, readItems } from "../support/grpc.js";
import { keyOf } from "../support/keys.js";
import { makeProof, PROVEN, type ProofSpec, thumbprintOf } from "../support/proofs.js";
import { makeToken } from "../support/token.js";

// DPoP proofs asked of a running service: each is accepted once, however it comes, and nonces hold where they should.

/** A service whose directory does not go stale when the clock is moved. */
const start = (): Promise<Deployment> =>
  deploy(configurationWith("verifier.yaml", "").replace("staleFor: 60s", "staleFor: 1h"));

const CLAIMS = { exp: 1_800_003_600, cnf: { jkt: thumbprintOf("p256-other") } };
const tokenOf = (claims: object = {}): string =>
  makeToken({ key: "p256", header: { alg: "ES256" }, claims: { ...CLAIMS, ...claims } });
const TOKEN = tokenOf();

/** A request with a proof. */
function asking(spec: ProofSpec = {}, more: Message = {}, dpop: Message = {}): Message {
  const { token = TOKEN } = more;
  const proof = { dpop: { ...PROVEN, proof: makeProof(String(token), spec), ...dpop } };
  return { realm: "bound-refused", token, proof, ...more };
}

/** The verdict in short: `verified`, or the reason, the claim and the nonce if there is one. */
function short(answer: Answer): string {
  if ("error" in answer) return String(answer.error.reason);
  const { verified, rejected, dpop_nonce: nonce } = answer.verdict as Record<string, Message | string | undefined>;
  const { reason, claim } = (rejected ?? {}) as Message;
  const parts = [verified === undefined ? reason : "verified", claim, nonce === undefined ? undefined : "nonce"];
  return parts.flatMap((part) => (typeof part === "string" ? [part] : [])).join(" ");
}

const nonceIn = (answer: Answer): string => String("verdict" in answer ? answer.verdict["dpop_nonce"] : "");

describe("DPoP proofs", () => {
  let deployment: Deployment;
  let client: GrpcClient;
  before(async () => {
    deployment = await start();
    client = createClient(deployment.grpc);
  });
  after(async () => {
    client.close();
    await deployment.close();
  });

  const ask = async (request: Message): Promise<string> => short(await client.verify(request));
  const expectOnce = (answers: readonly string[]): void => {
    const replayed = Array.from({ length: answers.length - 1 }, () => "REASON_PROOF_REPLAYED");
    expect([...answers].sort()).to.deep.equal([...replayed, "verified"]);
  };

  it("of concurrent calls with one proof, exactly one is verified", async () => {
    const request = asking();
    expectOnce(await Promise.all([request, request, request].map(ask)));
  });

  it("of concurrent calls with one proof that wait for the directory, exactly one is verified", async () => {
    const credentials = { client_id: "vision-api-user", client_secret: "abcdefghizklmnopponommnshfghzxxs" };
    const request = asking({}, { realm: "clients", client_credentials: credentials });
    expectOnce(await Promise.all([request, request, request].map(ask)));
  });

  it("of one proof twice in a batch, in a message of a stream and in two messages, exactly one is verified", async () => {
    const request = asking();
    const items = await client.batch([request, { realm: "lax", token: tokenOf({ cnf: undefined }) }, request]);
    if (!Array.isArray(items)) return expect.fail(JSON.stringify(items));
    expect(items.map(short)).to.deep.equal(["verified", "verified", "REASON_PROOF_REPLAYED"]);

    const streamed = asking();
    const messages = await client.stream([
      { id: "one", requests: [streamed, streamed] },
      { id: "two", requests: [streamed] },
    ]);
    if (!Array.isArray(messages)) return expect.fail(JSON.stringify(messages));
    expectOnce((messages as Message[]).flatMap(readItems).map(short));
  });

  it("a proof that was used over gRPC is used up over HTTP, in process and behind a gateway", async () => {
    const { inProcess, overChannel } = deployment;
    const request = asking();
    expect(await ask(request)).to.equal("verified");
    for (const port of [inProcess, overChannel]) {
      for (const binary of [false, true]) {
        const transport = connectTransport(port, binary);
        expect(short(await callVerifyToken(transport, request))).to.equal("REASON_PROOF_REPLAYED");
        expect(short(await callVerifyToken(transport, asking()))).to.equal("verified");
      }
    }
  });

  it("a rejected token uses up no proof", async () => {
    const spec = { claims: { jti: "kept" } };
    expect(await ask(asking(spec, { token: tokenOf({ exp: 1 }) }))).to.equal("REASON_TOKEN_EXPIRED exp");
    expect(await ask(asking(spec, {}, { method: "POST" }))).to.equal("REASON_PROOF_MISMATCH htm");
    expect(await ask(asking({ ...spec, tamper: ["flip signature"] }))).to.equal("REASON_PROOF_INVALID");
    expect(await ask(asking(spec))).to.equal("verified");
  });

  it("an explained call uses up no proof, and knows of a used one", async () => {
    const request = asking();
    const explained = { ...request, explain: true };
    expect([await ask(explained), await ask(explained), await ask(request), await ask(explained)]).to.deep.equal([
      "verified",
      "verified",
      "verified",
      "REASON_PROOF_REPLAYED",
    ]);
  });

  it("a proof is used up until its own time is over, and then is too old", async () => {
    const [early, late] = [NOW / 1000 - 60, NOW / 1000 + 60].map((iat) => asking({ claims: { iat } })) as [
      Message,
      Message,
    ];
    expect([await ask(early), await ask(late)]).to.deep.equal(["verified", "verified"]);
    const told: string[] = [];
    for (const later of [0, 1000, 120_000, 121_000]) {
      deployment.clock.set(NOW + later);
      told.push(await ask(early), await ask(late));
    }
    deployment.clock.set(NOW);
    const [replayed, old] = ["REASON_PROOF_REPLAYED", "REASON_PROOF_MISMATCH iat"];
    expect(told).to.deep.equal([replayed, replayed, old, replayed, old, replayed, old, old]);
  });

  it("a proof that was used in a route is used up in the realm that it leads to", async () => {
    const token = tokenOf({ iss: "https://one.example" });
    const request = asking({}, { realm: "any", token });
    expect(await ask(request)).to.equal("verified");
    expect(await ask(request)).to.equal("REASON_PROOF_REPLAYED");
    expect(await ask({ ...request, realm: "issuers" })).to.equal("REASON_PROOF_REPLAYED");
  });

  it("metrics show how many proofs a realm remembers, until they are too old", async () => {
    const remembered = (): number => deployment.core.stats().proofs["bound-refused"] ?? Number.NaN;
    const before = remembered();
    expect(await ask(asking())).to.equal("verified");
    expect(remembered()).to.equal(before + 1);
    expect(deployment.core.stats().proofs).not.to.have.property("any");
    deployment.clock.set(NOW + 121_000);
    expect(remembered()).to.equal(0);
    deployment.clock.set(NOW);
  });

  it("a proof that was used is used up after a reload that changes its realm", async () => {
    const { core, config } = deployment;
    const request = asking();
    expect(await ask(request)).to.equal("verified");
    const realms = config.realms.map((one) =>
      one.name === "bound-refused" ? { ...one, maxTokenLength: 16_000 } : one,
    );
    expect(core.reload({ ...config, realms }).changed).to.deep.equal(["bound-refused"]);
    expect(await ask(request)).to.equal("REASON_PROOF_REPLAYED");
  });

  it("a verdict on a bound token may not be cached, unless its realm ignores bindings", async () => {
    const until = async (request: Message): Promise<unknown> => {
      const answer = await client.verify(request);
      const { verified } = ("verdict" in answer ? answer.verdict : {}) as Record<string, Message>;
      return (verified?.["evidence"] as Message | undefined)?.["cacheable_until"];
    };
    for (let times = 0; times < 2; times++) {
      expect(await until(asking())).to.equal(undefined);
      expect(await until(asking({}, { realm: "bound-ignored" }))).to.equal(1_800_003_600);
      expect(await until({ realm: "bound-refused", token: tokenOf({ cnf: undefined }) })).to.equal(1_800_003_600);
    }
  });

  it("the client library sends proofs and returns nonces", async () => {
    const { verify, verifyBatch, close } = connect(deployment.grpc, { deadlineMs: 60_000 });
    const request = { realm: "bound-refused", token: TOKEN };
    const proof = () => ({ dpop: { ...PROVEN, proof: makeProof(TOKEN) } });
    expect(await verify({ ...request, proof: proof() }))
      .to.include({ kind: "verified" })
      .and.not.have.property("dpopNonce");
    const wanting = { ...proof().dpop, nonceRequired: true };
    const refused = await verify({ ...request, proof: { dpop: wanting } });
    expect(refused).to.include({ kind: "rejected", reason: "PROOF_MISMATCH", claim: "nonce" });
    const again = makeProof(TOKEN, { claims: { nonce: refused.dpopNonce } });
    const [first, second] = await verifyBatch([
      { ...request, proof: { dpop: { ...wanting, proof: again } } },
      { ...request, proof: { clientCertificate: { sha256: new Uint8Array(32) } } },
    ]);
    expect(first).to.include({ kind: "verified", dpopNonce: refused.dpopNonce });
    expect(second).to.include({ kind: "rejected", reason: "PROOF_MISSING" });
    close();
  });
});

describe("DPoP nonces of running services", () => {
  const wanting = { nonce_required: true };

  it("a nonce is given with every verdict that demands one, and accepted by every replica with the master key", async () => {
    const replicas = await Promise.all([start(), start()]);
    const clients = replicas.map(({ grpc }) => createClient(grpc));
    try {
      const [one, other] = clients as [GrpcClient, GrpcClient];
      for (const realm of ["bound-refused", "any"]) {
        const token = tokenOf({ iss: "https://one.example" });
        const first = await one.verify(asking({}, { realm, token }, wanting));
        expect(short(first)).to.equal("REASON_PROOF_MISMATCH nonce nonce");
        const claims = { nonce: nonceIn(first) };
        expect(short(await other.verify(asking({ claims }, { realm, token }, wanting)))).to.equal("verified nonce");
        expect(short(await other.verify(asking({ claims }, { realm: "bound-required", token }, wanting)))).to.equal(
          "REASON_PROOF_MISMATCH nonce nonce",
        );
        const expired = tokenOf({ iss: "https://one.example", exp: 1 });
        expect(short(await one.verify(asking({ claims }, { realm, token: expired }, wanting)))).to.equal(
          "REASON_TOKEN_EXPIRED exp nonce",
        );
        for (const [later, said] of [
          [179_999, "verified nonce"],
          [180_000, "REASON_PROOF_MISMATCH nonce nonce"],
        ] as const) {
          const iat = (NOW + later) / 1000;
          replicas[1].clock.set(NOW + later);
          expect(short(await other.verify(asking({ claims: { ...claims, iat } }, { realm, token }, wanting)))).to.equal(
            said,
          );
        }
        replicas[1].clock.set(NOW);
      }
    } finally {
      for (const one of clients) one.close();
      await Promise.all(replicas.map((one) => one.close()));
    }
  });

  it("without a master key, a nonce counts in the process that gave it alone", async () => {
    const config = load(
      "grpc: 127.0.0.1:0\nrealms:\n  r: { algorithms: [ES256], issuer: null, audience: null, keys: [{ pemFile: ./p256.pem }] }\n",
      { "p256.pem": keyOf("p256").publicPem ?? "" },
    );
    const context = { clock: createClock().now, log: pino({ level: "silent" }) };
    const cores = [await openCore(config, context), await openCore(config, context)];
    const ask = async (core: (typeof cores)[number], nonce: string | undefined): Promise<Outcome> =>
      core.verifier.verify(
        {
          realm: "r",
          token: new Secret(TOKEN),
          credential: undefined,
          explain: false,
          proof: {
            dpop: { ...PROVEN, proof: new Secret(makeProof(TOKEN, { claims: { nonce } })), nonceRequired: true },
            clientCertificate: undefined,
          },
        },
        { requestId: "r", address: "", deadline: Number.POSITIVE_INFINITY },
      );
    const [one, other] = cores as [(typeof cores)[number], (typeof cores)[number]];
    const first = await ask(one, undefined);
    if (first.kind !== "rejected") return expect.fail(first.kind);
    expect(await ask(one, first.dpopNonce)).to.include({ kind: "verified" });
    expect(await ask(other, first.dpopNonce)).to.include({ kind: "rejected", claim: "nonce" });
    await Promise.all(cores.map((core) => core.close()));
  });
});
