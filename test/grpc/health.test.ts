import { status } from "@grpc/grpc-js";
import { expect } from "chai";
import { createServer } from "../../src/grpc/server.js";
import { LIMITS, start, VERIFIED } from "./harness.js";
import { healthClient, watchHealth } from "./health-client.js";

const NAMES = ["", "tokenverifier.v1.TokenVerifier"];

describe("gRPC health", () => {
  it("health reports SERVING, NOT_SERVING and SERVING again for the server and its service", async () => {
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

  it("health lists the server and its service", async () => {
    const { address } = await start(() => VERIFIED);
    const client = healthClient(address);
    const { statuses } = await new Promise<any>((resolve) =>
      client["list"]({}, (_error: unknown, answer: unknown) => resolve(answer)),
    );
    expect(statuses).to.have.all.keys(NAMES);
    client.close();
  });

  it("a watch of an unknown service receives SERVICE_UNKNOWN", async () => {
    const { address } = await start(() => VERIFIED);
    expect((await watchHealth(address, "no.such.Service")).seen).to.deep.equal(["SERVICE_UNKNOWN"]);
  });

  it("a server for operators has health but verifies nothing", async () => {
    const server = createServer({ limits: LIMITS });
    const address = await server.listen("127.0.0.1:0");
    const { seen, ended } = await watchHealth(address, "");
    expect(seen).to.deep.equal(["SERVING"]);
    await server.close(1000);
    expect((await ended).code).to.equal(status.UNAVAILABLE);
  });
});
