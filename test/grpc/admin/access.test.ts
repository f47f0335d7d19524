import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { expect } from "chai";
import { type AdminConnection, openAdminChannel } from "../../../src/cli/admin-channel.js";
import { OPERATOR_SERVICES } from "../../../src/grpc/admin/methods.js";
import { readDescriptors } from "../../../src/grpc/descriptors.js";
import { createServer } from "../../../src/grpc/server.js";
import { operatorAccess } from "../../../src/server/operator-access.js";
import { Secret } from "../../../src/util/secret.js";
import { certify, pki } from "../../support/certificates.js";
import { createClock } from "../../support/clock.js";
import { material } from "../../support/tls.js";
import { LIMITS } from "../harness.js";
import { failureOfCall, keyOf, nextTurn, refused, startAdmin } from "./harness.js";

const run = promisify(execFile);

/** The role and name that a connection has. */
async function whoIs(connection: AdminConnection): Promise<string> {
  const channel = openAdminChannel(connection, nextTurn);
  try {
    const { operator, role } = await channel.operations.getStatus({});
    return `${operator} ${role}`;
  } finally {
    channel.close();
  }
}

describe("who may ask at the operators' port", () => {
  it("an operator is known by its key, with the name and role of the configuration", async () => {
    const { address } = await startAdmin();
    for (const role of ["read", "revoke", "write", "admin"] as const) {
      expect(await whoIs({ address, key: new Secret(keyOf(role)), tls: undefined })).to.equal(`key:${role} ${role}`);
    }
  });

  it("without a key the call is OPERATOR_MISSING, and with an unknown one OPERATOR_UNKNOWN", async () => {
    const { address, ended } = await startAdmin();
    await refused(whoIs({ address, key: undefined, tls: undefined }), "OPERATOR_MISSING");
    const message = await refused(
      whoIs({ address, key: new Secret("unknown-key".repeat(3)), tls: undefined }),
      "OPERATOR_UNKNOWN",
    );
    expect(message).not.to.include("unknown-key");
    expect(ended.map(({ operator, reason }) => [operator, reason])).to.deep.equal([
      [undefined, "OPERATOR_MISSING"],
      [undefined, "OPERATOR_UNKNOWN"],
    ]);
  });

  it("a caller that is no operator writes nothing to the audit", async () => {
    const { address, store } = await startAdmin();
    const channel = openAdminChannel({ address, key: new Secret("unknown-key".repeat(3)), tls: undefined }, nextTurn);
    const request = { requestId: crypto.randomUUID(), clientId: "api", etag: "" };
    await refused(channel.operations.deleteClient(request), "OPERATOR_UNKNOWN");
    channel.close();
    expect(store.rows).to.deep.equal([]);
  });

  it("with neither keys nor certificates every caller is an admin, named by where it comes from", async () => {
    const tcp = await startAdmin({ keys: [] });
    expect(await whoIs({ address: tcp.address, key: undefined, tls: undefined })).to.equal("local:127.0.0.1 admin");
    const folder = mkdtempSync(join(tmpdir(), "admin-"));
    const unix = await startAdmin({ keys: [], at: `unix:${join(folder, "admin.sock")}` });
    expect(await whoIs({ address: unix.address, key: undefined, tls: undefined })).to.equal("local:unix admin");
    // A key that the port does not know is a mistake, and is not taken for none.
    await refused(whoIs({ address: tcp.address, key: new Secret(keyOf("read")), tls: undefined }), "OPERATOR_UNKNOWN");
    rmSync(folder, { recursive: true });
  });

  it("too many unknown keys from an address are RATE_LIMITED, and known ones that were good there are not", async () => {
    const { address, clock } = await startAdmin();
    const good = { address, key: new Secret(keyOf("read")), tls: undefined };
    const guess = (text: string) => whoIs({ address, key: new Secret(text.padEnd(32, "-")), tls: undefined });
    await whoIs(good);
    for (let turn = 0; turn < 5; turn++) await refused(guess(`guess-${turn}`), "OPERATOR_UNKNOWN");
    await refused(guess("one-more"), "RATE_LIMITED");
    await refused(whoIs({ ...good, key: new Secret(keyOf("admin")) }), "RATE_LIMITED");
    expect(await whoIs(good)).to.equal("key:read read");
    clock.set(clock.now() + 60_000);
    expect(await whoIs({ ...good, key: new Secret(keyOf("admin")) })).to.equal("key:admin admin");
  });

  describe("over TLS with client certificates", () => {
    const { authority, stranger, server } = pki();
    const name = (value: string) => certify("operator", { issuer: authority, names: [["URI", value]] });
    const deploy = name("spiffe://internal.example/deploy");
    const other = name("spiffe://internal.example/other");
    const foreign = certify("operator", { issuer: stranger, names: [["URI", "spiffe://internal.example/deploy"]] });
    const certificates = [{ san: "URI:spiffe://internal.example/deploy", role: "write" as const }];
    const start = () => startAdmin({ certificates, listener: { tls: material(server, authority) } });

    it("an operator is known by a name in its certificate, with the role of the configuration", async () => {
      const { address } = await start();
      const tls = { ...material(deploy, authority), servername: "localhost" };
      expect(await whoIs({ address, key: undefined, tls })).to.equal("cert:URI:spiffe://internal.example/deploy write");
    });

    it("a key beside a certificate decides", async () => {
      const { address } = await start();
      const tls = { ...material(deploy, authority), servername: "localhost" };
      expect(await whoIs({ address, key: new Secret(keyOf("read")), tls })).to.equal("key:read read");
      await refused(whoIs({ address, key: new Secret("unknown-key".repeat(3)), tls }), "OPERATOR_UNKNOWN");
    });

    it("a certificate whose names are not listed is OPERATOR_MISSING", async () => {
      const { address } = await start();
      const tls = { ...material(other, authority), servername: "localhost" };
      await refused(whoIs({ address, key: undefined, tls }), "OPERATOR_MISSING");
    });

    it("a certificate of another authority, or none, opens no connection", async () => {
      const { address } = await start();
      for (const own of [foreign, undefined]) {
        const tls = { ...material(own, authority), servername: "localhost" };
        const error = await failureOfCall(() => whoIs({ address, key: undefined, tls }));
        expect(error).to.deep.include({ code: "UNREACHABLE", exitCode: 3 });
      }
    });
  });

  it("a reload puts other operators in place of those before", async () => {
    const clock = createClock();
    const admin = { address: "127.0.0.1:0", tls: undefined, certificates: [] };
    const key = (text: string) => new Secret(text.padEnd(32, "-"));
    const failures = { perClient: { count: 20, window: 60_000 }, perAddress: { count: 100, window: 60_000 } };
    const access = operatorAccess(
      { ...admin, keys: [{ name: "old", key: key("old"), role: "admin" }] },
      failures,
      clock.now,
    );
    const ask = (text: string) =>
      access.authenticate({ authorization: `Bearer ${key(text).reveal()}`, workload: undefined, address: "192.0.2.1" });
    expect(await ask("old")).to.deep.equal({ actor: "key:old", role: "admin" });
    access.renew({ ...admin, keys: [{ name: "new", key: key("new"), role: "read" }] });
    expect(await ask("new")).to.deep.equal({ actor: "key:new", role: "read" });
    await refused(ask("old"), "OPERATOR_UNKNOWN");
  });
});

