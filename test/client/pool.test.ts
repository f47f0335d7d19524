import net from "node:net";
import { expect } from "chai";
import { openPool, type PoolOptions, type VerifierPool } from "../../src/client/pool.js";
import { failure, type Outcome, type VerificationRequest } from "../../src/contract/verifier.js";
import { Secret } from "../../src/util/secret.js";
import { deferred, eventually, type Running, start, VERIFIED } from "../grpc/harness.js";
import { afterEachFile } from "../support/after-file.js";

const pools: VerifierPool[] = [];
afterEachFile(() => {
  for (const pool of pools.splice(0)) pool.close();
});

/** A pool that checks its services often. */
function poolOf(addresses: readonly string[], more: Partial<PoolOptions> = {}): VerifierPool {
  const checks = { pause: 20, timeout: 2000 };
  const pool = openPool(addresses, { tls: undefined, clock: Date.now, checks, ...more });
  pools.push(pool);
  return pool;
}

const REQUEST: VerificationRequest = {
  realm: "r",
  token: new Secret("t"),
  credential: undefined,
  explain: false,
};

const PROVEN: VerificationRequest = {
  ...REQUEST,
  proof: {
    dpop: { proof: new Secret("p"), method: "GET", url: "https://a.example/", nonceRequired: false },
    clientCertificate: undefined,
  },
};

const verify = (pool: VerifierPool, request = REQUEST): Promise<Outcome> =>
  Promise.resolve(pool.verify(request, { requestId: "id-7", address: "192.0.2.9", deadline: Date.now() + 10_000 }));

const states = (pool: VerifierPool): string[] => pool.status().map(({ state }) => state);

const serving = (pool: VerifierPool, count: number): Promise<void> =>
  eventually(() => states(pool).filter((state) => state === "serving").length === count);

/** A TCP proxy in front of a service, which can stop to pass anything on, as a frozen machine does. */
async function freezable(target: string): Promise<{ readonly address: string; freeze(): void; cut(): void }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((inner) => {
    const outer = net.connect({ port: Number(target.split(":").at(-1)), host: "127.0.0.1" });
    for (const socket of [inner, outer]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
    }
    inner.pipe(outer);
    outer.pipe(inner);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  afterEachFile(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return {
    address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    freeze: () => {
      for (const socket of sockets) {
        socket.unpipe();
        socket.pause();
      }
    },
    cut: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

describe("a gateway's pool of services", () => {
  const started = (...verifies: Parameters<typeof start>[0][]): Promise<Running[]> =>
    Promise.all(verifies.map((one) => start(one)));
  const good = (): Outcome => VERIFIED;

  it("asks the services in turn, and passes on request id, address and deadline", async () => {
    const services = await started(good, good);
    const pool = poolOf(services.map(({ address }) => address));
    await serving(pool, 2);
    for (let call = 0; call < 10; call++) expect((await verify(pool)).kind).to.equal("verified");
    expect(services.map(({ asked }) => asked.length)).to.deep.equal([5, 5]);
    const [{ call } = { call: undefined }] = services[0]?.asked ?? [];
    expect(call).to.include({ requestId: "id-7" });
    expect(pool.status().map(({ answered, lost }) => [answered, lost])).to.deep.equal([
      [5, 0],
      [5, 0],
    ]);
  });

  it("sends a service no more calls once it drains, and again once another one serves at its address", async () => {
    const [first, second] = (await started(good, good)) as [Running, Running];
    const seen: string[] = [];
    const pool = poolOf([first.address, second.address], { onChange: ({ state }) => seen.push(state) });
    await serving(pool, 2);
    first.server.retire(60_000);
    await eventually(() => states(pool)[0] === "not serving");
    const before = first.asked.length;
    for (let call = 0; call < 4; call++) expect((await verify(pool)).kind).to.equal("verified");
    expect(first.asked).to.have.length(before);
    await first.server.close(1000);
    await eventually(() => states(pool)[0] === "unreachable");
    expect(pool.status()[0]?.why).to.equal("nothing listens there");
    await start(good, {}, first.address);
    await serving(pool, 2);
    expect(seen).to.deep.equal(["serving", "serving", "not serving", "unreachable", "serving"]);
  });

  it("no call fails while one of two services is closed under load", async () => {
    const [first, second] = (await started(good, good)) as [Running, Running];
    const pool = poolOf([first.address, second.address]);
    await serving(pool, 2);
    const outcomes: Promise<Outcome>[] = [];
    for (let round = 0; round < 20; round++) {
      if (round === 5) void first.server.close(1000);
      for (let call = 0; call < 10; call++) outcomes.push(verify(pool, call % 2 === 0 ? REQUEST : PROVEN));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await Promise.all(outcomes)).filter(({ kind }) => kind !== "verified")).to.deep.equal([]);
  });

  it("a call that a service cannot answer for want of its directory is answered by another", async () => {
    const services = await started(() => failure("DIRECTORY_UNAVAILABLE"), good);
    const pool = poolOf(services.map(({ address }) => address));
    await serving(pool, 2);
    for (const request of [REQUEST, REQUEST, PROVEN, PROVEN]) {
      expect((await verify(pool, request)).kind).to.equal("verified");
    }
    expect(pool.repeated).to.equal(services[0]?.asked.length).and.above(0);
  });

  it("a call whose connection is lost is made again, unless it has a proof that the service may have seen", async () => {
    const never = deferred<Outcome>().promise;
    for (const [request, kind] of [
      [REQUEST, "verified"],
      [PROVEN, "failure"],
    ] as const) {
      const [first, second] = (await started(() => never, good)) as [Running, Running];
      const proxy = await freezable(first.address);
      const pool = poolOf([proxy.address, second.address]);
      await serving(pool, 2);
      const outcomes = [verify(pool, request), verify(pool, request)];
      await eventually(() => first.asked.length === 1);
      proxy.cut();
      expect((await Promise.all(outcomes)).map((one) => one.kind).sort()).to.deep.equal([kind, "verified"].sort());
    }
  });

  it("calls that wait for a service that has fallen silent are made again elsewhere", async () => {
    const [first, second] = (await started(good, good)) as [Running, Running];
    const proxy = await freezable(first.address);
    const pool = poolOf([proxy.address, second.address], { checks: { pause: 20, timeout: 200 } });
    await serving(pool, 2);
    proxy.freeze();
    const outcomes = Array.from({ length: 6 }, () => verify(pool));
    expect((await Promise.all(outcomes)).map(({ kind }) => kind)).to.deep.equal(Array(6).fill("verified"));
    expect(states(pool)[0]).to.equal("silent");
    expect(pool.repeated).to.equal(3);
  });

  it("fails at once with the cause while no service can be reached", async () => {
    const pool = poolOf(["127.0.0.1:1", "unix:/nowhere/verifier.sock"]);
    await eventually(() => states(pool).every((state) => state === "unreachable"));
    expect(await verify(pool)).to.include({ kind: "failure", reason: "VERIFIER_UNAVAILABLE" });
    expect(pool.status().map(({ why }) => why)).to.deep.equal([
      "nothing listens there",
      "there is no such socket file",
    ]);
  });

  it("a name stands for its addresses", async () => {
    const [service] = (await started(good)) as [Running];
    const pool = poolOf([service.address.replace("127.0.0.1", "localhost")]);
    await serving(pool, 1);
    expect((await verify(pool)).kind).to.equal("verified");
  });
});
