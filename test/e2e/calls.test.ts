import { expect } from "chai";
import { channelVerifier } from "../../src/client/channel.js";
import { Secret } from "../../src/util/secret.js";
import { configurationWith, type Deployment, deploy } from "../support/deployment.js";
import {
  type CallError,
  createClient,
  type GrpcClient,
  isCallError,
  type Message,
  readError,
  readItems,
  type Stream,
} from "../support/grpc.js";
import { revokeBy } from "../support/revoke.js";
import { makeToken } from "../support/token.js";

// Batches, streams and the server as a whole, over a real port: the failures that no single token causes, and the
// independence of the items of a batch.

const good = makeToken({ key: "p256", header: { alg: "ES256" }, claims: { exp: 1_800_003_600 } });
const ask = { realm: "lax", token: good };
const caller = (index: number): Message => ({
  ...ask,
  realm: "instances",
  instance_secret_key: `sk_live_unknown_${index}`,
});
const many = (count: number): Message[] => Array.from({ length: count }, () => ask);

/** The code and the reason of a call that failed as a whole. */
function failed(answer: readonly unknown[] | CallError): readonly [number, string | undefined] {
  if (!isCallError(answer)) throw new Error("the call did not fail");
  return [answer.code, answer.reason];
}

/** The error that ends a stream. */
function ending(stream: Stream): Promise<CallError> {
  return new Promise((resolve, reject) => {
    stream.on("error", (error) => resolve(readError(error)));
    stream.on("end", () => reject(new Error("the stream ended well")));
  });
}

/** The next message of a stream. */
function next(stream: Stream): Promise<Message> {
  return new Promise((resolve, reject) => {
    stream.on("data", resolve);
    stream.on("error", reject);
  });
}

describe("calls", () => {
  let deployment: Deployment;
  let client: GrpcClient;
  before(async () => {
    deployment = await deploy(configurationWith("verifier.yaml", "limits: { batch: 20, streams: 2, message: 64KiB }"));
  });
  beforeEach(() => {
    client = createClient(deployment.grpc);
  });
  afterEach(() => client.close());
  after(() => deployment.close());

  describe("a batch", () => {
    it("a batch may be empty", async () => expect(await client.batch([])).to.deep.equal([]));

    it("a batch may be as large as limits.batch", async () => expect(await client.batch(many(20))).to.have.length(20));

    it("a batch larger than limits.batch fails as a whole", async () => {
      expect(failed(await client.batch(many(21)))).to.deep.equal([3, "BATCH_TOO_LARGE"]);
    });

    it("a batch may have eight distinct callers, even unknown ones", async () => {
      const items = await client.batch(Array.from({ length: 16 }, (_, index) => caller(index % 8)));
      if (isCallError(items)) throw new Error(items.message);
      for (const item of items) expect(item).to.have.nested.property("error.reason", "CALLER_UNKNOWN");
    });

    it("a batch with nine distinct callers fails as a whole", async () => {
      const requests = Array.from({ length: 9 }, (_, index) => caller(index));
      expect(failed(await client.batch(requests))).to.deep.equal([3, "TOO_MANY_CALLERS"]);
    });

    it("clients with the same id and different secrets count as different callers of a batch", async () => {
      const requests = Array.from({ length: 9 }, (_, index) => ({
        ...ask,
        realm: "clients",
        client_credentials: { client_id: "c", client_secret: String(index) },
      }));
      expect(failed(await client.batch(requests))).to.deep.equal([3, "TOO_MANY_CALLERS"]);
    });

    it("a bad item of a batch gets its own error, and leaves the other items as they are", async () => {
      const items = await client.batch([
        ask,
        { realm: "nowhere", token: good },
        { realm: "lax" },
        { ...ask, instance_secret_key: "sk_live_x" },
        { ...ask, realm: "instances" },
        caller(1),
        { ...ask, explain: true },
        { ...ask, token: "x" },
        ask,
      ]);
      if (isCallError(items)) throw new Error(items.message);
      const found = items.map((item) =>
        "error" in item ? item.error.reason : ["verified", "rejected"].find((kind) => kind in item.verdict),
      );
      expect(found).to.deep.equal([
        "verified",
        "REALM_UNKNOWN",
        "TOKEN_EMPTY",
        "CREDENTIAL_REFUSED",
        "CALLER_MISSING",
        "CALLER_UNKNOWN",
        "EXPLAIN_DENIED",
        "rejected",
        "verified",
      ]);
      expect(items[8]).to.deep.equal(items[0]);
    });

    it("a batch whose message is too large fails as a whole", async () => {
      const answer = await client.batch([{ realm: "lax", token: "x".repeat(70_000) }]);
      expect(failed(answer)[0]).to.equal(8);
    });
  });

  describe("a stream", () => {
    it("messages of a stream are answered by their id, which may have 128 bytes", async () => {
      const ids = ["", "ü".repeat(64), "x".repeat(128), "x"];
      const answers = await client.stream(ids.map((id) => ({ id, requests: [ask] })));
      if (isCallError(answers)) throw new Error(answers.message);
      expect(answers.map(({ id }) => id ?? "")).to.have.members(ids);
      for (const answer of answers) expect(readItems(answer)[0]).to.have.nested.property("verdict.verified");
    });

    for (const [what, message, reason] of [
      ["an id of 129 bytes", { id: `x${"ü".repeat(64)}`, requests: [ask] }, "ID_TOO_LONG"],
      ["more requests than the limit", { id: "1", requests: many(21) }, "BATCH_TOO_LARGE"],
      [
        "nine callers",
        { id: "1", requests: Array.from({ length: 9 }, (_, index) => caller(index)) },
        "TOO_MANY_CALLERS",
      ],
    ] as const) {
      it(`a stream ends at a message with ${what}`, async () => {
        expect(failed(await client.stream([message]))).to.deep.equal([3, reason]);
      });
    }

    it("a stream beyond limits.streams is refused, and admitted once another has ended", async () => {
      const [one, two] = [client.open(), client.open()];
      await Promise.all(
        [one, two].map((stream, index) => {
          const answer = next(stream);
          stream.write({ id: String(index), requests: [ask] });
          return answer;
        }),
      );
      const error = await ending(client.open());
      expect([error.code, error.reason, error.retryAfter]).to.deep.equal([8, "TOO_MANY_STREAMS", 1]);
      const ended = new Promise<void>((resolve) => one.on("end", resolve));
      one.end();
      await ended;
      const answers = await client.stream([{ id: "1", requests: [ask] }]);
      expect(answers).to.have.length(1);
      const gone = ending(two);
      two.cancel();
      expect((await gone).code).to.equal(1);
    });
  });
});

