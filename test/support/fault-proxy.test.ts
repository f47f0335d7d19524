import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { expect } from "chai";
import { type FaultProxy, startFaultProxy } from "./fault-proxy.js";

describe("a proxy that makes faults", () => {
  let echo: net.Server;
  let proxy: FaultProxy;
  /** The connections that the target has accepted. */
  let accepted: net.Socket[];
  const clients: net.Socket[] = [];
  beforeEach(async () => {
    accepted = [];
    echo = net.createServer((socket) => {
      accepted.push(socket.on("error", () => {}));
      socket.pipe(socket);
    });
    echo.listen(0, "127.0.0.1");
    await once(echo, "listening");
    proxy = await startFaultProxy((echo.address() as AddressInfo).port);
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await proxy.close();
    echo.close();
  });

  async function connected(): Promise<net.Socket> {
    const client = net.connect(proxy.port, "127.0.0.1").on("error", () => {});
    clients.push(client);
    await once(client, "connect");
    return client;
  }
  async function echoed(client: net.Socket, text: string): Promise<string> {
    client.write(text);
    let read = "";
    while (read.length < text.length) read += String(((await once(client, "data")) as [Buffer])[0]);
    return read;
  }
  /** Waits until a client hears that its connection is over. @returns the error's code, or "end" */
  const over = (client: net.Socket): Promise<string> =>
    new Promise((resolve) => {
      client.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
      client.once("end", () => resolve("end"));
    });

  it("carries bytes and ends unchanged while it has no fault", async () => {
    const client = await connected();
    const text = "x".repeat(3_000_000);
    expect(await echoed(client, text)).to.equal(text);
    client.end();
    expect(await over(client)).to.equal("end");
  });

  for (const [name, faults, least] of [
    ["delays bytes to the target", { delayThere: 60 }, 60],
    ["delays bytes from the target", { delayBack: 60 }, 60],
    ["throttles each way", { bytesPerSecond: 50_000 }, 2 * 20],
  ] as const) {
    it(`${name}, and keeps their order`, async () => {
      const client = await connected();
      await echoed(client, "warm");
      proxy.set(faults);
      const sent = performance.now();
      const text = Array.from({ length: 200 }, (_, n) => String(n).padStart(5)).join("");
      expect(await echoed(client, text)).to.equal(text);
      expect(performance.now() - sent).to.be.at.least(least - 2);
      proxy.set({});
      expect(await echoed(client, "soon")).to.equal("soon");
    });
  }

  it("resets open connections on both sides when it cuts them, and carries new ones", async () => {
    const client = await connected();
    await echoed(client, "warm");
    const target = over(accepted[0]!);
    proxy.cut();
    expect(await over(client)).to.equal("ECONNRESET");
    expect(await target).to.equal("ECONNRESET");
    expect(await echoed(await connected(), "again")).to.equal("again");
  });

  it("resets new connections while it refuses, and lets open ones be", async () => {
    const open = await connected();
    await echoed(open, "warm");
    proxy.set({ refuse: true });
    const refused = net.connect(proxy.port, "127.0.0.1");
    expect(await over(refused)).to.equal("ECONNRESET");
    expect(await echoed(open, "open")).to.equal("open");
  });

  it("leaves half-open connections silent on both sides for ever, and carries new ones once the fault is over", async () => {
    const client = await connected();
    await echoed(client, "warm");
    proxy.set({ halfOpen: true });
    const heard: string[] = [];
    for (const [side, socket] of [
      ["client", client],
      ["target", accepted[0]!],
    ] as const)
      for (const event of ["data", "end", "error", "close"]) socket.on(event, () => heard.push(`${side} ${event}`));
    client.write("lost");
    proxy.set({});
    client.write("lost too");
    expect(await echoed(await connected(), "new")).to.equal("new");
    expect(heard).to.deep.equal([]);
  });

  it("leads new connections to another target", async () => {
    const other = net.createServer((socket) => socket.on("error", () => {}).end("other"));
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    proxy.retarget((other.address() as AddressInfo).port);
    const [chunk] = (await once(await connected(), "data")) as [Buffer];
    expect(String(chunk)).to.equal("other");
    other.close();
  });
});
