import { once } from "node:events";
import net from "node:net";
import { expect } from "chai";
import { createHttpPort, type HttpPort } from "../../../src/net/http1/http-port.js";

const BOUNDS = { connections: 100, headers: 16 * 1024, request: 60_000, idle: 60_000 };
/** An answer large enough that Node stops reading once the sixteen requests parsed ahead are answered. */
const LARGE = Buffer.alloc(32 * 1024, "x");

describe("pipelined requests with large answers", () => {
  let port: HttpPort;
  after(() => port.close(0));

  it("pipelined requests with large answers are all answered, even if the client reads late", async () => {
    port = createHttpPort((_req, res) => res.end(LARGE), BOUNDS);
    const address = await port.listen("127.0.0.1:0");
    const client = net.connect(Number(address.split(":")[1]), "127.0.0.1");
    await once(client, "connect");
    client.pause();
    const requests = 300;
    client.end("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(requests));
    // The client waits until the service has stopped reading, when its own buffers and the system's are full.
    await new Promise((resolve) => setTimeout(resolve, 200));
    const text = Buffer.concat(await client.toArray()).toString("latin1");
    expect(text.split("HTTP/1.1 200 OK")).to.have.length(requests + 1);
  });
});
