import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { closeAtAge, randomConnectionAge } from "../../../src/net/http2/connections.js";

describe("a connection's age", () => {
  it("a connection lives 27 to 33 minutes, in few distinct durations, because Node keeps a timer list for each", () => {
    const ages = new Set(Array.from({ length: 1_000 }, randomConnectionAge));
    expect(ages.size).to.be.within(2, 10);
    expect([...ages].every((age) => age >= 27 * 60_000 && age <= 33 * 60_000)).to.equal(true);
  });

  it("a connection that reaches its age is closed after its open call has finished", async () => {
    const server = http2.createServer();
    server.on("stream", ({ session }) => session !== undefined && closeAtAge(session as http2.ServerHttp2Session, 1));
    const called = once(server, "stream") as Promise<[http2.ServerHttp2Stream]>;
    await once(server.listen(0, "127.0.0.1"), "listening");
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    try {
      const call = client.request({ ":path": "/" }).setEncoding("utf8");
      const [[stream]] = await Promise.all([called, once(client, "goaway")]);
      stream.end("answered");
      expect(await call.toArray()).to.deep.equal(["answered"]);
      if (!client.closed) await once(client, "close");
    } finally {
      client.destroy();
      server.close();
    }
  });
});
