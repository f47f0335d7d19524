import { execFile } from "node:child_process";
import http2 from "node:http2";
import { promisify } from "node:util";
import grpc from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer, loadSync } from "@grpc/proto-loader";
import { expect } from "chai";
import { collect, failing, REJECTED, start, VERIFIED } from "./harness.js";
import { frame, grpcRequest } from "./raw.js";

const run = promisify(execFile);

/** Sends the questions in order, and returns the answers. */
async function reflect(address: string, version: string, questions: object[]): Promise<any[]> {
  const proto = loadSync(`grpc/reflection/${version}/reflection.proto`, {
    includeDirs: ["node_modules/@grpc/reflection/build/proto"],
    oneofs: true,
    defaults: true,
  });
  const loaded = grpc.loadPackageDefinition(proto) as any;
  const client = new loaded.grpc.reflection[version].ServerReflection(address, grpc.credentials.createInsecure());
  const stream = client.ServerReflectionInfo();
  const all = collect(stream);
  for (const question of questions) stream.write(question);
  stream.end();
  const { messages, status } = await all;
  client.close();
  expect(status.code).to.equal(0);
  return messages;
}

/** A FileDescriptorSet of the given FileDescriptorProtos. */
function setOf(files: Buffer[]): Buffer {
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
  return Buffer.concat(files.flatMap((file) => [Buffer.from([0x0a, ...varint(file.length)]), file]));
}