describe("other clients of the operators' services", () => {
  it("a client that proto-loader makes of the .proto files gets answers, and ErrorInfo of our domain", async () => {
    const { address } = await startAdmin();
    const loaded = grpc.loadPackageDefinition(
      loadSync("tokenverifier/admin/v1/directory_service.proto", {
        includeDirs: ["proto"],
        keepCase: true,
        defaults: true,
      }),
    ) as any;
    const client = new loaded.tokenverifier.admin.v1.DirectoryService(address, grpc.credentials.createInsecure());
    const metadata = new grpc.Metadata();
    metadata.set("authorization", `Bearer ${keyOf("admin")}`);
    metadata.set("x-request-id", "mine");
    const call = (method: string, request: object): Promise<{ answer?: any; error?: any; trailer: grpc.Metadata }> =>
      new Promise((resolve) => {
        let found: { answer?: any; error?: any } = {};
        client[method](request, metadata, (error: any, answer: any) => {
          found = { answer, error };
        }).on("status", ({ metadata: trailer }: grpc.StatusObject) =>
          setImmediate(() => resolve({ ...found, trailer })),
        );
      });
    const request_id = crypto.randomUUID();
    const { answer, trailer } = await call("PutClient", { request_id, client_id: "api" });
    expect(answer.client_secret.secret).to.match(/^cs_/);
    expect(trailer.get("x-request-id")).to.deep.equal(["mine"]);
    const { error } = await call("GetClient", { client_id: "nobody" });
    expect(error.code).to.equal(grpc.status.NOT_FOUND);
    const [details] = error.metadata.get("grpc-status-details-bin");
    expect(details.toString("latin1")).to.include("NOT_FOUND").and.to.include("tokenverifier.admin.v1");
    client.close();
  });

  it("Connect's own client gets answers over gRPC", async () => {
    const { address } = await startAdmin();
    const { registry } = readDescriptors();
    const service = registry.getService("tokenverifier.admin.v1.StatusService");
    if (service === undefined) throw new Error("the service is not described");
    const client = createClient(service, createGrpcTransport({ baseUrl: `http://${address}` })) as any;
    const headers = { authorization: `Bearer ${keyOf("read")}` };
    expect((await client.getStatus({}, { headers })).operator).to.equal("key:read");
  });

  it("buf curl finds the services by reflection and calls them", async () => {
    const { address } = await startAdmin();
    const method = "tokenverifier.admin.v1.StatusService/GetStatus";
    const { stdout } = await run("node_modules/.bin/buf", [
      "curl",
      "--protocol=grpc",
      "--http2-prior-knowledge",
      "-H",
      `authorization: Bearer ${keyOf("read")}`,
      `http://${address}/${method}`,
    ]);
    expect(JSON.parse(stdout)).to.deep.include({ operator: "key:read", role: "read" });
  });

  it("reflection of the callers' port knows nothing of the operators' services", async () => {
    const callers = readDescriptors(["tokenverifier.v1.TokenVerifier", "grpc.health.v1.Health"]);
    const operators = readDescriptors(Object.keys(OPERATOR_SERVICES));
    for (const name of Object.keys(OPERATOR_SERVICES)) {
      expect(callers.fileOfSymbol(name)).to.equal(undefined);
      expect(operators.fileOfSymbol(name)).not.to.equal(undefined);
    }
    expect(callers.file("tokenverifier/admin/v1/types.proto")).to.equal(undefined);
    const server = createServer({ limits: LIMITS });
    const address = await server.listen("127.0.0.1:0");
    const channel = openAdminChannel({ address, key: undefined, tls: undefined }, nextTurn);
    const error = await failureOfCall(() => channel.operations.getStatus({}));
    expect(error).to.deep.include({ code: "NO_OPERATORS", exitCode: 2 });
    channel.close();
    await server.close(0);
  });

  it("a request that is no protobuf, or has too many fields, fails and the port goes on", async () => {
    const { address } = await startAdmin();
    const client = new grpc.Client(address, grpc.credentials.createInsecure());
    const metadata = new grpc.Metadata();
    metadata.set("authorization", `Bearer ${keyOf("admin")}`);
    const path = "/tokenverifier.admin.v1.RevocationService/Revoke";
    const raw = (bytes: Buffer): Promise<number> =>
      new Promise((resolve) => {
        client.makeUnaryRequest(
          path,
          (one: Buffer) => one,
          (one) => one,
          bytes,
          metadata,
          (error) => resolve(error?.code ?? 0),
        );
      });
    expect(await raw(Buffer.from([0x0a, 0xff]))).to.equal(grpc.status.INTERNAL);
    expect(await raw(Buffer.from([0x0a, 0x02, 0xc3, 0x28]))).to.equal(grpc.status.INTERNAL);
    expect(await raw(Buffer.alloc(70_000, Buffer.from([0x78, 0x01])))).to.equal(grpc.status.INTERNAL);
    expect(await raw(Buffer.alloc(0))).to.equal(grpc.status.INVALID_ARGUMENT);
    client.close();
  });
});