describe("a server that shuts down", () => {
  it("a server that shuts down answers the messages under way in a stream, then ends it", async () => {
    const deployment = await deploy("verifier.yaml");
    const client = createClient(deployment.grpc);
    try {
      const stream = client.open();
      const answer = next(stream);
      stream.write({ id: "last", requests: [ask] });
      expect((await answer)["id"]).to.equal("last");
      const end = ending(stream);
      const closed = deployment.closeService(10_000);
      const { code, reason, retryAfter } = await end;
      client.close();
      await closed;
      expect([code, reason]).to.deep.equal([14, "SHUTTING_DOWN"]);
      expect(retryAfter, "so that not all clients come back at once").to.be.within(0, 5);
    } finally {
      client.close();
      await deployment.close();
    }
  });

  it("a server that has shut down is VERIFIER_UNAVAILABLE over a channel", async () => {
    const deployment = await deploy("verifier.yaml");
    const channel = channelVerifier(deployment.grpc);
    try {
      await deployment.closeService();
      const request = { realm: "lax", token: new Secret(good), credential: undefined, explain: false };
      const outcome = await channel.verify(request, {
        requestId: "a-test",
        address: "",
        deadline: Number.POSITIVE_INFINITY,
      });
      expect(outcome).to.include({ kind: "failure", reason: "VERIFIER_UNAVAILABLE", retryAfter: 1000 });
      expect(outcome).to.have.property("detail").that.includes("ECONNREFUSED");
    } finally {
      channel.close();
      await deployment.close();
    }
  });
});

describe("a running service", () => {
  let deployment: Deployment;
  let client: GrpcClient;
  before(async () => {
    deployment = await deploy("verifier.yaml");
    client = createClient(deployment.grpc);
  });
  after(async () => {
    client.close();
    await deployment.close();
  });

  const secretKey = "sk_live_test_only_0123456789abcdef0123456789abcdef";
  const userId = "a1b2c3d4-e5f6-7890-abcd-ef1234567890";
  const token = (jti: string): string =>
    makeToken({
      key: "clowk",
      header: { alg: "HS256" },
      claims: { iss: "clowk", exp: 1_800_003_600, sub: userId, instance_id: "inst_abc123", jti },
    });
  const asked = (jti: string): Message => ({ realm: "clowk", token: token(jti), instance_secret_key: secretKey });

  /** Asks until the answer has this reason, because the service follows the feed on the machine's clock. */
  async function until(reason: string, request: Message): Promise<void> {
    for (;;) {
      const answer = await client.verify(request);
      const rejected = "error" in answer ? answer.error : (answer.verdict["rejected"] as Message | undefined);
      if (rejected?.["reason"] === reason) return;
    }
  }

  it("a revocation applies to a running service, whether or not the token was seen before", async () => {
    expect(await client.verify(asked("one"))).to.have.nested.property("verdict.verified");
    await deployment.folder.apply([revokeBy({ realm: "clowk", kind: "jti", value: "one", instance: "inst_abc123" })]);
    await until("REASON_TOKEN_REVOKED", asked("one"));
    expect(await client.verify(asked("two"))).to.have.nested.property("verdict.verified");
  });

  it("the removal of a user, a secret key or an instance applies to a running service", async () => {
    expect(await client.verify(asked("two"))).to.have.nested.property("verdict.verified");
    await deployment.folder.apply([{ kind: "deleteUser", instanceId: "inst_abc123", id: userId, expect: "any" }]);
    await until("REASON_USER_UNKNOWN", asked("two"));

    const other = new Secret("sk_live_test_only_next_89abcdef0123456789abcdef0123");
    const user = { instanceId: "inst_abc123", id: userId, email: null, name: null, avatarUrl: null, provider: null };
    await deployment.folder.apply([
      { kind: "putUser", ...user },
      { kind: "putInstance", id: "inst_abc123", appId: "app_xyz789", secretKeys: [other] },
    ]);
    // The retired key neither authenticates nor verifies, so a token of it that was seen before is no longer good
    // either.
    await until("CALLER_UNKNOWN", asked("two"));
    const byOther = { ...asked("two"), instance_secret_key: other.reveal() };
    await until("REASON_SIGNATURE_INVALID", byOther);

    await deployment.folder.apply([{ kind: "deleteInstance", id: "inst_abc123", expect: "any" }]);
    await until("CALLER_UNKNOWN", byOther);
  });
});
