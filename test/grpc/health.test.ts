import { status } from "@grpc/grpc-js";
import { expect } from "chai";
import { createServer } from "../../src/grpc/server.js";
import { LIMITS, start, VERIFIED } from "./harness.js";
import { healthClient, watchHealth } from "./health-client.js";

const NAMES = ["", "tokenverifier.v1.TokenVerifier"];

describe("health", () => {
  it("says SERVING, then NOT_SERVING, then SERVING of the server and of its service", async () => {
    const { server, address } = await start(() => VERIFIED);
    const client = healthClient(address);
    const check = (service: string) =>
      new Promise<string>((resolve) =>
        client["check"]({ service }, (error: any, answer: any) => resolve(error?.code ?? answer.status)),
      );
    for (const [serving, said] of [
      [true, "SERVING"],
      [false, "NOT_SERVING"],
      [true, "SERVING"],
    ] as const) {
      server.setServing(serving);
      for (const name of NAMES) expect(await check(name)).to.equal(said);
    }
    expect(await check("no.such.Service")).to.equal(status.NOT_FOUND);
    client.close();
  });

  it("lists both", async () => {
    const { address } = await start(() => VERIFIED);
    const client = healthClient(address);
    const { statuses } = await new Promise<any>((resolve) =>
      client["list"]({}, (_error: unknown, answer: unknown) => resolve(answer)),
    );
    expect(statuses).to.have.all.keys(NAMES);
    client.close();
  });

  it("tells a watcher of an unknown service so", async () => {
    const { address } = await start(() => VERIFIED);
    expect((await watchHealth(address, "no.such.Service")).seen).to.deep.equal(["SERVICE_UNKNOWN"]);
  });

  it("stands alone on a server for operators, which verifies nothing", async () => {
    const server = createServer({ limits: LIMITS });
    const address = await server.listen("127.0.0.1:0");
    const { seen, ended } = await watchHealth(address, "");
    expect(seen).to.deep.equal(["SERVING"]);
    await server.close(1000);
    expect((await ended).code).to.equal(status.UNAVAILABLE);
  });
});