describe("gRPC reflection", () => {
  for (const version of ["v1", "v1alpha"]) {
    describe(version, () => {
      it(`${version}: reflection lists the services of this server`, async () => {
        const { address } = await start(() => VERIFIED);
        const [answer] = await reflect(address, version, [{ host: "h", listServices: "" }]);
        expect(answer.validHost).to.equal("h");
        expect(answer.originalRequest.messageRequest).to.equal("listServices");
        expect(answer.listServicesResponse.service.map(({ name }: { name: string }) => name)).to.have.members([
          "tokenverifier.v1.TokenVerifier",
          "grpc.health.v1.Health",
          "grpc.reflection.v1.ServerReflection",
          "grpc.reflection.v1alpha.ServerReflection",
        ]);
      });

      it(`${version}: reflection gives enough types to build a client from`, async () => {
        const { address } = await start(() => REJECTED);
        const [answer] = await reflect(address, version, [{ fileContainingSymbol: "tokenverifier.v1.TokenVerifier" }]);
        const set = setOf(answer.fileDescriptorResponse.fileDescriptorProto);
        const { tokenverifier } = grpc.loadPackageDefinition(
          loadFileDescriptorSetFromBuffer(set, { enums: String }),
        ) as any;
        const client = new tokenverifier.v1.TokenVerifier(address, grpc.credentials.createInsecure());
        const verdict = await new Promise<any>((resolve, reject) =>
          client.verifyToken({ token: "t" }, (error: Error | null, value: unknown) =>
            error ? reject(error) : resolve(value),
          ),
        );
        expect(verdict.rejected.reason).to.equal("REASON_TOKEN_EXPIRED");
        client.close();
      });

      it(`${version}: reflection finds files, messages, methods, fields, enums and enum values, with all their imports`, async () => {
        const { address } = await start(() => VERIFIED);
        const file = "tokenverifier/v1/token_verifier.proto";
        const symbols = [
          "Token",
          "TokenVerifier.VerifyToken",
          "Token.payload",
          "Rejected",
          "Reason",
          "REASON_TOKEN_EXPIRED",
        ];
        const answers = await reflect(address, version, [
          { fileByFilename: file },
          ...symbols.map((name) => ({ fileContainingSymbol: `tokenverifier.v1.${name}` })),
        ]);
        for (const answer of answers) {
          const files: Buffer[] = answer.fileDescriptorResponse.fileDescriptorProto;
          expect(loadFileDescriptorSetFromBuffer(setOf(files))).to.include.keys("tokenverifier.v1.Token");
          expect(files[0]?.toString("latin1")).to.include(file);
        }
        // This file has a map field, which other implementations get wrong.
        const [health] = await reflect(address, version, [{ fileContainingSymbol: "grpc.health.v1.Health" }]);
        expect(
          loadFileDescriptorSetFromBuffer(setOf(health.fileDescriptorResponse.fileDescriptorProto)),
        ).to.include.keys("grpc.health.v1.HealthListResponse");
      });

      it(`${version}: reflection answers NOT_FOUND for an unknown name, and the stream goes on`, async () => {
        const { address } = await start(() => VERIFIED);
        const answers = await reflect(address, version, [
          { fileByFilename: "no.proto" },
          { fileContainingSymbol: "tokenverifier.v1.TokenVerifier.NoSuchMethod" },
          { fileContainingSymbol: "" },
          { fileContainingSymbol: "__proto__" },
          { fileContainingExtension: { containingType: "tokenverifier.v1.Token", extensionNumber: 1 } },
          { allExtensionNumbersOfType: "no.such.Type" },
          {},
          { allExtensionNumbersOfType: "tokenverifier.v1.Token" },
        ]);
        expect(answers.map(({ errorResponse }) => errorResponse?.errorCode)).to.deep.equal([
          5,
          5,
          5,
          5,
          5,
          5,
          3,
          undefined,
        ]);
        expect(answers[7].allExtensionNumbersResponse.extensionNumber).to.deep.equal([]);
      });
    });
  }

  it("three hundred reflection questions on one stream are all answered", async () => {
    const { address } = await start(() => VERIFIED);
    const questions = Array.from({ length: 300 }, () => ({ fileContainingSymbol: "tokenverifier.v1.TokenVerifier" }));
    expect(await reflect(address, "v1", questions)).to.have.length(300);
  });

  it("reflection stops reading questions while its answers are not read", async () => {
    const { address, client } = await start(() => VERIFIED);
    const caller = http2.connect(`http://${address}`);
    const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    const request = grpcRequest(caller, "", { ":path": path });
    // The question has file_containing_symbol, and a host that makes it long.
    const symbol = Buffer.from("tokenverifier.v1.TokenVerifier");
    const host = Buffer.alloc(100, "h");
    const question = frame(
      Buffer.concat([Buffer.from([0x0a, host.length]), host, Buffer.from([0x22, symbol.length]), symbol]),
    );
    const sent = 20_000;
    for (let index = 0; index < sent; index++) request.write(question);
    for (let turn = 0; turn < 100; turn++) await client.call("VerifyToken", { token: "t" });
    expect(request.writableLength).to.be.greaterThan((sent * question.length) / 2);
    caller.destroy();
  });

  it("a garbled reflection question gets an error", async () => {
    const { address } = await start(() => VERIFIED);
    const client = new grpc.Client(address, grpc.credentials.createInsecure());
    const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    const same = (bytes: Buffer): Buffer => bytes;
    const stream = client.makeBidiStreamRequest(path, same, same);
    stream.on("error", () => undefined);
    stream.write(Buffer.from([0x1a, 9]));
    expect((await collect(stream)).status.code).to.equal(grpc.status.INTERNAL);
    client.close();
  });

  describe("buf curl without a schema", () => {
    const curl = (...args: string[]) =>
      run("node_modules/.bin/buf", ["curl", "--protocol", "grpc", "--http2-prior-knowledge", ...args], {
        timeout: 20_000,
      });

    for (const protocol of ["grpc-v1", "grpc-v1alpha"]) {
      it(`buf curl lists methods and makes calls by reflection (${protocol})`, async () => {
        const { address } = await start(({ token }) => (token.reveal() === "t" ? VERIFIED : REJECTED));
        const { stdout: methods } = await curl("--reflect-protocol", protocol, "--list-methods", `http://${address}`);
        expect(methods)
          .to.include("tokenverifier.v1.TokenVerifier/StreamVerifyTokens")
          .and.include("grpc.health.v1.Health/Check");
        const { stdout: answer } = await curl(
          "--reflect-protocol",
          protocol,
          "-d",
          '{"realm":"r","token":"t"}',
          `http://${address}/tokenverifier.v1.TokenVerifier/VerifyToken`,
        );
        expect(JSON.parse(answer).verified.token).to.include({ subject: "jane", expiresAt: "2030-03-17T17:46:40Z" });
      });
    }

    it("buf curl shows the details of an error", async () => {
      const { address } = await start(() => ({ kind: "failure", reason: "KEYS_UNAVAILABLE", retryAfter: 1500 }));
      const error: any = await failing(
        curl("-d", "{}", `http://${address}/tokenverifier.v1.TokenVerifier/VerifyToken`),
      );
      expect(error.stderr).to.include("unavailable");
    });
  });
});
