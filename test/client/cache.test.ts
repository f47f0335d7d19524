import { hash } from "node:crypto";
import { expect } from "chai";
import { type ConnectOptions, connect, VerificationFailure, type VerifierClient } from "../../src/client/index.js";
import type { Selector } from "../../src/directory/revocation.js";
import { Secret } from "../../src/util/secret.js";
import { secretOf } from "../support/keys.js";
import { eventually, type Replica, type Replicas, replicasOf } from "../support/replicas.js";
import { revokeBy } from "../support/revoke.js";
import { makeToken } from "../support/token.js";
import { CALLER, CONFIGURATION, HOUR, partnerToken as token } from "./cached-realms.js";

// The Node client's cache before real services on one store.

describe("the client's cache", () => {
  let replicas: Replicas;
  let replica: Replica;
  const clients: VerifierClient[] = [];

  function open(address: string, options: ConnectOptions = {}): VerifierClient {
    const client = connect(address, { deadlineMs: 60_000, cache: { maxStaleness: 60_000 }, ...options });
    clients.push(client);
    return client;
  }
  /** Asks until the answer comes from memory. */
  async function warm(client: VerifierClient, one: string, realm = "partner"): Promise<void> {
    await eventually(async () => {
      const { hits } = client.cacheStatistics();
      expect((await client.verify({ realm, token: one, clientCredentials: CALLER })).kind).to.equal("verified");
      return client.cacheStatistics().hits > hits;
    });
  }

  before(async () => {
    replicas = replicasOf(CONFIGURATION);
    replica = await replicas.start();
  });
  after(async () => {
    for (const client of clients) client.close();
    await replicas.close();
  });

  it("a token that was verified is answered without a call", async () => {
    const client = open(replica.address);
    const one = token();
    await warm(client, one);
    const asked = replica.asked.length;
    const verdict = await client.verify({ realm: "partner", token: one, clientCredentials: CALLER });
    expect(verdict).to.have.property("kind", "verified");
    expect(replica.asked.length).to.equal(asked);
  });

  it("the same payload under another signature is not answered from memory, whichever byte differs", async () => {
    const client = open(replica.address);
    const one = token();
    await warm(client, one);
    const [signed, signature] = [one.slice(0, one.lastIndexOf(".") + 1), one.slice(one.lastIndexOf(".") + 1)];
    const bytes = Buffer.from(signature, "base64url");
    for (let at = 0; at < bytes.length; at++) {
      const forged = Buffer.from(bytes);
      forged[at] = (forged[at] ?? 0) ^ 1;
      const request = { realm: "partner", token: signed + forged.toString("base64url"), clientCredentials: CALLER };
      expect(await client.verify(request)).to.have.property("reason", "SIGNATURE_INVALID");
    }
  });

  it("another caller, another realm, an explained call and one with its own id are not answered from memory", async () => {
    const client = open(replica.address);
    const one = token();
    await warm(client, one);
    const { hits } = client.cacheStatistics();
    const wrong = { realm: "partner", token: one, clientCredentials: { ...CALLER, clientSecret: "wrong" } };
    expect(await client.verify(wrong).catch((error: unknown) => error)).to.be.instanceOf(VerificationFailure);
    await client.verify({ realm: "open", token: one });
    const good = { realm: "partner", token: one, clientCredentials: CALLER };
    expect(await client.verify({ ...good, explain: true }).catch((error: unknown) => error)).to.have.property(
      "reason",
      "EXPLAIN_DENIED",
    );
    await client.verify(good, { requestId: "mine" });
    expect(client.cacheStatistics().hits).to.equal(hits);
  });

  it("rejections, tokens without an expiry and bound tokens are not kept", async () => {
    const client = open(replica.address);
    await warm(client, token());
    const { hits } = client.cacheStatistics();
    const expired = token({ exp: 1_000 });
    for (const realm of ["partner", "partner"]) {
      expect(await client.verify({ realm, token: expired, clientCredentials: CALLER })).to.have.property(
        "reason",
        "TOKEN_EXPIRED",
      );
    }
    expect(client.cacheStatistics().hits).to.equal(hits);
  });

  const REVOCATIONS = {
    "its jti": (one: string): Selector => ({ realm: "partner", kind: "jti", value: JSON.parse(payload(one)).jti }),
    "its digest": (one: string): Selector => ({
      realm: "partner",
      kind: "digest",
      value: hash("sha256", one.slice(0, one.lastIndexOf(".")), "base64url"),
    }),
  };
  const payload = (one: string): string => Buffer.from(one.split(".")[1] ?? "", "base64url").toString();
  for (const [what, selects] of Object.entries(REVOCATIONS)) {
    it(`a token that is revoked by ${what} is refused once the service tells it`, async () => {
      const client = open(replica.address);
      const [one, other] = [token(), token()];
      await warm(client, one);
      await warm(client, other);
      await replicas.folder.apply([revokeBy(selects(one))]);
      await eventually(async () => {
        const verdict = await client.verify({ realm: "partner", token: one, clientCredentials: CALLER });
        return verdict.kind === "rejected" && verdict.reason === "TOKEN_REVOKED";
      });
      const { hits } = client.cacheStatistics();
      await client.verify({ realm: "partner", token: other, clientCredentials: CALLER });
      expect(client.cacheStatistics().hits, "the other token stays in memory").to.equal(hits + 1);
    });
  }

  it("a changed user ends the verdicts about it, and those of its instance's tokens end with the instance", async () => {
    const client = open(replica.address);
    const seconds = Math.floor(Date.now() / 1000);
    const one = makeToken({
      key: "clowk",
      header: { alg: "HS256" },
      claims: {
        iss: "clowk",
        sub: "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        instance_id: "inst_abc123",
        iat: seconds,
        exp: seconds + HOUR,
        jti: "of-clowk",
      },
    });
    const request = { realm: "clowk", token: one, instanceSecretKey: secretOf("clowk") };
    const first = await client.verify(request);
    expect(first, JSON.stringify(first)).to.have.property("kind", "verified");
    await eventually(async () => {
      const { hits } = client.cacheStatistics();
      await client.verify(request);
      return client.cacheStatistics().hits > hits;
    });
    const [user] = [
      { kind: "putUser", instanceId: "inst_abc123", id: "a1b2c3d4-e5f6-7890-abcd-ef1234567890" },
    ] as const;
    await replicas.folder.apply([{ ...user, email: "new@example.com", name: null, avatarUrl: null, provider: null }]);
    await eventually(async () => {
      const verdict = await client.verify(request);
      return verdict.kind === "verified" && verdict.principal?.user?.email === "new@example.com";
    });
  });

  it("a caller whose secret is replaced is refused, and loses what was kept", async () => {
    const own = replicasOf(CONFIGURATION);
    const service = await own.start();
    const client = open(service.address);
    const one = token();
    await warm(client, one);
    await own.folder.apply([
      { kind: "putClient", clientId: CALLER.clientId, clientSecret: new Secret("another-secret-of-this-client-000") },
    ]);
    await eventually(async () => {
      const answer: unknown = await client
        .verify({ realm: "partner", token: one, clientCredentials: CALLER })
        .catch((error: unknown) => error);
      return answer instanceof VerificationFailure && answer.reason === "CALLER_UNKNOWN";
    });
    expect(client.cacheStatistics().entries).to.equal(0);
    await own.close();
  });

  it("clocks that are ten minutes apart make no difference", async () => {
    for (const offset of [-600_000, 600_000]) {
      const client = open(replica.address, { clock: () => Date.now() + offset, deadlineMs: 3_600_000 });
      const one = token();
      await warm(client, one);
      await replicas.folder.apply([
        revokeBy({ realm: "partner", kind: "jti", value: JSON.parse(payload(one)).jti as string }),
      ]);
      await eventually(
        async () =>
          (await client.verify({ realm: "partner", token: one, clientCredentials: CALLER })).kind === "rejected",
      );
    }
  });

  it("a watch goes on at another service of the store, and what happened in between is told", async () => {
    const [first, second] = [await replicas.start(), await replicas.start()];
    const client = open(`ipv4:${first.address},${second.address}`);
    const [one, other] = [token(), token()];
    await warm(client, one);
    await warm(client, other);
    const watching = [first, second].find(({ server }) => (server.watches()?.open ?? 0) > 0)!;
    const left = watching === first ? second : first;
    await watching.close();
    await replicas.folder.apply([
      revokeBy({ realm: "partner", kind: "jti", value: JSON.parse(payload(one)).jti as string }),
    ]);
    await eventually(() => (left.server.watches()?.open ?? 0) > 0);
    await eventually(
      async () =>
        (await client.verify({ realm: "partner", token: one, clientCredentials: CALLER })).kind === "rejected",
    );
    await left.close();
  });

  it("a realm that may not be watched is asked each time", async () => {
    const client = open(replica.address);
    const one = token();
    await client.verify({ realm: "open", token: one });
    await client.verify({ realm: "open", token: one });
    expect(client.cacheStatistics()).to.include({ hits: 0, misses: 2, entries: 0 });
  });

  it("a cache with a shorter staleness than a ping takes is refused", () => {
    expect(() => connect("127.0.0.1:1", { cache: { maxStaleness: 1_000 } })).to.throw(RangeError, "maxStaleness");
    expect(() => connect("127.0.0.1:1", { cache: { maxEntries: 0 } })).to.throw(RangeError, "maxEntries");
  });
});
