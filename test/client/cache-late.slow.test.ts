import net, { type AddressInfo } from "node:net";
import { expect } from "chai";
import { connect } from "../../src/client/index.js";
import { eventually, replicasOf } from "../support/replicas.js";
import { revokeBy } from "../support/revoke.js";
import { CALLER, CONFIGURATION, partnerToken } from "./cached-realms.js";

/** A proxy that hands everything on after a delay. */
async function delayingProxy(target: string): Promise<{ address: string; delay: number; close(): void }> {
  const sockets = new Set<net.Socket>();
  const proxy = { address: "", delay: 0, close: () => {} };
  const pass = (from: net.Socket, to: net.Socket): void => {
    from.on("data", (chunk) => setTimeout(() => to.writable && to.write(chunk), proxy.delay));
    from.on("error", () => {}).on("close", () => to.destroy());
    sockets.add(from);
  };
  const server = net.createServer((socket) => {
    const onward = net.connect(Number(target.split(":").at(-1)), "127.0.0.1");
    pass(socket, onward);
    pass(onward, socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  proxy.close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return proxy;
}

describe("the client's cache behind a proxy that delays everything 5 s", () => {
  it("answers nothing from memory while it hears too late, and does again once it hears in time", async () => {
    const replicas = replicasOf(CONFIGURATION);
    const service = await replicas.start();
    const proxy = await delayingProxy(service.address);
    const client = connect(proxy.address, { deadlineMs: 120_000, cache: true });
    const [one, other] = [partnerToken(), partnerToken()];
    const ask = (token: string) => client.verify({ realm: "partner", token, clientCredentials: CALLER });
    const isFromMemory = async (token: string): Promise<boolean> => {
      const { hits } = client.cacheStatistics();
      await ask(token);
      return client.cacheStatistics().hits > hits;
    };
    await eventually(() => isFromMemory(one));
    await eventually(() => isFromMemory(other));

    proxy.delay = 5_000;
    const jti: unknown = JSON.parse(Buffer.from(one.split(".")[1] ?? "", "base64url").toString()).jti;
    await replicas.folder.apply([revokeBy({ realm: "partner", kind: "jti", value: String(jti) })]);
    const revokedAt = Date.now();
    // Until the last answered ping is 2 s old.
    while ((await ask(one)).kind === "verified") {
      expect(Date.now() - revokedAt, "how long the revoked token was accepted").to.be.below(3_500);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(client.cacheStatistics().suspended).to.be.above(0);

    proxy.delay = 0;
    await eventually(() => isFromMemory(other));
    client.close();
    proxy.close();
    await replicas.close();
  });
});
